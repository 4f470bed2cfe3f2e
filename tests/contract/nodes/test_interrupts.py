"""An interrupt ends what a node waits for, and gives up what was ordered."""

from __future__ import annotations

import sys
import threading
from types import ModuleType

import pytest

from comfyclient.testing import DashScopeServer
from comfyclient.testing.dashscope_play import Paints
from comfyclient.testing.http_wire import Reply

from .asking import paint, say


class Interrupted(Exception):  # noqa: N818  as ComfyUI's own
    """What ComfyUI raises when the user stops a job."""


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A host that interrupts the job once it is set."""
    wanted = threading.Event()

    def check() -> None:
        if wanted.is_set():
            raise Interrupted

    management = ModuleType("comfy.model_management")
    management.throw_exception_if_processing_interrupted = check  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comfy.model_management", management)
    return wanted


def test_an_interrupt_ends_the_wait_and_gives_the_task_up(
    service: DashScopeServer, interrupt: threading.Event
) -> None:
    """A task that still waits is cancelled, and costs nothing."""
    service.picture(Paints(pending=10**6))
    stopper = threading.Thread(
        target=lambda: (service.await_that("task", 2), interrupt.set())
    )
    stopper.start()
    with pytest.raises(Interrupted):
        paint()
    stopper.join()
    service.await_that("cancel")


def test_an_order_whose_answer_comes_after_an_interrupt_is_given_up(
    service: DashScopeServer, interrupt: threading.Event
) -> None:
    """Else it would be painted, and paid, for nobody."""
    late = threading.Event()
    service.answer("text2image", Reply(late=late))
    stopper = threading.Thread(
        target=lambda: (service.await_that("text2image"), interrupt.set())
    )
    stopper.start()
    with pytest.raises(Interrupted):
        paint()
    stopper.join()
    late.set()
    service.await_that("cancel")


def test_an_interrupt_does_not_wait_for_a_silent_service(
    service: DashScopeServer, interrupt: threading.Event
) -> None:
    """The node ends although the service never answers."""
    silent = threading.Event()
    service.answer("text", Reply(gate=silent))
    stopper = threading.Thread(
        target=lambda: (service.await_that("text"), interrupt.set())
    )
    stopper.start()
    with pytest.raises(Interrupted):
        say()
    stopper.join()
    silent.set()
