"""Ties a job to the instance that has it and to the ledger: its end, result, cancel."""

from __future__ import annotations

import logging
import threading

from .course import Course
from .dispatch import Placed
from .errors import (
    ComfyClientError,
    JobCancelledError,
    JobLostError,
    LedgerError,
    UnclearAnswerError,
)
from .ledger_records import JobState, Journal
from .outputs import Output, SavedFile
from .result import Provenance, Result, gather
from .router import Router
from .timing import Deadline
from .transports.base import Verdict

_log = logging.getLogger("comfyclient.placement")

PARTING_S = 5.0
"""Seconds to tell a server that a job's time is over."""
ANSWER_S = 60.0
"""Seconds that a caller waits for a submit that another thread has under way."""


class Placement:
    """Where one job is. A job may end before its submit returns: both orders work."""

    def __init__(
        self, course: Course, router: Router, journal: Journal, *, environment: str
    ) -> None:
        self._course = course
        self._router = router
        self._journal = journal
        self._environment = environment
        self._condition = threading.Condition()
        self._placed: Placed | None = None
        self._ended = False
        self._released = False
        self._files: dict[int, SavedFile] = {}
        self._expected = 0

    def put(self, placed: Placed) -> None:
        """An instance took the job."""
        with self._condition:
            self._placed = placed
            ended = self._ended
            self._condition.notify_all()
        if ended:
            self._release()

    def instance(self) -> str | None:
        """The instance that has it; None until one took it."""
        placed = self._placed
        return None if placed is None else placed.transport.name

    def settle(self, verdict: Verdict) -> None:
        """Write the end down before it is told; called once."""
        if isinstance(verdict.error, UnclearAnswerError):
            # a server may have it: the ledger keeps the attempt open, to be asked for
            self._release()
            return
        refs = [ref for output in verdict.outputs.values() for ref in output.refs]
        try:
            self._journal.changed(
                self._course.job_id,
                _state_of(verdict.error),
                error=verdict.error,
                outputs=refs,
            )
        except LedgerError as error:
            # the result is there all the same; resuming would find it again
            _log.error("job %s: its end was not recorded: %s", self._id, error.message)
        self._release()

    def give_up(self) -> None:
        """The job's time is over: stop following it, and stop it on the server."""
        placed = self._placed
        if placed is None:
            return
        placed.transport.forget(placed.ticket)
        try:
            placed.transport.cancel(placed.ticket, deadline=Deadline(PARTING_S))
        except ComfyClientError as error:
            _log.warning("job %s may run on: %s", self._id, error.message)

    def cancel(self, deadline: Deadline) -> None:
        """Ask the server to drop or stop the job."""
        placed = self._await_placed(deadline)
        if placed is not None:
            placed.transport.cancel(placed.ticket, deadline=deadline)

    def result(self, verdict: Verdict) -> Result:
        """The result of a job that succeeded."""
        placed = self._await_placed(Deadline(ANSWER_S))
        assert placed is not None, "only a job that was taken can succeed"
        workflow = self._course.workflow
        provenance = Provenance(
            job_id=self._id,
            environment=self._environment,
            instance=placed.transport.name,
            template=workflow.template,
            digest=workflow.digest,
            seed=workflow.seed,
            prompt_id=placed.ticket.prompt_id,
            submitted_at=self._course.created_at,
            started_at=verdict.started_at,
            ended_at=verdict.ended_at,
            cached_nodes=verdict.cached_nodes,
        )
        result = gather(
            verdict,
            workflow,
            provenance,
            opener=placed.transport.open,
            on_saved=self._saved,
        )
        self._expected = len(result.outputs)
        return result

    @property
    def _id(self) -> str:
        return self._course.job_id

    def _await_placed(self, deadline: Deadline) -> Placed | None:
        with self._condition:
            self._condition.wait_for(
                lambda: self._placed is not None or self._course.status.final,
                timeout=deadline.remaining(),
            )
            return self._placed

    def _release(self) -> None:
        """Give the instance's place back, once."""
        with self._condition:
            self._ended = True
            placed, released = self._placed, self._released
            self._released = placed is not None
            self._condition.notify_all()
        if placed is not None and not released:
            self._router.done(placed.transport)

    def _saved(self, output: Output) -> None:
        """When every output has come home, the job is collected."""
        if output.saved is None:
            return
        with self._condition:
            self._files[id(output)] = output.saved
            complete = len(self._files) == self._expected
            files = list(self._files.values())
        if not complete:
            return
        try:
            self._journal.collected(self._id, files)
        except LedgerError as error:
            _log.error("job %s: its files were not recorded: %s", self._id, error)


def _state_of(error: ComfyClientError | None) -> JobState:
    match error:
        case None:
            return JobState.SUCCEEDED
        case JobCancelledError():
            return JobState.CANCELLED
        case JobLostError():
            return JobState.LOST
        case _:
            return JobState.FAILED
