"""A clock for tests: time passes only when the test says so."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from .threads import Stillness, stacks

T = TypeVar("T")

_GLANCE = 0.05
"""Real seconds after which a waiter looks again: time may have passed between its
look at the clock and its wait."""
_BREATH = 0.0003
"""Real seconds between two steps of a pumped clock, for whoever was woken."""
_WORK = 0.0006
"""The same while somebody works: each look takes the interpreter from them."""
_STRAIN = 0.003
"""Real seconds between two steps while somebody waits for an answer that does not come:
whoever watches over such a wait looks at the clock only now and then."""
_CALM = 0.001
"""Real seconds that nobody works until time goes on: a message may be on its way to a
thread that seems to wait."""
_TURNS = 4
"""Looks in a row that find so: on a busy machine those seconds are over before anybody
had a turn."""
_LULL = 0.005
"""Real seconds until time passes although nobody waits on the clock."""


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
        self._looks: Counter[int] = Counter()  # by thread
        self._overdue: dict[int, str] = {}  # by thread: what its next wait raises

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        with self._lock:
            self._looks[threading.get_ident()] += 1
            return self._elapsed

    def now(self) -> datetime:
        """The moment given at first, and what has passed since."""
        return self._start + timedelta(seconds=self.monotonic())

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Wait on a held condition until it is notified or so much time was given."""
        with self._lock:
            if threading.get_ident() in self._overdue:
                raise TimeoutError(self._overdue.pop(threading.get_ident()))
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

    def await_sleepers(self, count: int = 1, *, timeout: float = 20) -> None:
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

    # -- time that passes by itself

    def pump(
        self, until: Callable[[], object], *, limit: float = 30, step: float = 0.25
    ) -> None:
        """Let time pass, step by step, while real work goes on, until something is so.

        It stands still while a thread of the package works or waits for an HTTP
        answer; a thread that does not get on is waited for only a moment. A fake
        minute in which nothing happens takes about a tenth of a second.

        Raises:
            TimeoutError: it is not so after `limit` real seconds; shows what the
                threads do.
        """
        began = time.monotonic()
        with closing(Stillness()) as stillness:
            calm = _Calm(stillness)
            while not until():
                if time.monotonic() - began > limit:
                    raise TimeoutError(self._complaint(limit))
                if self._woken() or not stillness.reached(self._looks):
                    calm.begin_again()
                    time.sleep(_WORK)
                    continue
                if calm.reached():
                    stride = self._stride(step)
                    self.advance(stride)
                    if stride != step:
                        calm.begin_again()
                time.sleep(_STRAIN if stillness.strained else _BREATH)

    def run(self, work: Callable[[], T], *, limit: float = 30, step: float = 0.25) -> T:
        """What a call returns or raises that is made while time passes.

        Raises:
            TimeoutError: it has not returned after `limit` real seconds; its thread is
                left behind.
        """
        done: Future[T] = Future()
        thread = threading.Thread(
            target=_settle, args=(done, work), name="comfyclient-pumped", daemon=True
        )
        thread.start()
        self.pump(done.done, limit=limit, step=step)
        thread.join()
        return done.result()

    @contextmanager
    def flowing(self, *, limit: float = 30, step: float = 0.25) -> Iterator[None]:
        """Let time pass while the block runs.

        Raises:
            TimeoutError: the block runs after `limit` real seconds; raised where it
                waits on the clock, or at its end.
        """
        ended = threading.Event()
        owner = threading.get_ident()

        def flow() -> None:
            try:
                self.pump(ended.is_set, limit=limit, step=step)
            except TimeoutError as error:
                self._expire(owner, str(error))

        thread = threading.Thread(target=flow, name="clock-pump", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with self._lock:
                overdue = self._overdue.pop(owner, None)
        if overdue is not None:
            raise TimeoutError(overdue)

    def _expire(self, owner: int, complaint: str) -> None:
        with self._lock:
            self._overdue[owner] = complaint
            conditions = [condition for _, condition in self._waiting]
        for condition in conditions:
            with condition:
                condition.notify_all()

    def _woken(self) -> bool:
        """Whether somebody's time has come who has not noticed yet."""
        with self._lock:
            return any(at <= self._elapsed for at, _ in self._waiting)

    def _stride(self, step: float) -> float:
        """To the next moment that somebody waits for, but no further than a step."""
        end = time.monotonic() + _LULL
        with self._lock:
            while not self._waiting and (left := end - time.monotonic()) > 0:
                self._lock.wait(left)
            moments = [at - self._elapsed for at, _ in self._waiting]
        return max(min([step, *moments]), 0.0)

    def _complaint(self, limit: float) -> str:
        return (
            f"not done after {limit:g} real seconds, {self.monotonic():g} s on the "
            f"clock; the threads do this:\n{stacks()}"
        )


class _Calm:
    """How long nobody has worked: long enough for time to go on?"""

    def __init__(self, stillness: Stillness) -> None:
        self._stillness = stillness
        self.begin_again()

    def begin_again(self) -> None:
        """Somebody works, or was woken."""
        self._since = time.monotonic()
        self._turns = 0
        self._sure = False

    def reached(self) -> bool:
        """Whether it was so at one look more, and often enough."""
        self._turns += 1
        if self._turns < _TURNS or time.monotonic() - self._since <= _CALM:
            return False
        self._sure = self._sure or not self._stillness.stirred()
        if not self._sure:
            self.begin_again()
        return self._sure


class HastyClock:
    """A `Clock` on which whoever waits has waited: time passes with each wait.

    For code in one thread that pauses before it tries again. What a deadline lets pass
    in work alone does not count.
    """

    def __init__(self) -> None:
        self._fake = FakeClock()

    def monotonic(self) -> float:
        """Seconds that were waited for since the clock was made."""
        return self._fake.monotonic()

    def now(self) -> datetime:
        """The moment of its making, and what was waited for since."""
        return self._fake.now()

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        """Let so much time have passed."""
        self._fake.advance(max(0.0, seconds))


def _settle(done: Future[T], work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001  raised again where it is waited for
        done.set_exception(error)
