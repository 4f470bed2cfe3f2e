"""Writes a job's end down in the ledger, or leaves the job open to be resumed."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ..config.settings import PolicySettings
from ..errors import (
    ClosedError,
    ComfyClientError,
    JobCancelledError,
    JobLostError,
    JobTimeoutError,
    LeaseError,
    LedgerError,
    StorageUnreachableError,
    TransportError,
    UnclearAnswerError,
)
from ..ledger.journal import Journal
from ..ledger.records import Acceptance, JobState
from ..logs import about
from ..transports.base import Verdict
from .revival import told_of

_log = logging.getLogger("comfyclient.jobs.settling")


def settle(
    journal: Journal,
    job_id: str,
    verdict: Verdict,
    *,
    policies: PolicySettings,
    accepted: Acceptance | None = None,
    all_home: bool = False,
    untaken_key: bool = False,
    promised: bool = False,
    node_seconds: Mapping[str, float] | None = None,
) -> bool:
    """Write down how a job ended; where that fails, the end stands all the same.

    Once it is written down, and not before, the server hears that it may forget it.
    True where the ledger has it as collected by now.

    `accepted`: what is still to be written down of its last attempt.
    `all_home`: where it succeeded, it has no file to bring home.
    `untaken_key`: it has an idempotency key, and no server ever took it.
    `promised`: its submit returned, or it was taken up: nobody else will send it.
    """
    error = verdict.error
    refs = [ref for output in verdict.outputs.values() for ref in output.refs]
    try:
        if stays_open(error, policies, untaken_key=untaken_key, promised=promised):
            if accepted is not None:
                journal.accepted(job_id, accepted)
            journal.release(job_id)
            return False
        journal.changed(
            job_id,
            state_of(error),
            error=error,
            outputs=refs,
            told=told_of(verdict, node_seconds=node_seconds),
            accepted=accepted,
            all_home=all_home,
        )
        verdict.acknowledge()
    except (LedgerError, ClosedError) as trouble:
        # whoever resumes the job finds its end again, where its server still has it
        no_end = isinstance(error, ClosedError)  # it is open, and stays so
        _log.log(
            logging.INFO if no_end else logging.ERROR,
            "job %s: its end was not recorded: %s",
            job_id,
            trouble.message,
            extra=about(job_id=job_id),
        )
        return False
    return all_home and error is None


def stays_open(
    error: ComfyClientError | None,
    policies: PolicySettings,
    *,
    untaken_key: bool = False,
    promised: bool = False,
) -> bool:
    """Whether the job is to be resumed.

    A server has it, or may have it; or the ledger had no room for its next step; or
    nobody took it, and the key under which it is to be asked for again would be spent
    on nothing.
    """
    if promised and isinstance(error, LedgerError):
        return True
    passing = TransportError | StorageUnreachableError | JobTimeoutError
    if untaken_key and isinstance(error, passing):
        return True
    if isinstance(error, JobTimeoutError):
        return policies.on_timeout == "leave"
    return isinstance(error, UnclearAnswerError | ClosedError | LeaseError)


def state_of(error: ComfyClientError | None) -> JobState:
    """How the ledger calls an end."""
    match error:
        case None:
            return JobState.SUCCEEDED
        case JobCancelledError():
            return JobState.CANCELLED
        case JobLostError():
            return JobState.LOST
        case _:
            return JobState.FAILED


def worked_s(verdict: Verdict, nodes: int) -> float | None:
    """How long its server worked on a job; None where that says nothing of the next."""
    started, ended = verdict.started_at, verdict.ended_at
    cached = len(verdict.cached_nodes) >= nodes
    if verdict.error is not None or started is None or ended is None or cached:
        return None
    return max(0.0, (ended - started).total_seconds())
