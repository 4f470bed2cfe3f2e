"""How often a job may be sent again, by what became of it. Pure."""

from __future__ import annotations

from collections import Counter

from ..config.settings import PolicySettings
from ..errors import (
    ComfyClientError,
    JobInterruptedError,
    JobLostError,
    OutOfMemoryError,
)


class Budget:
    """Counts down while a job is sent again; one object for each job."""

    def __init__(self, policies: PolicySettings) -> None:
        self._allowed: tuple[tuple[type[ComfyClientError], int], ...] = (
            (JobLostError, policies.resubmit_lost),
            (OutOfMemoryError, policies.resubmit_out_of_memory),
            (JobInterruptedError, policies.resubmit_interrupted),
        )
        self._spent: Counter[type[ComfyClientError]] = Counter()

    def allows(self, error: ComfyClientError) -> bool:
        """Whether the job might be sent again after this; nothing is spent."""
        return any(
            isinstance(error, kind) and self._spent[kind] < most
            for kind, most in self._allowed
        )

    def spend(self, error: ComfyClientError | None) -> bool:
        """Whether the job may be sent again after this; if so, that was one time."""
        for kind, most in self._allowed:
            if isinstance(error, kind):
                self._spent[kind] += 1
                return self._spent[kind] <= most
        return False
