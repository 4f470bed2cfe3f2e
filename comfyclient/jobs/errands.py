"""Threads for what must hold up neither a caller nor a transport, now or later."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..timing import SYSTEM_CLOCK, Clock

_log = logging.getLogger("comfyclient.jobs.errands")

IDLE_S = 60.0
"""Seconds between two glances of a worker that has nothing to do."""
PARTING_S = 5.0
"""Seconds that closing waits for a worker; what it is at may wait for a server."""


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    """An errand that waits."""

    due: float
    number: int
    errand: Callable[[], None] = field(compare=False)
    hire: bool = field(compare=False, kw_only=True)
    """Whether a worker may be hired for it."""
    urgent: bool = field(compare=False, kw_only=True)
    """Whether it waits for nothing but a worker."""


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
        self._waiting: list[_Entry] = []
        self._order = itertools.count()
        self._threads: list[threading.Thread] = []
        self._idle = self._busy = 0
        self._urgent = 0
        """How many errands wait for nothing but a worker."""
        self._wakes_at = math.inf
        """When a worker that waits looks again by itself; at the latest one's time."""
        self._closed = False

    def do(
        self, errand: Callable[[], None], *, after: float = 0.0, hire: bool = True
    ) -> bool:
        """Run an errand as soon as a worker is free, but not before so many seconds.

        False where it is closed, and nothing is run any more. Nobody is hired, if so
        wished, for what the caller, a worker, is free for at once.
        """
        with self._condition:
            if self._closed:
                return False
            due = self._clock.monotonic() + after
            urgent = hire and after <= 0
            entry = _Entry(due, next(self._order), errand, hire=hire, urgent=urgent)
            heapq.heappush(self._waiting, entry)
            self._urgent += urgent
            if hire and self._free < max(1, self._urgent):
                self._hire()
            if due < self._wakes_at:  # nobody is woken for what can wait
                self._condition.notify()
        return True

    @property
    def closed(self) -> bool:
        """Whether nothing is run any more."""
        return self._closed

    def close(self, *, parting_s: float = PARTING_S) -> None:
        """Drop what waits, and wait a little for what was begun."""
        with self._condition:
            self._closed = True
            self._waiting.clear()
            self._condition.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=parting_s)

    @property
    def _free(self) -> int:
        """Workers at no errand; one between two of them is as good as idle."""
        return len(self._threads) - self._busy

    def _call_another(self) -> None:
        """Have the rest watched, unless its own worker is free for it at once."""
        if self._waiting and self._idle:
            self._condition.notify()
        elif self._waiting and self._waiting[0].hire and self._free < 1:
            self._hire()

    def _hire(self) -> None:
        if len(self._threads) == self._most:
            return
        thread = threading.Thread(
            target=self._work, name=f"comfyclient-{self._name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while self._do_one():
            pass  # what was done is not held on to while the next one is waited for

    def _do_one(self) -> bool:
        errand = self._next()
        if errand is None:
            return False
        try:
            errand()
        except Exception:  # noqa: BLE001  one errand's bug must not stop the others
            _log.exception("%s: an errand failed", self._name)
        with self._condition:
            self._busy -= 1
        return True

    def _next(self) -> Callable[[], None] | None:
        with self._condition:
            while not self._closed:
                now = self._clock.monotonic()
                if self._waiting and self._waiting[0].due <= now:
                    entry = heapq.heappop(self._waiting)
                    self._urgent -= entry.urgent
                    self._busy += 1
                    self._call_another()
                    return entry.errand
                wait = self._waiting[0].due - now if self._waiting else IDLE_S
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
                self._errands.do(self._next, hire=False)


class Farewells:
    """Errands that are last words to a server: closing waits for them a little.

    The connections are closed before the workers, so it is waited for before both.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._left = 0

    def do(self, farewell: Callable[[], None], errands: Errands) -> None:
        """Have it said as soon as one of these workers is free."""
        with self._condition:
            self._left += 1
        if not errands.do(lambda: self._say(farewell)):
            self._said()

    def await_said(self, *, parting_s: float = PARTING_S) -> bool:
        """Wait until all are said, but not for long; whether they are."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._left, parting_s)

    def _say(self, farewell: Callable[[], None]) -> None:
        try:
            farewell()
        finally:
            self._said()

    def _said(self) -> None:
        with self._condition:
            self._left -= 1
            self._condition.notify_all()
