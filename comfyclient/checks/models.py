"""DashScope: the key, and whether models are still there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pydantic import JsonValue

from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.endpoint import Endpoint
from ..transports.http import Answer, ComfyHttp
from .base import Diagnosis, fail, ok, skipped, warn
from .gateway import date_skew, skew_told

_ANY = (400, 401, 403, 404, 405, 429, 500, 502, 503, 504)
_TEXT = "/services/aigc/text-generation/generation"
_MULTIMODAL = "/services/aigc/multimodal-generation/generation"

RETIRED: Mapping[str, str] = dict.fromkeys(
    ("qwen-max", "qwen-turbo", "qwen-vl-max", "qwen-vl-plus", "qwq-plus", "qvq-max"),
    "retired on 2026-07-13 in Beijing and Singapore; the notice names the Qwen3.6 "
    "series, such as qwen3.6-plus, instead",
)
"""Names that the vendor's notice has taken away."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is configured, and what for."""

    role: str
    """`text`, `vision` or `picture`."""
    name: str


class Hosted:
    """DashScope with one key, asked step by step."""

    def __init__(self, endpoint: Endpoint, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._http = ComfyHttp(endpoint, clock=clock)
        self._clock = clock
        self._skew: timedelta | None = None

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def key(self, deadline: Deadline) -> Diagnosis:
        """Whether the key is taken: asked for a task that nobody ever made."""
        sent_at = self._clock.now()
        path = f"/tasks/{uuid.uuid4()}"
        answer = self._http.get(path, deadline=deadline, returned=_ANY)
        self._skew = date_skew(answer, sent_at, self._clock.now())
        said = _object(answer)
        code = str(said.get("code", ""))
        if answer.status == 401 or code == "InvalidApiKey":
            return fail(
                f"the key is not taken: {_told(answer, said)}",
                "check the key, and that it is of the host's own region: a key of one "
                "site is unknown at the others",
            )
        if answer.status == 403:
            return fail(
                f"the key may not do this: {_told(answer, said)}",
                "let the key's workspace use the models, in the Model Studio console",
            )
        if code == "Arrearage" or "Overdue" in code:
            return fail(f"the account is in arrears: {code}", "settle the bill")
        if answer.status == 429:
            return warn(f"too many requests: {_told(answer, said)}", "wait")
        if answer.status >= 500:
            return fail(f"no use of it now: {_told(answer, said)}", "try again later")
        if "output" in said or "request_id" in said:
            return ok("the key is taken")
        return fail(
            f"what answers is not DashScope: {_told(answer, said)}",
            "base_address ends in /api/v1",
        )

    def clock(self, deadline: Deadline) -> Diagnosis:
        """How far the clocks are apart."""
        return skew_told(self._skew)

    def model(self, deadline: Deadline, model: Model, *, ask: bool) -> Diagnosis:
        """Whether a model is there; only a paid answer of one token really tells."""
        if model.name in RETIRED:
            return fail(
                f"{model.name} was {RETIRED[model.name]}",
                f"another model in dashscope.{model.role}",
            )
        if model.role == "picture":
            return skipped(
                f"{model.name}: only a paid picture would tell; the name is not among "
                "the retired ones"
            )
        if not ask:
            return skipped(f"{model.name}: it takes one paid token: --write-probe")
        body = json.dumps(_question(model)).encode()
        path = _TEXT if model.role == "text" else _MULTIMODAL
        answer = self._http.post(path, deadline=deadline, json=body, returned=_ANY)
        said = _object(answer)
        if answer.status < 300 and "code" not in said:
            return ok(f"{model.name} answers")
        told = _told(answer, said)
        if answer.status == 404:
            return fail(f"there is no {model.name}: {told}", "another name")
        if answer.status == 403:
            return fail(
                f"{model.name} is not allowed: {told}",
                "activate it for this workspace in the Model Studio console",
            )
        if answer.status == 429:
            return warn(
                f"{model.name} is throttled: {told}",
                "rates are lowered before a model is retired: look at its notice",
            )
        return fail(f"{model.name}: {told}", None)


def _question(model: Model) -> dict[str, JsonValue]:
    content: JsonValue = "Say: ok"
    if model.role == "vision":
        content = [{"text": "Say: ok"}]
    return {
        "model": model.name,
        "input": {"messages": [{"role": "user", "content": content}]},
        "parameters": {"max_tokens": 1, "result_format": "message"},
    }


def _object(answer: Answer) -> dict[str, JsonValue]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _told(answer: Answer, said: Mapping[str, JsonValue]) -> str:
    parts: Sequence[JsonValue] = (said.get("code"), said.get("message"))
    words = ", ".join(str(part)[:120] for part in parts if part)
    return f"{answer.status}, {words}" if words else str(answer.status)
