"""When the ledger hears that a server took a job, and that it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comfyclient.errors import LeaseError
from comfyclient.jobs.notes import NOTED_AFTER_S, Notes
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent, JobState
from comfyclient.testing.clock import FakeClock
from comfyclient.transports.base import Ticket

OURS = Ticket("a", "t", "t", "me", 7.0)
"""The server took our id for the attempt."""
MINTED = Ticket("a", "t", "its-own", "me", 7.0)
RECEIPT = Ticket("a", "t", "t", "me", receipt={"request_id": "r"})


class Keeper:
    """Errands for later, done when the test says so."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.later: list[tuple[float, Callable[[], None]]] = []

    def do(self, errand: Callable[[], None], *, after: float = 0.0) -> None:
        """Later."""
        self.later.append((after, errand))

    def turn(self) -> None:
        """Time passes until the next errand, which is done."""
        [(after, errand)] = self.later
        self.later.clear()
        self.clock.advance(after)
        errand()


class Bench:
    """A job in a ledger, about to be taken."""

    def __init__(self, file: Path) -> None:
        self.clock = FakeClock()
        self.keeper = Keeper(self.clock)
        self.ledger = Ledger(file, clock=self.clock).open()
        self.ledger.intend(JobIntent(job_id="j", environment="e", digest="d"))
        self.ledger.attempt("j", attempt_id="t", instance="a", client_id="me")
        self.notes = Notes(self.ledger, self.keeper, clock=self.clock)

    @property
    def states(self) -> list[JobState]:
        """What the ledger has seen it in."""
        return [line.state for line in self.ledger.history("j")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A new one."""
    bench = Bench(tmp_path / "jobs.db")
    yield bench
    bench.ledger.close()


def test_a_moment_later(bench: Bench) -> None:
    """It is written down soon, with the time at which the server took it."""
    then = bench.clock.now()
    bench.notes.taken("j", OURS)
    bench.keeper.turn()
    assert bench.states[-1] is JobState.INTENDED
    bench.keeper.turn()
    row = bench.ledger.job("j")
    assert row.state is JobState.ACCEPTED
    assert (row.attempt.accepted_at, row.attempt.number) == (then, 7.0)
    assert (row.updated_at - then).total_seconds() == 2 * NOTED_AFTER_S
    assert not bench.keeper.later


def test_that_it_runs_too(bench: Bench) -> None:
    """Both are one step of the ledger, and told in their order."""
    bench.notes.taken("j", OURS)
    bench.notes.running("j")
    bench.keeper.turn()
    bench.keeper.turn()
    assert bench.states[2:] == [JobState.ACCEPTED, JobState.RUNNING]
    bench.notes.running("j")
    bench.keeper.turn()
    bench.keeper.turn()
    assert len(bench.states) == 4


def test_many_by_one_errand(bench: Bench) -> None:
    """Whoever keeps the ledger is not woken for each job."""
    for number in range(100):
        bench.notes.running(f"job {number}")
    assert len(bench.keeper.later) == 1
    for number in range(100):
        assert bench.notes.take(f"job {number}") is None
    bench.keeper.turn()
    assert not bench.keeper.later


@pytest.mark.parametrize("ticket", [MINTED, RECEIPT])
def test_at_once(bench: Bench, ticket: Ticket) -> None:
    """What the server would not tell again is never only in memory."""
    bench.notes.taken("j", ticket)
    attempt = bench.ledger.job("j").attempt
    assert attempt.prompt_id == ticket.prompt_id
    assert attempt.receipt == ticket.receipt
    assert not bench.keeper.later


def test_with_the_end(bench: Bench) -> None:
    """A job that ends sooner is told of in one step: nothing of it is left out."""
    took = bench.clock.now()
    bench.notes.taken("j", OURS)
    bench.notes.running("j")
    bench.clock.advance(0.01)
    accepted = bench.notes.take("j")
    bench.ledger.changed("j", JobState.SUCCEEDED, accepted=accepted, all_home=True)
    assert bench.states[2:] == ["accepted", "succeeded", "collected"]
    attempt = bench.ledger.job("j").attempt
    assert (attempt.accepted_at, attempt.prompt_id) == (took, "t")
    assert attempt.ended_at == bench.clock.now()
    bench.keeper.turn()
    assert len(bench.states) == 5


def test_before_the_ledger_is_closed(bench: Bench) -> None:
    """Whoever parts writes all of it down; once."""
    bench.notes.taken("j", OURS)
    bench.notes.write_all()
    bench.notes.write_all()
    assert bench.states.count(JobState.ACCEPTED) == 1


def test_an_end_that_is_not_recorded(bench: Bench, tmp_path: Path) -> None:
    """Of a job that another process has, neither its end nor its acceptance is."""
    bench.notes.taken("j", OURS)
    bench.ledger.release("j")
    with Ledger(tmp_path / "jobs.db", clock=bench.clock) as other:
        assert other.claim("j")
        accepted = bench.notes.take("j")
        with pytest.raises(LeaseError):
            bench.ledger.changed("j", JobState.SUCCEEDED, accepted=accepted)
        assert other.job("j").unclear is not None


def test_a_ledger_that_fails(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The job goes on: its attempt is open, and whoever resumes it asks for it."""
    bench.ledger.close()
    bench.notes.taken("j", MINTED)
    assert "its course was not recorded" in caplog.text
    with bench.ledger.open() as ledger:
        assert ledger.job("j").unclear is not None
