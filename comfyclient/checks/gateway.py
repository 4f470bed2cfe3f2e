"""The gateway and what is behind it: token, clock, edition, version, queue, socket."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from packaging.specifiers import SpecifierSet
from pydantic import JsonValue

from ..eas.regions import eas_address
from ..errors import TooLargeError, TransportError
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.bodies import Answer
from ..transports.eas_attributes import QueueAttributes, read_attributes
from ..transports.eas_bodies import fitting_body
from ..transports.endpoint import Endpoint
from ..transports.http import ComfyHttp
from ..transports.listener import Listener
from ..transports.profile import parse_version
from ..workflow import Workflow
from .base import Diagnosis, fail, ok, skipped, warn
from .clocks import date_skew, skew_told

_ANY = (400, 401, 403, 405, 408, 429, 450, 500, 502, 503, 504)
"""Statuses that tell something here."""
_ATTRIBUTES = {"_attrs_": "true"}
"""Asked of a queue, it says how it is; a ComfyUI ignores it. Asked for anything else, a
queue may hand out, and forget, somebody's request."""
_STATS = "/system_stats"
_QUEUE_HEADER = "X-Eas-Queueservice-Request-Id"
_EAS_PATH = re.compile(r"/(?:api/)?predict/[^/]+")


class Edition(StrEnum):
    """What answers at a URL."""

    COMFYUI = "a ComfyUI (standard edition, or one of your own)"
    QUEUE = "a queue (API edition)"


_TRANSPORTS = {Edition.COMFYUI: "comfyui", Edition.QUEUE: "eas-queue"}


class Visit:
    """One instance, asked step by step; what a step learns serves the next."""

    def __init__(
        self, endpoint: Endpoint, *, transport: str, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._clock = clock
        self._http = ComfyHttp(endpoint, clock=clock)
        self._first: Answer | None = None
        self._skew: timedelta | None = None
        self._edition: Edition | None = None
        self._version: str | None = None
        self._attributes = QueueAttributes()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    @property
    def is_queue(self) -> bool:
        """Whether a queue answered."""
        return self._edition is Edition.QUEUE

    # -- the gateway

    def token(self, deadline: Deadline) -> Diagnosis:
        """Whether the gateway takes the token, and asks for one at all."""
        sent_at = self._clock.now()
        answer = self._ask(self._http, deadline)
        self._first = answer
        self._skew = date_skew(answer, sent_at, self._clock.now())
        trouble = self._refused(answer)
        if trouble is not None:
            return trouble
        if self._endpoint.token is None:
            return self._without_token()
        with closing(self._tokenless()) as stranger:
            try:
                other = self._ask(stranger, deadline)
            except TransportError:
                return ok("the token is taken")
        if other.status in {401, 403}:
            return ok(f"the token is taken; without it the answer is {other.status}")
        return warn(
            f"the token is taken, but without one the answer is {other.status} too",
            "whoever finds the address may use the service: turn its token on, or "
            "reach it through a private network alone",
        )

    def _without_token(self) -> Diagnosis:
        if eas_address(self._endpoint.url) is None:
            return ok("no token is configured, and none is asked for")
        return warn(
            "no token is configured, and PAI-EAS asks for none",
            "every service has one: look for it in the call information, and name it "
            "in token_env",
        )

    def _tokenless(self) -> ComfyHttp:
        return ComfyHttp(replace(self._endpoint, token=None), clock=self._clock)

    def _ask(self, http: ComfyHttp, deadline: Deadline) -> Answer:
        """The first question: harmless to a queue, where there may be one."""
        if self._may_be_queue:
            return http.get("", deadline=deadline, params=_ATTRIBUTES, returned=_ANY)
        return http.get(_STATS, deadline=deadline, returned=_ANY)

    @property
    def _may_be_queue(self) -> bool:
        """Whether it is configured as one, or has an address of PAI-EAS."""
        url = self._endpoint.url
        path = urlsplit(url).path
        is_eas = eas_address(url) is not None or _EAS_PATH.match(path) is not None
        return self._transport == "eas-queue" or is_eas

    def _refused(self, answer: Answer) -> Diagnosis | None:
        """What an answer that is none of the service's says."""
        said = _excerpt(answer)
        match answer.status:
            case 401 | 403 if self._endpoint.token is None:
                return fail(
                    f"the answer is {answer.status}{said}, and no token is configured",
                    "name the variable that holds it in token_env",
                )
            case 401 | 403:
                return fail(
                    f"the answer is {answer.status}{said}: the token is not taken",
                    "copy it from this very service's call information; PAI-EAS wants "
                    'it bare, others want token_scheme = "Bearer"',
                )
            case 429 | 450:
                return fail(
                    f"the answer is {answer.status}{said}: too many requests",
                    "wait, or raise the service's rate limit",
                )
            case 503:
                return fail(
                    f"the answer is 503{said}: no instance is up behind the gateway",
                    "look at the service's state: stopped, starting, out of stock, or "
                    "scaled to none",
                )
            case 408 | 500 | 502 | 504:
                return fail(
                    f"the answer is {answer.status}{said}",
                    "look at the service's log in the console",
                )
        return None

    def clock(self, deadline: Deadline) -> Diagnosis:
        """How far the clocks are apart."""
        return skew_told(self._skew)

    # -- what is behind it

    def edition(self, deadline: Deadline) -> Diagnosis:
        """What answers, and whether it is what the configuration says."""
        first = self._first
        assert first is not None, "the token is checked before"
        self._edition = self._edition_by(first)
        if self._edition is None and self._may_be_queue:
            # it has shown that it is no queue: other questions take nothing from it
            self._first = self._http.get(_STATS, deadline=deadline, returned=_ANY)
            self._edition = self._edition_by(self._first)
        if self._edition is None:
            return self._neither()
        wanted = _TRANSPORTS[self._edition]
        if self._transport not in {wanted, "embedded"}:
            return fail(
                f"{self._edition} answers, the configuration says {self._transport!r}",
                f"set transport = {wanted!r}",
            )
        return ok(f"{self._edition} answers")

    def _edition_by(self, answer: Answer) -> Edition | None:
        """What an answer shows of who gave it."""
        found = _object(answer)
        system = None if found is None else found.get("system")
        if isinstance(system, dict):
            version = system.get("comfyui_version")
            self._version = version if isinstance(version, str) else None
            return Edition.COMFYUI
        if found is not None and any(key.startswith("meta.") for key in found):
            self._attributes = read_attributes(answer.body)
            return Edition.QUEUE
        if answer.status == 204 or _QUEUE_HEADER in answer.headers:
            return Edition.QUEUE  # one that tells no attributes
        return None

    def _neither(self) -> Diagnosis:
        assert self._first is not None
        return fail(
            "neither a ComfyUI nor a queue: "
            f"{self._first.status}{_excerpt(self._first)}",
            "the url ends with the service's name, without /prompt or api_prompt; the "
            "Serverless and the Cluster edition have no API at all",
        )

    def version(
        self, deadline: Deadline, *, wanted: Mapping[str, str] | None = None
    ) -> Diagnosis:
        """Whether its ComfyUI is in every range that somebody asks for."""
        if self.is_queue:
            return skipped(
                "the API edition does not tell it: a standard service of the same "
                "image tag does"
            )
        found = parse_version(self._version)
        if found is None:
            return warn(
                f"it says {self._version!r}, which is no release",
                "it counts as an old server: take an image with a released ComfyUI",
            )
        outside = [
            f"{who} wants {range_}"
            for who, range_ in ({} if wanted is None else wanted).items()
            if range_ and not SpecifierSet(range_).contains(found, prereleases=True)
        ]
        if outside:
            return fail(
                f"ComfyUI {self._version}; {'; '.join(outside)}",
                "take the image tag with a version in that range; the tag is not the "
                "version",
            )
        return ok(f"ComfyUI {self._version}")

    def websocket(self, deadline: Deadline) -> Diagnosis:
        """Whether a websocket passes."""
        if self.is_queue:
            return skipped("the API edition has no progress to tell")
        if not self._endpoint.websocket:
            return skipped("poll_only is set")
        reasons: list[str] = []
        listener = Listener(
            self._endpoint,
            uuid.uuid4().hex,
            on_signal=lambda _: None,
            on_link=lambda reason: reasons.append(reason) if reason else None,
            clock=self._clock,
        )
        with closing(listener):
            listener.want(True)
            if listener.await_registered(deadline.remaining()):
                return ok("it opens, and the server answers on it")
        said = f": {reasons[0]}" if reasons else ""
        return warn(
            f"it does not open{said}",
            "jobs are followed by polling alone, without progress; poll_only = true "
            "saves the try",
        )

    def queue(self, deadline: Deadline) -> Diagnosis:
        """How many jobs wait."""
        if not self.is_queue:
            answer = self._http.get("/prompt", deadline=deadline, returned=_ANY)
            info = (_object(answer) or {}).get("exec_info")
            waiting = info.get("queue_remaining") if isinstance(info, dict) else None
            if isinstance(waiting, int):
                return ok(f"{waiting} jobs wait or run there")
            return warn(
                f"it does not tell: {answer.status}{_excerpt(answer)}",
                "the router takes it as idle",
            )
        sink = self._http.get(
            "/sink", deadline=deadline, params=_ATTRIBUTES, returned=_ANY
        )
        found = _object(sink)
        if found is None:
            return fail(
                f"the sink does not answer: {sink.status}{_excerpt(sink)}",
                "results are read there: the url must lead to the queue itself",
            )
        return _lengths(self._attributes, read_attributes(sink.body))

    def payload(
        self, deadline: Deadline, *, workflows: Mapping[str, Workflow]
    ) -> Diagnosis:
        """Whether these graphs fit."""
        if not self.is_queue:
            return skipped("only the API edition has a limit")
        limit = self._attributes.max_payload
        if limit is None:
            return warn(
                "the queue does not say its limit",
                "the page on a sister product has 8 KB as typical",
            )
        over = []
        for ref, workflow in workflows.items():
            try:
                fitting_body(workflow.graph, limit)
            except TooLargeError as error:
                over.append(f"{ref}: {error.message}")
        if over:
            return fail(
                "; ".join(over),
                "a smaller graph; or the standard edition, which has no such limit",
            )
        return ok(f"it takes {limit} bytes, and every graph has fewer")


def _lengths(waiting: QueueAttributes, sink: QueueAttributes) -> Diagnosis:
    jobs, unread = waiting.length, sink.length
    taken = "an unknown number" if waiting.pending is None else waiting.pending
    text = (
        f"{_shown(jobs)} jobs are there, {taken} of them at work; "
        f"{_shown(unread)} results are unread"
    )
    if jobs is None or unread is None:
        return warn(text, "the queue does not tell its length: nothing is known of it")
    if sink.nearly_full:
        return warn(
            f"{text}, of {sink.max_length} that there is room for",
            "a full sink stops the service: run a client that reads its results, or "
            "delete them",
        )
    if waiting.nearly_full:
        return warn(
            f"{text}; there is room for {waiting.max_length} jobs",
            "more instances, or a slower caller: what a full queue answers is unknown",
        )
    return ok(text)


def _shown(number: int | None) -> str:
    return "?" if number is None else str(number)


def _object(answer: Answer) -> dict[str, JsonValue] | None:
    """The JSON object that an answer is; None where it is none."""
    if answer.status >= 300:
        return None
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _excerpt(answer: Answer) -> str:
    words = " ".join(answer.body[:500].decode("utf-8", "replace").split())[:120]
    return f" ({words})" if words else ""
