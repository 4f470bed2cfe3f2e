"""Finds out whether an attempt arrived whose acceptance was not answered."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from ..errors import TransportError, UnclearAnswerError
from ..logs import InstanceLog
from ..timing import Clock, Deadline
from .entries import Entry
from .lookup import Lookup

_logger = logging.getLogger("comfyclient.transports.arrival")

FIRST_PAUSE, LAST_PAUSE = 0.25, 2.0
"""Seconds between looks: they grow from one to the other."""
CALM = 2.0
"""Seconds of answers in a row without the attempt, after looks that failed.

A fault that held up a look may have held up the attempt too: when it ends, both go on,
and the look may be faster.
"""


@dataclass(slots=True)
class _Search:
    """How a search went so far."""

    began: float
    sure_at: float
    """When the attempt cannot arrive any more, if no look fails."""
    first: bool = True
    trouble: TransportError | None = None
    """What was wrong with the last look."""
    pause: float = field(default=FIRST_PAUSE)


class Arrivals:
    """Looks for attempts on one server."""

    def __init__(
        self, name: str, lookup: Lookup, *, clock: Clock, grace_s: float
    ) -> None:
        self._name = name
        self._log = InstanceLog(_logger, name)
        self._lookup = lookup
        self._clock = clock
        self._grace_s = grace_s
        self._condition = threading.Condition()

    def find(
        self,
        attempt_id: str,
        *,
        deadline: Deadline,
        grace_s: float | None = None,
        old: bool = True,
    ) -> Entry | None:
        """The server's entry of an attempt; None is certain: it did not arrive.

        `grace_s` is how late it may still arrive; a server that does not answer is
        asked for as long as any attempt may take. `old` looks further back, once.

        Raises:
            UnclearAnswerError: the server could not be asked, or not for long enough.
        """
        now = self._clock.monotonic()
        late = self._grace_s if grace_s is None else min(grace_s, self._grace_s)
        search = _Search(began=now, sure_at=now + late)
        while True:
            entry = self._look(attempt_id, search, deadline, old=old)
            if entry is not None:
                return entry
            now = self._clock.monotonic()
            if search.trouble is None and now >= search.sure_at:
                return None
            over = search.trouble is not None and now >= search.began + self._grace_s
            if over or deadline.passed():
                raise self._unclear(attempt_id, search)
            self._pause(search, deadline)

    def _look(
        self, attempt_id: str, search: _Search, deadline: Deadline, *, old: bool
    ) -> Entry | None:
        far = old and search.first
        try:
            entry = self._lookup.find(attempt_id, deadline=deadline, far=far)
        except TransportError as error:
            self._log.info("cannot ask for an attempt: %s", error.message)
            search.trouble = error
            return None
        if search.trouble is not None:
            calm = self._clock.monotonic() + min(CALM, self._grace_s)
            search.sure_at = max(search.sure_at, calm)
        search.trouble, search.first = None, False
        return entry

    def _pause(self, search: _Search, deadline: Deadline) -> None:
        """Wait for the next look; the last one comes when the time is used up."""
        now = self._clock.monotonic()
        until = search.sure_at
        if search.trouble is not None:
            until = search.began + self._grace_s
        end = now + min(search.pause, max(until - now, 0.0), deadline.remaining())
        search.pause = min(search.pause * 2, LAST_PAUSE)
        with self._condition:
            while (left := end - self._clock.monotonic()) > 0:
                self._clock.wait(self._condition, left)

    def _unclear(self, attempt_id: str, search: _Search) -> UnclearAnswerError:
        why = "there was no time left to look for it long enough"
        if search.trouble is not None:
            why = f"the server could not be asked: {search.trouble.message}"
        return UnclearAnswerError(
            f"it is not known whether the job arrived: {why}",
            instance=self._name,
            hint=f"ask the server for attempt {attempt_id} before sending the job "
            "again",
        )
