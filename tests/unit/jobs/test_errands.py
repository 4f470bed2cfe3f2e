"""Errands: done once, in time, whatever one of them does; none outlives its client."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from comfyclient.jobs.errands import Errands, Farewells, Share
from comfyclient.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def errands(clock: FakeClock) -> Iterator[Errands]:
    """Two workers."""
    errands = Errands("test", workers=2, clock=clock)
    yield errands
    errands.close()


class Done:
    """Notes what was done, and waits for it."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._condition = threading.Condition()

    def note(self, name: str) -> None:
        """It was done."""
        with self._condition:
            self.names.append(name)
            self._condition.notify_all()

    def await_count(self, count: int) -> None:
        """Return once so many were done."""
        with self._condition:
            assert self._condition.wait_for(lambda: len(self.names) >= count, 20)


def test_at_once(errands: Errands) -> None:
    """An errand without a time is done now."""
    done = Done()
    errands.do(lambda: done.note("a"))
    done.await_count(1)


def test_in_the_order_of_their_time(errands: Errands, clock: FakeClock) -> None:
    """What is due later is done later, also when it was asked for first."""
    done = Done()
    errands.do(lambda: done.note("late"), after=10)
    errands.do(lambda: done.note("soon"), after=5)
    errands.do(lambda: done.note("now"))
    done.await_count(1)
    clock.advance(6)
    done.await_count(2)
    clock.advance(6)
    done.await_count(3)
    assert done.names == ["now", "soon", "late"]


def test_one_that_waits_holds_up_no_other(errands: Errands) -> None:
    """There are as many workers as were asked for, and no more."""
    gate, done = threading.Event(), Done()

    def wait() -> None:
        gate.wait(20)
        done.note("waited")

    errands.do(wait)
    errands.do(lambda: done.note("quick"))
    done.await_count(1)
    for _ in range(3):
        errands.do(wait)
    names = [t.name for t in threading.enumerate() if t.name == "comfyclient-test"]
    assert len(names) == 2
    gate.set()
    done.await_count(5)
    assert done.names[0] == "quick"


def test_one_that_fails_stops_no_other(errands: Errands, caplog) -> None:
    """An errand's bug is logged, and its worker goes on."""
    done = Done()
    for _ in range(4):
        errands.do(lambda: 1 / 0)
    errands.do(lambda: done.note("after"))
    done.await_count(1)
    assert "ZeroDivisionError" in caplog.text


def test_closed(errands: Errands, clock: FakeClock) -> None:
    """What was not begun is dropped; no thread is left."""
    done = Done()
    errands.do(lambda: done.note("late"), after=10)
    clock.await_sleepers(1)
    errands.close()
    errands.do(lambda: done.note("never"))
    clock.advance(20)
    assert done.names == []
    assert not [t for t in threading.enumerate() if t.name == "comfyclient-test"]


def test_closed_from_within(errands: Errands) -> None:
    """An errand may close what it runs in."""
    done = Done()
    errands.do(lambda: (errands.close(), done.note("closed")))
    done.await_count(1)


def test_two_that_come_at_once(clock: FakeClock) -> None:
    """A worker that idles takes one; another worker is hired for the other one."""
    errands = Errands("test", workers=2, clock=clock)
    gate, done = threading.Event(), Done()
    errands.do(lambda: done.note("first"))
    done.await_count(1)
    clock.await_sleepers(1)
    with errands._condition:  # the worker sees both when it wakes
        errands.do(lambda: gate.wait(10))
        errands.do(lambda: done.note("second"))
    done.await_count(2)
    gate.set()
    errands.close()


def test_those_who_come_too_late(errands: Errands) -> None:
    """Whoever needs it done is told that it is not, also where a share is full."""
    gate = threading.Event()
    share = Share(errands, at_once=1)
    assert share.do(lambda: gate.wait(10))
    assert share.do(lambda: None)
    gate.set()
    errands.close()
    assert not errands.do(lambda: None)
    assert not share.do(lambda: None)
    assert not Share(errands, at_once=1).do(lambda: None)


class TestFarewells:
    """The last words to servers, before the connections are closed."""

    def test_they_are_waited_for(self, errands: Errands) -> None:
        """Whoever closes goes on once they are said."""
        farewells, gate, said = Farewells(), threading.Event(), Done()
        farewells.do(lambda: [gate.wait(5), said.note("bye")], errands)
        waiting = threading.Thread(target=gate.set)
        waiting.start()
        assert farewells.await_said()
        assert said.names == ["bye"]
        waiting.join()

    def test_but_not_for_long(self, errands: Errands) -> None:
        """A server that does not listen holds nobody up."""
        farewells, gate = Farewells(), threading.Event()
        farewells.do(lambda: gate.wait(5), errands)
        assert not farewells.await_said(parting_s=0.01)
        gate.set()

    def test_none_is_left(self, errands: Errands, caplog) -> None:
        """One that fails is over, and so is one that nobody is there for."""
        farewells = Farewells()
        farewells.do(lambda: 1 // 0, errands)
        assert farewells.await_said()
        errands.close()
        farewells.do(lambda: None, errands)
        assert farewells.await_said(parting_s=0)
        assert "an errand failed" in caplog.text
