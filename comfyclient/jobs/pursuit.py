"""Takes one job to its end, over as many attempts as the policies allow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..errors import (
    BadAnswerError,
    BusyError,
    ClosedError,
    ComfyClientError,
    DeadWorkerError,
    JobCancelledError,
    JobError,
    JobLostError,
    LeaseError,
    OutOfMemoryError,
    OutputMissingError,
    ServerFaultError,
    UnclearAnswerError,
    UnreachableError,
)
from ..events import Event, Resubmitted
from ..ledger.records import AttemptRow, JobRow, JobState
from ..logs import JobLog
from ..result import brings_nothing
from ..timing import Deadline
from ..transports.base import Ticket, Transport, Verdict
from .attempt import Attempt
from .budget import Budget
from .course import Course, JobStatus
from .demands import demand_of
from .desk import Desk
from .dispatch import SENT_AGAIN, Options, Placed
from .parting import cut_short, gone, relieve, stop
from .router import Place
from .searching import holder, search, ticket_of
from .settling import settle, state_of, worked_s

_logger = logging.getLogger("comfyclient.jobs.pursuit")

DEAD_FOR_S = 300.0
"""Seconds that an instance whose worker died is asked last."""


class Pursuit:
    """One job on its way: sent, followed, sent again where policies allow, settled.

    What may take long is done in errands; whatever happens there, the job ends.
    """

    def __init__(
        self,
        course: Course,
        desk: Desk,
        options: Options,
        *,
        keyed: bool = False,
        on_end: Callable[[], None],
        on_taken: Callable[[], None],
    ) -> None:
        self._course = course
        self._desk = desk
        self._options = options
        self._keyed = keyed
        self._on_end = on_end
        self._on_taken = on_taken
        self._budget = Budget(desk.policies)
        self._condition = threading.Condition()
        self._ended = self._decided = False
        self._place: Place | None = None
        self._demand = demand_of(course.workflow)
        self._promised = False
        self._waits: Attempt | None = None
        self._running_noted = False
        self._attempts = 0
        self._present: Attempt | None = None
        self.collected = False
        """Whether the ledger knows that no file of it has to come home."""
        self._log = JobLog(
            _logger,
            course.job_id,
            template=course.workflow.template,
            instance=lambda: self.placed.instance if self.placed else None,
        )

    @property
    def placed(self) -> Placed | None:
        """Where the job is; None while no server is known to have it."""
        present = self._present
        return None if present is None else present.placed

    def submit(self, place: Place | None = None, *, patient: bool = False) -> None:
        """Send the job for the first time, while the caller waits.

        To `place`, where it was given one; others follow when it is not taken there.

        Raises:
            ComfyClientError: nobody took it; the job has ended with that, or stays
                open in the ledger where a server may have it.
        """
        try:
            self._send(replace(self._options, patient=patient), place)
        except UnclearAnswerError as error:
            if not patient:
                self._finish(Verdict(error))
                raise error.attach(job_id=self._id) from error.__cause__
            self._send_in_background(self._go_on)
        except ComfyClientError as error:
            told = cut_short() if isinstance(error, ClosedError) else error
            self._finish(Verdict(told))
            raise told.attach(job_id=self._id) from error.__cause__
        except BaseException:  # Ctrl-C, or a bug: a server may have the job
            self._finish(Verdict(ClosedError("its submit was interrupted")))
            raise
        self._promised = True

    def adopt(self, row: JobRow) -> None:
        """Go on with a job of the ledger that belongs to us now."""
        self._promised = True
        self._attempts = len(row.attempts)
        last = row.attempt
        if row.state in {JobState.ACCEPTED, JobState.RUNNING} and last is not None:
            self._desk.errands.do(partial(self._carry_out, partial(self._follow, last)))
        else:
            self._send_in_background(self._go_on)

    def make_again(self, row: JobRow, gone: OutputMissingError) -> bool:
        """Whether a job that succeeded may run once more: its server lost the outputs.

        Called from an errand.
        """
        lost = JobLostError(
            f"the server lost the job's outputs: {gone.message}", instance=row.instance
        ).attach(job_id=self._id)
        if not self._budget.spend(lost):
            return False
        self._attempts = len(row.attempts)
        self._send_in_background(partial(self._lose, lost))
        return True

    def _lose(self, reason: JobLostError) -> None:
        self._desk.journal.changed(self._id, JobState.LOST, error=reason)
        self._course.restarted(Resubmitted(self._attempts + 1, reason))
        self._go_on()

    def let_go(self) -> None:
        """Another process has the job: follow it no longer, and settle nothing."""
        with self._condition:
            present, self._present, self._waits = self._present, None, None
        self._desk.notes.take(self._id)
        if present is not None and present.placed is not None:
            present.placed.transport.forget(present.placed.ticket)
        self._release()

    def lose_contact(self) -> None:
        """Its instance cannot be reached, and another one may make it: send it there.

        Nobody can say whether the first one still works on it; its result is not
        asked for any more.
        """
        attempt = self._present
        if attempt is None or (placed := attempt.placed) is None:
            return
        lost = gone(placed.transport.name, self._desk.policies)
        if self._budget.allows(lost):
            placed.transport.forget(placed.ticket)
            self.attempt_ended(attempt, Verdict(lost))

    def cancel(self, deadline: Deadline) -> None:
        """Ask the server to drop or stop the job; one not yet sent is not sent."""
        if self._waits_no_longer():
            unsent = JobCancelledError("cancelled before it was sent anew")
            self._finish(Verdict(unsent))
            return
        self._desk.dispatcher.wake()
        placed = self._await_placed(deadline)
        if placed is not None:
            self._desk.router.require_writable(placed.transport)
            placed.transport.cancel(placed.ticket, deadline=deadline)

    # -- what attempts tell; an earlier one may still speak, and is not heard

    def attempt_heard(self, attempt: Attempt, event: Event) -> None:
        """Something happened; that it runs is noted, unless it ends at once."""
        if attempt is not self._present:
            return
        self._course.heard(event)
        if self._course.status is JobStatus.RUNNING and self._place is not None:
            self._place.started()
        if self._course.status is JobStatus.RUNNING and not self._running_noted:
            self._running_noted = True
            self._desk.notes.running(self._id)

    def attempt_ended(self, attempt: Attempt, verdict: Verdict) -> None:
        """The present attempt ended: so does the job, unless it is sent again."""
        with self._condition:
            if attempt is not self._present or self._decided or self._ended:
                return
            error = verdict.error
            again = not self._course.cancel_asked and self._budget.spend(error)
            self._decided = not again  # its instance may be given up meanwhile
            if again:
                self._present, self._waits = None, attempt
        if error is None or not again:
            self._finish(verdict)
            return
        self._release()
        resend = partial(self._again, attempt, error, verdict.acknowledge)
        self._send_in_background(resend)

    def attempt_overdue(
        self, attempt: Attempt, trouble: ComfyClientError | None
    ) -> None:
        """The job's time is over while the present attempt is followed."""
        if attempt is not self._present:
            return
        placed, policy = attempt.placed, self._desk.policies.on_timeout
        if placed is not None and policy == "cancel":  # who hears of it may close us
            last_word = partial(stop, self._desk, placed, job_id=self._id)
            self._desk.farewells.do(last_word, self._desk.errands)
        self._finish(Verdict(self._course.overdue_error(trouble)))

    # -- sending and following

    def _send(self, options: Options, place: Place | None = None) -> None:
        attempt = Attempt(self, job_deadline=lambda: self._course.deadline)
        self._present = attempt
        self._attempts += 1
        self._running_noted = False
        placed = self._desk.dispatcher.send(
            self._course, self._demand, options, follower=attempt, place=place
        )
        self._desk.notes.taken(self._id, placed.ticket)
        self._put(attempt, placed)

    def _put(self, attempt: Attempt, placed: Placed) -> None:
        with self._condition:
            self._place = placed.place
            unwanted = attempt is not self._present
        if unwanted:  # another process took the job while it was being sent
            placed.transport.forget(placed.ticket)
            self._desk.notes.take(self._id)
            self._release()
            return
        if self._course.status is JobStatus.RUNNING:  # told before the answer came
            placed.place.started()
        attempt.put(placed)
        with self._condition:
            self._condition.notify_all()

    def _again(
        self, attempt: Attempt, reason: ComfyClientError, noted: Callable[[], None]
    ) -> None:
        """Send the job once more, rather not where the attempt came to nothing."""
        if not self._waits_no_longer(attempt):
            return  # it was cancelled meanwhile, or taken by another process
        placed = attempt.placed
        assert placed is not None, "an attempt ends after a server took it"
        reason.attach(job_id=self._id, instance=placed.transport.name)
        self._desk.notes.write(self._id)
        self._desk.journal.attempt_ended(
            self._id, attempt_id=placed.ticket.attempt_id, error=reason
        )
        noted()
        self._course.restarted(Resubmitted(self._attempts + 1, reason))
        self._log.warning("is sent again: %s", reason.message)
        if isinstance(reason, DeadWorkerError):
            self._desk.router.down(placed.transport, seconds=DEAD_FOR_S)
        if isinstance(reason, OutOfMemoryError):
            relieve(placed.transport, self._desk.clock)
        self._go_on(last=placed.transport)

    def _waits_no_longer(self, after: Attempt | None = None) -> bool:
        """Whether it waited to be sent again, after this attempt; now it does not."""
        with self._condition:
            waited = self._waits is not None and after in {None, self._waits}
            self._waits = None if waited else self._waits
            return waited

    def _go_on(self, *, last: Transport | None = None) -> None:
        """Send the job, once it is certain that no server has it."""
        options = replace(self._options, patient=True, last=last, lane=SENT_AGAIN)
        while True:
            unclear = self._desk.journal.job(self._id).unclear
            if unclear is not None and self._found(unclear):
                return
            try:
                self._send(options)
            except UnclearAnswerError as error:
                self._log.info("%s", error.message)
            else:
                return

    def _found(self, row: AttemptRow) -> bool:
        """Whether a server has an attempt whose answer was lost; then it is followed.

        Raises:
            UnclearAnswerError: nobody could be asked before the job's time was over.
        """
        transport = holder(self._desk, row)
        found = search(
            self._desk, self._course, row, transport, may_leave=self._may_leave
        )
        if not isinstance(found, Ticket):
            self._desk.journal.attempt_ended(
                self._id, attempt_id=row.attempt_id, error=found
            )
            return False
        self._desk.notes.taken(self._id, found)
        self._take_up(transport, found)
        return True

    def _may_leave(self, transport: Transport, lost: JobLostError) -> bool:
        """Whether a job may be sent to others while nobody can ask one that had it."""
        return self._desk.router.has_other(transport) and self._budget.spend(lost)

    def _follow(self, row: AttemptRow) -> None:
        """Follow an attempt of an earlier process."""
        self._take_up(holder(self._desk, row), ticket_of(row))

    def _take_up(self, transport: Transport, ticket: Ticket) -> None:
        attempt = Attempt(self, job_deadline=lambda: self._course.deadline)
        self._present = attempt
        place = self._desk.router.took(transport, self._demand)
        self._put(attempt, Placed(place, ticket))
        transport.follow(ticket, self._course.workflow, attempt)

    def _send_in_background(self, step: Callable[[], None]) -> None:
        self._desk.senders.do(partial(self._carry_out, step))

    def _carry_out(self, step: Callable[[], None]) -> None:
        """Do a step in the background; when it fails, the job ends with that."""
        try:
            step()
        except (BusyError, UnreachableError, BadAnswerError, ServerFaultError) as error:
            self._finish(Verdict(self._course.untaken_error(error)))
        except LeaseError:
            self._on_taken()
        except ComfyClientError as error:
            self._finish(Verdict(error))
        except Exception as error:
            self._finish(Verdict(JobError(f"the job could not go on: {error!r}")))
            raise

    # -- its end

    @property
    def _id(self) -> str:
        return self._course.job_id

    def _finish(self, verdict: Verdict) -> None:
        """Write the end down before it is told; the first one counts."""
        with self._condition:
            if self._ended:
                return
            self._ended = True
        placed = self.placed
        if placed is not None:
            placed.transport.forget(placed.ticket)
        verdict = self._course.as_asked(verdict)
        try:
            self.collected = settle(
                self._desk.journal,
                self._id,
                verdict,
                accepted=self._desk.notes.take(self._id),
                all_home=brings_nothing(verdict, self._course.workflow),
                policies=self._desk.policies,
                untaken_key=self._keyed and placed is None,
                promised=self._promised,
                node_seconds=self._course.node_seconds,
            )
        finally:
            self._release(worked_s(verdict, len(self._course.workflow.graph)))
            self._course.ended(verdict)
            self._log.info("%s: %s", state_of(verdict.error).value, verdict.error or "")
            self._on_end()
            with self._condition:
                self._condition.notify_all()

    def _release(self, seconds: float | None = None) -> None:
        """Give the instance's place back, once; and how long the job needed it."""
        with self._condition:
            place, self._place = self._place, None
        if place is not None:
            place.free(seconds)

    def _await_placed(self, deadline: Deadline) -> Placed | None:
        with self._condition:
            while self.placed is None and not self._ended:
                left = deadline.remaining()
                if left <= 0:
                    return None
                self._desk.clock.wait(self._condition, left)
            return self.placed
