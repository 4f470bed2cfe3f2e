"""Deadlines: finite, never negative, and of the clock they were given."""

from __future__ import annotations

import math
import threading

import pytest

from comfyclient.errors import UsageError
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import SYSTEM_CLOCK, Deadline


def test_it_runs_out() -> None:
    """Time left falls with the clock, and stops at zero."""
    clock = FakeClock()
    deadline = Deadline(10, clock=clock)
    clock.advance(4)
    assert deadline.remaining() == 6
    assert not deadline.passed()
    clock.advance(100)
    assert deadline.remaining() == 0
    assert deadline.passed()


@pytest.mark.parametrize("seconds", [-1, math.inf, -math.inf, math.nan])
def test_no_deadline_is_endless(seconds: float) -> None:
    """A wait without end cannot be asked for."""
    with pytest.raises(UsageError, match="finite"):
        Deadline(seconds)


def test_none_at_all_has_passed() -> None:
    """No seconds are over at once."""
    assert Deadline(0).passed()


def test_within_is_the_nearer() -> None:
    """A part of a piece of work has no more time than the whole."""
    clock = FakeClock()
    deadline = Deadline(10, clock=clock)
    assert deadline.within(3).remaining() == 3
    assert deadline.within(30).remaining() == 10
    clock.advance(20)
    assert deadline.within(3).passed()


def test_the_systems_clock() -> None:
    """The machine's clock does not run backwards, and knows its zone."""
    first, second = SYSTEM_CLOCK.monotonic(), SYSTEM_CLOCK.monotonic()
    assert first <= second
    assert SYSTEM_CLOCK.now().tzinfo is not None


def test_a_fake_clock_wakes_who_waits() -> None:
    """A thread that waits on the fake clock wakes when its time was given."""
    clock, condition = FakeClock(), threading.Condition()
    woken: list[float] = []

    def sleep() -> None:
        with condition:
            while clock.monotonic() < 5:
                clock.wait(condition, 5 - clock.monotonic())
            woken.append(clock.monotonic())

    thread = threading.Thread(target=sleep)
    thread.start()
    clock.await_sleepers(1)
    clock.advance(2)
    assert woken == []
    clock.advance(3)
    thread.join(20)
    assert woken == [5]


def test_a_fake_clock_tells_who_is_missing() -> None:
    """Waiting for sleepers that never come is an error, not a hang."""
    with pytest.raises(TimeoutError, match="0 of 1"):
        FakeClock().await_sleepers(1, timeout=0.01)
