"""That a server took a job: written down a moment later, or with the job's next step.

Whoever asks the server for the attempt learns it anew, so a process that dies within
that moment loses nothing; and a job that ends sooner takes one step of the ledger less.
What the server would not tell again is written down at once.
"""

from __future__ import annotations

import logging
import threading

from ..errors import ClosedError, LedgerError
from ..ledger.records import Acceptance
from ..logs import about
from ..transports.base import Ticket
from .desk import Desk

_log = logging.getLogger("comfyclient.jobs.acceptances")

NOTED_AFTER_S = 0.1
"""Seconds that the ledger does not know yet what the server would tell again."""


class Acceptances:
    """What the ledger is still to be told of the attempts at one job. Thread-safe."""

    def __init__(self, desk: Desk, job_id: str) -> None:
        self._desk = desk
        self._job_id = job_id
        self._lock = threading.Lock()
        self._owed: Acceptance | None = None

    def note(self, ticket: Ticket) -> None:
        """A server took an attempt."""
        acceptance = Acceptance(
            attempt_id=ticket.attempt_id,
            prompt_id=ticket.prompt_id,
            number=ticket.number,
            receipt=ticket.receipt,
            at=self._desk.clock.now(),
        )
        if not ticket.told_again:
            self._write(acceptance)
            return
        with self._lock:
            self._owed = acceptance
        self._desk.keeper.do(self.pay, after=NOTED_AFTER_S)

    def take(self) -> Acceptance | None:
        """What is owed; from now on the caller's to write down."""
        with self._lock:
            owed, self._owed = self._owed, None
            return owed

    def pay(self) -> None:
        """Write down what is owed."""
        owed = self.take()
        if owed is not None:
            self._write(owed)

    def _write(self, acceptance: Acceptance) -> None:
        """Write one down.

        Where that fails the job goes on: its attempt stays open in the ledger, and
        whoever resumes it asks the server for it before anything is sent again.
        """
        try:
            self._desk.journal.accepted(self._job_id, acceptance)
        except (LedgerError, ClosedError) as error:
            _log.error(
                "job %s: not recorded as accepted: %s",
                self._job_id,
                error.message,
                extra=about(job_id=self._job_id),
            )
