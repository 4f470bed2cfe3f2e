"""Asks a server where jobs are: the jobs API, or the queue and then the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from ..errors import (
    BadAnswerError,
    TransportError,
)
from ..timing import Deadline
from .answers import (
    Outcome,
    QueueView,
    Whereabouts,
    read_history,
    read_job,
    read_queue,
)
from .bodies import Answer
from .dialect import Dialect
from .entries import Entry, history_entries, queue_entries
from .http import ComfyHttp
from .pacing import FEW
from .profile import JOBS_API

RECENT = 200
"""History entries searched for a mark at first."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a job was seen."""

    where: Whereabouts
    position: int | None = None
    """Jobs before it, the running one included."""
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a server brought."""

    sightings: dict[str, Sighting | TransportError]
    """By prompt id; an error where the server's word on a job is bad."""
    queue: QueueView | None = None
    """None: it was not needed."""
    cost: int = 0
    """Bytes of the queue's answer."""


class Lookup:
    """The reading side of one instance."""

    def __init__(self, http: ComfyHttp, dialect: Dialect) -> None:
        self._http = http
        self._dialect = dialect

    def history(self, prompt_id: str, *, deadline: Deadline) -> Outcome | None:
        """The outcome of a job that has ended; None while it has not, or is unknown."""
        path = f"/history/{quote(prompt_id, safe='')}"
        answer = _found(self._http.get(path, deadline=deadline))
        return read_history(answer.body, prompt_id)

    def where(self, prompt_ids: Sequence[str], *, deadline: Deadline) -> Look:
        """Where each of these jobs is.

        A few jobs are asked for by their ids where the server has a jobs API. Others
        are looked up in the queue first and, those that are not there, in the history:
        a job moves between the two under one lock, so this order never misses it.
        """
        told = self._ask_jobs_api(prompt_ids, deadline)
        waiting = [key for key, s in told.items() if s.where is Whereabouts.PENDING]
        rest = [key for key in prompt_ids if key not in told]
        if not rest and not waiting:
            return Look({**told})
        try:
            body = _found(self._http.get("/queue", deadline=deadline)).body
            view = read_queue(body)
        except TransportError as error:
            if rest or not _answered(error):
                raise
            return Look({**told})  # they wait, nobody knows where
        listed = _listed(view)
        newer = {key: listed[key] for key in waiting if key in listed}
        found = {key: listed.get(key) or self._told(key, deadline) for key in rest}
        return Look({**told, **newer, **found}, view, len(body))

    def doubt(self) -> None:
        """The server may be another one now: what was learned of it is old."""
        self._dialect.doubt()

    def find(
        self, attempt_id: str, *, deadline: Deadline, far: bool = False
    ) -> Entry | None:
        """The entry of this attempt, if the server has it.

        A server that mints ids is asked for our mark in its newest history entries;
        `far` goes through all of them.
        """
        # servers with a jobs API take our id as it is
        sighting = self._ask_jobs_api([attempt_id], deadline).get(attempt_id)
        if sighting is None:
            return self._find_entry(attempt_id, deadline, far=far)
        if sighting.where is Whereabouts.UNKNOWN:
            return None
        known: Entry | None = None
        with suppress(TransportError):  # it is there: what more is told only helps
            known = self._find_entry(attempt_id, deadline, far=False)
        return known or Entry(attempt_id)

    def _ask_jobs_api(
        self, prompt_ids: Sequence[str], deadline: Deadline
    ) -> dict[str, Sighting]:
        """What it says of a few jobs; nothing of those it has no good answer for."""
        if len(prompt_ids) > FEW or not self._dialect.has_jobs_api:
            return {}
        asked = {key: self._job(key, deadline) for key in prompt_ids}
        return {key: s for key, s in asked.items() if s is not None}

    def _job(self, prompt_id: str, deadline: Deadline) -> Sighting | None:
        path = f"/api/jobs/{quote(prompt_id, safe='')}"
        try:
            answer = self._http.get(path, deadline=deadline)
        except TransportError as error:
            if not _answered(error):
                raise
            return None  # one odd prompt breaks this route for everybody
        try:
            where, outcome = read_job(answer.body)
        except BadAnswerError:
            if answer.status == 404:  # without its words: the route is not there
                self._dialect.saw(JOBS_API, able=False)
            return None
        self._dialect.saw(JOBS_API, able=True)
        if where is Whereabouts.ENDED:
            # the jobs API reshapes outputs; the history has them as the nodes gave them
            exact = self._told(prompt_id, deadline)
            if isinstance(exact, Sighting) and exact.outcome is not None:
                outcome = exact.outcome
        return Sighting(where, outcome=outcome)

    def _told(self, prompt_id: str, deadline: Deadline) -> Sighting | TransportError:
        """What the history says of a job; one bad entry must not hide the others."""
        try:
            outcome = self.history(prompt_id, deadline=deadline)
        except TransportError as error:
            if not _answered(error):
                raise
            return error
        where = Whereabouts.UNKNOWN if outcome is None else Whereabouts.ENDED
        return Sighting(where, outcome=outcome)

    def _find_entry(
        self, attempt_id: str, deadline: Deadline, *, far: bool
    ) -> Entry | None:
        queue = _found(self._http.get("/queue", deadline=deadline)).body
        waiting = _of(queue_entries(queue), attempt_id)
        if waiting is not None:
            return waiting
        path = f"/history/{quote(attempt_id, safe='')}"
        history = _found(self._http.get(path, deadline=deadline)).body
        ended = _of(history_entries(history), attempt_id)
        if ended is not None or self._dialect.takes_ids:
            return ended
        return self._find_mark(attempt_id, deadline, far=far)

    def _find_mark(
        self, attempt_id: str, deadline: Deadline, *, far: bool
    ) -> Entry | None:
        count = RECENT
        while True:
            answer = self._http.get(
                "/history", deadline=deadline, params={"max_items": str(count)}
            )
            entries = history_entries(_found(answer).body)
            found = _of(entries, attempt_id)
            if found is not None or not far or len(entries) < count:
                return found
            count *= 10


def _answered(error: TransportError) -> bool:
    """Whether somebody is there, who may answer another question well."""
    return error.status is not None or isinstance(error, BadAnswerError)


def _listed(view: QueueView) -> dict[str, Sighting]:
    """Every job of the queue, with its place in it."""
    ahead = len(view.running)
    listed = {
        prompt_id: Sighting(Whereabouts.PENDING, place)
        for place, prompt_id in enumerate(view.pending, start=ahead)
    }
    return {**listed, **{key: Sighting(Whereabouts.RUNNING) for key in view.running}}


def _of(entries: Iterable[Entry], attempt_id: str) -> Entry | None:
    return next((entry for entry in entries if entry.is_of(attempt_id)), None)


def _found(answer: Answer) -> Answer:
    """The answer, unless the server does not have the route at all."""
    if answer.status == 404:
        raise BadAnswerError(
            "this address answers 404 where ComfyUI has its queue and history",
            hint="check the instance's url and its path prefix",
        )
    return answer
