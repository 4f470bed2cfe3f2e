"""What the ledger is told of an end, and what stays open."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyclient.config.settings import PolicySettings
from comfyclient.errors import (
    ClosedError,
    ComfyClientError,
    ExecutionError,
    JobCancelledError,
    JobLostError,
    JobTimeoutError,
    LeaseError,
    LedgerError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.events import NodeOutput
from comfyclient.files.outputs import OutputRef
from comfyclient.jobs.settling import settle
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import Acceptance, JobIntent, JobState
from comfyclient.transports.base import Verdict

OUTPUTS = {"2": NodeOutput("2", (OutputRef("2", "images", "a.png"),), {"text": ["x"]})}


@pytest.fixture
def ledger(tmp_path: Path):
    """A ledger with a job that was accepted."""
    with Ledger(tmp_path / "jobs.db") as ledger:
        ledger.intend(JobIntent(job_id="j", environment="e", digest="d"))
        ledger.attempt("j", attempt_id="t", instance="a", client_id="me")
        ledger.accepted("j", Acceptance("t", "t", 1))
        yield ledger


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, JobState.SUCCEEDED),
        (ExecutionError("x"), JobState.FAILED),
        (UnreachableError("x"), JobState.FAILED),
        (JobCancelledError("x"), JobState.CANCELLED),
        (JobLostError("x"), JobState.LOST),
        (JobTimeoutError("x"), JobState.FAILED),
    ],
)
def test_each_end_has_its_state(ledger: Ledger, error, state: JobState) -> None:
    """The end is there with its error, its outputs, and what else was told."""
    settle(ledger, "j", Verdict(error, OUTPUTS), policies=PolicySettings())
    row = ledger.job("j")
    assert row.state is state
    assert (
        row.error is None if error is None else row.error.kind == type(error).__name__
    )
    assert row.outputs == OUTPUTS["2"].refs
    assert row.told["values"] == {"2": {"text": ["x"]}}


@pytest.mark.parametrize(
    ("error", "policy"),
    [
        (UnclearAnswerError("x"), "cancel"),
        (ClosedError("x"), "cancel"),
        (LeaseError("x"), "cancel"),
        (JobTimeoutError("x"), "leave"),
    ],
)
def test_what_a_server_may_have_stays_open(ledger: Ledger, error, policy) -> None:
    """Such a job is not called failed: it belongs to nobody, and may be resumed."""
    settle(ledger, "j", Verdict(error), policies=PolicySettings(on_timeout=policy))
    row = ledger.job("j")
    assert (row.state, row.owner) == (JobState.ACCEPTED, None)


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (UnreachableError("x"), True),
        (JobTimeoutError("x"), True),
        (ExecutionError("x"), False),
    ],
)
def test_a_key_is_not_spent_on_nothing(ledger: Ledger, error, stays: bool) -> None:
    """A job with a key that nobody took may be asked for again."""
    settle(ledger, "j", Verdict(error), policies=PolicySettings(), untaken_key=True)
    assert ledger.job("j").state.terminal is not stays


@pytest.mark.parametrize("promised", [True, False])
def test_a_promised_job_waits_for_room(ledger: Ledger, promised: bool) -> None:
    """Where the ledger had no room for a step, a job that was taken is resumed."""
    error = LedgerError("disk full")
    settle(ledger, "j", Verdict(error), policies=PolicySettings(), promised=promised)
    assert ledger.job("j").state.terminal is not promised


def test_a_ledger_that_fails_hides_no_end(ledger: Ledger, caplog) -> None:
    """What cannot be written down is logged, and raised to nobody."""
    ledger.close()
    settle(ledger, "j", Verdict(None), policies=PolicySettings())
    assert "its end was not recorded" in caplog.text


def test_another_ones_job_is_left_alone(ledger: Ledger, tmp_path, caplog) -> None:
    """An owner that lost its lease settles nothing."""
    ledger.release("j")
    with Ledger(tmp_path / "jobs.db") as other:
        assert other.claim("j")
        error: ComfyClientError = ExecutionError("x")
        settle(ledger, "j", Verdict(error), policies=PolicySettings())
        assert other.job("j").state is JobState.ACCEPTED
    assert "its end was not recorded" in caplog.text
