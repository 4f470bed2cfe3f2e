"""Whether an instance may be asked, by how it answered of late. Pure."""

from __future__ import annotations

FIRST_PAUSE_S = 10.0
"""Seconds that an instance is left alone after its first failure in a row."""
LONGEST_PAUSE_S = 60.0
FAULTS_ALLOWED = 3
"""Answers in a row that are no answers (5xx and such) until it counts as failing."""
BUSY_PAUSE_S = 1.0
"""Seconds that an instance which is busy, and says no more, is left alone."""
TRIAL_S = 30.0
"""Seconds after which a trial that told nothing is made again."""


class Breaker:
    """Open after failures; then one job at a time is a trial, until one is taken."""

    def __init__(self) -> None:
        self._failures = 0
        self._faults = 0
        self._until = 0.0
        self._busy_until = 0.0
        self._trial_at: float | None = None

    @property
    def failing(self) -> bool:
        """Whether nothing was taken there since it failed."""
        return self._failures > 0

    def admits(self, now: float) -> bool:
        """Whether the instance may be sent a job now."""
        if now < self._busy_until or now < self._until:
            return False
        under_trial = self._trial_at is not None and now < self._trial_at + TRIAL_S
        return not (self.failing and under_trial)

    def opens_in(self, now: float) -> float:
        """Seconds until it may be asked again."""
        end = max(self._busy_until, self._until)
        if self.failing and self._trial_at is not None:
            end = max(end, self._trial_at + TRIAL_S)
        return max(0.0, end - now)

    def trying(self, now: float) -> None:
        """A job is sent there: behind a failure, it is a trial."""
        if self.failing:
            self._trial_at = now

    def took(self) -> None:
        """It took a job."""
        self._failures = self._faults = 0
        self._until = self._busy_until = 0.0
        self._trial_at = None

    def answered(self) -> None:
        """It took nothing, but it is there: it refused, say."""
        self._faults = 0
        self._trial_at = None

    def failed(self, now: float, *, seconds: float | None = None) -> None:
        """It did not answer: nothing is sent there for a while, longer each time."""
        self._failures += 1
        self._trial_at = None
        pause = min(FIRST_PAUSE_S * 2 ** (min(self._failures, 10) - 1), LONGEST_PAUSE_S)
        self._until = max(self._until, now + (pause if seconds is None else seconds))

    def fault(self, now: float) -> None:
        """It answered, but with a fault of its own."""
        self._faults += 1
        self._trial_at = None
        if self.failing or self._faults >= FAULTS_ALLOWED:
            self.failed(now)

    def busy(self, now: float, *, seconds: float | None) -> None:
        """It asks to come back later."""
        self._trial_at = None
        pause = BUSY_PAUSE_S if seconds is None else seconds
        self._busy_until = max(self._busy_until, now + pause)
