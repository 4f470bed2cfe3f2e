"""How often a job is sent again, by what became of it."""

from __future__ import annotations

import pytest

from comfyclient.config.settings import PolicySettings
from comfyclient.errors import (
    DeadWorkerError,
    ExecutionError,
    JobCancelledError,
    JobInterruptedError,
    JobLostError,
    JobTimeoutError,
    OutOfMemoryError,
    ValidationError,
)
from comfyclient.jobs.budget import Budget


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (JobLostError("x"), 1),
        (DeadWorkerError("x"), 1),
        (OutOfMemoryError("x"), 1),
        (JobInterruptedError("x"), 0),
        (ExecutionError("x"), 0),
        (ValidationError("x"), 0),
        (JobTimeoutError("x"), 0),
        (JobCancelledError("x"), 0),
        (None, 0),
    ],
)
def test_by_default(error, times: int) -> None:
    """What the server lost, or had no memory for, is sent once more."""
    budget = Budget(PolicySettings())
    assert [budget.spend(error) for _ in range(3)].count(True) == times


def test_each_reason_has_its_own() -> None:
    """A job that was lost may still run out of memory."""
    budget = Budget(PolicySettings(resubmit_lost=2, resubmit_interrupted=1))
    lost, dead = JobLostError("x"), DeadWorkerError("x")
    assert [budget.spend(e) for e in (lost, dead, lost)] == [True, True, False]
    assert budget.spend(OutOfMemoryError("x"))
    assert budget.spend(JobInterruptedError("x"))


def test_none_at_all() -> None:
    """With nothing allowed, the first end stands."""
    budget = Budget(PolicySettings(resubmit_lost=0, resubmit_out_of_memory=0))
    assert not budget.spend(JobLostError("x"))
    assert not budget.spend(OutOfMemoryError("x"))
