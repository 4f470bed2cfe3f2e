"""What many scenes need: stand-ins, a gate that holds a server, time that passes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comfyclient.testing.bench import GRAPH, events_of
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.dashscope import DashScopeServer
from comfyclient.testing.play import Hold, Play, usual
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import SystemClock
from comfyclient.workflow import Workflow

LONG = {"total_s": 900, "queue_s": 900, "silence_s": 900}
"""Times of a job that is not to be ended by them."""
BOTH = pytest.mark.parametrize("websocket", [True, False], ids=["websocket", "polling"])
PAGE = b"<html><title>502</title>" + b"x" * (5 << 20) + b"</html>"
"""A page of a gateway, larger than anybody reads."""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server that behaves as the newest ComfyUI does."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def comfy() -> Iterator[ScriptedServer]:
    """The same, by the name that it has beside stand-ins for others."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def hosted() -> Iterator[DashScopeServer]:
    """The stand-in for hosted models."""
    with DashScopeServer() as server:
        yield server


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, so that a held server can go on."""
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    """The address of a ledger."""
    return f"sqlite:///{tmp_path / 'jobs.db'}"


def held(gate: threading.Event, *, after: int = 5) -> Play:
    """The usual course, held in the middle."""
    return lambda job: [*usual(job)[:after], Hold(gate), *usual(job)[after:]]


def graph(number: int) -> Workflow:
    """A graph of its own."""
    inputs = {**GRAPH["1"]["inputs"], "color": number}
    return Workflow.from_graph({**GRAPH, "1": {**GRAPH["1"], "inputs": inputs}})


def kinds(course: object) -> list[str]:
    """The names of a job's events."""
    return [type(event).__name__ for event in events_of(course)]


def advance_until(
    clock: FakeClock, ready: Callable[[], object], *, step: float = 1.0
) -> None:
    """Let time pass, step by step, until something is so."""
    for _ in range(2000):
        if ready():
            return
        clock.await_sleepers(1)
        clock.advance(step)
        threading.Event().wait(0.005)  # let the others act on it
    raise AssertionError("what the test waits for did not happen")


class WaitingClock(SystemClock):
    """The machine's own clock; it counts the waits on it."""

    def __init__(self) -> None:
        self.waits = 0
        self.changed = threading.Condition()

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Count it, and wait."""
        with self.changed:
            self.waits += 1
            self.changed.notify_all()
        super().wait(condition, seconds)

    def await_waits(self, count: int) -> None:
        """Return at so many waits."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.waits >= count, 20)
