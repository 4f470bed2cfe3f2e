"""What the scripted server answers by itself, route by route."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from uuid import uuid4

from packaging.version import Version
from pydantic import JsonValue

from .http_wire import Reply, Request
from .play import Cue, item
from .stage import Stage

PROMPT_ID_SINCE = Version("0.3.45")
FEATURES_SINCE = Version("0.3.45")
INTERRUPT_ID_SINCE = Version("0.3.57")
JOBS_SINCE = Version("0.6.0")
CANCEL_SINCE = Version("0.26.0")
MAX_BODY = 100 << 20
"""Bytes of a body that ComfyUI takes, unless it is told otherwise."""
EMPTY = Reply(200)
NOT_FOUND = Reply(404)
TROUBLE = Reply(
    500,
    b"500 Internal Server Error\n\nServer got itself in trouble",
    {"Content-Type": "text/plain; charset=utf-8"},
)
"""What ComfyUI says of a request that it did not expect."""


class Answers:
    """The answers of a ComfyUI of the stage's version."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def own(self, route: str, request: Request, *arguments: object) -> Reply:
        """The server's own answer; what the request asks for is done."""
        return ROUTES[route][1](self, request, *arguments)

    def _stats(self, _request: Request) -> Reply:
        system = {
            "comfyui_version": str(self._stage.version),
            "os": "linux",
            "argv": [],
        }
        device = {"name": "cpu", "type": "cpu", "index": None}
        return Reply.of_json({"system": system, "devices": [device]})

    def _features(self, _request: Request) -> Reply:
        if self._stage.version < FEATURES_SINCE:
            return NOT_FOUND
        return Reply.of_json(
            {"supports_preview_metadata": True, "max_upload_size": MAX_BODY}
        )

    def _remaining(self, _request: Request) -> Reply:
        with self._stage.condition:
            count = len(self._stage.pending) + (self._stage.running is not None)
        return Reply.of_json({"exec_info": {"queue_remaining": count}})

    def _submit(self, request: Request, cue: Cue | None = None) -> Reply:
        body = request.json()
        assert isinstance(body, dict), "the prompt is a JSON object"
        graph, extra = body.get("prompt"), body.get("extra_data", {})
        assert isinstance(graph, dict), "the graph is a JSON object"
        assert isinstance(extra, dict), "extra_data is a JSON object"
        wanted, client = body.get("prompt_id"), body.get("client_id")
        takes = self._stage.version >= PROMPT_ID_SINCE and isinstance(wanted, str)
        prompt_id = str(wanted) if takes else str(uuid4())
        client_id = client if isinstance(client, str) else None
        number = self._stage.number()
        self._stage.take(
            prompt_id,
            graph,
            number=number,
            extra={**extra, "client_id": client},
            client_id=client_id,
            cue=cue,
        )
        return Reply.of_json(
            {"prompt_id": prompt_id, "number": number, "node_errors": {}}
        )

    def _queue(self, _request: Request) -> Reply:
        with self._stage.condition:
            running = self._stage.running
            listed: dict[str, JsonValue] = {
                "queue_running": [] if running is None else [item(running)],
                "queue_pending": [item(job) for job in reversed(self._stage.pending)],
            }
        self._stage.looked_for()
        return Reply.of_json(listed)

    def _edit_queue(self, request: Request) -> Reply:
        return _edited(request, self._stage.delete)

    def _edit_history(self, request: Request) -> Reply:
        return _edited(request, self._stage.forget)

    def _free(self, request: Request) -> Reply:
        asked = _object(request)
        if asked is None:
            return TROUBLE
        self._stage.free(asked)
        return EMPTY

    def _history(self, request: Request) -> Reply:
        entries = list(self._stage.history.items())
        newest = int(request.query.get("max_items", len(entries)))
        return Reply.of_json(dict(entries[max(0, len(entries) - newest) :]))

    def _history_of(self, _request: Request, prompt_id: str) -> Reply:
        with self._stage.condition:
            found = self._stage.history.get(prompt_id)
        self._stage.looked_for(prompt_id)
        return Reply.of_json({} if found is None else {prompt_id: found})

    def _job(self, _request: Request, prompt_id: str) -> Reply:
        if self._stage.version < JOBS_SINCE:
            return NOT_FOUND
        with self._stage.condition:
            told = self._told(prompt_id)
        self._stage.looked_for(prompt_id)
        if told is None:
            return Reply.of_json({"error": "Job not found"}, status=404)
        return Reply.of_json({"id": prompt_id, **told})

    def _told(self, prompt_id: str) -> Mapping[str, JsonValue] | None:
        running = self._stage.running
        if prompt_id in self._stage.history:
            found = self._stage.history[prompt_id]
            assert isinstance(found, dict), "the stage stores objects"
            words = {"success": "completed", "error": "failed"}
            return {
                "status": words.get(self._stage.states[prompt_id], "cancelled"),
                "outputs": found["outputs"],
                "execution_status": found["status"],
            }
        if running is not None and running.prompt_id == prompt_id:
            return {"status": "in_progress"}
        pending = any(job.prompt_id == prompt_id for job in self._stage.pending)
        return {"status": "pending"} if pending else None

    def _cancel(self, _request: Request, prompt_id: str) -> Reply:
        if self._stage.version < CANCEL_SINCE:
            return Reply(405, b"405: Method Not Allowed")
        done = self._stage.delete(prompt_id) or self._stage.interrupt(prompt_id)
        return Reply.of_json({"cancelled": done})

    def _interrupt(self, request: Request) -> Reply:
        body = request.json()
        named = body.get("prompt_id") if isinstance(body, dict) else None
        heeded = isinstance(named, str) and self._stage.version >= INTERRUPT_ID_SINCE
        self._stage.interrupt(str(named) if heeded else None)
        return EMPTY

    def _view(self, request: Request) -> Reply:
        query = request.query
        key = (
            query.get("type", "output"),
            query.get("subfolder", ""),
            query.get("filename", ""),
        )
        content = self._stage.files.get(key)
        kind = {"Content-Type": "image/png"}
        return NOT_FOUND if content is None else Reply(200, content, kind)

    def _upload(self, request: Request) -> Reply:
        form = request.form()
        name, content = form["image"]
        subfolder = form.get("subfolder", (None, b""))[1].decode()
        folder = form.get("type", (None, b"input"))[1].decode()
        if folder not in {"input", "temp", "output"}:
            return TROUBLE
        self._stage.files[folder, subfolder, str(name)] = content
        return Reply.of_json({"name": name, "subfolder": subfolder, "type": folder})

    def _object_info(self, _request: Request) -> Reply:
        offers = self._stage.offers
        return NOT_FOUND if offers is None else Reply.of_json({**offers})

    def _node_replacements(self, _request: Request) -> Reply:
        return NOT_FOUND if self._stage.offers is None else Reply.of_json({})

    def _no_socket(self, _request: Request) -> Reply:
        return Reply(400, b"No WebSocket UPGRADE hdr")


Answerer = Callable[..., Reply]


def _edited(request: Request, remove: Callable[[str | None], object]) -> Reply:
    """Take what a request names out of the queue or the history."""
    asked = _object(request)
    if asked is None:
        return TROUBLE
    if asked.get("clear"):
        remove(None)
    ids = asked.get("delete")
    for prompt_id in ids if isinstance(ids, list) else []:
        remove(str(prompt_id))
    return EMPTY


def _object(request: Request) -> Mapping[str, JsonValue] | None:
    """A body that is a JSON object; None for what ComfyUI stumbles over."""
    try:
        parsed = request.json()
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _table(
    *rows: tuple[str, Answerer],
) -> dict[str, tuple[re.Pattern[str], Answerer]]:
    compiled: dict[str, tuple[re.Pattern[str], Answerer]] = {}
    for route, answerer in rows:
        pattern = re.escape(route).replace(r"\{id\}", "([^/]+)")
        compiled[route] = (re.compile(pattern), answerer)
    return compiled


ROUTES = _table(
    ("GET /system_stats", Answers._stats),
    ("GET /features", Answers._features),
    ("GET /prompt", Answers._remaining),
    ("POST /prompt", Answers._submit),
    ("GET /queue", Answers._queue),
    ("POST /queue", Answers._edit_queue),
    ("GET /history", Answers._history),
    ("POST /history", Answers._edit_history),
    ("GET /history/{id}", Answers._history_of),
    ("GET /api/jobs/{id}", Answers._job),
    ("POST /api/jobs/{id}/cancel", Answers._cancel),
    ("POST /interrupt", Answers._interrupt),
    ("POST /free", Answers._free),
    ("GET /view", Answers._view),
    ("HEAD /view", Answers._view),
    ("POST /upload/image", Answers._upload),
    ("GET /object_info", Answers._object_info),
    ("GET /node_replacements", Answers._node_replacements),
    ("GET /ws", Answers._no_socket),
)


def match(request: Request, path: str) -> tuple[str, tuple[str, ...]] | None:
    """The route of a request, and what its path names; None where there is none."""
    for route, (pattern, _) in ROUTES.items():
        found = pattern.fullmatch(f"{request.method} {path}")
        if found:
            return route, found.groups()
    return None
