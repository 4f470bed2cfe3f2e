"""Attempts that are made by hand, and submits that are refused."""

from __future__ import annotations

import threading
from uuid import uuid4

from comfyclient.errors import (
    ComfyClientError,
)
from comfyclient.testing.bench import Bench
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.play import (
    Hold,
    Play,
    usual,
)
from comfyclient.transports.base import Attempt


def attempt_of(bench: Bench) -> Attempt:
    """An attempt at the bench's graph."""
    return Attempt(str(uuid4()), bench.workflow)


def held_by(gate: threading.Event) -> Play:
    """The usual course, once the gate is open."""
    return lambda job: [Hold(gate), *usual(job)]


def refused(bench: Bench, transport, clock: FakeClock) -> ComfyClientError:
    """The error of a submit, whose pauses are let pass."""
    found: list[ComfyClientError] = []

    def send() -> None:
        try:
            bench.submit(transport, bench.course(clock=clock))
        except ComfyClientError as error:
            found.append(error)

    sending = threading.Thread(target=send)
    sending.start()
    while sending.is_alive():
        clock.advance(0.5)
        sending.join(0.01)
    assert found, "the job was submitted"
    return found[0]
