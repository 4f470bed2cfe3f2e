"""The inference side of the EAS stand-in: takes requests, runs them, fills the sink."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import requests

from .eas_frames import QueueFrame
from .eas_store import QueueFullError, QueueStore

OVER = ("success", "error")
LOOK_EVERY_S = 0.01
FEW_LOOKS = 60_000
"""Looks for a job in the history before it counts as stuck."""


@dataclass(frozen=True, slots=True)
class Produced:
    """What an inference instance answered to one request."""

    body: bytes
    status: int = 200
    """Another one becomes the tag `lastCode` of the frame."""


Inference: TypeAlias = Callable[[QueueFrame], Produced | None]
"""Runs one request; None gives no frame at all, as an empty answer does."""

Sending: TypeAlias = Callable[
    [QueueFrame, Produced | None], Sequence[tuple[Mapping[str, str], bytes]]
]
"""Tags and data of the frames that a request gives, in the order they are put."""


def usual_frames(
    request: QueueFrame, produced: Produced | None
) -> Sequence[tuple[Mapping[str, str], bytes]]:
    """One frame with the request's tags; none for an empty answer."""
    if produced is None or not produced.body:
        return []
    tags = dict(request.tags)
    if produced.status != 200:
        tags["lastCode"] = str(produced.status)
    return [(tags, produced.body)]


def instant(request: QueueFrame) -> Produced:
    """A picture at once, without a ComfyUI: each `SaveImage` of the graph has one."""
    graph = json.loads(request.data)
    task = request.tags.get("task_id", request.request_id)
    shown = {
        node: _pictures(f"{task}_{node}_.png")
        for node, what in graph.items()
        if what.get("class_type") == "SaveImage"
    }
    return Produced(frame_body(shown, prompt_id=request.request_id))


def _pictures(name: str) -> dict[str, Any]:
    return {"images": [{"filename": name, "subfolder": "", "type": "output"}]}


def frame_body(
    outputs: Mapping[str, Any], *, prompt_id: str, cached: Sequence[str] = ()
) -> bytes:
    """The data of a result: `executed` messages, then the aggregate."""
    told = [
        {
            "type": "executed",
            "data": {"node": node, "output": output, "prompt_id": prompt_id},
        }
        for node, output in outputs.items()
        if node not in cached
    ]
    return json.dumps([*told, dict(outputs)]).encode()


def run_on(comfyui: str) -> Inference:
    """Run requests on the ComfyUI at this address, one after the other."""
    local = threading.local()
    pause = threading.Event()

    def run(request: QueueFrame) -> Produced:
        session = getattr(local, "session", None)
        if session is None:
            session = local.session = requests.Session()
            session.trust_env = False
        try:
            graph = json.loads(request.data)
        except ValueError as error:
            return Produced(str(error).encode(), 400)
        answer = session.post(f"{comfyui}/prompt", json={"prompt": graph}, timeout=60)
        if answer.status_code != 200:
            return Produced(answer.content, answer.status_code)
        prompt_id = answer.json()["prompt_id"]
        for _ in range(FEW_LOOKS):
            history = session.get(f"{comfyui}/history/{prompt_id}", timeout=60).json()
            entry = history.get(prompt_id, {})
            if entry.get("status", {}).get("status_str") in OVER:
                return _produced(entry, prompt_id)
            pause.wait(LOOK_EVERY_S)
        return Produced(b'{"error": "the job is stuck"}', 504)

    return run


def _produced(entry: Mapping[str, Any], prompt_id: str) -> Produced:
    messages = dict(entry["status"]["messages"])
    failure = messages.get("execution_error")
    if failure is not None:
        told = {"type": "execution_error", "data": failure}
        return Produced(json.dumps(told).encode(), 500)
    cached = messages.get("execution_cached", {}).get("nodes", [])
    return Produced(frame_body(entry["outputs"], prompt_id=prompt_id, cached=cached))


class Workers:
    """The instances of the service: each runs one request at a time."""

    def __init__(
        self, source: QueueStore, sink: QueueStore, inference: Inference
    ) -> None:
        self._source = source
        self._sink = sink
        self.inference = inference
        self.sending: Sending = usual_frames
        self._held = threading.Event()
        self._held.set()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self.crashes = 0
        """Requests that the next workers to take one drop, as if they had died."""

    def start(self, number: int) -> None:
        """Start so many instances."""
        for _ in range(number):
            thread = threading.Thread(
                target=self._work, args=(len(self._threads),), name="scripted-worker"
            )
            self._threads.append(thread)
            thread.start()

    def hold(self) -> None:
        """Take no further request until `go_on`."""
        self._held.clear()
        self._source.wake()

    def go_on(self) -> None:
        """Take requests again."""
        self._held.set()
        self._source.wake()

    def close(self) -> None:
        """End every worker."""
        self._closing.set()
        self._held.set()
        self._source.close()
        self._sink.close()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        name = f"instance-{number}"
        me = self._source.join("inference", name)
        while not self._closing.is_set():
            self._held.wait()
            request = self._source.take(me, stop=lambda: not self._held.is_set())
            if request is None:
                continue
            if self.crashes > 0:
                self.crashes -= 1
                self._source.leave(me)  # its connection ends: another one gets it
                me = self._source.join("inference", name)
                continue
            for tags, data in self.sending(request, self._produced(request)):
                if not self._put(tags, data):
                    return
            self._source.commit("inference", [request.index])

    def _produced(self, request: QueueFrame) -> Produced | None:
        try:
            return self.inference(request)
        except Exception as error:  # noqa: BLE001  as the service's processor does
            return Produced(f"{type(error).__name__}: {error}".encode(), 500)

    def _put(self, tags: Mapping[str, str], data: bytes) -> bool:
        """Fill the sink, once it has room; False when it was closed."""
        while self._sink.await_room():
            try:
                self._sink.put(data, tags)
            except QueueFullError:
                continue
            return True
        return False
