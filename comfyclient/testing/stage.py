"""The scripted server's jobs: queue, history, files, sockets, and the worker."""

from __future__ import annotations

import struct
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Mapping

from packaging.version import Version
from pydantic import JsonValue

from .play import (
    AwaitLooks,
    AwaitSocket,
    Broadcast,
    DropSockets,
    Hold,
    Play,
    Raw,
    Restart,
    ScriptedJob,
    Step,
    Store,
    entry,
    interrupted,
    usual,
)
from .websocket_wire import ServerSocket

_GLANCE = 0.05


class Stage:
    """Plays jobs one at a time, as ComfyUI's worker does.

    Every change is made under `condition`, and told to whoever waits on it.
    """

    def __init__(self, version: Version, play: Play = usual) -> None:
        self.version = version
        self.play = play
        self.interruptible = True
        """False: an interruption is accepted and changes nothing."""
        self.condition = threading.Condition()
        self.pending: list[ScriptedJob] = []
        self.running: ScriptedJob | None = None
        self.history: dict[str, JsonValue] = {}
        self.states: dict[str, str] = {}
        self.sockets: dict[str, ServerSocket] = {}
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.executions: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()
        self._results: dict[str, dict[str, JsonValue]] = {}
        self._count = 0
        self._life = 0
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="scripted-worker")

    def start(self) -> None:
        """Begin to work on what is taken."""
        self._thread.start()

    def close(self) -> None:
        """End the worker, whatever it waits for."""
        with self.condition:
            self._closed = True
            self.condition.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def number(self) -> int:
        """The queue number of the next job; an invalid one takes one too."""
        with self.condition:
            self._count += 1
            return self._count - 1

    def take(
        self,
        prompt_id: str,
        graph: Mapping[str, JsonValue],
        *,
        number: float,
        extra: Mapping[str, JsonValue],
        client_id: str | None,
    ) -> None:
        """Put a job into the queue."""
        with self.condition:
            known = repr(graph) in self._results
            outputs = self._results.setdefault(repr(graph), self._outputs(graph))
            self.pending.append(
                ScriptedJob(
                    prompt_id,
                    number,
                    graph,
                    extra,
                    client_id,
                    self.version,
                    outputs,
                    cached=known,
                )
            )
            self.condition.notify_all()

    def delete(self, prompt_id: str) -> bool:
        """Take a job that waits out of the queue."""
        with self.condition:
            found = [job for job in self.pending if job.prompt_id == prompt_id]
            self.pending = [job for job in self.pending if job not in found]
            return bool(found)

    def interrupt(self, prompt_id: str | None) -> bool:
        """Stop the job that runs; only if it is this one, where one is named."""
        with self.condition:
            job = self.running
            if job is None or prompt_id not in {None, job.prompt_id}:
                return False
            if self.interruptible:
                job.interrupted.set()
            self.condition.notify_all()
            return True

    def looked_for(self, prompt_id: str | None = None) -> None:
        """Count a look for one job, or for every job of the queue."""
        with self.condition:
            known = {job.prompt_id for job in self.pending} | self.looks.keys()
            running = set() if self.running is None else {self.running.prompt_id}
            self.looks.update([prompt_id] if prompt_id else known | running)
            self.condition.notify_all()

    def restart(self) -> None:
        """Forget every job, as a new process would; files stay."""
        with self.condition:
            self._life += 1
            self._count = 0
            self.pending.clear()
            self.history.clear()
            self.states.clear()
            self._results.clear()
            self.running = None
            sockets = list(self.sockets.values())
            self.condition.notify_all()
        for connected in sockets:
            connected.cut(resets=True)

    def _outputs(self, graph: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """What the output nodes of a graph will show; their files are made now."""
        found: dict[str, JsonValue] = {}
        for node_id, node in graph.items():
            kind = node.get("class_type") if isinstance(node, dict) else None
            if kind in {"SaveImage", "PreviewImage"}:
                folder = "output" if kind == "SaveImage" else "temp"
                name = f"scripted_{len(self.files) + 1:05}_.png"
                self.files[folder, "", name] = png(len(self.files))
                ref: JsonValue = {"filename": name, "subfolder": "", "type": folder}
                found[node_id] = {"images": [ref]}
            elif kind == "PreviewAny":
                found[node_id] = {"text": ["hello"]}
        return found

    # -- the worker

    def _work(self) -> None:
        while (job := self._next()) is not None:
            life = self._life
            for step in self.play(job):
                if self._over(job, life):
                    break
                self._perform(job, step)
            if job.interrupted.is_set() and self._life == life and not self._closed:
                for step in interrupted(job):
                    self._perform(job, step)
            with self.condition:
                if self.running is job:
                    self.running = None
                self.condition.notify_all()

    def _next(self) -> ScriptedJob | None:
        with self.condition:
            while not self.pending and not self._closed:
                self.condition.wait(1)
            if self._closed:
                return None
            job = min(self.pending, key=lambda job: (job.number, job.prompt_id))
            self.pending.remove(job)
            self.running = job
            self.executions[job.prompt_id] += 1
            self.condition.notify_all()
            return job

    def _over(self, job: ScriptedJob, life: int) -> bool:
        stored = job.prompt_id in self.history
        stopped = job.interrupted.is_set() and not stored
        return self._closed or self._life != life or stopped

    def _perform(self, job: ScriptedJob, step: Step) -> None:
        match step:
            case Hold(gate=gate):
                self._await(job, gate.is_set)
            case AwaitLooks(count=count):
                self._await(job, lambda: self.looks[job.prompt_id] >= count)
            case AwaitSocket():
                self._await(job, lambda: self._socket(job) is not None)
            case Store():
                self._store(job, step)
            case Restart():
                self.restart()
            case _:
                self._speak(job, step)

    def _speak(
        self, job: ScriptedJob, step: JsonValue | bytes | Broadcast | Raw | DropSockets
    ) -> None:
        match step:
            case Broadcast(frame=frame):
                for connected in list(self.sockets.values()):
                    connected.send(frame)
            case Raw(content=content):
                mine = self._socket(job)
                if mine is not None:
                    mine.send_raw(content)
            case DropSockets(resets=resets, closes=closes):
                self._drop(resets=resets, closes=closes)
            case frame:
                self._send(job, frame)

    def _send(self, job: ScriptedJob, frame: JsonValue | bytes) -> None:
        if isinstance(frame, dict) and frame.get("type") == "status":
            for connected in list(self.sockets.values()):
                connected.send(frame)
            return
        mine = self._socket(job)
        if mine is not None:
            mine.send(frame)

    def _socket(self, job: ScriptedJob) -> ServerSocket | None:
        return None if job.client_id is None else self.sockets.get(job.client_id)

    def _drop(self, *, resets: bool, closes: bool) -> None:
        with self.condition:
            sockets = list(self.sockets.values())
            self.sockets.clear()
        for connected in sockets:
            if closes:
                connected.close()
            else:
                connected.cut(resets=resets)

    def _await(self, job: ScriptedJob, ready: Callable[[], bool]) -> None:
        life = self._life
        with self.condition:
            while not ready() and not self._over(job, life):
                self.condition.wait(_GLANCE)

    def _store(self, job: ScriptedJob, stored: Store) -> None:
        with self.condition:
            self.history[job.prompt_id] = entry(job, stored)
            self.states[job.prompt_id] = stored.state
            if self.running is job:
                self.running = None
            self.condition.notify_all()


def png(shade: int = 0) -> bytes:
    """A PNG of one grey pixel."""
    pixel = zlib.compress(bytes([0, shade % 256]))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", pixel),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content + _checked(kind + content)
        for kind, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _checked(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))
