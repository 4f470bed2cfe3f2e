"""Notices that a server restarted: its count of prompts fell back. Pure."""

from __future__ import annotations

import threading


class Counter:
    """The numbers that one server gave the prompts it took. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: float | None = None

    @property
    def last(self) -> float | None:
        """The highest number since the last restart that was noticed."""
        return self._last

    def took(self, number: float | None, *, after: float | None) -> str | None:
        """Take in a number; what shows that the server restarted, if it did.

        `after` is what `last` was when the prompt was sent: answers of prompts that
        are sent at the same time may come in any order.
        """
        if number is None:
            return None
        with self._lock:
            fell = after is not None and number < after
            if fell or self._last is None or number > self._last:
                self._last = number
        return f"its counter fell from {after:g} to {number:g}" if fell else None
