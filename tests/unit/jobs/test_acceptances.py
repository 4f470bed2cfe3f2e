"""When the ledger hears that a server took a job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from comfyclient.errors import LeaseError
from comfyclient.jobs.acceptances import NOTED_AFTER_S, Acceptances
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

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []

    def do(self, errand: Callable[[], None], *, after: float = 0.0) -> None:
        """Later."""
        self.later.append((after, errand))


class Bench:
    """A job in a ledger, about to be taken."""

    def __init__(self, file: Path) -> None:
        self.clock, self.keeper = FakeClock(), Keeper()
        self.ledger = Ledger(file, clock=self.clock).open()
        self.ledger.intend(JobIntent(job_id="j", environment="e", digest="d"))
        self.ledger.attempt("j", attempt_id="t", instance="a", client_id="me")
        desk = SimpleNamespace(
            journal=self.ledger, keeper=self.keeper, clock=self.clock
        )
        self.acceptances = Acceptances(desk, "j")

    @property
    def states(self) -> list[JobState]:
        """What the ledger has seen it in."""
        return [line.state for line in self.ledger.history("j")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A new one."""
    return Bench(tmp_path / "jobs.db")


def test_a_moment_later(bench: Bench) -> None:
    """It is written down soon, with the time at which the server took it."""
    then = bench.clock.now()
    bench.acceptances.note(OURS)
    assert bench.states[-1] is JobState.INTENDED
    [(after, errand)] = bench.keeper.later
    bench.clock.advance(after)
    errand()
    row = bench.ledger.job("j")
    assert (after, row.state) == (NOTED_AFTER_S, JobState.ACCEPTED)
    assert (row.attempt.accepted_at, row.attempt.number) == (then, 7.0)
    assert row.updated_at == then + timedelta(seconds=NOTED_AFTER_S)


@pytest.mark.parametrize("ticket", [MINTED, RECEIPT])
def test_at_once(bench: Bench, ticket: Ticket) -> None:
    """What the server would not tell again is never only in memory."""
    bench.acceptances.note(ticket)
    attempt = bench.ledger.job("j").attempt
    assert attempt.prompt_id == ticket.prompt_id
    assert attempt.receipt == ticket.receipt
    assert not bench.keeper.later


def test_with_the_end(bench: Bench) -> None:
    """A job that ends sooner is told of in one step: nothing of it is left out."""
    took = bench.clock.now()
    bench.acceptances.note(OURS)
    bench.clock.advance(0.01)
    accepted = bench.acceptances.take()
    bench.ledger.changed("j", JobState.SUCCEEDED, accepted=accepted, all_home=True)
    assert bench.states[2:] == ["accepted", "succeeded", "collected"]
    attempt = bench.ledger.job("j").attempt
    assert (attempt.accepted_at, attempt.prompt_id) == (took, "t")
    assert attempt.ended_at == bench.clock.now()
    for _, errand in bench.keeper.later:
        errand()
    assert len(bench.states) == 5


def test_before_the_ledger_is_closed(bench: Bench) -> None:
    """Whoever parts writes it down; once."""
    bench.acceptances.note(OURS)
    bench.acceptances.pay()
    bench.acceptances.pay()
    assert bench.states.count(JobState.ACCEPTED) == 1


def test_an_end_that_is_not_recorded(bench: Bench, tmp_path: Path) -> None:
    """Of a job that another process has, neither its end nor its acceptance is."""
    bench.acceptances.note(OURS)
    bench.ledger.release("j")
    with Ledger(tmp_path / "jobs.db", clock=bench.clock) as other:
        assert other.claim("j")
        accepted = bench.acceptances.take()
        with pytest.raises(LeaseError):
            bench.ledger.changed("j", JobState.SUCCEEDED, accepted=accepted)
        assert other.job("j").unclear is not None


def test_a_ledger_that_fails(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The job goes on: its attempt is open, and whoever resumes it asks for it."""
    bench.ledger.close()
    bench.acceptances.note(MINTED)
    assert "not recorded as accepted" in caplog.text
    with bench.ledger.open() as ledger:
        assert ledger.job("j").unclear is not None
