"""The image tasks and result files of a DashScope stand-in, and how long they live."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import quote, unquote
from uuid import uuid4

from pydantic import JsonValue

from ..timing import Clock
from .dashscope_play import Paints
from .http_wire import Reply, Request
from .pictures import picture

LIFETIME = timedelta(hours=24)
"""How long a task is known and its files are there."""
_SECRET = b"the stand-in's own"


@dataclass(slots=True)
class Order:
    """What an image request asks for."""

    model: str
    prompt: str
    size: str
    count: int
    seed: int
    new_protocol: bool
    """Whether results are told as messages, as for `wan2.6` and later."""


@dataclass(slots=True)
class _Task:
    order: Order
    course: Paints
    begun: datetime
    looks: int = 0
    canceled: bool = False
    urls: list[str] = field(default_factory=list)


class Tasks:
    """Every task of one stand-in; its files are under `/results/`."""

    def __init__(self, base_url: str, clock: Clock) -> None:
        self._base_url = base_url
        self._clock = clock
        self._lock = threading.Lock()
        self._tasks: dict[str, _Task] = {}
        self._files: dict[str, tuple[bytes, int | None]] = {}
        self.billed = 0
        """Pictures that came to be."""

    def begin(self, order: Order, course: Paints) -> dict[str, JsonValue]:
        """A new task; what the service tells of it at once."""
        task_id = str(uuid4())
        with self._lock:
            self._tasks[task_id] = _Task(order, course, self._clock.now())
        return {"task_id": task_id, "task_status": "PENDING"}

    @property
    def open(self) -> int:
        """Tasks that have not ended."""
        with self._lock:
            return sum(self._state(task) in _LIVE for task in self._tasks.values())

    def look(self, task_id: str) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
        """What is told of a task, and its usage; each look takes it further."""
        with self._lock:
            task = self._tasks.get(task_id)
            if task is None or self._clock.now() - task.begun > LIFETIME:
                return {"task_id": task_id, "task_status": "UNKNOWN"}, {}
            task.looks += 1
            state = self._state(task)
        told: dict[str, JsonValue] = {
            "task_id": task_id,
            "task_status": state,
            "submit_time": f"{task.begun:%F %T.000}",
        }
        if state == "FAILED":
            told |= {"code": task.course.code, "message": task.course.message}
        if state != "SUCCEEDED":
            return told, {}
        return told | self._results(task_id, task), {"image_count": _made(task)}

    def cancel(self, task_id: str) -> bool:
        """Cancel a task that waits; whether that was so."""
        with self._lock:
            task = self._tasks.get(task_id)
            if task is None or self._state(task) != "PENDING":
                return False
            task.canceled = True
            return True

    def at_once(self, order: Order, course: Paints) -> list[str]:
        """The addresses of pictures that no task is made for."""
        task = _Task(order, course, self._clock.now())
        return [self._url(str(uuid4()), task, n) for n in range(1, order.count + 1)]

    def file(self, request: Request) -> Reply:
        """A result file, to whoever has its signed address."""
        path, query = request.path, request.query
        signed = _signed(path, query.get("Expires", ""))
        if not hmac.compare_digest(query.get("Signature", ""), signed):
            return _refused("SignatureDoesNotMatch", "the signature does not match")
        if self._clock.now().timestamp() > float(query["Expires"]):
            return _refused("AccessDenied", "Request has expired.")
        content, size = self._files[path]  # it was signed, so it is there
        headers = {"Content-Type": "image/png"}
        if size is not None:
            headers["Content-Length"] = str(size)
        return Reply(200, content, headers)

    def _state(self, task: _Task) -> str:
        course = task.course
        if task.canceled:
            return "CANCELED"
        if task.looks <= course.pending:
            return "PENDING"
        if task.looks <= course.pending + course.running:
            return "RUNNING"
        return course.ends

    def _results(self, task_id: str, task: _Task) -> dict[str, JsonValue]:
        with self._lock:
            if not task.urls:
                numbers = range(1, task.order.count + 1)
                task.urls = [self._url(task_id, task, n) for n in numbers]
                self.billed += _made(task)
        failed = len(_failed(task))
        metrics: dict[str, JsonValue] = {
            "TOTAL": task.order.count,
            "SUCCEEDED": task.order.count - failed,
            "FAILED": failed,
        }
        if task.order.new_protocol:
            content: list[JsonValue] = [
                {"type": "image", "image": url} for url in task.urls if url
            ]
            return {"finished": True, "choices": [_choice(content)]}
        results = [self._result(task, n) for n in range(1, task.order.count + 1)]
        return {"results": results, "task_metrics": metrics}

    def _result(self, task: _Task, number: int) -> JsonValue:
        code = task.course.failed.get(number)
        if code is not None:
            return {"code": code, "message": "this picture did not come to be"}
        prompt = task.order.prompt
        url = task.urls[number - 1]
        return {"orig_prompt": prompt, "actual_prompt": prompt, "url": url}

    def _url(self, task_id: str, task: _Task, number: int) -> str:
        """A signed address, its signature percent-encoded as OSS does."""
        if number in task.course.failed:
            return ""
        if task.course.url is not None:
            return task.course.url
        path = f"/results/{task.begun:%Y%m%d}/{task_id}-{number}.png"
        width, height = map(int, task.order.size.split("*"))
        seed = _seed_of(task.order, number)
        content = task.course.content
        made = picture(width, height, seed=seed) if content is None else content
        self._files[path] = made, task.course.size
        expires = str(int((task.begun + LIFETIME).timestamp()))
        signature = quote(_signed(path, expires), safe="")
        query = f"Expires={expires}&OSSAccessKeyId=LTAIstandin&Signature={signature}"
        return f"{self._base_url}{path}?{query}"


_LIVE = {"PENDING", "RUNNING"}


def _choice(content: list[JsonValue]) -> JsonValue:
    message: JsonValue = {"role": "assistant", "content": content}
    return {"finish_reason": "stop", "message": message}


def message_of(urls: list[str]) -> dict[str, JsonValue]:
    """Pictures that were made at once, as the newer protocol tells them."""
    return {"choices": [_choice([{"image": url} for url in urls])]}


def _failed(task: _Task) -> list[int]:
    return [n for n in task.course.failed if 1 <= n <= task.order.count]


def _made(task: _Task) -> int:
    return task.order.count - len(_failed(task))


def _seed_of(order: Order, number: int) -> int:
    """Equal orders give equal pictures."""
    text = f"{order.model}\0{order.prompt}\0{order.seed}\0{number}"
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[0]


def _signed(path: str, expires: str) -> str:
    """Of a path and a time; a `+` is always in it, which a second decoding loses."""
    text = f"GET\n{expires}\n{unquote(path)}".encode()
    mac = hmac.new(_SECRET, text, hashlib.sha1).digest()
    return base64.b64encode(mac).decode()[:-1] + "+="


def _refused(code: str, message: str) -> Reply:
    """As OSS says it."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
    return Reply(403, body.encode(), {"Content-Type": "application/xml"})
