"""A ComfyUI server as a transport: jobs by HTTP, progress by websocket."""

from __future__ import annotations

import json
import logging
import math
from contextlib import AbstractContextManager, suppress
from uuid import uuid4

from pydantic import JsonValue

from ..errors import (
    BadAnswerError,
    ComfyClientError,
    RefusedError,
    ServerFaultError,
    TransportError,
    UnclearAnswerError,
    UnreachableError,
    ValidationError,
)
from ..events import Queued
from ..files.refs import WHOLE, ByteSpan, Download, OutputRef
from ..logs import InstanceLog
from ..preflight.object_info import ObjectInfo
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..workflow import InputFile, Workflow
from .answers import Accepted, read_accepted
from .arrival import Arrivals
from .base import Attempt, Follower, Probe, Ticket
from .cancelling import Canceller
from .catalogue import Catalogue
from .dialect import Dialect
from .eas_codes import not_found_hint
from .endpoint import Endpoint
from .entries import MARK
from .files import Files, require_room
from .following import Following
from .http import ComfyHttp
from .listener import Listener
from .lookup import Lookup
from .messages import ServerFlags, ServerStatus, Signal
from .observing import shown_by
from .probing import Prober, nothing_sent
from .profile import TAKES_IDS
from .refusals import dropped, read_refusal
from .restarts import Counter
from .version_range import VersionRange
from .watchdog import Watchdog

_logger = logging.getLogger("comfyclient.transports.comfyui")

SOCKET_GRACE = 3.0
"""Seconds that a first submit waits for the websocket before it goes without."""
GRACE = 6.0
"""Seconds that an attempt may take to arrive after its answer was lost."""
ANSWERED_GRACE = 0.75
"""The same where there was an answer, if an odd one: it came after the attempt."""
RESTARTS_IN = 5.0
"""Seconds that a version counts while no websocket would tell of a restart.

ComfyUI needs longer for one; a version in no range is not asked for more often either.
"""


class ComfyUITransport:
    """One ComfyUI server. Implements `Transport`; safe to use from many threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        clock: Clock = SYSTEM_CLOCK,
        grace_s: float = GRACE,
        version_range: str | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        """Make a transport; it connects to nothing yet.

        Servers outside `version_range` are sent neither jobs nor files.
        """
        self.endpoint = endpoint
        self._log = InstanceLog(_logger, endpoint.name)
        self._range = None if version_range is None else VersionRange(version_range)
        self._clock = clock
        self._client_id = str(uuid4())
        self._http = ComfyHttp(endpoint, clock=clock, watchdog=watchdog)
        self._dialect = Dialect()
        self._lookup = Lookup(self._http, self._dialect)
        self._prober = Prober(self._http, self._dialect, clock=clock)
        self._canceller = Canceller(self._http, self._prober, self._lookup)
        self._files = Files(self._http, self._dialect)
        self._catalogue = Catalogue(self._http, self._prober)
        self._counter = Counter()
        self._backlog: int | None = None
        self._arrivals = Arrivals(
            endpoint.name, self._lookup, clock=clock, grace_s=grace_s
        )
        self._following = Following(
            endpoint.name, self._lookup, delete=self._canceller.delete, clock=clock
        )
        self._listener = Listener(
            endpoint,
            self._client_id,
            on_signal=self._hear,
            on_link=self._link,
            clock=clock,
        )
        self._following.attend(self._listener)

    @property
    def name(self) -> str:
        """The instance's name in its environment."""
        return self.endpoint.name

    @property
    def client_id(self) -> str:
        """This transport's name on the server's websocket; never shared."""
        return self._client_id

    @property
    def backlog(self) -> int | None:
        """Jobs in its queue, as the websocket told, or the last look at it."""
        if self._listener.registered:
            return self._backlog
        return self._following.backlog

    @property
    def away_s(self) -> float:
        """Seconds for which whoever asked for jobs did not reach it."""
        return self._following.away_s

    def greet(self, *, deadline: Deadline) -> str | None:
        """The server's version, once it is known that jobs may be sent to it."""
        self._admit(deadline)
        return self._dialect.version

    def submit(
        self, attempt: Attempt, follower: Follower, *, deadline: Deadline
    ) -> Ticket:
        """Send a job and follow it; see `Transport.submit`."""
        self._following.expect()
        try:
            self._admit(deadline)
            self._listener.want(True)
            self._listener.await_registered(min(SOCKET_GRACE, deadline.remaining()))
            before, links = self._counter.last, self._following.links
            accepted = self._post(attempt, deadline)
            self._count(accepted.number, before)
            ticket = Ticket(
                instance=self.name,
                attempt_id=attempt.attempt_id,
                prompt_id=accepted.prompt_id,
                client_id=self._client_id,
                number=accepted.number,
            )
            if accepted.issues and not attempt.allow_partial:
                self._refuse_part(ticket, accepted, deadline)
            follower.heard(Queued())
            self._following.add(ticket, attempt.workflow, follower, links=links)
        finally:
            self._following.expected()
        return ticket

    def follow(self, ticket: Ticket, workflow: Workflow, follower: Follower) -> None:
        """Follow a job that was submitted before.

        The progress of another process's job is not heard: to listen under its name
        would take the words from it, if it lives.
        """
        if ticket.client_id == self._client_id:
            self._listener.want(True)
        self._following.add(ticket, workflow, follower)
        self._following.look_now(ticket.prompt_id)

    def find(self, attempt_id: str, *, deadline: Deadline) -> Ticket | None:
        """Look for an attempt whose answer was lost; see `Transport.find`."""
        with suppress(TransportError):  # the search itself says who does not answer
            self._prober.get_acquainted(deadline=deadline)
        entry = self._arrivals.find(attempt_id, deadline=deadline)
        if entry is None:
            return None
        return Ticket(
            instance=self.name,
            attempt_id=attempt_id,
            prompt_id=entry.prompt_id,
            client_id=entry.client_id or "",
            number=entry.number,
        )

    def cancel(self, ticket: Ticket, *, deadline: Deadline) -> None:
        """Drop or stop exactly this job, the way that this server's age allows."""
        self._prober.get_acquainted(deadline=deadline)
        self._canceller.cancel(ticket, deadline=deadline)
        self._following.look_now(ticket.prompt_id)

    def forget(self, ticket: Ticket) -> None:
        """Follow the job no longer."""
        self._following.remove(ticket.prompt_id)

    def relieve(self, *, deadline: Deadline) -> None:
        """Ask the server to unload its models and to drop its caches when it idles."""
        body = json.dumps({"unload_models": True, "free_memory": True}).encode()
        with nothing_sent():  # asked twice, it does the same
            self._http.post("/free", json=body, returned=(405,), deadline=deadline)

    def upload(self, file: InputFile, *, deadline: Deadline) -> str:
        """Put an input file into the server's `input/`, unless it is there already."""
        if self._range is not None:
            self._admit(deadline)
        return self._files.upload(file, deadline=deadline)

    def open(
        self, ref: OutputRef, deadline: Deadline, *, span: ByteSpan = WHOLE
    ) -> AbstractContextManager[Download]:
        """Stream a file; see `Transport.open`."""
        return self._files.open(ref, deadline, span=span)

    def probe(self, *, deadline: Deadline) -> Probe:
        """Ask for version, devices and queue length, and tell what it can do."""
        return self._prober.probe(deadline=deadline)

    def object_info(self, *, deadline: Deadline) -> ObjectInfo:
        """Ask for the node classes, and for those that the server replaces."""
        return self._catalogue.read(deadline=deadline)

    def close(self) -> None:
        """Let go of the websocket, the threads and the connections."""
        self._following.close()
        self._listener.close()
        self._http.close()

    # -- what the server shows of itself

    def _hear(self, signal: Signal) -> None:
        if isinstance(signal, ServerStatus):
            self._backlog = signal.queue_remaining
        shown = shown_by(signal)
        if shown is not None:
            self._dialect.saw(shown[0], able=shown[1])
        if isinstance(signal, ServerFlags):
            self._dialect.limit(signal.flags)
        self._following.signal(signal)

    def _link(self, lost: str | None) -> None:
        """The websocket broke or is back: another process may answer behind it."""
        if lost is not None or self._following.links > 0:
            self._dialect.doubt()
        self._following.link(lost)

    def _admit(self, deadline: Deadline) -> None:
        """Be sure of the server's version before anything is sent to it.

        Raises:
            WrongVersionError: it is outside the declared range.
        """
        unwatched = self._range is not None and not self._listener.registered
        with nothing_sent():
            self._prober.get_acquainted(
                deadline=deadline, within=RESTARTS_IN if unwatched else math.inf
            )
        if self._range is not None:
            self._range.check(self._dialect, instance=self.name)

    # -- submitting

    def _count(self, number: float | None, before: float | None) -> None:
        """Learn from a prompt's number whether the server restarted."""
        sign = self._counter.took(number, after=before)
        if sign is not None:
            self._log.warning("the server restarted: %s", sign)
            self._following.restarted(sign)

    def _post(self, attempt: Attempt, deadline: Deadline) -> Accepted:
        body = json.dumps(self._body(attempt), separators=(",", ":")).encode()
        require_room(len(body), self._dialect, what="the job", instance=self.name)
        try:
            answer = self._http.post(
                "/prompt", json=body, returned=(400,), deadline=deadline
            )
            if answer.status == 400:
                raise self._refusal(answer.body, attempt)
            if answer.status == 404:
                raise RefusedError(
                    f"{self.endpoint.shown} answers 404 to POST /prompt",
                    status=404,
                    instance=self.name,
                    hint=not_found_hint(self.endpoint.url, answer.body),
                )
            accepted = read_accepted(answer.body, attempt.workflow)
        except (UnclearAnswerError, BadAnswerError, ServerFaultError) as error:
            return self._resolve(attempt, error, deadline)
        kept = accepted.prompt_id == attempt.attempt_id
        self._dialect.saw(TAKES_IDS, able=kept)
        return accepted

    def _refusal(self, body: bytes, attempt: Attempt) -> ComfyClientError:
        """Why the server, or somebody before it, will not have the graph."""
        try:
            return read_refusal(body, attempt.workflow).attach(instance=self.name)
        except BadAnswerError as error:
            return RefusedError(
                f"{self.endpoint.shown} answers 400 to POST /prompt, not in ComfyUI's "
                f"words: {error.message}",
                status=400,
                instance=self.name,
                hint="look at what stands before the server: it refuses the request",
            )

    def _body(self, attempt: Attempt) -> dict[str, JsonValue]:
        extra: dict[str, JsonValue] = {MARK: attempt.attempt_id}
        # extra_pnginfo must be an object: another shape breaks the server's jobs API
        extra["extra_pnginfo"] = {"comfyclient": dict(attempt.provenance)}
        if attempt.previews and self._dialect.previews_per_prompt:
            extra["preview_method"] = "auto"
        return {
            "prompt": dict(attempt.workflow.graph),
            "prompt_id": attempt.attempt_id,
            "client_id": self._client_id,
            "extra_data": extra,
        }

    def _resolve(
        self, attempt: Attempt, unclear: TransportError, deadline: Deadline
    ) -> Accepted:
        """Find out whether a job arrived whose acceptance was not answered.

        Raises:
            UnreachableError: the server was asked and does not have it.
            BadAnswerError, ServerFaultError: likewise; what it answered.
            UnclearAnswerError: it could not be asked.
        """
        try:
            entry = self._arrivals.find(
                attempt.attempt_id,
                deadline=deadline,
                grace_s=_lateness(unclear),
                old=False,
            )
        except UnclearAnswerError as error:
            error.status = unclear.status
            raise error from unclear
        if entry is not None:
            issues = dropped(attempt.workflow, entry.outputs)
            return Accepted(entry.prompt_id, entry.number, issues=issues)
        if isinstance(unclear, BadAnswerError | ServerFaultError):
            raise unclear.attach(instance=self.name)
        raise UnreachableError(
            f"the job did not arrive: {unclear.message}", instance=self.name
        ) from unclear

    def _refuse_part(
        self, ticket: Ticket, accepted: Accepted, deadline: Deadline
    ) -> None:
        """The server dropped outputs and runs the rest: stop that, and say so."""
        try:
            self.cancel(ticket, deadline=deadline)
        except TransportError as error:
            self._log.warning("the partial job runs on: %s", error.message)
        raise ValidationError(
            "the server accepted only a part of the graph and dropped other outputs",
            issues=accepted.issues,
            instance=self.name,
            hint="correct these nodes, or pass allow_partial=True",
        )


def _lateness(unclear: TransportError) -> float:
    """How late a job may arrive: one whose request was answered is there at once."""
    if isinstance(unclear, ServerFaultError):
        return 0.0
    return ANSWERED_GRACE if isinstance(unclear, BadAnswerError) else math.inf
