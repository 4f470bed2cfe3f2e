"""DashScope: the key, and whether models are still there."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from pydantic import JsonValue

from ..config.settings import DashScopeSettings
from ..eas.regions import dashscope_region
from ..errors import ModelGoneError, ModelThrottledError
from ..steps.models import resolved
from ..steps.refusals import model_error
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.bodies import Answer
from ..transports.endpoint import Endpoint
from ..transports.http import ComfyHttp
from .base import Diagnosis, fail, ok, skipped, warn
from .clocks import date_skew, skew_told

_ANY = (400, 401, 403, 404, 405, 429, 500, 502, 503, 504)
_TEXT = "/services/aigc/text-generation/generation"
_MULTIMODAL = "/services/aigc/multimodal-generation/generation"

Role = Literal["text", "vision", "picture"]
ROLES: tuple[Role, ...] = ("text", "vision", "picture")


@dataclass(frozen=True, slots=True)
class Model:
    """A model that is configured, and what for."""

    role: Role
    name: str


def models_of(settings: DashScopeSettings) -> list[Model]:
    """The models that an environment uses."""
    named = ((role, getattr(settings, role)) for role in ROLES)
    return [Model(role, name) for role, name in named if name is not None]


class Hosted:
    """DashScope with one key, asked step by step."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: DashScopeSettings,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._http = ComfyHttp(endpoint, clock=clock)
        self._settings = settings
        self._region = dashscope_region(endpoint.url)
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
        if "output" in said or (answer.status == 404 and "request_id" in said):
            return ok("the key is taken")
        if "code" not in said and "request_id" not in said:
            return fail(
                f"what answers is not DashScope: {answer.status}",
                "base_address ends in /api/v1",
            )
        return _refused(answer, said, "the key")

    def clock(self, deadline: Deadline) -> Diagnosis:
        """How far the clocks are apart."""
        return skew_told(self._skew)

    def known(self, deadline: Deadline, model: Model) -> Diagnosis:
        """Whether a name is a model's that was not retired; asks nobody."""
        try:
            name = resolved(model.name, self._settings.aliases, region=self._region)
        except ModelGoneError as error:
            return fail(error.message, error.hint)
        alias = "" if name == model.name else f", by the alias {model.name}"
        return ok(f"{name}{alias} is not among the retired ones")

    def answers(self, deadline: Deadline, model: Model) -> Diagnosis:
        """Whether a model answers: one token, which is paid."""
        if model.role == "picture":
            return skipped("only a paid picture would tell")
        name = resolved(model.name, self._settings.aliases, region=self._region)
        body = json.dumps(_question(name, model.role)).encode()
        path = _TEXT if model.role == "text" else _MULTIMODAL
        answer = self._http.post(path, deadline=deadline, json=body, returned=_ANY)
        said = _object(answer)
        if answer.status < 300 and not said.get("code"):
            return ok(f"{name} answers")
        return _refused(answer, said, name)


def _refused(answer: Answer, said: Mapping[str, JsonValue], what: str) -> Diagnosis:
    error = model_error(
        str(said.get("code", "")),
        str(said.get("message", "")),
        status=answer.status,
        model=what,
    )
    text = f"{what} is not taken: {answer.status}, {error.message}"
    if isinstance(error, ModelThrottledError):
        return warn(text, "rates are lowered before a model is retired: see its notice")
    return fail(text, error.hint)


def _question(name: str, role: Role) -> dict[str, JsonValue]:
    content: JsonValue = "Say: ok"
    if role == "vision":
        content = [{"text": "Say: ok"}]
    return {
        "model": name,
        "input": {"messages": [{"role": "user", "content": content}]},
        "parameters": {"max_tokens": 1, "result_format": "message"},
    }


def _object(answer: Answer) -> dict[str, JsonValue]:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
