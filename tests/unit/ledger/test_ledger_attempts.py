"""Attempts of a job: unclear, told twice, given up, made again."""

from __future__ import annotations

import pytest

from comfyclient.errors import (
    BusyError,
    ExecutionError,
    JobLostError,
    LedgerError,
    UnclearAnswerError,
)
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import Acceptance, JobState
from comfyclient.testing.clock import FakeClock

from .sending import REF, intent, sent


def test_unclear_attempt(ledger: Ledger) -> None:
    """An attempt without an answer is what resuming must ask the server for."""
    job_id = ledger.intend(intent()).job_id
    assert ledger.job(job_id).unclear is None

    ledger.attempt(job_id, attempt_id="a1", instance="a", client_id="c")
    unclear = ledger.job(job_id).unclear
    assert unclear is not None
    assert unclear.attempt_id == "a1"

    ledger.attempt_ended(job_id, attempt_id="a1", error=BusyError("busy"))
    assert ledger.job(job_id).unclear is None


def test_attempt_told_twice(ledger: Ledger) -> None:
    """The same attempt again changes nothing."""
    job_id = ledger.intend(intent()).job_id
    for _ in range(2):
        ledger.attempt(job_id, attempt_id="a1", instance="a", client_id="c")

    assert len(ledger.job(job_id).attempts) == 1


def test_an_attempt_id_is_used_once(ledger: Ledger) -> None:
    """Another job's attempt id is refused, and the job stays as it was."""
    first, second = ledger.intend(intent()), ledger.intend(intent())
    ledger.attempt(first.job_id, attempt_id="a1", instance="a", client_id="c")

    with pytest.raises(LedgerError):
        ledger.attempt(second.job_id, attempt_id="a1", instance="a", client_id="c")

    assert ledger.job(second.job_id) == second


def test_sent_again_elsewhere(ledger: Ledger) -> None:
    """A lost attempt is kept with its error; the job goes on under the next."""
    first = sent(ledger)
    ledger.changed(first.job_id, JobState.RUNNING)
    assert first.attempt is not None
    lost = JobLostError("restarted", instance="a")
    ledger.attempt_ended(first.job_id, attempt_id=first.attempt.attempt_id, error=lost)
    assert ledger.job(first.job_id).state is JobState.INTENDED
    ledger.attempt(first.job_id, attempt_id="a2", instance="b", client_id="c2")
    row = ledger.job(first.job_id)

    assert [a.ordinal for a in row.attempts] == [1, 2]
    assert row.attempts[0].error is not None
    assert row.attempts[0].error.kind == "JobLostError"
    assert (row.instance, row.client_id, row.prompt_id) == ("b", "c2", None)


def test_new_attempt_gives_up_the_open_one(ledger: Ledger) -> None:
    """Never two attempts of a job are open."""
    job_id = sent(ledger).job_id
    ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")
    first, second = ledger.job(job_id).attempts

    assert first.ended_at is not None
    assert second.ended_at is None


def test_given_up_attempt_turns_up(ledger: Ledger) -> None:
    """An attempt that ended as unclear and is found after all is open again."""
    job_id = ledger.intend(intent()).job_id
    ledger.attempt(job_id, attempt_id="a1", instance="a", client_id="c")
    ledger.attempt_ended(job_id, attempt_id="a1", error=UnclearAnswerError("?"))
    ledger.accepted(job_id, Acceptance("a1", "p"))
    row = ledger.job(job_id)

    assert row.state is JobState.ACCEPTED
    assert row.attempt is not None
    assert (row.attempt.ended_at, row.attempt.error) == (None, None)


def test_lost_job_is_sent_again(ledger: Ledger) -> None:
    """A job called lost may be sent again, and its loss is forgotten."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.LOST, error=JobLostError("gone"))
    ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")
    row = ledger.job(job_id)

    assert (row.state, row.error, row.ended_at) == (JobState.INTENDED, None, None)


def test_success_that_lost_its_outputs(ledger: Ledger) -> None:
    """A success whose outputs are gone is lost without them, and is sent again."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.SUCCEEDED, outputs=[REF], told={"values": {}})

    assert ledger.changed(job_id, JobState.LOST, error=JobLostError("gone"))
    row = ledger.job(job_id)
    assert (row.state, row.outputs, row.told) == (JobState.LOST, (), {})
    ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")
    assert ledger.job(job_id).state is JobState.INTENDED


@pytest.mark.parametrize(
    "ended", [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED]
)
def test_ended_job_is_not_sent_again(ledger: Ledger, ended: JobState) -> None:
    """No attempt can follow an ending, so none is sent."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, ended)

    with pytest.raises(LedgerError, match=ended):
        ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")


def test_late_reports_are_no_news(ledger: Ledger) -> None:
    """What comes after the ending changes neither row nor history."""
    row = sent(ledger)
    assert row.attempt is not None
    attempt_id = row.attempt.attempt_id
    ledger.changed(row.job_id, JobState.SUCCEEDED, outputs=[REF])
    before = ledger.job(row.job_id), ledger.history(row.job_id)

    assert not ledger.changed(row.job_id, JobState.RUNNING)
    assert not ledger.changed(row.job_id, JobState.FAILED, error=ExecutionError("x"))
    assert not ledger.changed(row.job_id, JobState.SUCCEEDED, outputs=[])
    ledger.attempt_ended(row.job_id, attempt_id=attempt_id, error=BusyError("x"))
    ledger.accepted(row.job_id, Acceptance(attempt_id, attempt_id, 3))
    assert (ledger.job(row.job_id), ledger.history(row.job_id)) == before


def test_unknown_attempt(ledger: Ledger) -> None:
    """An answer to an attempt that was never recorded is refused."""
    job_id = ledger.intend(intent()).job_id

    with pytest.raises(LedgerError, match="no attempt"):
        ledger.accepted(job_id, Acceptance("a9", "p", 1))
    with pytest.raises(LedgerError, match="no attempt"):
        ledger.attempt_ended(job_id, attempt_id="a9", error=BusyError("x"))


def test_acceptance_told_twice(ledger: Ledger, clock: FakeClock) -> None:
    """The time of the first acceptance stands."""
    first = sent(ledger).attempt
    assert first is not None
    clock.advance(5)
    ledger.accepted(first.job_id, Acceptance(first.attempt_id, "p"))
    again = ledger.job(first.job_id).attempt

    assert again is not None
    assert again.accepted_at == first.accepted_at


def test_what_else_finds_an_attempt_is_kept(ledger: Ledger) -> None:
    """A transport's receipt comes back as it was given; most attempts have none."""
    job_id = sent(ledger, receipt={"index": str(2**63), "request_id": "ü"}).job_id

    assert ledger.job(job_id).attempts[0].receipt == {
        "index": "9223372036854775808",
        "request_id": "ü",
    }
    assert sent(ledger).attempts[0].receipt == {}


def test_whether_a_job_waits_for_an_attempt(ledger: Ledger) -> None:
    """Only for its last one, and until it has ended; of others nothing is known."""
    row = sent(ledger)
    first = row.attempts[0].attempt_id
    assert ledger.awaits("nobody's") is None
    assert ledger.awaits(first) is True

    ledger.attempt_ended(row.job_id, attempt_id=first, error=JobLostError("gone"))
    ledger.attempt(row.job_id, attempt_id="second", instance="i", client_id="c")
    assert (ledger.awaits(first), ledger.awaits("second")) == (False, True)

    ledger.changed(row.job_id, JobState.SUCCEEDED)
    assert ledger.awaits("second") is False
