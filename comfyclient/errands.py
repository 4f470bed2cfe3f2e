"""Threads for what must hold up neither a caller nor a transport, now or later."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
from collections import deque
from collections.abc import Callable

from .timing import SYSTEM_CLOCK, Clock

_log = logging.getLogger("comfyclient.errands")

IDLE_S = 60.0
"""Seconds between two glances of a worker that has nothing to do."""
PARTING_S = 5.0
"""Seconds that closing waits for a worker; what it is at may wait for a server."""


class Errands:
    """Runs errands in the order of their time, each once, in a few daemon threads.

    An errand that raises is logged; the others go on. What was not begun when it is
    closed is dropped: whoever needs it done keeps it in the ledger.
    """

    def __init__(
        self, name: str, *, workers: int = 1, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._name = name
        self._most = workers
        self._clock = clock
        self._condition = threading.Condition()
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._wakes_at = math.inf
        """When a worker that waits looks again by itself; at the latest one's time."""
        self._closed = False

    def do(self, errand: Callable[[], None], *, after: float = 0.0) -> bool:
        """Run an errand as soon as a worker is free, but not before so many seconds.

        False where it is closed, and nothing is run any more.
        """
        with self._condition:
            if self._closed:
                return False
            due = self._clock.monotonic() + after
            heapq.heappush(self._waiting, (due, next(self._order), errand))
            if self._idle == 0 and len(self._threads) < self._most:
                self._hire()
            if due < self._wakes_at:  # nobody is woken for what can wait
                self._condition.notify()
        return True

    @property
    def closed(self) -> bool:
        """Whether nothing is run any more."""
        return self._closed

    def close(self) -> None:
        """Drop what waits, and wait a little for what was begun."""
        with self._condition:
            self._closed = True
            self._waiting.clear()
            self._condition.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=PARTING_S)

    def _call_another(self) -> None:
        if self._idle:
            self._condition.notify()
        elif len(self._threads) < self._most:
            self._hire()

    def _hire(self) -> None:
        thread = threading.Thread(
            target=self._work, name=f"comfyclient-{self._name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (errand := self._next()) is not None:
            try:
                errand()
            except Exception:  # noqa: BLE001  one errand's bug must not stop the others
                _log.exception("%s: an errand failed", self._name)

    def _next(self) -> Callable[[], None] | None:
        with self._condition:
            while not self._closed:
                now = self._clock.monotonic()
                if self._waiting and self._waiting[0][0] <= now:
                    errand = heapq.heappop(self._waiting)[2]
                    if self._waiting:  # another one watches the rest
                        self._call_another()
                    return errand
                wait = self._waiting[0][0] - now if self._waiting else IDLE_S
                self._idle += 1
                self._wakes_at = now + wait
                self._clock.wait(self._condition, wait)
                self._idle -= 1
            return None


class Share:
    """A part of some workers: no more than so many of these errands run at a time."""

    def __init__(self, errands: Errands, *, at_once: int) -> None:
        self._errands = errands
        self._at_once = at_once
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._running = 0

    def do(self, errand: Callable[[], None]) -> bool:
        """Run an errand as soon as there is a worker, and a part of the share.

        False where the workers run nothing any more.
        """
        with self._lock:
            self._waiting.append(errand)
            full = self._running == self._at_once
            self._running += not full
        return not self._errands.closed if full else self._errands.do(self._next)

    def _next(self) -> None:
        """One errand; then others' turn comes before the next one."""
        with self._lock:
            if not self._waiting:  # another worker was faster
                self._running -= 1
                return
            errand = self._waiting.popleft()
        try:
            errand()
        finally:
            with self._lock:
                again = bool(self._waiting)
                self._running -= not again
            if again:
                self._errands.do(self._next)
