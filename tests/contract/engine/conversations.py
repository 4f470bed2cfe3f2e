"""Has a recorded conversation again, apart from ids, times and numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import requests
import websocket
from PIL import Image

from comfyclient.timing import Deadline

PATIENCE_S = 2.0
"""The recording client polled where the engine is asked once."""


FASTER, HARDLY_FASTER, SLOWER = 0.2, 0.8, 4.0
"""Nodes that slept when this was recorded sleep this part of it; the second, where they
are to be stopped before they end; the third, where a busy machine came too late."""


class Conversation:
    """One scenario, played against an engine."""

    def __init__(self, url: str, *, by_chance: set[str], pace: float) -> None:
        self._url = url
        self._by_chance = by_chance
        self._pace = pace
        self._session = requests.Session()
        self._answers: dict[int, requests.Response] = {}
        self._requests: dict[int, dict[str, Any]] = {}
        self._sockets: dict[str, websocket.WebSocket] = {}
        self._ids: dict[str, str] = {}
        self._shift: int | None = None

    def close(self) -> None:
        """Drop all connections."""
        self._session.close()
        for answer in self._answers.values():
            answer.close()
        for each in self._sockets.values():
            each.shutdown()

    def count_up(self, events: list[dict[str, Any]]) -> None:
        """Bring the prompt counter to where the recording began."""
        numbers = (
            event["body"]["number"]
            for event in events
            if event["kind"] == "http_response"
            and isinstance(event["body"], dict)
            and isinstance(event["body"].get("number"), int)
        )
        for _ in range(abs(next(numbers, 0))):
            self._session.post(f"{self._url}/prompt", json={}).close()

    def play(self, events: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
        """Each thing that was recorded beside what came now."""
        for event in events:
            match event["kind"]:
                case "http_request" if not event["path"].startswith(_FRONT_END):
                    self._request(event)
                case "http_response" if event["id"] in self._requests:
                    yield self._answered(event)
                case "ws_text" | "ws_binary" | "ws_connect_failed":
                    yield self._received(event)
                case _:
                    self._steer(event)

    def _steer(self, event: dict[str, Any]) -> None:
        match event["kind"]:
            case "ws_connecting":
                self._connect(event)
            case "ws_sent":
                self._sockets[event["conn"]].send(_as_text(event["data"]))
            case "ws_closing":
                self._sockets.pop(event["conn"]).close()

    def _received(self, event: dict[str, Any]) -> tuple[Any, Any]:
        match event["kind"]:
            case "ws_text":
                return self._heard(event)
            case "ws_binary":
                return self._seen(event)
        return None, self._sockets.get(event["conn"])

    def _request(self, event: dict[str, Any]) -> None:
        self._requests[event["id"]] = event
        path = self._now(event["path"])
        query = event.get("query") or {}
        options: dict[str, Any] = {
            "params": {name: self._now(value) for name, value in query.items()}
        }
        headers = dict(event.get("headers") or {})
        port = self._url.rpartition(":")[2]
        for name in ("Origin", "Host"):
            if name in headers:
                headers[name] = re.sub(r":8\d\d\d", f":{port}", headers[name])
        if "form" in event:
            options["data"], options["files"] = _form(event)
        elif "raw_body" in event:
            options["data"] = self._now(event["raw_body"]).encode()
        elif "body" in event:
            options["json"] = self._paced(event["body"])
        self._answers[event["id"]] = self._session.request(
            event["method"],
            self._url + path,
            headers=headers,
            timeout=20,
            allow_redirects=False,
            **options,
        )

    def _paced(self, body: Any) -> Any:
        """A recorded body with the ids of this run, and nodes that sleep less."""
        return _faster(json.loads(self._now(json.dumps(body))), self._pace)

    def _now(self, text: str) -> str:
        """A recorded text with the ids of this run."""
        for then, now in self._ids.items():
            text = text.replace(then, now)
        return text

    def _answered(self, event: dict[str, Any]) -> tuple[Any, Any]:
        """What was answered then and now; what may still change is asked again."""
        asked = self._requests[event["id"]]
        deadline = Deadline(PATIENCE_S)
        then, now = self._compared(event)
        while then != now and asked["method"] == "GET" and not deadline.passed():
            self._request(asked)
            then, now = self._compared(event)
        return then, now

    def _compared(self, event: dict[str, Any]) -> tuple[Any, Any]:
        asked, answer = self._requests[event["id"]], self._answers[event["id"]]
        kind = answer.headers.get("Content-Type")
        body: Any = answer.text
        if asked["method"] == "HEAD":
            body = ""
        elif kind is not None and kind.startswith("application/json"):
            body = answer.json()
        elif kind is not None and not kind.startswith("text/"):
            body = {"bytes": True} if answer.content else ""
        if asked["path"] == "/prompt" and isinstance(event["body"], dict):
            self._learn(event["body"], body)
        route = f"{asked['method']} {self._now(asked['path'])}"
        then = [(route, event["status"]), event["type"], event["disposition"]]
        then += [event["allow"], event["body"]]
        now = [
            (route, answer.status_code),
            kind,
            answer.headers.get("Content-Disposition"),
            answer.headers.get("Allow"),
            body,
        ]
        if _is_about_the_machine(asked, event["body"]):
            return self._alike(then[:1]), self._alike(now[:1])
        return self._alike(then, then=True), self._alike(now)

    def _learn(self, then: dict[str, Any], now: Any) -> None:
        if "prompt_id" in then and isinstance(now, dict) and "prompt_id" in now:
            self._ids[then["prompt_id"]] = now["prompt_id"]
            number = then["number"]
            if self._shift is None and isinstance(number, int):
                self._shift = abs(number) - abs(now["number"])

    def _connect(self, event: dict[str, Any]) -> None:
        query = "&".join(f"{k}={v}" for k, v in (event.get("query") or {}).items())
        origin = (event.get("headers") or {}).get("Origin")
        port = self._url.rpartition(":")[2]
        headers = dict(event.get("headers") or {})
        headers.pop("Origin", None)
        with suppress(websocket.WebSocketBadStatusException):
            self._sockets[event["conn"]] = websocket.create_connection(
                f"{self._url.replace('http', 'ws')}{event['path']}?{query}",
                timeout=10,
                origin=None if origin is None else re.sub(r":8\d+", f":{port}", origin),
                suppress_origin=origin is None,
                header=headers,
            )

    def _heard(self, event: dict[str, Any]) -> tuple[Any, Any]:
        if self._is_by_chance(event["data"]):
            return None, None
        message = self._next_text(event["conn"])
        while self._is_by_chance(message):
            message = self._next_text(event["conn"])
        if str(event["data"].get("data")).startswith("<"):
            return event["data"]["type"], message["type"]  # too large to record
        if message.get("type") == "progress_state":
            shown = " ".join(
                f"{name}:{node['state']}:{node['value']:g}/{node['max']:g}:"
                f"{node['display_node_id']}"
                for name, node in message["data"]["nodes"].items()
            )
            prompt_id = message["data"]["prompt_id"]
            message = {"type": "progress_state", "prompt_id": prompt_id, "nodes": shown}
        then = event["data"]
        self._learn_names(then, message)
        return self._alike(then, then=True), self._alike(message)

    def _learn_names(self, then: Any, now: Any) -> None:
        """Names carry a counter, and previews letters, of their own on each server."""
        names = [_FILE_NAME.findall(json.dumps(each)) for each in (then, now)]
        self._ids.update(zip(*names, strict=False))

    def _is_by_chance(self, message: dict[str, Any]) -> bool:
        """Whether this comes at moments of its own: the queue's length, progress."""
        if message.get("type") == "status":
            return "sid" not in message["data"]
        return message.get("type") in self._by_chance

    def _next_text(self, conn: str) -> dict[str, Any]:
        frame = self._sockets[conn].recv()
        assert isinstance(frame, str), "a binary message came where a text was heard"
        message: dict[str, Any] = json.loads(frame)
        return message

    def _seen(self, event: dict[str, Any]) -> tuple[Any, Any]:
        frame = self._sockets[event["conn"]].recv()
        while isinstance(frame, str) and self._is_by_chance(json.loads(frame)):
            frame = self._sockets[event["conn"]].recv()
        assert isinstance(frame, bytes), f"a text came where event {event} was seen"
        number = int.from_bytes(frame[:4], "big")
        now: dict[str, Any] = {"event": number}
        length = int.from_bytes(frame[4:8], "big")
        if number == 1:
            now["image_type"] = length
        elif number == 3:
            now |= {
                "node_id": frame[8 : 8 + length].decode(),
                "text": frame[8 + length :].decode(),
            }
        else:
            now["metadata"] = json.loads(frame[8 : 8 + length])
        then = {name: event[name] for name in now if name in event}
        return self._alike(then, then=True), self._alike(now)

    def _alike(self, value: Any, *, then: bool = False) -> Any:
        """The value without what may differ from run to run."""
        if then:
            value = self._paced(value)
        return _settled(value, shift=(self._shift or 0) if then else 0)


def _as_text(data: Any) -> str:
    return data if isinstance(data, str) else json.dumps(data)


def _form(event: dict[str, Any]) -> tuple[dict[str, str], dict[str, tuple[str, bytes]]]:
    data = {f["name"]: f["value"] for f in event["form"] if "value" in f}
    files = {
        # The names as the recording client sent them: percent-encoded.
        f["name"]: (requests.utils.quote(f["filename"], safe=""), _content(event, f))
        for f in event["form"]
        if "filename" in f
    }
    if not files:
        return {}, {name: (None, value) for name, value in data.items()}  # type: ignore[misc]
    return data, files


def _content(event: dict[str, Any], field: dict[str, Any]) -> bytes:
    if field["filename"].endswith(".txt"):
        return b"hello"
    # The first two uploads were the same picture, all later ones others.
    shade = 0 if event["id"] <= 3 else event["id"]
    stream = BytesIO()
    Image.new("RGBA", (8, 8), (shade, 40, 80, 128)).save(stream, "PNG")
    return stream.getvalue()


def _faster(value: Any, pace: float) -> Any:
    if isinstance(value, dict):
        return {
            key: round(each * pace, 3)
            if key == "seconds" and isinstance(each, int | float)
            else _faster(each, pace)
            for key, each in value.items()
        }
    return [_faster(each, pace) for each in value] if isinstance(value, list) else value


_RANDOM_NAME = re.compile("_temp_[a-z]{5}_")


_FILE_NAME = re.compile(r"[\w-]+_\d{5}_\.png")


_TIMES = (
    "timestamp",
    "create_time",
    "execution_start_time",
    "execution_end_time",
)


_SETS = ("executed", "current_outputs", "nodes", "outputs_to_execute")


def _settled(value: Any, *, shift: int, key: str = "") -> Any:
    match value:
        case dict():
            return {
                name: _settled(each, shift=shift, key=name)
                for name, each in value.items()
            }
        case [int() | float(), str(), dict(), dict(), list()]:
            item = [_settled(each, shift=shift) for each in value[:4]]
            return [_numbered(value[0], shift), *item[1:], sorted(value[4])]
        case list() if key == "traceback":
            return bool(value)
        case list() if key == "errors":
            # The server walks over a node's inputs as a set.
            errors = [_settled(each, shift=shift) for each in value]
            return sorted(errors, key=json.dumps)
        case list() if key in _SETS and all(isinstance(e, str) for e in value):
            return sorted(value)
        case list() | tuple():
            return [_settled(each, shift=shift, key=key) for each in value]
        case int() | float() if key in _TIMES:
            return "time"
        case int() if key in ("number", "priority") and not isinstance(value, bool):
            return _numbered(value, shift)
        case str():
            return _settled_text(value, key)
    return value


def _numbered(number: float, shift: int) -> float:
    if isinstance(number, float):
        return number
    return number - shift if number > 0 else number + shift if number < 0 else 0


def _settled_text(text: str, key: str) -> str:
    if text.startswith("tensor") or (key == "image" and text.startswith("[[[[")):
        return "array"
    if key == "sid" and re.fullmatch("[0-9a-f]{32}", text):
        return "a new sid"
    if key == "exception_type":
        return re.sub(r"^.*nodes\.(?=Test)", "", text)
    text = _RANDOM_NAME.sub("_temp_xxxxx_", text)
    return re.sub(r"_\d{5}_", "_NNNNN_", text)


_FRONT_END = (
    "/experiment",
    "/global_subgraphs",
    "/i18n",
    "/internal/folder_paths",
    "/internal/logs",
    "/node_replacements",
    "/settings",
    "/userdata",
    "/v2/userdata",
    "/workflow_templates",
)
"""Routes of the real server's front end, which the engine does not have."""


_MACHINE = (
    "/system_stats",
    "/object_info",
    "/models",
    "/extensions",
    "/internal/files/output",
    "/users",
)


def _is_about_the_machine(asked: dict[str, Any], body: Any) -> bool:
    path = asked["path"].removeprefix("/api")
    return path.startswith(_MACHINE) or path == "/" or isinstance(body, str)
