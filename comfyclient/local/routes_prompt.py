"""Routes of prompts: submit, queue, history, interrupt, free."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from aiohttp import web

from .context import entered
from .jobs import is_canonical_uuid
from .parts import Parts
from .validation import Validator


class PromptRoutes:
    """Submitting prompts, and what becomes of them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def table(self) -> list[web.RouteDef]:
        """The routes, without prefix."""
        return [
            web.get("/prompt", self.status),
            web.post("/prompt", self.submit),
            web.get("/queue", self.queue),
            web.post("/queue", self.change_queue),
            web.get("/history", self.history),
            web.post("/history", self.change_history),
            web.get("/history/{prompt_id}", self.history_entry),
            web.post("/interrupt", self.interrupt),
            web.post("/free", self.free),
        ]

    async def status(self, request: web.Request) -> web.Response:
        """GET /prompt."""
        return web.json_response(self._parts.queue_status())

    async def submit(self, request: web.Request) -> web.Response:
        """POST /prompt; malformed bodies end in 500, as with the server."""
        body = await request.json()
        number = self._number(body)
        if "prompt" not in body:
            return self._refused(self._no_prompt(), {})
        prompt_id = self._prompt_id(body)
        if prompt_id is None:
            return self._refused(_INVALID_PROMPT_ID, {})
        targets = None
        if self._parts.behaviour.partial_targets:
            targets = body.get("partial_execution_targets")
        with entered(self._parts.surroundings()):
            verdict = Validator(
                body["prompt"],
                nodes=self._parts.nodes,
                behaviour=self._parts.behaviour,
            ).judge(targets)
        extra_data = self._extra_data(request, body)
        if verdict.error is not None:
            return self._refused(verdict.error, verdict.node_errors)
        self._parts.queue.put(
            number=number,
            prompt_id=prompt_id,
            prompt=body["prompt"],
            extra_data=extra_data,
            outputs=verdict.outputs,
        )
        return web.json_response(
            {
                "prompt_id": prompt_id,
                "number": number,
                "node_errors": verdict.node_errors,
            }
        )

    async def queue(self, request: web.Request) -> web.Response:
        """GET /queue."""
        running, pending = self._parts.queue.snapshot()
        hide = self._parts.behaviour.secrets_out_of_queue
        return web.json_response(
            {
                "queue_running": [each.shown(without_secrets=hide) for each in running],
                "queue_pending": [each.shown(without_secrets=hide) for each in pending],
            }
        )

    async def change_queue(self, request: web.Request) -> web.Response:
        """POST /queue: clear, delete."""
        body = await request.json()
        if _asks(body, "clear"):
            self._parts.queue.clear_pending()
        if "delete" in body:
            for prompt_id in body["delete"]:
                self._parts.queue.delete_pending(prompt_id)
        return web.Response()

    async def history(self, request: web.Request) -> web.Response:
        """GET /history."""
        most, offset = request.query.get("max_items"), -1
        if self._parts.behaviour.history_offset:
            offset = int(request.query.get("offset", -1))
        page = self._parts.queue.history_page(
            most=None if most is None else int(most), offset=offset
        )
        return web.json_response(page)

    async def history_entry(self, request: web.Request) -> web.Response:
        """GET /history/{prompt_id}."""
        prompt_id = request.match_info["prompt_id"]
        entry = self._parts.queue.history_entry(prompt_id)
        return web.json_response({} if entry is None else {prompt_id: entry})

    async def change_history(self, request: web.Request) -> web.Response:
        """POST /history: clear, delete."""
        body = await request.json()
        if _asks(body, "clear"):
            self._parts.queue.clear_history()
        if "delete" in body:
            for prompt_id in body["delete"]:
                self._parts.queue.delete_history(prompt_id)
        return web.Response()

    async def interrupt(self, request: web.Request) -> web.Response:
        """POST /interrupt; a body that cannot be read interrupts whatever runs."""
        prompt_id = None
        if self._parts.behaviour.interrupt_by_id:
            try:
                body = await request.json()
            except (json.JSONDecodeError, UnicodeDecodeError):
                body = {}
            prompt_id = body.get("prompt_id")
        if prompt_id:
            self._parts.queue.interrupt_running(prompt_id)
        else:
            self._parts.interruption.set()
        return web.Response()

    async def free(self, request: web.Request) -> web.Response:
        """POST /free."""
        body = await request.json()
        for flag in ("unload_models", "free_memory"):
            if body.get(flag, False):
                self._parts.queue.set_flag(flag)
        return web.Response()

    def _number(self, body: Any) -> float:
        """The prompt's place in line; a given one does not move the counter."""
        if "number" in body:
            return float(body["number"])
        number = next(self._parts.numbers)
        return -number if _asks(body, "front") else number

    def _prompt_id(self, body: dict[str, Any]) -> str | None:
        """The id of a new prompt; None if the client's own is refused."""
        if not self._parts.behaviour.client_prompt_id or "prompt_id" not in body:
            return str(uuid.uuid4())
        chosen = body["prompt_id"]
        if not self._parts.behaviour.uuid_prompt_id:
            return str(chosen)
        if chosen is None:
            return str(uuid.uuid4())
        return chosen if is_canonical_uuid(chosen) else None

    def _extra_data(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        extra: dict[str, Any] = body.get("extra_data", {})
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        source = request.headers.get("Comfy-Usage-Source")
        if self._parts.behaviour.usage_source and source:
            extra["comfy_usage_source"] = source
        if self._parts.behaviour.create_time:
            extra["create_time"] = int(time.time() * 1000)
        return extra

    def _no_prompt(self) -> dict[str, Any] | str:
        if not self._parts.behaviour.errors_as_objects:
            return "no prompt"
        text = "No prompt provided"
        return {"type": "no_prompt", "message": text, "details": text, "extra_info": {}}

    def _refused(
        self, error: dict[str, Any] | str, node_errors: dict[str, Any]
    ) -> web.Response:
        shown: Any = node_errors
        if not node_errors and not self._parts.behaviour.errors_as_objects:
            failed = isinstance(error, dict) and (
                error["type"] == "prompt_outputs_failed_validation"
            )
            shown = node_errors if failed else []
        return web.json_response({"error": error, "node_errors": shown}, status=400)


_INVALID_PROMPT_ID = {
    "type": "invalid_prompt_id",
    "message": "prompt_id must be a valid UUID",
    "details": "prompt_id must be a UUID string in canonical lowercase hyphenated "
    "form; omit it to let the server generate one",
    "extra_info": {},
}


def _asks(body: Any, name: str) -> bool:
    """Whether a flag is set; a body that is no object simply lacks it."""
    if name not in body:
        return False
    return bool(body[name])
