"""How a job ended on its server, in our own terms. Pure."""

from __future__ import annotations

from ..errors import ComfyClientError, JobInterruptedError, JobLostError
from ..workflow import Workflow
from .answers import Outcome
from .base import Verdict
from .failures import read_execution_error


def verdict_of(outcome: Outcome, workflow: Workflow) -> Verdict:
    """A server's outcome as ours, with its failure as an error of our tree."""
    return Verdict(
        error=_error_of(outcome, workflow),
        outputs=outcome.outputs,
        cached_nodes=outcome.cached_nodes,
        started_at=outcome.started_at,
        ended_at=outcome.ended_at,
    )


def _error_of(outcome: Outcome, workflow: Workflow) -> ComfyClientError | None:
    if outcome.state == "success":
        return None
    if outcome.state == "cancelled":
        return JobInterruptedError("the job was interrupted on the server")
    if outcome.failure is None:
        return JobLostError("the server says that the job failed, but not how")
    return read_execution_error(outcome.failure, workflow)
