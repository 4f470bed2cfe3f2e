"""Clocks and deadlines: every wait in this package takes its time from here."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from .errors import UsageError


class Clock(Protocol):
    """Where time comes from; tests put in their own."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""

    def now(self) -> datetime:
        """The wall clock, with zone."""

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait on a held condition for at most so many seconds."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait on a held condition for at most so many seconds."""
        condition.wait(seconds)


SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time."""

    begin: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        """How long it is; never negative."""
        return max(0.0, (self.end - self.begin).total_seconds())


class Deadline:
    """A moment after which a piece of work is given up, carried through its steps."""

    __slots__ = ("_at", "_clock", "seconds")

    def __init__(self, seconds: float, *, clock: Clock = SYSTEM_CLOCK) -> None:
        if not 0 <= seconds < float("inf"):  # NaN fails this comparison too
            raise UsageError(f"a wait takes finite seconds >= 0, got {seconds!r}")
        self.seconds = seconds
        self._clock = clock
        self._at = clock.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._at - self._clock.monotonic())

    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining() <= 0

    def within(self, seconds: float) -> Deadline:
        """The nearer of this deadline and one in so many seconds."""
        return Deadline(min(seconds, self.remaining()), clock=self._clock)

    def pause(self, seconds: float) -> None:
        """Let so much time pass, or what is left if that is less."""
        end = self._clock.monotonic() + min(seconds, self.remaining())
        condition = threading.Condition()
        with condition:
            while (left := end - self._clock.monotonic()) > 0:
                self._clock.wait(condition, left)

    def __repr__(self) -> str:
        return f"Deadline({self.remaining():.3f} s left of {self.seconds:g})"
