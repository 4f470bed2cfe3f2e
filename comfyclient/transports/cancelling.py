"""Cancels exactly one job, the way that a server of its age allows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from ..timing import Deadline
from .answers import Whereabouts
from .base import Ticket
from .http import ComfyHttp
from .lookup import Lookup, Sighting
from .probing import Prober
from .profile import CANCEL_ROUTE


class Canceller:
    """The stopping side of one instance. Its yes is no proof: the job's end tells."""

    def __init__(self, http: ComfyHttp, prober: Prober, lookup: Lookup) -> None:
        self._http = http
        self._prober = prober
        self._dialect = prober.dialect
        self._lookup = lookup

    def cancel(self, ticket: Ticket, *, deadline: Deadline) -> None:
        """Drop the job from the queue, or stop it if it is the one that runs."""
        if self._dialect.has_cancel_route and self._by_route(ticket, deadline):
            return
        self.delete([ticket.prompt_id], deadline=deadline)
        # an older version, started in its place unnoticed, would stop anybody's job
        self._prober.learn_version(deadline=deadline)
        if self._dialect.interrupts_by_id:
            self._interrupt(ticket, deadline)
        elif self._runs(ticket, deadline):
            # This server stops whoever runs. Ours was seen running in the look just
            # made, and nothing is done between the two; the next job may have begun
            # all the same, on a server that cannot be asked for more.
            self._interrupt(ticket, deadline)

    def delete(self, prompt_ids: Sequence[str], *, deadline: Deadline) -> None:
        """Drop jobs that wait; one that runs or has ended is not touched."""
        body = json.dumps({"delete": [*prompt_ids]}).encode()
        self._http.post("/queue", json=body, deadline=deadline)

    def _by_route(self, ticket: Ticket, deadline: Deadline) -> bool:
        """Whether this server has the route for it."""
        path = f"/api/jobs/{quote(ticket.prompt_id, safe='')}/cancel"
        answer = self._http.post(path, returned=(405,), deadline=deadline)
        there = answer.status == 200
        self._dialect.saw(CANCEL_ROUTE, able=there)
        return there

    def _runs(self, ticket: Ticket, deadline: Deadline) -> bool:
        look = self._lookup.where([ticket.prompt_id], deadline=deadline)
        sighting = look.sightings[ticket.prompt_id]
        if not isinstance(sighting, Sighting):
            raise sighting
        return sighting.where is Whereabouts.RUNNING

    def _interrupt(self, ticket: Ticket, deadline: Deadline) -> None:
        body = json.dumps({"prompt_id": ticket.prompt_id}).encode()
        self._http.post("/interrupt", json=body, deadline=deadline)
