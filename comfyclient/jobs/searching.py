"""Looks for an attempt whose answer was lost, until somebody can say where it is."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import (
    ComfyClientError,
    JobLostError,
    Retry,
    TransportError,
    UnclearAnswerError,
    UnreachableError,
)
from ..ledger.records import AttemptRow
from ..transports.base import Ticket, Transport
from .course import Course
from .desk import Desk
from .parting import gone

BETWEEN_LOOKS_S = 5.0
"""Seconds between looks for an attempt that its server cannot be asked for."""


def holder(desk: Desk, row: AttemptRow) -> Transport:
    """The instance that an attempt went to.

    Raises:
        UnclearAnswerError: it is not there any more.
    """
    found = desk.router.named(row.instance)
    if found is None:
        raise UnclearAnswerError(
            f"the job went to instance {row.instance!r}, which is not configured any "
            "more",
            hint="configure it again to go on with the job",
        )
    return found


def ticket_of(row: AttemptRow) -> Ticket:
    """The receipt of an attempt that was taken."""
    assert row.prompt_id is not None, "an accepted attempt has its prompt's id"
    return Ticket(
        instance=row.instance,
        attempt_id=row.attempt_id,
        prompt_id=row.prompt_id,
        client_id=row.client_id,
        number=row.number,
        receipt=row.receipt,
    )


def search(
    desk: Desk,
    course: Course,
    row: AttemptRow,
    transport: Transport,
    *,
    may_leave: Callable[[Transport, JobLostError], bool],
) -> Ticket | ComfyClientError:
    """The receipt of the attempt; or why the job may be sent again.

    `may_leave` says whether others may have it while its server cannot be reached; one
    that is, and cannot tell, may be at work on it.

    Raises:
        UnclearAnswerError: nobody could be asked before the job's time was over.
    """
    began = desk.clock.monotonic()
    while True:
        try:
            found = transport.find(row.attempt_id, deadline=course.deadline)
        except TransportError as error:
            lost = gone(row.instance, desk.policies)
            waited = desk.clock.monotonic() - began
            away = not (isinstance(error, UnclearAnswerError) and error.reached)
            overdue = away and waited >= desk.policies.gone_after_s
            if overdue and may_leave(transport, lost):
                return lost
            late = course.deadline.remaining() <= BETWEEN_LOOKS_S
            if late or error.retry is Retry.NEVER:
                raise _still_unclear(row, error) from error
            pause = min(BETWEEN_LOOKS_S, desk.policies.gone_after_s)
            desk.dispatcher.pause(course, pause)
        else:
            break
    if found is not None:
        return found
    return UnreachableError("the attempt did not arrive", instance=row.instance)


def _still_unclear(row: AttemptRow, error: ComfyClientError) -> UnclearAnswerError:
    return UnclearAnswerError(
        f"whether {row.instance} has the job could not be asked before its time "
        f"was over: {error.message}",
        instance=row.instance,
        hint="resume it once that instance answers again",
    )
