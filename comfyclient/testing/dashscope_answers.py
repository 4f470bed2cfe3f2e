"""What a DashScope stand-in answers by itself, route by route."""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import uuid4

from pydantic import JsonValue

from ..timing import Clock
from .dashscope_catalogue import (
    IMAGE,
    IMAGE2IMAGE,
    MODELS,
    MULTIMODAL,
    TEXT,
    TEXT2IMAGE,
    Kind,
    StandInModel,
)
from .dashscope_play import Call, Paints, Refuses, Says, Turn
from .dashscope_tasks import Order, Tasks, message_of
from .dashscope_words import count_images, texts, usual_words
from .http_wire import Reply, Request

ROUTES: Mapping[str, str] = {
    "text": f"POST /{TEXT}",
    "multimodal": f"POST /{MULTIMODAL}",
    "text2image": f"POST /{TEXT2IMAGE}",
    "image2image": f"POST /{IMAGE2IMAGE}",
    "image": f"POST /{IMAGE}",
    "task": "GET /tasks/{id}",
    "cancel": "POST /tasks/{id}/cancel",
    "result": "GET /results/{file}",
}
"""By the short names that tests use."""


class Refusal(Exception):  # noqa: N818  it never leaves the server: it becomes an answer
    """A request that the service would not take."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.refuses = Refuses(code, message)


@dataclass(slots=True)
class Bill:
    """What was used."""

    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    by_model: Counter[str] = field(default_factory=Counter)
    """Requests that were served, by model."""


class DashScopeAnswers:
    """The service behind a stand-in: its models, tasks and limits."""

    def __init__(
        self,
        base_url: str,
        *,
        key: str,
        clock: Clock,
        limits: Mapping[str, tuple[float, int]],
    ) -> None:
        self._key = key
        self._clock = clock
        self._limits = limits
        self._lock = threading.Lock()
        self._asked_at: defaultdict[str, deque[float]] = defaultdict(deque)
        self._tasks = Tasks(base_url, clock)
        self._bill = Bill()
        self.turns: Mapping[Kind, deque[Turn]] = {
            "text": deque(),
            "vision": deque(),
            "picture": deque(),
        }
        self.standing: dict[Kind, Turn] = {}

    @property
    def bill(self) -> Bill:
        """What was used so far."""
        self._bill.images = self._tasks.billed
        return self._bill

    def answer(self, route: str, request: Request, *ids: str) -> Reply:
        """The service's own answer."""
        request_id = str(uuid4())
        try:
            if route == "result":
                return self._tasks.file(request)
            self._check_key(request)
            if route == "task":
                output, usage = self._tasks.look(ids[0])
                return _told(output, usage, request_id)
            if route == "cancel":
                return self._cancel(ids[0], request_id)
            return self._create(route, request, request_id)
        except Refusal as refusal:
            return refusal.refuses.reply(request_id)

    def _check_key(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            raise Refusal("InvalidApiKey", "Invalid API-key provided.")

    def _cancel(self, task_id: str, request_id: str) -> Reply:
        if not self._tasks.cancel(task_id):
            raise Refusal("UnsupportedOperation", "the task is not in PENDING status")
        return Reply.of_json({"request_id": request_id})

    def _create(self, route: str, request: Request, request_id: str) -> Reply:
        call = _body(request)
        name, model = _model(call, route)
        asynchronous = request.headers.get("x-dashscope-async") == "enable"
        _check_header(model, route, asynchronous=asynchronous)
        self._throttle(name, request_id)
        turn = self._turn(model.kind, call)
        if isinstance(turn, Reply) and not turn.needs_own:
            return turn
        if isinstance(turn, Refuses):
            return turn.reply(request_id)
        own = self._served(turn, name, call, route, request_id)
        if not isinstance(turn, Reply):
            return own
        return replace(turn, status=own.status, body=own.body, headers=own.headers)

    def _served(
        self, turn: Turn | None, name: str, call: Call, route: str, request_id: str
    ) -> Reply:
        model = MODELS[name]
        self._bill.by_model[name] += 1
        if model.kind == "picture":
            course = turn if isinstance(turn, Paints) else Paints()
            order = _order(name, model, call, route)
            tasks = route != "multimodal"
            return self._pictures(order, course, request_id, asynchronous=tasks)
        says = turn if isinstance(turn, Says) else usual_words(call)
        return self._say(says, model, call, request_id)

    def _turn(self, kind: Kind, call: Call) -> Turn | None:
        with self._lock:
            waiting = self.turns[kind]
            turn = waiting.popleft() if waiting else self.standing.get(kind)
        while callable(turn):
            turn = turn(call)
        return turn

    def _throttle(self, name: str, request_id: str) -> None:
        """Hold the request against the model's limits, where it was given some."""
        if name not in self._limits:
            return
        rate, tasks = self._limits[name]
        now = self._clock.monotonic()
        most, within = max(1, math.floor(rate)), max(1.0, 1 / rate)
        with self._lock:
            asked = self._asked_at[name]
            while asked and now - asked[0] >= within - 1e-9:
                asked.popleft()
            asked.append(now)
            over = len(asked) > most
        if over:
            raise Refusal("Throttling.RateQuota", "Requests rate limit exceeded.")
        if self._tasks.open >= tasks:
            raise Refusal("Throttling", "Too many concurrent tasks.")

    def _say(
        self, says: Says, model: StandInModel, call: Call, request_id: str
    ) -> Reply:
        heard = sum(map(len, texts(call)))
        content: JsonValue = says.text
        if model.kind == "vision":
            content = [{"text": says.text}]
        usage: dict[str, JsonValue] = {
            "input_tokens": heard // 2 + 1 + 1000 * count_images(call),
            "output_tokens": len(says.text) // 2 + 1,
        }
        self._bill.input_tokens += heard // 2 + 1 + 1000 * count_images(call)
        self._bill.output_tokens += len(says.text) // 2 + 1
        parameters = call.get("parameters")
        plain = isinstance(parameters, dict) and (
            parameters.get("result_format", "text") == "text"
        )
        if model.kind == "text" and plain:
            told: dict[str, JsonValue] = {
                "text": says.text,
                "finish_reason": says.finish_reason,
            }
        else:
            message: JsonValue = {"role": "assistant", "content": content}
            choice: JsonValue = {
                "finish_reason": says.finish_reason,
                "message": message,
            }
            told = {"choices": [choice]}
        return _told(told, usage, request_id)

    def _pictures(
        self, order: Order, course: Paints, request_id: str, *, asynchronous: bool
    ) -> Reply:
        if asynchronous:
            return _told(self._tasks.begin(order, course), {}, request_id)
        urls = [url for url in self._tasks.at_once(order, course) if url]
        self._tasks.billed += len(urls)
        return _told(message_of(urls), {"image_count": len(urls)}, request_id)


def _told(
    output: Mapping[str, JsonValue], usage: Mapping[str, JsonValue], request_id: str
) -> Reply:
    body = {"output": dict(output), "usage": dict(usage), "request_id": request_id}
    return Reply.of_json(body)


def _body(request: Request) -> Call:
    try:
        call = request.json()
    except ValueError:
        call = None
    if not isinstance(call, dict) or not isinstance(call.get("input"), dict):
        raise Refusal("InvalidParameter", "Required body invalid, please check.")
    return call


def _model(call: Call, route: str) -> tuple[str, StandInModel]:
    name = call.get("model")
    model = MODELS.get(name) if isinstance(name, str) else None
    if model is None or not isinstance(name, str):
        raise Refusal("ModelNotFound", "Model not exist.")
    if ROUTES[route].removeprefix("POST /") not in model.routes:
        raise Refusal("InvalidParameter", "url error, please check url！")
    return name, model


def _check_header(model: StandInModel, route: str, *, asynchronous: bool) -> None:
    must = model.asynchronous
    if model.kind == "picture" and route in {"image", "text2image"}:
        must = True  # the routes of the tasks alone
    if model.kind != "picture":
        must = False
    if must is True and not asynchronous:
        words = "current user api does not support synchronous calls"
        raise Refusal("AccessDenied", words)
    if must is False and asynchronous:
        words = "current user api does not support asynchronous calls"
        raise Refusal("AccessDenied", words)


def _order(name: str, model: StandInModel, call: Call, route: str) -> Order:
    parameters = call.get("parameters")
    given = parameters if isinstance(parameters, dict) else {}
    count = given.get("n", min(4, model.most))  # whoever does not say gets four
    if not isinstance(count, int) or not 1 <= count <= model.most:
        raise Refusal("InvalidParameter", f"n must be in [1, {model.most}]")
    size = given.get("size", model.default_size)
    wrong = model.wrong_size(size) if isinstance(size, str) else "size must be a text"
    if wrong is not None:
        raise Refusal("InvalidParameter", wrong)
    seed = given.get("seed", 0)
    if not isinstance(seed, int) or not 0 <= seed <= 2147483647:
        raise Refusal("InvalidParameter", "seed must be in [0, 2147483647]")
    return Order(
        model=name,
        prompt="\n".join(texts(call)),
        size=str(size),
        count=count,
        seed=seed,
        new_protocol=route in {"multimodal", "image"},
    )
