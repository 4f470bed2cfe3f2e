"""One attempt at a job, as its transport's follower: where it went, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ..errors import ComfyClientError
from ..events import Event
from ..timing import Deadline
from ..transports.base import Verdict
from .dispatch import Placed


class Bearer(Protocol):
    """Whoever has the job, and hears of every attempt at it."""

    def attempt_heard(self, attempt: Attempt, event: Event) -> None:
        """Something happened."""

    def attempt_ended(self, attempt: Attempt, verdict: Verdict) -> None:
        """The attempt ended; a server had taken it."""

    def attempt_overdue(
        self, attempt: Attempt, trouble: ComfyClientError | None
    ) -> None:
        """The job's time is over."""


class Attempt:
    """The follower of one attempt.

    An attempt may end before its submit returns; its end is told once both are known.
    """

    def __init__(self, bearer: Bearer, *, job_deadline: Callable[[], Deadline]) -> None:
        self._bearer = bearer
        self._job_deadline = job_deadline
        self._lock = threading.Lock()
        self._placed: Placed | None = None
        self._end: Callable[[], None] | None = None

    @property
    def placed(self) -> Placed | None:
        """Where it went; None until a server took it."""
        return self._placed

    @property
    def deadline(self) -> Deadline:
        """The job's."""
        return self._job_deadline()

    def put(self, placed: Placed) -> None:
        """A server took it."""
        with self._lock:
            self._placed = placed
            end, self._end = self._end, None
        if end is not None:
            end()

    def heard(self, event: Event) -> None:
        """Something happened."""
        self._bearer.attempt_heard(self, event)

    def ended(self, verdict: Verdict) -> None:
        """Its server is done with it, or lost it."""
        self._once_put(partial(self._bearer.attempt_ended, self, verdict))

    def overdue(self, trouble: ComfyClientError | None) -> None:
        """The job's time is over."""
        self._once_put(partial(self._bearer.attempt_overdue, self, trouble))

    def _once_put(self, end: Callable[[], None]) -> None:
        with self._lock:
            if self._placed is None:
                self._end = end
                return
        end()
