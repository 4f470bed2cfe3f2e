"""Asks a server where jobs are: the jobs API, or the queue and then the history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from ..errors import (
    AccessDeniedError,
    BadAnswerError,
    RefusedError,
    ServerFaultError,
    TransportError,
)
from ..timing import Deadline
from .answers import Outcome, Whereabouts, read_history, read_job, read_queue
from .dialect import Dialect
from .entries import Entry, history_entries, queue_entries
from .http import Answer, ComfyHttp

RECENT = 200
"""History entries searched for a mark at first."""


_UNHELPFUL = (BadAnswerError, ServerFaultError, RefusedError, AccessDeniedError)
"""Answers of a server that is there, and may answer another question well."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a job was seen."""

    where: Whereabouts
    position: int | None = None
    """Jobs before it, the running one included."""
    outcome: Outcome | None = None


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

    def where(
        self, prompt_ids: Sequence[str], *, deadline: Deadline
    ) -> dict[str, Sighting | TransportError]:
        """Where each of these jobs is; an error where the server's word on it is bad.

        One job is asked for by its id where the server has a jobs API. Several are
        looked up in the queue first and, those that are not there, in the history:
        a job moves between the two under one lock, so this order never misses it.
        """
        if len(prompt_ids) == 1 and self._dialect.has_jobs_api:
            sighting = self._ask_jobs_api(prompt_ids[0], deadline)
            if sighting is not None:
                return {prompt_ids[0]: sighting}
        return self._ask_queue(prompt_ids, deadline)

    def find(
        self, attempt_id: str, *, deadline: Deadline, far: bool = False
    ) -> Entry | None:
        """The entry of this attempt, if the server has it.

        A server that mints ids is asked for our mark in its newest history entries;
        `far` goes through all of them.
        """
        sighting = None
        if self._dialect.has_jobs_api:  # these servers take our id as it is
            sighting = self._ask_jobs_api(attempt_id, deadline)
        if sighting is None:
            return self._find_entry(attempt_id, deadline, far=far)
        if sighting.where is Whereabouts.UNKNOWN:
            return None
        known = self._find_entry(attempt_id, deadline, far=False)
        return known or Entry(attempt_id)

    def _ask_jobs_api(self, prompt_id: str, deadline: Deadline) -> Sighting | None:
        path = f"/api/jobs/{quote(prompt_id, safe='')}"
        try:
            answer = self._http.get(path, deadline=deadline)
            where, outcome = read_job(answer.body)
        except _UNHELPFUL:  # one odd prompt breaks this route for everybody
            return None
        if where is Whereabouts.ENDED:
            # the jobs API reshapes outputs; the history has them as the nodes gave them
            exact = self._told(prompt_id, deadline)
            if isinstance(exact, Sighting) and exact.outcome is not None:
                outcome = exact.outcome
        position = None
        if where is Whereabouts.PENDING:
            position = self._position(prompt_id, deadline)
        return Sighting(where, position, outcome)

    def _position(self, prompt_id: str, deadline: Deadline) -> int | None:
        view = read_queue(_found(self._http.get("/queue", deadline=deadline)).body)
        return view.position(prompt_id)

    def _ask_queue(
        self, prompt_ids: Sequence[str], deadline: Deadline
    ) -> dict[str, Sighting | TransportError]:
        view = read_queue(_found(self._http.get("/queue", deadline=deadline)).body)
        running = set(view.running)
        pending = set(view.pending)
        sightings: dict[str, Sighting | TransportError] = {}
        for prompt_id in prompt_ids:
            if prompt_id in running:
                sightings[prompt_id] = Sighting(Whereabouts.RUNNING)
            elif prompt_id in pending:
                position = view.position(prompt_id)
                sightings[prompt_id] = Sighting(Whereabouts.PENDING, position)
            else:
                sightings[prompt_id] = self._told(prompt_id, deadline)
        return sightings

    def _told(self, prompt_id: str, deadline: Deadline) -> Sighting | TransportError:
        """What the history says of a job; one bad entry must not hide the others."""
        try:
            outcome = self.history(prompt_id, deadline=deadline)
        except _UNHELPFUL as error:
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
