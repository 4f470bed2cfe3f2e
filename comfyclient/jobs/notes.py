"""What the ledger hears of jobs a moment later: that a server took one, that it runs.

Whoever asks the server learns both anew, so a process that dies within that moment
loses nothing; and a job that ends sooner takes two steps of the ledger less. What the
server would not tell again is written down at once.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from ..errors import ClosedError, LedgerError
from ..ledger.journal import Journal
from ..ledger.records import Acceptance, JobState
from ..logs import about
from ..timing import SYSTEM_CLOCK, Clock
from ..transports.base import Ticket
from .errands import Errands

_log = logging.getLogger("comfyclient.jobs.notes")

NOTED_AFTER_S = 0.1
"""Seconds that a note is kept at least; at most it is twice as long."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is to be written down of one job."""

    acceptance: Acceptance | None = None
    running: bool = False


class Notes:
    """The notes on all jobs of one environment. Thread-safe.

    They are written down together, by one errand: none is woken for each job.
    """

    def __init__(
        self, journal: Journal, keeper: Errands, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._journal = journal
        self._keeper = keeper
        self._clock = clock
        self._lock = threading.Lock()
        self._new: dict[str, Note] = {}
        self._old: dict[str, Note] = {}
        self._awaited = False

    def taken(self, job_id: str, ticket: Ticket) -> None:
        """A server took an attempt at a job."""
        acceptance = Acceptance(
            attempt_id=ticket.attempt_id,
            prompt_id=ticket.prompt_id,
            number=ticket.number,
            receipt=ticket.receipt,
            at=self._clock.now(),
        )
        if ticket.told_again:
            self._keep(job_id, acceptance=acceptance)
        else:
            self._write(job_id, Note(acceptance))

    def running(self, job_id: str) -> None:
        """A job has begun to run."""
        self._keep(job_id, running=True)

    def take(self, job_id: str) -> Acceptance | None:
        """The acceptance that is not written down yet: now the caller's to write."""
        with self._lock:
            return self._pop(job_id).acceptance

    def write(self, job_id: str) -> None:
        """Write down now what is kept of a job."""
        with self._lock:
            kept = self._pop(job_id)
        self._write(job_id, kept)

    def write_all(self) -> None:
        """Write down now what is kept of every job."""
        for job_id in [*self._old, *self._new]:
            self.write(job_id)

    def _keep(
        self,
        job_id: str,
        *,
        acceptance: Acceptance | None = None,
        running: bool = False,
    ) -> None:
        with self._lock:
            kept = self._pop(job_id)
            self._new[job_id] = Note(
                kept.acceptance if acceptance is None else acceptance,
                kept.running or running,
            )
            awaited, self._awaited = self._awaited, True
        if not awaited:
            self._keeper.do(self._turn, after=NOTED_AFTER_S)

    def _turn(self) -> None:
        """Write down what was kept at the last turn already."""
        with self._lock:
            due, self._old, self._new = self._old, self._new, {}
            self._awaited = again = bool(self._old)
        for job_id, note in due.items():
            self._write(job_id, note)
        if again:
            self._keeper.do(self._turn, after=NOTED_AFTER_S)

    def _pop(self, job_id: str) -> Note:
        older = self._old.pop(job_id, Note())
        return self._new.pop(job_id, older)

    def _write(self, job_id: str, note: Note) -> None:
        """Write one down.

        Where that fails the job goes on: its attempt stays open in the ledger, and
        whoever resumes it asks the server for it before anything is sent again.
        """
        try:
            if note.running:
                self._journal.changed(
                    job_id, JobState.RUNNING, accepted=note.acceptance
                )
            elif note.acceptance is not None:
                self._journal.accepted(job_id, note.acceptance)
        except (LedgerError, ClosedError) as error:
            _log.error(
                "job %s: its course was not recorded: %s",
                job_id,
                error.message,
                extra=about(job_id=job_id),
            )
