"""Follows the jobs of one instance: events from its websocket, verdicts by polling.

The websocket is never believed for the end of a job: what it says only decides when
the server is asked. So a job ends the same way whether a socket works, breaks or never
opens.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import (
    BadAnswerError,
    ComfyClientError,
    JobLostError,
    RefusedError,
    ServerFaultError,
)
from ..events import (
    ConnectionLost,
    ConnectionRestored,
    Event,
    NodesCached,
    NodeStarted,
    Preview,
    Queued,
    Started,
)
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..workflow import Workflow
from .answers import Whereabouts
from .base import Follower, Ticket, Verdict
from .listener import Listener
from .lookup import Lookup, Sighting
from .messages import Ended, Heard, Signal
from .verdicts import verdict_of

_log = logging.getLogger("comfyclient.transports.following")

LOOK_TIMEOUT, LEAST_PATIENCE = 20.0, 0.5
SETTLE = 0.03
"""Seconds after `execution_success` until the history is asked: it is stored later."""
LINGER = 0.5
"""Seconds that the socket may still speak of a job that the server has ended."""
RARELY, AT_MOST = 2.0, 10.0
"""Seconds between looks while the websocket is healthy: at first, and later."""
OFTEN, AT_LEAST = 0.1, 2.0
"""The same without one."""
MISSES_UNTIL_LOST, BETWEEN_MISSES = 3, 0.25
DEAF_AFTER, DEAF_AT_MOST = 20.0, 320.0
"""Seconds without a frame, while a job of ours runs, until the socket dials anew.

Doubled each time in vain: a long node says nothing either.
"""
STRAY_SIGNALS = 2000
"""Signals kept of prompts not known yet: they may overtake the answer to the POST."""


@dataclass(slots=True)
class _Followed:
    ticket: Ticket
    workflow: Workflow
    follower: Follower
    since: float
    due: float
    ending: bool = False
    """The socket said that it ended."""
    settled: bool = False
    """It also said that the history has it: nothing more will be heard."""
    lingered: bool = False
    misses: int = 0
    early: list[Heard | Ended] | None = None
    """Signals held back while those that came before them are being told."""


class Following:
    """The followed jobs of one instance, and the thread that polls for them."""

    def __init__(self, name: str, lookup: Lookup, *, clock: Clock = SYSTEM_CLOCK):
        self._name = name
        self._lookup = lookup
        self._clock = clock
        self._condition = threading.Condition()
        self._followed: dict[str, _Followed] = {}
        self._strays: deque[Heard | Ended] = deque(maxlen=STRAY_SIGNALS)
        self._posting = 0
        self._running: str | None = None  # prompt id of ours at work, as far as told
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._trouble: ComfyClientError | None = None
        self._deaf_after = DEAF_AFTER

    def attend(self, listener: Listener) -> None:
        """Use this listener's health to decide how often to poll."""
        self._listener = listener

    def expect(self) -> None:
        """A POST is on its way: keep signals of prompts that are not known yet."""
        with self._condition:
            self._posting += 1

    def expected(self) -> None:
        """The POST is answered."""
        with self._condition:
            self._posting -= 1
            if self._posting == 0:
                self._strays.clear()
        self._unwant()

    def add(self, ticket: Ticket, workflow: Workflow, follower: Follower) -> None:
        """Follow a job until its end."""
        now = self._clock.monotonic()
        followed = _Followed(ticket, workflow, follower, since=now, due=now)
        with self._condition:
            followed.due = now + self._interval(followed)
            self._followed[ticket.prompt_id] = followed
            followed.early = [
                s for s in self._strays if s.prompt_id == ticket.prompt_id
            ]
            self._start()
            self._condition.notify_all()
        while (early := self._next_early(followed)) is not None:
            self._take(early)

    def remove(self, prompt_id: str) -> None:
        """Follow a job no longer."""
        with self._condition:
            self._followed.pop(prompt_id, None)
            if self._running == prompt_id:
                self._running = None
        self._unwant()

    def look_now(self, prompt_id: str) -> None:
        """Ask the server about a job at once."""
        self._hasten(prompt_id, 0.0, settled=False)

    def signal(self, signal: Signal) -> None:
        """Take what the websocket said. Called from the listener's thread."""
        match signal:
            case Heard() | Ended():
                self._deaf_after = DEAF_AFTER
                if not self._held_back(signal):
                    self._take(signal)
            case _:
                pass

    def link(self, lost: str | None) -> None:
        """Tell the jobs that the websocket broke (a reason) or is back (None)."""
        event: Event = ConnectionRestored() if lost is None else ConnectionLost(lost)
        with self._condition:
            now = self._clock.monotonic()
            for followed in self._followed.values():
                # what happened meanwhile was not sent again: look soon, and spread out
                followed.due = min(followed.due, now + random.uniform(0.02, OFTEN))
            followers = [f.follower for f in self._followed.values()]
            self._condition.notify_all()
        for follower in followers:
            follower.heard(event)

    def close(self) -> None:
        """End the thread; followed jobs hear nothing more."""
        with self._condition:
            self._closed = True
            self._followed.clear()
            self._condition.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=LOOK_TIMEOUT + 5)

    # -- the websocket's side

    def _held_back(self, signal: Heard | Ended) -> bool:
        """Keep a signal that must wait: its prompt is not known yet, or just became so.

        Previews are not kept: they are large, and anybody's may be broadcast.
        """
        if signal.prompt_id is None:
            return False
        with self._condition:
            followed = self._followed.get(signal.prompt_id)
            if followed is not None and followed.early is not None:
                followed.early.append(signal)
                return True
            if followed is None and self._posting > 0:
                if not (
                    isinstance(signal, Heard) and isinstance(signal.event, Preview)
                ):
                    self._strays.append(signal)
                return True
        return False

    def _next_early(self, followed: _Followed) -> Heard | Ended | None:
        with self._condition:
            if followed.early:
                return followed.early.pop(0)
            followed.early = None
            return None

    def _take(self, signal: Heard | Ended) -> None:
        known = self._running if signal.prompt_id is None else signal.prompt_id
        followed = None if known is None else self._followed.get(known)
        if known is None or followed is None:
            return
        match signal:
            case Heard(event=event):
                if isinstance(event, Started | NodesCached | NodeStarted):
                    self._running = known
                followed.follower.heard(event)
            case Ended(settled=settled):
                followed.ending = True
                self._hasten(known, 0.0 if settled else SETTLE, settled=settled)
                if self._running == known:
                    self._running = None

    def _hasten(self, prompt_id: str, seconds: float, *, settled: bool) -> None:
        with self._condition:
            followed = self._followed.get(prompt_id)
            if followed is None:
                return
            followed.due = min(followed.due, self._clock.monotonic() + seconds)
            followed.settled = followed.settled or settled
            self._condition.notify_all()

    # -- the polling side

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(
                target=self._run,
                name=f"comfyclient-following-{self._name}",
                daemon=True,
            )
            self._thread.start()

    def _run(self) -> None:
        while (due := self._await_due()) is not None:
            try:
                self._give_up_overdue()
                live = [f for f in due if f.ticket.prompt_id in self._followed]
                self._trouble = self._look(live)
                self._cure_deafness()
            except ComfyClientError as error:
                # the server may be restarting: the deadline decides, not one answer
                self._trouble = error
            except Exception:  # noqa: BLE001  one job's bug must not hang the others
                _log.exception("%s: while following", self._name)
            if self._trouble is not None:
                _log.info("%s: cannot ask for jobs: %s", self._name, self._trouble)

    def _await_due(self) -> list[_Followed] | None:
        """The jobs to ask for, once there are any; None when closed."""
        with self._condition:
            while not self._closed:
                now = self._clock.monotonic()
                due = [f for f in self._followed.values() if f.due <= now]
                if due:
                    for followed in due:
                        followed.due = now + self._interval(followed)
                    return due
                moments = [f.due for f in self._followed.values()]
                wait = min(moments) - now if moments else 60.0
                self._clock.wait(self._condition, max(wait, 0.001))
            return None

    def _interval(self, followed: _Followed) -> float:
        """Seconds until the next look: more often without a websocket, jittered."""
        age = self._clock.monotonic() - followed.since
        healthy = self._listener is not None and self._listener.registered
        calm = healthy and not followed.ending
        low, high = (RARELY, AT_MOST) if calm else (OFTEN, AT_LEAST)
        seconds = min(max(age * 0.1, low), high) * random.uniform(0.8, 1.2)
        # the end of the job's time is not slept through
        left: float = followed.follower.deadline.remaining()
        return min(seconds, left + 0.01)

    def _give_up_overdue(self) -> None:
        with self._condition:
            overdue = [
                f for f in self._followed.values() if f.follower.deadline.passed()
            ]
            for followed in overdue:
                del self._followed[followed.ticket.prompt_id]
        for followed in overdue:
            followed.follower.overdue(self._trouble)
        if overdue:
            self._unwant()

    def _look(self, due: Sequence[_Followed]) -> ComfyClientError | None:
        """Ask for jobs; what was wrong with the answer for one of them."""
        deadline = self._patience()
        asked: list[_Followed] = []
        for followed in due:
            if not (followed.settled and self._ask_history(followed, deadline)):
                asked.append(followed)
        if not asked:
            return None
        ids = [f.ticket.prompt_id for f in asked]
        sightings = self._lookup.where(ids, deadline=deadline)
        trouble: ComfyClientError | None = None
        for followed in asked:
            sighting = sightings[followed.ticket.prompt_id]
            if isinstance(sighting, Sighting):
                self._seen(followed, sighting)
            else:
                trouble = sighting
        return trouble

    def _patience(self) -> Deadline:
        """No job's end is waited past because the server is slow to answer."""
        with self._condition:
            left = [f.follower.deadline.remaining() for f in self._followed.values()]
        return Deadline(
            max(min([LOOK_TIMEOUT, *left]), LEAST_PATIENCE), clock=self._clock
        )

    def _ask_history(self, followed: _Followed, deadline: Deadline) -> bool:
        try:
            outcome = self._lookup.history(followed.ticket.prompt_id, deadline=deadline)
        except (BadAnswerError, RefusedError, ServerFaultError):
            return False  # the longer way may tell more
        if outcome is not None:
            self._end(followed, verdict_of(outcome, followed.workflow))
        return outcome is not None

    def _seen(self, followed: _Followed, sighting: Sighting) -> None:
        if sighting.where is Whereabouts.UNKNOWN:
            self._missed(followed)
            return
        followed.misses = 0
        if sighting.outcome is not None:
            if not self._may_hear_more(followed):
                self._end(followed, verdict_of(sighting.outcome, followed.workflow))
        elif sighting.where is Whereabouts.RUNNING:
            self._running = followed.ticket.prompt_id
            followed.follower.heard(Started())
        else:
            followed.follower.heard(Queued(sighting.position))

    def _may_hear_more(self, followed: _Followed) -> bool:
        """Give the socket a moment, once: its last frames may be on their way.

        Some nodes send their pictures over it alone.
        """
        listener = self._listener
        hears = listener is not None and listener.hears(followed.ticket.client_id)
        if not hears or followed.settled or followed.lingered:
            return False
        followed.lingered = True
        self._hasten(followed.ticket.prompt_id, LINGER, settled=False)
        return True

    def _missed(self, followed: _Followed) -> None:
        followed.misses += 1
        if followed.misses >= MISSES_UNTIL_LOST:
            error = JobLostError(
                "the server knows the job no longer: it restarted, or the job was "
                "deleted from its queue",
                hint="submit it again",
            )
            self._end(followed, Verdict(error))
        else:
            self._hasten(followed.ticket.prompt_id, BETWEEN_MISSES, settled=False)

    def _end(self, followed: _Followed, verdict: Verdict) -> None:
        with self._condition:
            known = self._followed.pop(followed.ticket.prompt_id, None)
        if known is None:  # forgotten meanwhile
            return
        if verdict.error is not None:
            verdict.error.attach(instance=self._name)
        followed.follower.ended(verdict)
        self._unwant()

    def _unwant(self) -> None:
        """Nothing to follow: a socket that breaks now need not be dialled again."""
        with self._condition:  # held, so that a submit's wish comes before or after
            idle = not self._followed and self._posting == 0
            if idle and self._listener is not None:
                self._listener.want(False)

    def _cure_deafness(self) -> None:
        """Dial anew when the server works for us and the open socket stays silent.

        A server that notices late that our former connection died unregisters the
        present one with it (every version; upstream issue 16010).
        """
        listener = self._listener
        if listener is None or not listener.registered or self._running is None:
            return
        if self._running in self._followed and listener.quiet_for > self._deaf_after:
            _log.info("%s: the websocket went deaf; dialling anew", self._name)
            self._deaf_after = min(self._deaf_after * 2, DEAF_AT_MOST)
            listener.register_again()
