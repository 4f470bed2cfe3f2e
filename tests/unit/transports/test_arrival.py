"""How long an attempt is looked for, and when its absence is certain."""

from __future__ import annotations

import threading

import pytest

from comfyclient.errors import UnclearAnswerError, UnreachableError
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import Deadline
from comfyclient.transports.arrival import CALM, Arrivals
from comfyclient.transports.entries import Entry

DOWN = UnreachableError("refused")


class Server:
    """A lookup whose answers depend on the time."""

    def __init__(self, clock: FakeClock, answer) -> None:
        self.clock = clock
        self.answer = answer
        self.looks: list[float] = []
        self.far: list[bool] = []

    def find(self, attempt_id, *, deadline, far):
        """What there is at this moment; an exception is raised."""
        now = self.clock.monotonic()
        self.looks.append(now)
        self.far.append(far)
        found = self.answer(now)
        if isinstance(found, Exception):
            raise found
        return found


class PassingClock(FakeClock):
    """A clock on which every wait is over at once."""

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Let the time pass that was to be waited."""
        self.advance(seconds)


@pytest.fixture
def clock() -> PassingClock:
    """A clock on which every wait is over at once."""
    return PassingClock()


@pytest.fixture
def find(clock):
    """A search on a server that answers so; what was found, and the looks."""

    def search(answer, *, grace_s: float = 6.0, seconds: float = 100, **options):
        server = Server(clock, answer)
        arrivals = Arrivals("n", server, clock=clock, grace_s=grace_s)
        deadline = Deadline(seconds, clock=clock)
        try:
            return arrivals.find("a", deadline=deadline, **options), server
        except UnclearAnswerError as error:
            return error, server

    return search


def test_absent_for_the_whole_grace(find) -> None:
    """An attempt that no look sees within the grace did not arrive."""
    found, server = find(lambda now: None)
    assert found is None
    assert server.looks[0] == 0
    assert server.looks[-1] == pytest.approx(6.0)
    pauses = [b - a for a, b in zip(server.looks, server.looks[1:], strict=False)]
    assert pauses[:3] == pytest.approx([0.25, 0.5, 1.0])
    assert max(pauses) <= 2.0


def test_one_look_without_grace(find) -> None:
    """With no grace there is still one look, and it is enough."""
    found, server = find(lambda now: None, grace_s=0)
    assert found is None
    assert server.looks == [0]


@pytest.mark.parametrize("at", [0.0, 0.1, 3.0, 5.9, 6.0])
def test_it_arrives_late(find, at: float) -> None:
    """An attempt is found whenever it arrives within the grace."""
    found, _ = find(lambda now: Entry("p") if now >= at else None)
    assert found == Entry("p")


def test_a_server_that_starts(find) -> None:
    """Only answers count: a server that comes up meanwhile is asked on."""
    found, server = find(lambda now: DOWN if now < 3 else None)
    assert found is None
    assert server.looks[-1] >= 6.0


def test_the_attempt_was_stuck_behind_the_fault(find) -> None:
    """What held up the looks until the end of the grace held up the attempt too."""
    found, _ = find(lambda now: DOWN if now < 5.9 else Entry("p") if now > 7 else None)
    assert found == Entry("p")


def test_after_a_fault_some_calm_is_needed(find) -> None:
    """One answer after a fault is not enough, even when the grace is over."""
    found, server = find(lambda now: DOWN if now < 5.9 else None)
    assert found is None
    assert server.looks[-1] >= 5.9 + CALM


def test_the_last_look_fails(find) -> None:
    """A server that answered at first and then no more leaves it open."""
    found, server = find(lambda now: DOWN if now > 1 else None)
    assert isinstance(found, UnclearAnswerError)
    assert "refused" in found.message
    assert "attempt a " in found.hint
    assert server.looks[-1] == pytest.approx(6.0)


def test_never_answered(find) -> None:
    """A server that never answers is asked for as long as the grace lasts."""
    found, server = find(lambda now: DOWN)
    assert isinstance(found, UnclearAnswerError)
    assert server.looks[-1] == pytest.approx(6.0)


def test_flapping_ends(find) -> None:
    """A server that answers every other look does not hold the search for ever."""
    count = iter(range(10_000))
    found, server = find(lambda now: DOWN if next(count) % 2 else None)
    assert isinstance(found, UnclearAnswerError)
    assert len(server.looks) < 20


def test_no_time_for_the_grace(find) -> None:
    """Absence is not certain when the deadline ends the search early."""
    found, server = find(lambda now: None, seconds=2)
    assert isinstance(found, UnclearAnswerError)
    assert "no time" in found.message
    assert server.looks[-1] == pytest.approx(2.0)


def test_a_shorter_grace_may_be_asked_for(clock) -> None:
    """Where the request was answered, the attempt is there soon or never."""
    server = Server(clock, lambda now: None)
    arrivals = Arrivals("n", server, clock=clock, grace_s=6.0)
    assert arrivals.find("a", deadline=Deadline(9, clock=clock), grace_s=0.5) is None
    assert server.looks[-1] == pytest.approx(0.5)


@pytest.mark.parametrize(("old", "far"), [(True, 1), (False, 0)])
def test_the_far_past_is_searched_once(find, old: bool, far: int) -> None:
    """What has been there before is found by one look; the others look for news."""
    _, server = find(lambda now: None, old=old)
    assert sum(server.far) == far
    assert server.far[0] is old


def test_the_far_past_is_searched_when_it_can_be(find) -> None:
    """A look that was not answered has searched nothing."""
    _, server = find(lambda now: DOWN if now < 1 else None)
    answered = [look for look in server.looks if look >= 1]
    assert sum(server.far) == len(server.looks) - len(answered) + 1
