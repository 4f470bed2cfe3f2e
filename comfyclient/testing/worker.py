"""The scripted server's worker: it plays jobs one at a time, as ComfyUI's does."""

from __future__ import annotations

import threading
from collections.abc import Callable

from .play import (
    AwaitLooks,
    AwaitSocket,
    Broadcast,
    Deafen,
    DropSockets,
    ForgetHistory,
    Frame,
    Hang,
    Hold,
    Interrupt,
    KillWorker,
    Raw,
    Restart,
    ScriptedJob,
    Silence,
    Sleep,
    Step,
    Stop,
    Store,
    interrupted,
)
from .stage import Stage
from .websocket_wire import ServerSocket

_GLANCE = 0.05


class Worker:
    """Plays the jobs that the stage took, until that is closed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._thread = threading.Thread(target=self._work, name="scripted-worker")

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def join(self) -> None:
        """Wait for its end; the stage was closed."""
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        while (performance := self._next()) is not None:
            performance.run()

    def _next(self) -> _Performance | None:
        stage = self._stage
        with stage.condition:
            while stage.worker_dead or not stage.pending:
                if stage.closed:
                    return None
                stage.condition.wait(1)
            if stage.closed:
                return None
            job = min(stage.pending, key=lambda job: (job.number, job.prompt_id))
            return _Performance(stage, job)


class _Performance:
    """One job, from its start to its end or the server's."""

    def __init__(self, stage: Stage, job: ScriptedJob) -> None:
        self._stage = stage
        self._job = job
        self._life = stage.life
        self._execution = stage.begin(job)

    def run(self) -> None:
        for step in self._steps():
            self._await(lambda: not self._stage.silent())
            if self._over():
                break
            self._perform(step)
        if self._job.interrupted.is_set() and not self._gone() and not self._stored():
            for step in interrupted(self._job):
                self._perform(step)
        self._stage.leave(self._job)

    def _steps(self) -> list[Step]:
        cue = self._job.cue
        steps = self._stage.play(self._job)
        if cue is None:
            return list(steps)
        self._await(cue.answered.is_set)
        return list(cue.arranged(self._job, steps))

    def _gone(self) -> bool:
        return self._stage.closed or self._stage.life != self._life

    def _stored(self) -> bool:
        return self._execution.ended is not None

    def _over(self) -> bool:
        stopped = self._job.interrupted.is_set() and not self._stored()
        return self._gone() or stopped

    def _perform(self, step: Step) -> None:
        stage, job = self._stage, self._job
        match step:
            case Hold(gate=gate):
                self._await(gate.is_set)
            case AwaitLooks(count=count):
                self._await(lambda: stage.looks[job.prompt_id] >= count)
            case AwaitSocket():
                self._await(lambda: self._socket() is not None)
            case Sleep(seconds=seconds):
                stage.sleep(seconds, until=self._over)
            case Hang(interruptible=interruptible):
                job.heeds = interruptible
                self._await(lambda: False)
            case Store():
                self._store(step)
            case ForgetHistory():
                stage.forget()
            case Interrupt():
                stage.interrupt(job.prompt_id)
            case DropSockets() | Restart() | Stop() | Silence() | KillWorker():
                stage.act(step)
            case _:
                self._speak(step)

    def _speak(self, step: Frame | Broadcast | Raw | Deafen) -> None:
        mine = self._socket()
        match step:
            case Broadcast(frame=frame):
                self._stage.sockets.tell_all(frame)
            case dict() if step.get("type") == "status":
                self._stage.sockets.tell_all(step)
            case Deafen():
                if mine is not None:
                    self._stage.sockets.deafen(mine.sid)
            case Raw(content=content):
                if mine is not None:
                    mine.send_raw(content)
            case frame:
                if mine is not None:
                    mine.send(frame)

    def _store(self, step: Store) -> None:
        with self._stage.condition:
            if not self._gone():
                self._execution.ended = step.state
                self._stage.store(self._job, step)

    def _socket(self) -> ServerSocket | None:
        sid = self._job.client_id
        return None if sid is None else self._stage.sockets.get(sid)

    def _await(self, ready: Callable[[], bool]) -> None:
        with self._stage.condition:
            while not ready() and not self._over():
                self._stage.condition.wait(_GLANCE)
