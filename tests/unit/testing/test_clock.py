"""The fake clock: it stands still, is pushed, or flows while real work goes on."""

from __future__ import annotations

import threading
import time

import pytest

from comfyclient.testing import FakeClock
from comfyclient.timing import Deadline


def sleep_on(clock: FakeClock, seconds: float) -> float:
    """Wait so long on the clock; the moment at which the wait was over."""
    condition = threading.Condition()
    end = clock.monotonic() + seconds
    with condition:
        while (left := end - clock.monotonic()) > 0:
            clock.wait(condition, left)
    return clock.monotonic()


class TestPump:
    """Time passes until something is so."""

    def test_until_something_is_so(self) -> None:
        """The clock goes no further than it must, by a step at most."""
        clock = FakeClock()
        clock.pump(lambda: clock.monotonic() >= 60)
        assert 60 <= clock.monotonic() <= 60.25

    def test_nothing_to_wait_for(self) -> None:
        """Where it is so already, no time passes."""
        clock = FakeClock()
        clock.pump(lambda: True)
        assert clock.monotonic() == 0

    def test_a_minute_asleep_is_short(self) -> None:
        """A fake minute of sleep takes a fraction of a real second."""
        clock = FakeClock()
        began = time.monotonic()
        assert clock.run(lambda: sleep_on(clock, 60)) == pytest.approx(60, abs=0.01)
        assert time.monotonic() - began < 2

    def test_it_stops_at_each_moment(self) -> None:
        """A short sleep is over when its time has come, not a step later."""
        clock = FakeClock()
        moments: list[float] = []

        def work() -> None:
            for _ in range(5):
                moments.append(sleep_on(clock, 0.1))

        clock.run(work)
        assert moments == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5], abs=0.01)

    def test_real_work_takes_no_time(self) -> None:
        """While a thread computes, the clock stands still."""
        clock = FakeClock()

        def work() -> float:
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                sum(range(1000))
            return clock.monotonic()

        assert clock.run(work) < 1

    def test_a_thread_that_is_being_started(self) -> None:
        """Whoever starts a thread waits for it; no time passes until it is there."""
        clock, there = FakeClock(), threading.Event()

        class Late(threading.Thread):
            def _bootstrap(self) -> None:  # the machine has no core for it yet
                there.wait(20)
                super()._bootstrap()

        def work() -> float:
            Late(target=there.set).start()
            return clock.monotonic()

        threading.Timer(0.05, there.set).start()
        assert clock.run(work) == 0

    def test_the_limit(self) -> None:
        """What never comes is a TimeoutError that shows what the threads do."""
        clock = FakeClock()
        gate = threading.Event()
        thread = threading.Thread(target=gate.wait, name="comfyclient-stuck")
        thread.start()
        with pytest.raises(TimeoutError) as caught:
            clock.pump(lambda: False, limit=0.05)
        gate.set()
        thread.join()
        assert "not done after 0.05 real seconds" in str(caught.value)
        assert "comfyclient-stuck:\n" in str(caught.value)
        assert "in wait" in str(caught.value)

    def test_a_thread_that_is_stuck_holds_no_time_back(self) -> None:
        """Real work that does not get on is waited for only a moment."""
        clock = FakeClock()
        gate = threading.Event()
        # the call is the package's, and none in which a thread usually waits
        stuck = threading.Thread(
            target=clock.pump, args=(lambda: gate.wait(0.5) or True,), daemon=True
        )
        stuck.start()
        clock.pump(lambda: clock.monotonic() >= 30, limit=5)
        gate.set()
        stuck.join()


class TestRun:
    """A call that is made while time passes."""

    def test_its_result(self) -> None:
        """What the call returns is returned."""
        assert FakeClock().run(lambda: "done") == "done"

    def test_its_error(self) -> None:
        """What the call raises is raised."""
        with pytest.raises(KeyError, match="why"):
            FakeClock().run(lambda: {}["why"])

    def test_a_call_that_hangs(self) -> None:
        """A call that does not return is a TimeoutError that shows where it is."""
        gate = threading.Event()

        def hangs() -> None:
            gate.wait(20)

        with pytest.raises(TimeoutError, match="in hangs"):
            FakeClock().run(hangs, limit=0.05)
        gate.set()


class TestFlowing:
    """A block during which time passes."""

    def test_deadlines_pass(self) -> None:
        """Whoever waits in the block is woken by time alone."""
        clock = FakeClock()
        with clock.flowing():
            assert sleep_on(clock, 30) >= 30

    def test_it_stands_still_afterwards(self) -> None:
        """After the block no time passes."""
        clock = FakeClock()
        with clock.flowing():
            sleep_on(clock, 1)
        after = clock.monotonic()
        threading.Event().wait(0.05)
        assert clock.monotonic() == after

    def test_the_limit_reaches_who_waits(self) -> None:
        """A block that waits too long is ended where it waits on the clock."""
        clock = FakeClock()
        with pytest.raises(TimeoutError, match="not done"), clock.flowing(limit=0.05):
            sleep_on(clock, 1e9)

    def test_the_limit_is_told_at_the_end(self) -> None:
        """A block that took too long without the clock fails at its end."""
        clock = FakeClock()
        block = clock.flowing(limit=0.02)
        with pytest.raises(TimeoutError, match="not done"), block:
            threading.Event().wait(0.2)

    def test_an_error_of_the_block(self) -> None:
        """The block's own error is the one that is seen."""
        with pytest.raises(KeyError), FakeClock().flowing():
            raise KeyError

    def test_many_sleepers(self) -> None:
        """Threads with different deadlines are all woken, each in its time."""
        clock = FakeClock()
        woken: dict[int, float] = {}

        def work(seconds: int) -> None:
            woken[seconds] = sleep_on(clock, seconds)

        threads = [threading.Thread(target=work, args=(n,)) for n in (3, 1, 7, 5)]
        with clock.flowing():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert all(at >= seconds for seconds, at in woken.items())
        assert set(woken) == {1, 3, 5, 7}

    def test_a_deadline_of_this_clock(self) -> None:
        """A deadline passes while time flows."""
        clock = FakeClock()
        deadline = Deadline(20, clock=clock)
        clock.pump(deadline.passed)
        assert deadline.remaining() == 0
