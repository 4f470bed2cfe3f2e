"""Looks for followed jobs, round after round, and judges what the server says."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from ..errors import (
    BadAnswerError,
    ComfyClientError,
    DeadWorkerError,
    JobLostError,
    RefusedError,
    ServerFaultError,
    TransportError,
)
from ..events import Queued, Started
from ..logs import InstanceLog
from ..timing import Clock, Deadline
from .answers import QueueView, Whereabouts
from .base import Verdict
from .followed import Followed, Register
from .lookup import Lookup, Sighting
from .verdicts import verdict_of
from .workers import STILL_FOR, WorkerWatch

_logger = logging.getLogger("comfyclient.transports.rounds")

LOOK_TIMEOUT, LEAST_PATIENCE = 20.0, 0.5
LINGER = 0.5
"""Seconds that the websocket may still speak of a job that the server has ended."""
AGAIN = 0.1
"""Seconds until the history is asked once more for a job whose end was told."""
BACKLOG_COUNTS = 5.0
"""Seconds that the length of the queue is believed."""
MISSES_UNTIL_LOST, BETWEEN_MISSES = 3, 0.25
MISSES_OF_SEVERAL = 15
"""The same where several servers answer in turn, and only one of them has the job."""


class Delete(Protocol):
    """Takes jobs that wait out of the server's queue."""

    def __call__(self, prompt_ids: Sequence[str], *, deadline: Deadline) -> None:
        """Delete them; the others are not touched."""


class Rounds:
    """The asking side of following: one round for each batch of jobs that are due."""

    def __init__(
        self,
        name: str,
        lookup: Lookup,
        register: Register,
        *,
        delete: Delete,
        hears: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._name = name
        self._log = InstanceLog(_logger, name)
        self._lookup = lookup
        self._register = register
        self._delete = delete
        self._hears = hears
        self._clock = clock
        self.worker = WorkerWatch()
        self._several = False
        self._backlog = 0
        self._looked_at = -math.inf

    @property
    def backlog(self) -> int | None:
        """Jobs in the server's queue at the last look, where that is not long ago."""
        late = self._clock.monotonic() - self._looked_at > BACKLOG_COUNTS
        return None if late else self._backlog

    def make(self, batch: Sequence[Followed]) -> ComfyClientError | None:
        """Look for these jobs; what was wrong with the answer for one of them."""
        deadline = self._patience()
        asked = [f for f in batch if not self._is_settled(f, deadline)]
        if not asked:
            return None
        ids = [f.ticket.prompt_id for f in asked]
        look = self._lookup.where(ids, deadline=deadline)
        self._register.rest(look.cost)
        trouble: ComfyClientError | None = None
        for followed in asked:
            sighting = look.sightings[followed.ticket.prompt_id]
            if isinstance(sighting, Sighting):
                self._seen(followed, sighting)
            else:
                trouble = sighting
        if look.queue is not None:
            self._backlog = len(look.queue.pending) + len(look.queue.running)
            self._looked_at = self._clock.monotonic()
            self._judge_worker(look.queue, deadline)
        return trouble

    def _patience(self) -> Deadline:
        """No job's end is waited past because the server is slow to answer."""
        left = [f.follower.deadline.remaining() for f in self._register.everyone()]
        return Deadline(
            max(min([LOOK_TIMEOUT, *left]), LEAST_PATIENCE), clock=self._clock
        )

    def _is_settled(self, followed: Followed, deadline: Deadline) -> bool:
        """Whether the job needs no look at the queue: it ended, or just might have."""
        if followed.outcome is None and followed.in_history:
            prompt_id = followed.ticket.prompt_id
            followed.tries += 1
            try:
                followed.outcome = self._lookup.history(prompt_id, deadline=deadline)
            except (BadAnswerError, RefusedError, ServerFaultError):
                return False  # the longer way may tell more
        if followed.outcome is not None:
            self._end(followed, verdict_of(followed.outcome, followed.workflow))
            return True
        if followed.in_history:
            self._register.put_off(followed, AGAIN)
        return followed.in_history

    def _seen(self, followed: Followed, sighting: Sighting) -> None:
        if sighting.where is Whereabouts.UNKNOWN:
            self._missed(followed)
            return
        if followed.misses:
            followed.misses, followed.flickers = 0, True
            self._warn_of_several()
        if sighting.outcome is not None:
            followed.outcome = sighting.outcome
            if self._may_hear_more(followed):
                self._register.put_off(followed, LINGER)
            else:
                self._end(followed, verdict_of(sighting.outcome, followed.workflow))
        elif sighting.where is Whereabouts.RUNNING:
            self._register.running = followed.ticket.prompt_id
            followed.tell(Started())
        elif sighting.where is Whereabouts.PENDING:
            followed.tell(Queued(sighting.position))

    def _may_hear_more(self, followed: Followed) -> bool:
        """Whether the last frames of a job may be on their way.

        Some nodes send their pictures over the websocket alone.
        """
        return not followed.told and self._hears(followed.ticket.client_id)

    def _missed(self, followed: Followed) -> None:
        followed.misses += 1
        most = MISSES_OF_SEVERAL if followed.flickers else MISSES_UNTIL_LOST
        if followed.misses < most:
            self._register.put_off(followed, BETWEEN_MISSES)
        else:
            self._lose(followed)

    def _warn_of_several(self) -> None:
        if not self._several:
            self._several = True
            self._log.warning(
                "it does not know a job, and then it does: several servers seem "
                "to answer behind its url, each with its own queue and history. %s",
                _ONE_BEHIND_A_URL,
            )

    def _lose(self, followed: Followed) -> None:
        """The server does not know the job: what was heard of its end counts now."""
        outcome = followed.hearsay.outcome()
        if outcome is None:
            self._end(followed, Verdict(_loss(followed)))
            return
        self._log.info("the history is gone; believing the websocket")
        self._end(followed, verdict_of(outcome, followed.workflow))

    def _end(self, followed: Followed, verdict: Verdict) -> None:
        if self._register.pop(followed.ticket.prompt_id) is None:
            return  # forgotten meanwhile
        if verdict.error is not None:
            verdict.error.attach(instance=self._name)
        self.worker.moved()
        followed.end(verdict)

    # -- a dead worker

    def _judge_worker(self, view: QueueView, deadline: Deadline) -> None:
        if not self.worker.saw(view, at=self._clock.monotonic()):
            return
        waiting = frozenset(view.pending)
        jobs = [f for f in self._register.everyone() if f.ticket.prompt_id in waiting]
        if jobs:
            self._log.warning("the worker looks dead: nothing runs")
            self._bury(jobs, deadline)

    def _bury(self, jobs: Sequence[Followed], deadline: Deadline) -> None:
        """Take jobs from a dead worker's queue, so that they may run elsewhere.

        One that is not certainly gone from there is followed on.
        """
        ids = [f.ticket.prompt_id for f in jobs]
        if not self._withdraw(ids, deadline):
            # a queue that cannot be ordered any more fails after each single deletion
            for prompt_id in ids:
                self._withdraw([prompt_id], deadline)
        for followed in jobs:
            followed.buried = True
        sightings = self._lookup.where(ids, deadline=deadline).sightings
        for followed in jobs:
            match sightings[followed.ticket.prompt_id]:
                case Sighting(where=Whereabouts.UNKNOWN):
                    self._lose(followed)
                case Sighting(where=Whereabouts.RUNNING):
                    self.worker.moved()
                    followed.buried = False
                case Sighting(where=Whereabouts.PENDING):
                    followed.buried = False
                case _:
                    self._register.hasten(followed, 0.0)

    def _withdraw(self, ids: Sequence[str], deadline: Deadline) -> bool:
        try:
            self._delete(ids, deadline=deadline)
        except TransportError as error:
            self._log.info("while deleting: %s", error.message)
            return False
        return True


_ONE_BEHIND_A_URL = (
    "Give each server a url and an [[instances]] table of its own; on PAI-EAS, run one "
    "instance, or the API edition"
)


def _loss(followed: Followed) -> JobLostError:
    if followed.buried:
        return DeadWorkerError(
            f"the server answers, but has run nothing for {STILL_FOR:g} s while jobs "
            "wait in its queue; this one was taken out of it",
            hint="restart that ComfyUI: its worker thread has died",
        )
    if followed.flickers:
        return JobLostError(
            "several servers answer behind the url, and none of them knows the job "
            "any more",
            hint=_ONE_BEHIND_A_URL,
        )
    if followed.hearsay.how == "success":
        return JobLostError(
            "the job succeeded, but the server forgot it before its outputs could be "
            "asked for: its history was cleared, or it restarted",
            hint="submit it again",
        )
    if followed.doubt is not None:
        return JobLostError(
            f"the server restarted ({followed.doubt}) and knows the job no longer",
            hint="submit it again",
        )
    return JobLostError(
        "the server knows the job no longer: it restarted, or the job was deleted from "
        "its queue or its history",
        hint="submit it again",
    )
