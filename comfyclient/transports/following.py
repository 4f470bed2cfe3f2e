"""Follows the jobs of one instance: events from its websocket, verdicts by polling.

The websocket is not believed for the end of a job: what it says only decides when the
server is asked. So a job ends the same way whether a socket works, breaks or never
opens. The one exception: the socket told how the job ended, and the server has since
forgotten it, because somebody cleared its history. Then nobody else can tell any more,
and the job would count as lost although it was done.

Jobs that were sent by another process are followed by polling alone: to listen under
that one's client id would take the messages from it, if it lives.
"""

from __future__ import annotations

import logging
import random
from collections import deque

from ..errors import ComfyClientError, UnreachableError
from ..events import (
    ConnectionLost,
    ConnectionRestored,
    Event,
    NodesCached,
    NodeStarted,
    Preview,
    Started,
)
from ..logs import InstanceLog
from ..timing import SYSTEM_CLOCK, Clock
from ..workflow import Workflow
from .base import Follower, Ticket
from .followed import Followed, Register
from .hearsay import Hearsay
from .late_thread import LateThread
from .listener import Listener
from .lookup import Lookup
from .messages import Ended, Heard, Signal
from .pacing import OFTEN
from .rounds import LOOK_TIMEOUT, Delete, Rounds

_logger = logging.getLogger("comfyclient.transports.following")

SETTLE = 0.03
"""Seconds after `execution_success` until the history is asked: it is stored later."""
DEAF_AFTER, DEAF_AT_MOST = 20.0, 320.0
"""Seconds without a frame, while a job of ours runs, until the socket dials anew.

Doubled each time in vain: a long node says nothing either.
"""
STRAY_SIGNALS = 2000
"""Signals kept of prompts not known yet: they may overtake the answer to the POST."""


class Following:
    """The followed jobs of one instance, and the thread that polls for them."""

    def __init__(
        self, name: str, lookup: Lookup, *, delete: Delete, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._name = name
        self._log = InstanceLog(_logger, name)
        self._lookup = lookup
        self._clock = clock
        self._register = Register(clock, hears=self._hears)
        self._rounds = Rounds(
            name,
            lookup,
            self._register,
            delete=delete,
            hears=self._hears,
            clock=clock,
        )
        self._strays: deque[Heard | Ended] = deque(maxlen=STRAY_SIGNALS)
        self._overflowed = False
        self._posting = 0
        self._links = 0
        self._listener: Listener | None = None
        self._thread = LateThread(f"following-{name}", self._run)
        self._trouble: ComfyClientError | None = None
        self._away_since: float | None = None
        self._deaf_after = DEAF_AFTER

    def attend(self, listener: Listener) -> None:
        """Use this listener's health to decide how often to poll."""
        self._listener = listener

    @property
    def links(self) -> int:
        """How often the websocket broke or came back; to be noted before a POST."""
        return self._links

    @property
    def backlog(self) -> int | None:
        """Jobs in the server's queue at the last look, where that is not long ago."""
        return self._rounds.backlog

    @property
    def away_s(self) -> float:
        """Seconds for which the server was asked and not reached."""
        since = self._away_since
        return 0.0 if since is None else self._clock.monotonic() - since

    def expect(self) -> None:
        """A POST is on its way: keep signals of prompts that are not known yet."""
        with self._register.condition:
            self._posting += 1

    def expected(self) -> None:
        """The POST is answered."""
        with self._register.condition:
            self._posting -= 1
            if self._posting == 0:
                self._strays.clear()
                self._overflowed = False
        self._unwant()

    def add(
        self,
        ticket: Ticket,
        workflow: Workflow,
        follower: Follower,
        *,
        links: int | None = None,
    ) -> None:
        """Follow a job until its end; `links` as it was before the POST, if we sent it.

        Signals that name no prompt are not kept for it from before: they cannot be
        told from those of others.
        """
        followed = Followed(
            ticket, workflow, follower, since=self._clock.monotonic(), due=0.0
        )
        with self._register.condition:
            whole = links == self._links and not self._overflowed
            followed.hearsay = Hearsay(whole=whole and self._hears(ticket.client_id))
            followed.early = [
                s for s in self._strays if s.prompt_id == ticket.prompt_id
            ]
            self._register.put(followed)
            self._thread.begin()
        while (early := self._register.next_early(followed)) is not None:
            self._take(followed, early)

    def remove(self, prompt_id: str) -> None:
        """Follow a job no longer."""
        followed = self._register.pop(prompt_id)
        if followed is not None:
            followed.silence()
        self._unwant()

    def look_now(self, prompt_id: str) -> None:
        """Ask the server about a job at once."""
        followed = self._register.jobs.get(prompt_id)
        if followed is not None:
            self._register.hasten(followed, 0.0)

    def restarted(self, sign: str) -> None:
        """The server restarted, as this sign shows: look for every job at once."""
        self._doubt(sign)
        for followed in self._register.everyone():
            self._register.hasten(followed, 0.0)

    def signal(self, signal: Signal) -> None:
        """Take what the websocket said. Called from the listener's thread."""
        match signal:
            case Heard() | Ended():
                self._deaf_after = DEAF_AFTER
                self._rounds.worker.moved()
                if not self._held_back(signal):
                    self._find_taker(signal)
            case _:
                pass

    def link(self, lost: str | None) -> None:
        """Tell the jobs that the websocket broke (a reason) or is back (None)."""
        event: Event = ConnectionRestored() if lost is None else ConnectionLost(lost)
        listener = self._listener
        with self._register.condition:
            self._links += 1
            heard = [
                followed
                for followed in self._register.jobs.values()
                if listener is None or listener.serves(followed.ticket.client_id)
            ]
            for followed in heard:
                followed.hearsay.whole = False
        for followed in heard:
            # what happened meanwhile was not sent again: look soon, and spread out
            self._register.hasten(followed, random.uniform(0.02, OFTEN))
            followed.tell(event)

    def close(self) -> None:
        """End the thread; followed jobs hear nothing more."""
        for followed in self._register.everyone():
            followed.silence()
        self._register.close()
        self._thread.end(LOOK_TIMEOUT + 5)

    # -- the websocket's side

    def _hears(self, client_id: str) -> bool:
        return self._listener is not None and self._listener.hears(client_id)

    def _held_back(self, signal: Heard | Ended) -> bool:
        """Keep a signal that must wait: its prompt is not known yet, or just became so.

        Previews are not kept: they are large, and anybody's may be broadcast.
        """
        if signal.prompt_id is None:
            return False
        with self._register.condition:
            followed = self._register.jobs.get(signal.prompt_id)
            if followed is not None and followed.early is not None:
                followed.early.append(signal)
                return True
            if followed is None and self._posting > 0:
                if not (
                    isinstance(signal, Heard) and isinstance(signal.event, Preview)
                ):
                    self._overflowed |= len(self._strays) == STRAY_SIGNALS
                    self._strays.append(signal)
                return True
        return False

    def _find_taker(self, signal: Heard | Ended) -> None:
        """One without a prompt is of the job of ours that runs, or of nobody here."""
        running = self._register.running
        known = running if signal.prompt_id is None else signal.prompt_id
        followed = None if known is None else self._register.jobs.get(known)
        if followed is not None:
            self._take(followed, signal)

    def _take(self, followed: Followed, signal: Heard | Ended) -> None:
        known = followed.ticket.prompt_id
        followed.hearsay.take(signal)
        match signal:
            case Heard(event=event):
                if isinstance(event, Started | NodesCached | NodeStarted):
                    self._register.running = known
                followed.tell(event)
            case Ended(settled=settled):
                if self._register.running == known:
                    self._register.running = None
                followed.tell_end(signal)
                self._register.hasten(followed, 0.0 if settled else SETTLE)

    # -- the polling side

    def _run(self) -> None:
        while (batch := self._register.take()) is not None:
            try:
                self._give_up_overdue()
                live = [f for f in batch if not f.over]
                self._note(self._rounds.make(live))
                self._cure_deafness()
            except ComfyClientError as error:
                # the server may be restarting: the deadline decides, not one answer
                self._note(error)
                if isinstance(error, UnreachableError):
                    self._doubt("it could not be reached for a while")
            except Exception:  # noqa: BLE001  one job's bug must not hang the others
                self._log.exception("while following")
            self._unwant()

    def _note(self, trouble: ComfyClientError | None) -> None:
        """Remember what is wrong with the server, and log what is wrong anew."""
        if trouble is not None and type(trouble) is not type(self._trouble):
            self._log.info("cannot ask for jobs: %s", trouble)
        self._trouble = trouble
        if not isinstance(trouble, UnreachableError):
            self._away_since = None
        elif self._away_since is None:
            self._away_since = self._clock.monotonic()

    def _doubt(self, sign: str) -> None:
        """The server may have forgotten every job, and be of another version."""
        self._lookup.doubt()
        for followed in self._register.everyone():
            followed.doubt = sign

    def _give_up_overdue(self) -> None:
        overdue = [f for f in self._register.everyone() if f.follower.deadline.passed()]
        for followed in overdue:
            # removed first: whatever it does about it, it is not followed any more
            if self._register.pop(followed.ticket.prompt_id) and followed.silence():
                followed.follower.overdue(self._trouble)

    def _unwant(self) -> None:
        """Nothing to follow: a socket that breaks now need not be dialled again."""
        with self._register.condition:  # so a submit's wish comes before or after
            idle = not self._register.jobs and self._posting == 0
            if idle and self._listener is not None:
                self._listener.want(False)

    def _cure_deafness(self) -> None:
        """Dial anew when the server works for us and the open socket stays silent.

        A server that notices late that our former connection died unregisters the
        present one with it (every version; upstream issue 16010).
        """
        listener, running = self._listener, self._register.running
        followed = None if running is None else self._register.jobs.get(running)
        if listener is None or followed is None:
            return
        heard = listener.hears(followed.ticket.client_id)
        if heard and listener.quiet_for > self._deaf_after:
            self._log.info("the websocket went deaf; dialling anew")
            self._deaf_after = min(self._deaf_after * 2, DEAF_AT_MOST)
            listener.register_again()
