"""The jobs that a client works on: begun here, or taken up from the ledger."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from weakref import WeakValueDictionary

from .collecting import Collection, Origin
from .course import Course
from .dispatch import Options
from .errors import ClosedError, LedgerError, OutputMissingError
from .job import Job
from .ledger_records import JobIntent, JobRow
from .outputs import Download, OutputRef
from .pursuit import Desk, Pursuit
from .revival import Terms, terms_of, workflow_of
from .timing import Deadline
from .watching import Watch
from .workflow import Workflow

_log = logging.getLogger("comfyclient.roster")

HEARTBEAT_S = 15.0
"""Seconds between two signs of life in the ledger; a lease holds four of them."""
CLAIMED_AT_ONCE = 100
"""Jobs that are taken up in one step of the ledger."""


@dataclass(frozen=True, slots=True)
class _Open:
    """A job that has not ended."""

    job: Job
    course: Course


class Roster:
    """Keeps jobs until their end, and the ledger's lease while there are any."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._taking = threading.RLock()
        """Held while a job of the ledger is made one of ours: once, not twice."""
        self._open: dict[str, _Open] = {}
        self._known: WeakValueDictionary[str, Job] = WeakValueDictionary()
        self._beating = False

    def begin(self, intent: JobIntent, workflow: Workflow, terms: Terms) -> Job:
        """Write a job down and send it; returns once a server took it.

        A job of the same idempotency key is attached to instead; see `attach`.

        Raises:
            LedgerError: it could not be written down, so it was not sent.
            ComfyClientError: nobody took it.
        """
        # two threads with one key: the second one must find the first one's job here
        with nullcontext() if intent.idempotency_key is None else self._taking:
            row = self._desk.journal.intend(intent)
            if row.job_id != intent.job_id:
                return self.attach(row)
            course = self._course(row, workflow, terms)
            pursuit = self._pursuit(course, terms)
            job = self._entered(course, pursuit.cancel, partial(_placed, pursuit))
        pursuit.submit()
        return job

    def find(self, job_id: str) -> Job | None:
        """The handle of a job that this client has in hand."""
        with self._lock:
            return self._known.get(job_id)

    def attach(self, row: JobRow) -> Job:
        """The handle of any job of the ledger.

        One that has ended tells how; one that nobody works on is ours from now on; one
        that another process works on is followed in the ledger.

        Raises:
            LedgerError: the ledger does not hold enough of it.
        """
        with self._taking:
            known = self.find(row.job_id)
            if known is not None and not self._stopped(known, row):
                return known
            if not row.state.terminal and self._desk.journal.claim(row.job_id):
                return self._adopted(self._desk.journal.job(row.job_id))
            return self._looked_at(self._desk.journal.job(row.job_id))

    def resume(self) -> list[Job]:
        """Take up every job that nobody works on and that has something left to do."""
        jobs: list[Job] = []
        after: int | None = None
        while rows := self._desk.journal.claim_unfinished(
            self._desk.environment, limit=CLAIMED_AT_ONCE, after=after
        ):
            with self._taking:
                jobs += self._resumed(rows)
            after = rows[-1].seq
        return jobs

    def _resumed(self, rows: Sequence[JobRow]) -> Iterator[Job]:
        for row in rows:
            try:
                yield self._adopted(row)
            except LedgerError as error:  # one bad row hides no other job
                _log.error("job %s cannot be resumed: %s", row.job_id, error)

    def close(self) -> None:
        """Wake whoever waits for a job: nothing more will be told."""
        with self._lock:
            left = list(self._open.values())
            self._open.clear()
        for one in left:
            one.course.abandon()

    # -- jobs of the ledger

    def _adopted(self, row: JobRow) -> Job:
        """A job that belongs to us by now."""
        if row.state.terminal:
            return self._looked_at(row)
        terms = terms_of(row)
        course = self._course(row, self._workflow(row), terms)
        pursuit = self._pursuit(course, terms)
        job = self._entered(course, pursuit.cancel, partial(_placed, pursuit))
        pursuit.adopt(row)
        return job

    def _looked_at(self, row: JobRow) -> Job:
        """A job that has ended, or that another process works on."""
        terms = terms_of(row)
        course = self._course(row, self._workflow(row), terms)
        pursuit = self._pursuit(course, terms)
        on_end = partial(self._ended, row.job_id)
        watch = Watch(row, course, self._desk, pursuit=pursuit, on_end=on_end)

        def origin() -> Origin | None:
            return _placed(pursuit) or self._recorded(watch.row)

        job = self._entered(course, watch.cancel, origin)
        watch.begin()
        return job

    def _recorded(self, row: JobRow) -> Origin | None:
        """Where the ledger says that a job's outputs are."""
        if row.instance is None or row.prompt_id is None:
            return None
        transport = self._desk.router.named(row.instance)
        opener = partial(_nowhere, row) if transport is None else transport.open
        return Origin(row.instance, row.prompt_id, opener)

    def _stopped(self, job: Job, row: JobRow) -> bool:
        """Whether a handle has ended although its job has not: it was left open."""
        return job.status.final and not row.state.terminal

    def _workflow(self, row: JobRow) -> Workflow:
        return workflow_of(row, self._desk.journal.graph(row.digest))

    def _course(self, row: JobRow, workflow: Workflow, terms: Terms) -> Course:
        return Course(
            row.job_id,
            workflow,
            total_s=terms.total_s,
            queue_s=terms.queue_s,
            silence_s=terms.silence_s,
            clock=self._desk.clock,
            created_at=row.created_at,
        )

    def _pursuit(self, course: Course, terms: Terms) -> Pursuit:
        return Pursuit(
            course,
            self._desk,
            Options(allow_partial=terms.allow_partial, previews=terms.previews),
            on_end=partial(self._ended, course.job_id),
        )

    # -- the list

    def _entered(
        self,
        course: Course,
        cancel: Callable[[Deadline], None],
        origin: Callable[[], Origin | None],
    ) -> Job:
        def known() -> Origin:
            found = origin()
            assert found is not None, "only a job that was taken can succeed"
            return found

        def instance() -> str | None:
            found = origin()
            return None if found is None else found.instance

        environment = self._desk.environment
        collection = Collection(
            course, self._desk.journal, environment=environment, origin=known
        )
        job = Job(
            course,
            environment=environment,
            instance=instance,
            result=collection.result,
            cancel=cancel,
            clock=self._desk.clock,
        )
        with self._lock:
            self._open[job.id] = _Open(job, course)
            self._known[job.id] = job
            first, self._beating = not self._beating, True
        if first:
            self._desk.keeper.do(self._beat, after=HEARTBEAT_S)
        return job

    def _ended(self, job_id: str) -> None:
        with self._lock:
            self._open.pop(job_id, None)

    def _beat(self) -> None:
        """Tell the ledger that we live, and stop what others have taken meanwhile."""
        try:
            self._desk.journal.heartbeat()
        except (LedgerError, ClosedError) as error:
            _log.warning("no heartbeat: %s", error.message)
        finally:
            self._desk.keeper.do(self._beat, after=HEARTBEAT_S)


def _placed(pursuit: Pursuit) -> Origin | None:
    placed = pursuit.placed
    if placed is None:
        return None
    transport = placed.transport
    return Origin(transport.name, placed.ticket.prompt_id, transport.open)


def _nowhere(
    row: JobRow, ref: OutputRef, _deadline: Deadline
) -> AbstractContextManager[Download]:
    raise OutputMissingError(
        f"{ref.filename} is on instance {row.instance!r}, which is not configured any "
        "more",
        job_id=row.job_id,
        hint="configure it again, or take the file from its storage",
    )
