"""DashScope through its own SDK: the only module that imports it, and that late.

The SDK is given key, address, time and connection with each call; nothing global of it
is touched. What it does not do itself is done here:

- It returns errors; each becomes one of ours. It drops the `code` of an HTTP 200 that
  says no, so the answer itself is looked at (1.27.8 and 2.0.2).
- It sends a POST again whose answer was lost, and looks at tasks with a session of its
  own that has neither our deadline nor an address of the call's. So it is lent a
  connection that sends each request once, within the deadline, and follows nowhere.
- At the level DEBUG it logs requests and answers, signed addresses too: not ours.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import requests
from dashscope import Generation, ImageSynthesis, MultiModalConversation
from dashscope.aigc.image_generation import ImageGeneration
from dashscope.client.base_api import BaseApi
from pydantic import JsonValue, SecretStr

from ..errors import BadAnswerError, ComfyClientError, UsageError
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.bodies import Answer as HttpAnswer
from ..transports.endpoint import Endpoint
from ..transports.http import ComfyHttp
from .calls import Answer, Message, PictureOrder, Question, Task
from .models import picture_model
from .replies import (
    answered,
    pictures_of,
    refusal_in,
    task_of,
    usage_of,
)

NAME = "dashscope"
"""What errors call the service, as they would an instance."""

_ours: ContextVar[bool] = ContextVar("comfyclient-dashscope", default=False)
_EVERY_STATUS = tuple(range(400, 600))
_LOGGER = logging.getLogger("dashscope")


class DashScope:
    """A `ModelService` on one key and address."""

    def __init__(
        self,
        base_address: str,
        key: SecretStr,
        *,
        workspace: str | None = None,
        silence_s: float = 300,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._key = key
        self._address = base_address.rstrip("/")
        self._workspace = workspace
        endpoint = Endpoint(
            name=NAME,
            url=self._address,
            token=key,
            token_scheme="Bearer",
            read_timeout=silence_s,
        )
        self._http = ComfyHttp(endpoint, clock=clock)
        _LOGGER.addFilter(_discreet)

    def ask(self, question: Question, *, deadline: Deadline) -> Answer:
        """Ask a text or vision model."""
        call = MultiModalConversation if question.sees else Generation
        more: dict[str, Any] = {}
        if not question.sees:
            # some models refuse an answer in one piece while they may think
            more = {"result_format": "message", "enable_thinking": False}
        if question.json and not question.sees:
            more["response_format"] = {"type": "json_object"}
        told = self._call(
            call.call,
            deadline,
            model=question.model,
            messages=[_message(m, parts=question.sees) for m in question.messages],
            seed=question.seed,
            max_tokens=question.max_tokens,
            **more,
        )
        return answered(told, question.model)

    def begin(self, order: PictureOrder, *, deadline: Deadline) -> Task:
        """Order pictures, by the route that the model is on."""
        known = picture_model(order.model)
        asked: dict[str, Any] = {
            "model": order.model,
            "size": order.size,
            "n": order.count,
            "seed": order.seed,
            "prompt_extend": order.extend,
            "watermark": False,
        }
        if order.negative:
            asked["negative_prompt"] = order.negative
        if known.route in {"text2image", "image2image"}:
            images = [image.data_uri for image in order.images]
            told = self._call(
                ImageSynthesis.async_call,
                deadline,
                prompt=order.prompt,
                images=images or None,
                task=known.route,
                **asked,
            )
            return task_of(told, order.model)
        message = Message("user", order.prompt, order.images)
        asked["messages"] = [_message(message, parts=True)]
        if known.route == "at-once":
            told = self._call(MultiModalConversation.call, deadline, **asked)
            made = tuple(pictures_of(told))
            return Task(None, "succeeded", made, usage_of(told), _request_id(told))
        told = self._call(ImageGeneration.async_call, deadline, **asked)
        return task_of(told, order.model)

    def look(self, task_id: str, *, model: str, deadline: Deadline) -> Task:
        """How a task stands."""
        told = self._call(
            BaseApi.call,
            deadline,
            model=model,
            input={},
            task_group="tasks",
            function=task_id,
            http_method="GET",
            is_service=False,
        )
        return task_of(told, model)

    def close(self) -> None:
        """Cut off what is under way."""
        self._http.close()

    def _call(
        self, call: Callable[..., object], deadline: Deadline, **asked: Any
    ) -> Mapping[str, JsonValue]:
        """One request through the SDK; its answer, which says no error.

        Raises:
            ModelError: the service refused it, or failed on it.
            TransportError: it could not be asked, or did not answer as it should.
        """
        lent = _Connection(self._http, self._address, deadline)
        model = str(asked["model"])
        with _discretion():
            try:
                call(
                    api_key=self._key.get_secret_value(),
                    base_address=self._address,
                    workspace=self._workspace,
                    session=lent,
                    **asked,
                )
            except ComfyClientError:
                raise
            except Exception as error:
                if lent.answer is None:
                    raise UsageError(
                        f"the dashscope SDK would not send the request: {error}"[:300],
                        hint="dashscope 1.27 to 2.0 are known to work",
                    ) from error
        assert lent.answer is not None, "the SDK sends what it is asked to"
        return _read(lent.answer, model)


class _Connection:
    """What the SDK takes for a session: sends one request, once."""

    def __init__(self, http: ComfyHttp, address: str, deadline: Deadline) -> None:
        self._http = http
        self._address = address
        self._deadline = deadline
        self.answer: HttpAnswer | None = None

    def post(
        self, url: str, *, data: bytes, headers: Mapping[str, str], **_: object
    ) -> requests.Response:
        """Send a POST; the SDK's own time is the deadline's."""
        return self._taken(
            self._http.post(
                self._path(url),
                deadline=self._deadline,
                json=data,
                headers=_shown(headers),
                returned=_EVERY_STATUS,
            )
        )

    def get(
        self, url: str, *, headers: Mapping[str, str], **_: object
    ) -> requests.Response:
        """Send a GET."""
        return self._taken(
            self._http.get(
                self._path(url),
                deadline=self._deadline,
                headers=_shown(headers),
                returned=_EVERY_STATUS,
            )
        )

    def _path(self, url: str) -> str:
        return url.removeprefix(self._address)

    def _taken(self, answer: HttpAnswer) -> requests.Response:
        self.answer = answer
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response._content = answer.body
        return response


def _shown(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The SDK's headers but for the key: the connection has that of its own."""
    return {n: v for n, v in headers.items() if n.lower() != "authorization"}


def _message(message: Message, *, parts: bool) -> dict[str, Any]:
    if not parts:
        return {"role": message.role, "content": message.text}
    content: list[dict[str, str]] = [{"image": i.data_uri} for i in message.images]
    return {"role": message.role, "content": [*content, {"text": message.text}]}


def _read(answer: HttpAnswer, model: str) -> Mapping[str, JsonValue]:
    try:
        told = json.loads(answer.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        told = None
    error = refusal_in(answer, told, model)
    if error is not None:
        raise error
    if not isinstance(told, dict):
        raise BadAnswerError(
            "the service's answer is no JSON object",
            instance=NAME,
            hint="check that the base address leads to DashScope's API",
        )
    return told


def _request_id(told: Mapping[str, JsonValue]) -> str | None:
    found = told.get("request_id")
    return found if isinstance(found, str) else None


@contextmanager
def _discretion() -> Iterator[None]:
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)


def _discreet(record: logging.LogRecord) -> bool:
    """Drop what the SDK logs of our requests: prompts, photos, signed addresses."""
    return not _ours.get()
