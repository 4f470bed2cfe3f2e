"""A ComfyUI server as a transport: jobs by HTTP, progress by websocket."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from urllib.parse import quote
from uuid import uuid4

from pydantic import JsonValue

from ..errors import (
    BadAnswerError,
    OutputMissingError,
    RefusedError,
    ServerFaultError,
    TransportError,
    UnclearAnswerError,
    UnreachableError,
    ValidationError,
)
from ..events import Queued
from ..outputs import Download, OutputRef
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..workflow import InputFile, Workflow
from .answers import Accepted, Whereabouts, read_accepted
from .arrival import Arrivals
from .base import Attempt, Follower, Probe, Ticket
from .dialect import Dialect
from .endpoint import Endpoint
from .entries import MARK
from .following import Following
from .http import Answer, ComfyHttp, Stream
from .listener import Listener
from .lookup import Lookup, Sighting
from .messages import Signal
from .refusals import read_refusal
from .wire import printable

_log = logging.getLogger("comfyclient.transports.comfyui")

SOCKET_GRACE = 3.0
"""Seconds that a first submit waits for the websocket before it goes without."""
GRACE = 6.0
"""Seconds that an attempt may take to arrive after its answer was lost."""
ANSWERED_GRACE = 0.75
"""The same where there was an answer, if an odd one: it came after the attempt."""


class ComfyUITransport:
    """One ComfyUI server. Implements `Transport`; safe to use from many threads."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        clock: Clock = SYSTEM_CLOCK,
        grace_s: float = GRACE,
    ) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._client_id = str(uuid4())
        self._http = ComfyHttp(endpoint, clock=clock)
        self._dialect = Dialect()
        self._lookup = Lookup(self._http, self._dialect)
        self._arrivals = Arrivals(
            endpoint.name, self._lookup, clock=clock, grace_s=grace_s
        )
        self._following = Following(endpoint.name, self._lookup, clock=clock)
        self._listener = Listener(
            endpoint,
            self._client_id,
            on_signal=self._signal,
            on_link=self._following.link,
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

    def submit(
        self, attempt: Attempt, follower: Follower, *, deadline: Deadline
    ) -> Ticket:
        """Send a job and follow it; see `Transport.submit`."""
        self._following.expect()
        try:
            with _nothing_sent():
                self._get_acquainted(deadline)
            self._listener.want(True)
            self._listener.await_registered(min(SOCKET_GRACE, deadline.remaining()))
            accepted = self._post(attempt, deadline)
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
            self._following.add(ticket, attempt.workflow, follower)
        finally:
            self._following.expected()
        return ticket

    def follow(self, ticket: Ticket, workflow: Workflow, follower: Follower) -> None:
        """Follow a job that was submitted before; its progress may not be heard."""
        self._listener.want(True)
        self._following.add(ticket, workflow, follower)
        self._following.look_now(ticket.prompt_id)

    def find(self, attempt_id: str, *, deadline: Deadline) -> Ticket | None:
        """Look for an attempt whose answer was lost; see `Transport.find`."""
        with suppress(TransportError):  # the search itself says who does not answer
            self._get_acquainted(deadline)
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
        self._get_acquainted(deadline)
        if not (
            self._dialect.has_cancel_route and self._cancel_by_route(ticket, deadline)
        ):
            self._cancel_by_queue(ticket, deadline)
        self._following.look_now(ticket.prompt_id)

    def forget(self, ticket: Ticket) -> None:
        """Follow the job no longer."""
        self._following.remove(ticket.prompt_id)

    def relieve(self, *, deadline: Deadline) -> None:
        """Ask the server to unload its models and to drop its caches when it idles."""
        body = json.dumps({"unload_models": True, "free_memory": True}).encode()
        with _nothing_sent():  # asked twice, it does the same
            self._http.post("/free", json=body, returned=(405,), deadline=deadline)

    def upload(self, file: InputFile, *, deadline: Deadline) -> str:
        """Put an input file into the server's `input/`, unless it is there already."""
        with _nothing_sent():  # a second upload of these bytes changes nothing
            return self._there(file, deadline) or self._send(file, deadline)

    @contextmanager
    def open(self, ref: OutputRef, deadline: Deadline) -> Iterator[Download]:
        """Stream a file through `/view`."""
        params = _view_params(ref)
        what = f"{ref.type}/{params['subfolder']}/{params['filename']}".replace(
            "//", "/"
        )
        if what != printable(what):  # a lone surrogate: no request can ask for it
            raise self._missing(ref, printable(what))
        try:
            with self._http.stream(
                "/view", deadline=deadline, params=params, what=what
            ) as answer:
                if not isinstance(answer, Stream):
                    raise self._missing(ref, what)
                yield answer
        except RefusedError as error:
            raise self._missing(ref, what) from error

    def probe(self, *, deadline: Deadline) -> Probe:
        """Ask for the version, the devices and the queue's length."""
        stats = _object(self._http.get("/system_stats", deadline=deadline))
        queue = _object(self._http.get("/prompt", deadline=deadline))
        system = stats.get("system")
        version = system.get("comfyui_version") if isinstance(system, dict) else None
        self._dialect.version = version if isinstance(version, str) else None
        info = queue.get("exec_info")
        waiting = info.get("queue_remaining") if isinstance(info, dict) else None
        devices = stats.get("devices")
        names = devices if isinstance(devices, list) else []
        return Probe(
            version=self._dialect.version,
            queue_remaining=waiting if isinstance(waiting, int) else 0,
            devices=tuple(str(d.get("name")) for d in names if isinstance(d, dict)),
        )

    def close(self) -> None:
        """Let go of the websocket, the threads and the connections."""
        self._following.close()
        self._listener.close()
        self._http.close()

    # -- submitting

    def _signal(self, signal: Signal) -> None:
        self._following.signal(signal)

    def _get_acquainted(self, deadline: Deadline) -> None:
        """Learn the server's version once; a server that will not tell is taken as old.

        Raises:
            UnreachableError: there is nobody.
        """
        if self._dialect.version is None:
            self._dialect.version = self.probe(deadline=deadline).version or "unknown"

    def _post(self, attempt: Attempt, deadline: Deadline) -> Accepted:
        body = json.dumps(self._body(attempt), separators=(",", ":")).encode()
        try:
            answer = self._http.post(
                "/prompt", json=body, returned=(400,), deadline=deadline
            )
            if answer.status == 400:
                raise read_refusal(answer.body, attempt.workflow).attach(
                    instance=self.name
                )
            if answer.status == 404:
                raise RefusedError(
                    f"{self.endpoint.shown} answers 404 to POST /prompt",
                    status=404,
                    instance=self.name,
                    hint="check the instance's url and its path prefix",
                )
            return read_accepted(answer.body, attempt.workflow)
        except (UnclearAnswerError, BadAnswerError, ServerFaultError) as error:
            return self._resolve(attempt, error, deadline)

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
            return Accepted(entry.prompt_id, entry.number, issues=())
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
            _log.warning("%s: the partial job runs on: %s", self.name, error.message)
        raise ValidationError(
            "the server accepted only a part of the graph and dropped other outputs",
            issues=accepted.issues,
            instance=self.name,
            hint="correct these nodes, or pass allow_partial=True",
        )

    # -- cancelling

    def _cancel_by_route(self, ticket: Ticket, deadline: Deadline) -> bool:
        """Whether this server has the route; its yes is no proof, `ended` tells."""
        path = f"/api/jobs/{quote(ticket.prompt_id, safe='')}/cancel"
        answer = self._http.post(path, returned=(405,), deadline=deadline)
        self._dialect.cancel_route = answer.status == 200
        return self._dialect.cancel_route

    def _cancel_by_queue(self, ticket: Ticket, deadline: Deadline) -> None:
        prompt_id = ticket.prompt_id
        delete = json.dumps({"delete": [prompt_id]}).encode()
        self._http.post("/queue", json=delete, deadline=deadline)
        sighting = self._lookup.where([prompt_id], deadline=deadline)[prompt_id]
        if not isinstance(sighting, Sighting):
            raise sighting
        # An older server stops whoever runs: it is asked to only while ours is seen
        # running. Between the look and the request the next job may have begun.
        if sighting.where is Whereabouts.RUNNING or self._dialect.interrupts_by_id:
            only = json.dumps({"prompt_id": prompt_id}).encode()
            self._http.post("/interrupt", json=only, deadline=deadline)

    # -- files

    def _there(self, file: InputFile, deadline: Deadline) -> str | None:
        """The file's name if the server has these very bytes: names are by content."""
        params = {
            "filename": file.filename,
            "subfolder": file.subfolder,
            "type": "input",
        }
        try:
            answer = self._http.head("/view", deadline=deadline, params=params)
        except RefusedError:
            return None
        same = answer.headers.get("Content-Length") == str(file.size)
        return file.name if answer.status == 200 and same else None

    def _send(self, file: InputFile, deadline: Deadline) -> str:
        with file.open() as stream:
            answer = self._http.post(
                "/upload/image",
                deadline=deadline,
                files={"image": (file.filename, stream)},
                form={"subfolder": file.subfolder, "type": "input"},
            )
        stored = _object(answer)
        name, subfolder = stored.get("name"), stored.get("subfolder", "")
        if not isinstance(name, str) or not isinstance(subfolder, str):
            raise BadAnswerError(
                "the answer to an upload names no file", instance=self.name
            )
        return str(PurePosixPath(subfolder, name))

    def _missing(self, ref: OutputRef, what: str) -> OutputMissingError:
        hint = "an output that came from the server's cache may have been deleted there"
        if ref.type == "temp":
            hint = "ComfyUI empties temp/ whenever it starts: save temp outputs at once"
        return OutputMissingError(
            f"the server has no {what}", instance=self.name, hint=hint
        )


def _lateness(unclear: TransportError) -> float:
    """How late a job may arrive: one whose request was answered is there at once."""
    if isinstance(unclear, ServerFaultError):
        return 0.0
    return ANSWERED_GRACE if isinstance(unclear, BadAnswerError) else math.inf


@contextmanager
def _nothing_sent() -> Iterator[None]:
    """Requests that may be repeated freely: a lost answer leaves nothing unclear."""
    try:
        yield
    except UnclearAnswerError as error:
        raise UnreachableError(
            error.message, status=error.status, hint=error.hint
        ).attach(job_id=error.job_id, instance=error.instance) from error


def _view_params(ref: OutputRef) -> dict[str, str]:
    """The query of `/view`, which looks at no more than the base of `filename`."""
    folder, _, filename = ref.filename.replace("\\", "/").rpartition("/")
    subfolder = "/".join(part for part in (ref.subfolder, folder) if part)
    return {"filename": filename, "subfolder": subfolder, "type": ref.type}


def _object(answer: Answer) -> dict[str, JsonValue]:
    try:
        parsed = json.loads(answer.body) if answer.status < 300 else None
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise BadAnswerError(
            f"the answer ({answer.status}) is not the JSON object that ComfyUI sends",
            status=answer.status,
            hint="check the instance's url and its path prefix",
        )
    return parsed
