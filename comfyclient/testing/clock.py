"""A clock for tests: time passes only when the test says so."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

_GLANCE = 0.05
"""Real seconds after which a waiter looks again: time may have passed between its
look at the clock and its wait."""


class FakeClock:
    """A `Clock` that stands still until `advance` is called.

    `wait` blocks for real until the clock has been advanced far enough, or until the
    condition is notified; so threads under test sleep as they do in earnest, only the
    length of their sleep is the test's.
    """

    def __init__(
        self, *, now: datetime = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
    ) -> None:
        self._lock = threading.Condition()
        self._elapsed = 0.0
        self._start = now
        self._waiting: list[tuple[float, threading.Condition]] = []

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        with self._lock:
            return self._elapsed

    def now(self) -> datetime:
        """The moment given at first, and what has passed since."""
        return self._start + timedelta(seconds=self.monotonic())

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait on a held condition until it is notified or so much time was given."""
        with self._lock:
            if seconds <= 0:
                return
            entry = (self._elapsed + seconds, condition)
            self._waiting.append(entry)
            self._lock.notify_all()
        try:
            condition.wait(_GLANCE)
        finally:
            with self._lock:
                self._waiting.remove(entry)

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake whoever waited for it."""
        with self._lock:
            self._elapsed += seconds
            now = self._elapsed
            due = {id(c): c for at, c in self._waiting if at <= now}
        for condition in due.values():
            with condition:
                condition.notify_all()

    @property
    def sleepers(self) -> int:
        """How many threads wait on this clock."""
        with self._lock:
            return len(self._waiting)

    def await_sleepers(self, count: int = 1, *, timeout: float = 5) -> None:
        """Return once so many threads wait on this clock.

        Raises:
            TimeoutError: there are fewer after `timeout` real seconds.
        """
        end = time.monotonic() + timeout
        with self._lock:
            while len(self._waiting) < count:
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(
                        f"{len(self._waiting)} of {count} threads wait on the clock"
                    )
                self._lock.wait(left)
