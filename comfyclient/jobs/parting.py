"""Last words to a server: stop this job, free your memory."""

from __future__ import annotations

import logging

from ..config.settings import PolicySettings
from ..errors import ClosedError, ComfyClientError, JobLostError, TransportError
from ..logs import about
from ..timing import Clock, Deadline
from ..transports.base import Transport
from .desk import Desk
from .dispatch import Placed

_log = logging.getLogger("comfyclient.jobs.parting")

PARTING_S = 5.0
"""Seconds to tell a server that a job's time is over, or to free its memory."""


def gone(instance: str, policies: PolicySettings) -> JobLostError:
    """That a job is lost to an instance which nobody can reach."""
    return JobLostError(
        f"{instance} could not be reached for {policies.gone_after_s:g} s",
        instance=instance,
        hint="policies.gone_after_s says how long it is waited for where there are "
        "others",
    )


def cut_short() -> ClosedError:
    """That the client was closed before anybody could say that a server has a job."""
    return ClosedError(
        "the client was closed while the job was submitted",
        hint="resume() of another client goes on with it",
    )


def relieve(transport: Transport, clock: Clock) -> None:
    """Ask an instance to free memory, after it ran out of it."""
    try:
        transport.relieve(deadline=Deadline(PARTING_S, clock=clock))
    except ComfyClientError as error:
        _log.info(
            "%s: memory not freed: %s",
            transport.name,
            error.message,
            extra=about(instance=transport.name),
        )


def stop(desk: Desk, placed: Placed, *, job_id: str) -> None:
    """Ask an instance to stop a job whose time is over."""
    deadline = Deadline(PARTING_S, clock=desk.clock)
    try:
        desk.router.require_writable(placed.transport)
        _ask_to_stop(placed, deadline)
    except ComfyClientError as error:
        _log.warning(
            "job %s may run on: %s",
            job_id,
            error.message,
            extra=about(job_id=job_id, instance=placed.instance),
        )


def _ask_to_stop(placed: Placed, deadline: Deadline) -> None:
    """Ask, and once more at once where that may help: a pause would hold up closing."""
    try:
        placed.transport.cancel(placed.ticket, deadline=deadline)
    except TransportError as error:
        if not error.retryable or deadline.passed():
            raise
        placed.transport.cancel(placed.ticket, deadline=deadline)
