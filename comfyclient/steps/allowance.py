"""Lets requests to a model through: so many a second, so many at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import ClosedError, ModelThrottledError
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .models import Rate


class Allowance:
    """One model's: a bucket that holds one token, and a number of places.

    A bucket that held more would spend them at once, and the service counts by the
    second. It is this process's own: several that share a key may still be throttled,
    which `hold_back` then makes up for.
    """

    def __init__(self, model: str, rate: Rate, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._model = model
        self._pause = 0.0 if rate.per_s is None else 1 / rate.per_s
        self._places = rate.at_once
        self._clock = clock
        self._condition = threading.Condition()
        self._next = 0.0
        self._taken = 0
        self._closed = False

    @contextmanager
    def place(self, deadline: Deadline) -> Iterator[Callable[[Deadline], None]]:
        """One of the places, and the wait for a token that each request takes.

        Raises:
            ModelThrottledError: none was free before the deadline.
            ClosedError: the client was closed meanwhile.
        """
        self._await(lambda: self._taken < self._places, deadline)
        try:
            yield self._take_token
        finally:
            with self._condition:
                self._taken -= 1
                self._condition.notify_all()

    def hold_back(self, seconds: float) -> None:
        """Nobody asks before so many seconds: the service asked for that."""
        with self._condition:
            self._next = max(self._next, self._clock.monotonic() + seconds)

    def close(self) -> None:
        """Send everybody who waits away."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def pause(self, seconds: float, deadline: Deadline) -> None:
        """Wait, unless there is no time for it.

        Raises:
            ModelThrottledError: the deadline comes first.
            ClosedError: the client was closed meanwhile.
        """
        end = self._clock.monotonic() + seconds
        with self._condition:
            while (left := end - self._clock.monotonic()) > 0:
                self._check(left, deadline)
                self._clock.wait(self._condition, left)

    def _await(self, free: Callable[[], bool], deadline: Deadline) -> None:
        with self._condition:
            self._require_open()
            while not free():
                self._check(0, deadline)
                self._clock.wait(self._condition, deadline.remaining())
            self._taken += 1

    def _take_token(self, deadline: Deadline) -> None:
        with self._condition:
            self._require_open()
            while (left := self._next - self._clock.monotonic()) > 0:
                self._check(left, deadline)
                self._clock.wait(self._condition, left)
            self._next = max(self._next, self._clock.monotonic()) + self._pause

    def _check(self, wait: float, deadline: Deadline) -> None:
        self._require_open()
        left = deadline.remaining()
        if left <= 0 or wait > left:
            raise ModelThrottledError(
                "no request could be sent within the time allowed: "
                f"it would take {wait:.0f} s more",
                model=self._model,
                hint="allow more time, or fewer jobs at a time",
            )

    def _require_open(self) -> None:
        if self._closed:
            raise ClosedError("the client was closed while a model was to be asked")
