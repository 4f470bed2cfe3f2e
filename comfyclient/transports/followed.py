"""The jobs of one instance that are followed: what is known, and when to ask."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ..events import Event
from ..timing import Clock
from ..workflow import Workflow
from .answers import Outcome
from .base import Follower, Ticket, Verdict
from .hearsay import Hearsay
from .messages import Ended, Heard
from .pacing import FEW, SOONEST, interval, rest

TRIES = 3
"""Looks into the history alone, once the end was told, before the job is looked for."""
LIVELY_S = 10.0
"""Seconds after a job until another one is less likely."""


@dataclass(slots=True, eq=False)
class Followed:
    """One job, followed until it is over."""

    ticket: Ticket
    workflow: Workflow
    follower: Follower
    since: float
    due: float
    hearsay: Hearsay = field(default_factory=Hearsay)
    told: bool = False
    """The websocket said that it ended."""
    settled: bool = False
    """It also said that the history has it."""
    tries: int = 0
    outcome: Outcome | None = None
    """How it ended, kept while the websocket may still speak of it."""
    misses: int = 0
    flickers: bool = False
    """It was not known, and then known again: several servers answer."""
    doubt: str | None = None
    """What hints at a restart of the server since it was sent."""
    buried: bool = False
    """It was taken from the queue of a dead worker."""
    early: list[Heard | Ended] | None = None
    """Signals held back while those that came before them are being told."""
    over: bool = False
    _telling: threading.RLock = field(default_factory=threading.RLock)

    def tell(self, event: Event) -> None:
        """Tell the follower of an event, unless the end was told before."""
        with self._telling:
            if not self.over:
                self.follower.heard(event)

    def silence(self) -> bool:
        """Let nothing more be told; whether this is the first call to do so."""
        with self._telling:
            first, self.over = not self.over, True
        return first

    def end(self, verdict: Verdict) -> None:
        """Tell the follower of the end, once."""
        if self.silence():
            self.follower.ended(verdict)

    def tell_end(self, signal: Ended) -> None:
        """The websocket said that it ended: the history is asked."""
        if signal.settled and not self.settled:
            self.settled, self.tries = True, 0
        self.told = True

    @property
    def in_history(self) -> bool:
        """Whether the history alone is worth asking."""
        return self.told and self.tries < (1 if self.settled else TRIES)


class Register:
    """The followed jobs by prompt id. Safe for threads; `condition` guards it."""

    def __init__(self, clock: Clock, *, hears: Callable[[str], bool]) -> None:
        self._clock = clock
        self._hears = hears
        self.condition = threading.Condition()
        self.jobs: dict[str, Followed] = {}
        self.running: str | None = None
        """A job of ours that is at work, as far as told."""
        self._closed = False
        self._rest_until = 0.0
        self._wakes_at = 0.0
        """When the thread that waits in `take` looks again by itself."""
        self._lively_until = 0.0

    def put(self, followed: Followed) -> None:
        """Follow a job from now on."""
        with self.condition:
            self.jobs[followed.ticket.prompt_id] = followed
            self._lively_until = followed.since + LIVELY_S
            followed.due = followed.since + self._pace(followed, followed.since)
            self._wake(followed)

    def next_early(self, followed: Followed) -> Heard | Ended | None:
        """The next signal that was held back; behind the last one it is followed."""
        with self.condition:
            if followed.early:
                return followed.early.pop(0)
            followed.early = None
            self._wake(followed)
            return None

    def pop(self, prompt_id: str) -> Followed | None:
        """Follow a job no longer."""
        with self.condition:
            if self.running == prompt_id:
                self.running = None
            return self.jobs.pop(prompt_id, None)

    def everyone(self) -> list[Followed]:
        """All of them."""
        with self.condition:
            return list(self.jobs.values())

    def hasten(self, followed: Followed, seconds: float) -> None:
        """Look for a job in so many seconds, if it is not looked for before."""
        with self.condition:
            followed.due = min(followed.due, self._clock.monotonic() + seconds)
            self._wake(followed)

    def put_off(self, followed: Followed, seconds: float) -> None:
        """Look for a job in so many seconds, and no sooner."""
        with self.condition:
            followed.due = self._clock.monotonic() + seconds
            self._wake(followed)

    def rest(self, cost: int) -> None:
        """Leave the server alone for a while: a look at its queue cost so much."""
        with self.condition:
            seconds = rest(followed=len(self.jobs), cost=cost)
            self._rest_until = self._clock.monotonic() + seconds

    def take(self) -> list[Followed] | None:
        """The jobs to look for, once there are any; None when closed.

        One look at the queue tells of all: when many are followed, all are looked for
        with the first that is due. None at all are looked for when one is overdue.
        """
        with self.condition:
            while not self._closed:
                now = self._clock.monotonic()
                batch = self._batch(now)
                if batch is not None:
                    for followed in batch:
                        followed.due = now + self._pace(followed, now)
                    return batch
                self._wakes_at = self._next(now)
                self._clock.wait(self.condition, max(self._wakes_at - now, 0.001))
            return None

    def close(self) -> None:
        """Follow nothing any more."""
        with self.condition:
            self._closed = True
            self.jobs.clear()
            self.condition.notify_all()

    def _batch(self, now: float) -> list[Followed] | None:
        known = [f for f in self.jobs.values() if f.early is None]
        ready = [f for f in known if f.due <= now]
        batch = [f for f in ready if _is_apart(f)]
        if len(batch) < len(ready) and now >= self._rest_until:
            among = known if len(self.jobs) > FEW else ready
            batch += [f for f in among if not _is_apart(f)]
        late = any(f.follower.deadline.passed() for f in ready)
        return batch if batch or late else None

    def _next(self, now: float) -> float:
        # the end of a job's time is not slept through
        ends = [f.follower.deadline.remaining() for f in self.jobs.values()]
        moments = [self._moment(f) for f in self.jobs.values()]
        # While jobs come, it is up in time for the next one: it need not be woken then.
        idle = SOONEST if now < self._lively_until else 60.0
        return min([now + idle, *moments, *(now + end + 0.01 for end in ends)])

    def _moment(self, followed: Followed) -> float:
        """When a look for this job may be made."""
        if _is_apart(followed):
            return followed.due
        return max(followed.due, self._rest_until)

    def _wake(self, followed: Followed) -> None:
        """Have it looked for in time: nobody is woken for what can wait."""
        if self._moment(followed) < self._wakes_at:
            self.condition.notify_all()

    def _pace(self, followed: Followed, now: float) -> float:
        heard = not followed.told and self._hears(followed.ticket.client_id)
        seconds = interval(age=now - followed.since, heard=heard)
        left: float = followed.follower.deadline.remaining()
        return min(seconds, left + 0.01)


def _is_apart(followed: Followed) -> bool:
    """Whether it needs no look at the queue."""
    return followed.in_history or followed.outcome is not None
