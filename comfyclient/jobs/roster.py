"""The jobs that a client has in hand: begun here, or taken up from the ledger."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from weakref import WeakValueDictionary

from ..errors import ClosedError, LedgerError
from ..job import Job
from ..ledger.records import JobIntent, JobRow, JobState
from ..logs import about
from ..timing import Span
from ..workflow import Workflow
from .desk import Desk
from .holding import Hold
from .revival import Terms, terms_of, workflow_of
from .router import Place

_log = logging.getLogger("comfyclient.jobs.roster")

HEARTBEAT_S = 15.0
"""Seconds between two signs of life in the ledger; a lease holds four of them."""
CLAIMED_AT_ONCE = 100
"""Jobs that are taken up in one step of the ledger."""


class Roster:
    """Keeps jobs until their end, and the ledger's lease while there are any."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.Lock()
        self._taking = threading.RLock()
        """Held while a job of the ledger is made one of ours: once, not twice."""
        self._open: dict[str, Hold] = {}
        self._known: WeakValueDictionary[str, Hold] = WeakValueDictionary()
        self._beating = False

    def begin(
        self,
        intent: JobIntent,
        workflow: Workflow,
        terms: Terms,
        *,
        rendered: Span | None = None,
        place: Place | None = None,
        patient: bool = False,
    ) -> Job:
        """Write a job down and send it; returns once a server took it.

        To `place`, where it was given one; that is free again if it is not needed.
        One that is `patient` is tried until its time is over.

        A job of the same idempotency key is attached to instead; see `attach`.

        Raises:
            LedgerError: it could not be written down, so it was not sent.
            ComfyClientError: nobody took it.
        """
        try:
            hold, unsent = self._written(intent, workflow, terms)
        except BaseException:
            if place is not None:
                place.free()
            raise
        if unsent:
            hold.submit(rendered, place=place, patient=patient)
        elif place is not None:
            place.free()
        return hold.job

    def _written(
        self, intent: JobIntent, workflow: Workflow, terms: Terms
    ) -> tuple[Hold, bool]:
        """The job as the ledger has it, and whether it is ours and to be sent."""
        # two threads with one key: the second one must find the first one's job here
        with nullcontext() if intent.idempotency_key is None else self._taking:
            row = self._desk.journal.intend(intent)
            if row.job_id == intent.job_id:
                return self._hold(row, workflow, terms), True
            return self._attached(row, terms)

    def taken(self, intent: JobIntent) -> Job | None:
        """The job that a server took before under the key; it needs no place now.

        Raises:
            LedgerConflictError: the key stands for other content.
        """
        key, journal = intent.idempotency_key, self._desk.journal
        row = None if key is None else journal.find(key, environment=intent.environment)
        if row is None or row.state is JobState.INTENDED:
            return None
        return self.attach(journal.intend(intent))

    def find(self, job_id: str) -> Job | None:
        """The handle of a job that this client has in hand."""
        with self._lock:
            hold = self._known.get(job_id)
        return None if hold is None else hold.job

    def attach(self, row: JobRow) -> Job:
        """The handle of any job of the ledger.

        One that has ended tells how; one that nobody works on is ours from now on; one
        that another process works on is watched in the ledger.

        Raises:
            LedgerError: the ledger does not hold enough of it.
        """
        with self._taking:
            hold, unsent = self._attached(row)
            if unsent:
                hold.adopt(self._desk.journal.job(row.job_id))
        return hold.job

    def _attached(self, row: JobRow, terms: Terms | None = None) -> tuple[Hold, bool]:
        """A job of the ledger, and whether it is ours and still to be sent."""
        journal = self._desk.journal
        with self._lock:
            known = self._known.get(row.job_id)
        if known is not None and not _left_open(known, row):
            return known, False
        ours = not row.state.terminal and journal.claim(row.job_id)
        row = journal.job(row.job_id)
        hold = self._revived(row, terms)
        if ours and row.state is JobState.INTENDED and row.unclear is None:
            return hold, True
        (hold.adopt if ours else hold.watch)(row)
        return hold, False

    def resume(self) -> list[Job]:
        """Take up every job that nobody works on and that has something left to do."""
        jobs: list[Job] = []
        after: str | None = None
        while True:
            with self._taking:
                rows = self._desk.journal.claim_unfinished(
                    self._desk.environment, limit=CLAIMED_AT_ONCE, after=after
                )
                jobs += self._resumed(rows)
            if len(rows) < CLAIMED_AT_ONCE:
                return jobs
            after = rows[-1].job_id

    def parting(self) -> None:
        """Have said and written down what must be; before the ledger is closed."""
        self._desk.farewells.await_said()
        self._desk.notes.write_all()
        try:
            self._write_durations()
        except (LedgerError, ClosedError) as error:
            _log.info("durations were not written down: %s", error.message)

    def close(self) -> None:
        """Wake whoever waits for a job: nothing more will be told."""
        with self._lock:
            left = list(self._open.values())
            self._open.clear()
        for hold in left:
            hold.course.abandon()

    def _resumed(self, rows: Sequence[JobRow]) -> Iterator[Job]:
        for row in rows:
            try:
                hold = self._revived(row)
            except LedgerError as error:  # one bad row hides no other job
                _log.error(
                    "job %s cannot be resumed: %s",
                    row.job_id,
                    error,
                    extra=about(job_id=row.job_id, template=row.template),
                )
                continue
            hold.adopt(row)
            yield hold.job

    def _revived(self, row: JobRow, terms: Terms | None = None) -> Hold:
        workflow = workflow_of(row, self._desk.journal.graph(row.digest))
        return self._hold(row, workflow, terms_of(row) if terms is None else terms)

    def _hold(self, row: JobRow, workflow: Workflow, terms: Terms) -> Hold:
        on_end = partial(self._ended, row.job_id)
        hold = Hold(row, workflow, terms, self._desk, on_end=on_end)
        with self._lock:
            self._open[row.job_id] = hold
            self._known[row.job_id] = hold
            first, self._beating = not self._beating, True
        if first:
            self._desk.keeper.do(self._beat, after=HEARTBEAT_S)
            self._look_around(first=True)
        return hold

    def _ended(self, job_id: str) -> None:
        with self._lock:
            self._open.pop(job_id, None)

    def _beat(self) -> None:
        """Tell the ledger that we live, and let go of what others took meanwhile."""
        try:
            self._desk.journal.heartbeat()
            self._check_ownership()
            self._write_durations()
        except (LedgerError, ClosedError) as error:
            _log.warning("no heartbeat: %s", error.message)
        finally:
            self._desk.keeper.do(self._beat, after=HEARTBEAT_S)

    def _look_around(self, *, first: bool = False) -> None:
        """Take jobs from instances that are gone, again and again."""
        try:
            with self._lock:
                held = [] if first else list(self._open.values())
            for hold in held:
                hold.leave_if_away()
        finally:
            pause = min(self._desk.policies.gone_after_s / 2, HEARTBEAT_S)
            self._desk.keeper.do(self._look_around, after=pause)

    def _write_durations(self) -> None:
        learned = self._desk.router.fresh()
        if learned:
            self._desk.journal.learned(self._desk.environment, learned)

    def _check_ownership(self) -> None:
        with self._lock:
            ours = {job_id: hold for job_id, hold in self._open.items() if hold.ours}
        if not ours:
            return
        for job_id in self._desk.journal.lost_jobs(ours):
            if self._open.get(job_id) is ours[job_id]:  # it has not ended meanwhile
                ours[job_id].let_go()


def _left_open(hold: Hold, row: JobRow) -> bool:
    """Whether a handle has ended although its job has not: it may be taken up."""
    return hold.job.status.final and not row.state.terminal
