"""The scripted server's state: queue, history, files, sockets, and what it is told.

Every change is made under `condition`, and told to whoever waits on it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from packaging.version import Version
from pydantic import JsonValue

from ..timing import SYSTEM_CLOCK, Clock
from .accounts import Accounts, Execution
from .line import Line
from .pictures import FileKey, shown_by
from .play import (
    Cue,
    DropSockets,
    KillWorker,
    Play,
    Restart,
    ScriptedJob,
    ServerStep,
    Silence,
    Stop,
    Store,
    entry,
    usual,
)
from .sockets import Sockets

_EVERYTHING = "*"


class Stage:
    """What a scripted server knows, and what can be done to it."""

    def __init__(
        self,
        version: Version,
        play: Play = usual,
        *,
        line: Line,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.version = version
        self.play = play
        self.interruptible = True
        """False: an interruption is accepted and changes nothing."""
        self.condition = threading.Condition()
        self.pending: list[ScriptedJob] = []
        self.running: ScriptedJob | None = None
        self.history: dict[str, JsonValue] = {}
        self.states: dict[str, str] = {}
        self.sockets = Sockets()
        self.files: dict[FileKey, bytes] = {}
        self.executions: Counter[str] = Counter()
        self.looks: Counter[str] = Counter()
        self.freed: list[Mapping[str, JsonValue]] = []
        """What was asked of `/free`."""
        self.offers: Mapping[str, JsonValue] | None = None
        """What `/object_info` tells; None: it is not told there."""
        self.life = 0
        """Counts the restarts."""
        self.worker_dead = False
        self.closed = False
        self._line = line
        self._clock = clock
        self._silent: set[str] = set()
        self._executions: list[Execution] = []
        self._results: dict[str, dict[str, JsonValue]] = {}
        self._cached: set[str] = set()
        self._count = 0

    def close(self) -> None:
        """End whatever waits for something."""
        with self.condition:
            self.closed = True
            self.condition.notify_all()

    # -- the queue and the history

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
        cue: Cue | None = None,
    ) -> None:
        """Put a job into the queue."""
        with self.condition:
            if repr(graph) not in self._results:
                outputs, files = shown_by(graph, after=len(self.files))
                self._results[repr(graph)] = outputs
                self.files |= files
            self.pending.append(
                ScriptedJob(
                    prompt_id,
                    number,
                    graph,
                    extra,
                    client_id,
                    self.version,
                    self._results[repr(graph)],
                    cue=cue,
                )
            )
            self.condition.notify_all()

    def delete(self, prompt_id: str | None) -> bool:
        """Take a job that waits out of the queue; None, all."""
        with self.condition:
            kept = [j for j in self.pending if prompt_id not in {None, j.prompt_id}]
            found = len(kept) < len(self.pending)
            self.pending = kept
            return found

    def interrupt(self, prompt_id: str | None) -> bool:
        """Stop the job that runs; only if it is this one, where one is named."""
        with self.condition:
            job = self.running
            if job is None or prompt_id not in {None, job.prompt_id}:
                return False
            if self.interruptible and job.heeds:
                job.interrupted.set()
            self.condition.notify_all()
            return True

    def begin(self, job: ScriptedJob) -> Execution:
        """A job that waited runs now."""
        with self.condition:
            self.pending.remove(job)
            self.running = job
            job.cached = repr(job.graph) in self._cached
            self.executions[job.prompt_id] += 1
            execution = Execution.of(job)
            self._executions.append(execution)
            self.condition.notify_all()
            return execution

    def store(self, job: ScriptedJob, stored: Store) -> None:
        """A job leaves the queue for the history."""
        with self.condition:
            self.history[job.prompt_id] = entry(job, stored)
            self.states[job.prompt_id] = stored.state
            if stored.state == "success":
                self._cached.add(repr(job.graph))
            self.leave(job)

    def leave(self, job: ScriptedJob) -> None:
        """A job runs no longer."""
        with self.condition:
            if self.running is job:
                self.running = None
            self.condition.notify_all()

    def idle(self) -> bool:
        """Whether nothing waits, and nothing runs."""
        with self.condition:
            return not self.pending and self.running is None

    def forget(self, prompt_id: str | None = None) -> None:
        """Take a job out of the history; None, all."""
        with self.condition:
            for known in list(self.history) if prompt_id is None else [prompt_id]:
                self.history.pop(known, None)
                self.states.pop(known, None)
            self.condition.notify_all()

    def free(self, asked: Mapping[str, JsonValue]) -> None:
        """Note what `/free` was asked for; freed memory holds no node's results."""
        with self.condition:
            self.freed.append(asked)
            if asked.get("free_memory"):
                self._forget_results()
            self.condition.notify_all()

    def looked_for(self, prompt_id: str | None = None) -> None:
        """Count a look for one job, or for every job of the queue."""
        with self.condition:
            known = {job.prompt_id for job in self.pending} | self.looks.keys()
            running = set() if self.running is None else {self.running.prompt_id}
            self.looks.update([prompt_id] if prompt_id else known | running)
            self.condition.notify_all()

    @property
    def accounts(self) -> Accounts:
        """Every execution so far."""
        with self.condition:
            return Accounts(self._executions)

    # -- the server as a whole

    def act(self, step: ServerStep) -> None:
        """Do what concerns the whole server."""
        match step:
            case DropSockets(resets=resets, closes=closes):
                self._drop_sockets(resets=resets, closes=closes)
            case Restart(version=version):
                self.restart(version)
            case Stop(seconds=seconds, remembers=remembers):
                self.stop(remembers=remembers)
                self._later(seconds, self._line.open)
            case Silence(route=route, seconds=seconds):
                self.fall_silent(route)
                self._later(seconds, lambda: self.speak(route))
            case KillWorker():
                self.worker_dead = True

    def restart(self, version: str | None = None) -> None:
        """Forget what a new process would not know, and end every connection."""
        with self.condition:
            if version is not None:
                self.version = Version(version)
            self.life += 1
            self._count = 0
            self.pending.clear()
            self.history.clear()
            self.states.clear()
            self._forget_results()
            self._silent.clear()
            self.worker_dead = False
            self.running = None
            for key in [key for key in self.files if key[0] == "temp"]:
                del self.files[key]
            # who sees the new life finds no connection of the old one
            self._cut_all()
            self.condition.notify_all()

    def stop(self, *, remembers: bool) -> None:
        """Refuse connections and end those there are."""
        self._line.shut()
        if remembers:
            self._cut_all()
        else:
            self.restart()

    def _forget_results(self) -> None:
        self._results.clear()
        self._cached.clear()

    def fall_silent(self, route: str | None) -> None:
        """Answer nothing any more, on one route or on all."""
        with self.condition:
            self._silent.add(_EVERYTHING if route is None else route)
            self.condition.notify_all()

    def speak(self, route: str | None = None) -> None:
        """Answer again, on one route or on all."""
        with self.condition:
            if route is None:
                self._silent.clear()
            self._silent.discard(str(route))
            self.condition.notify_all()

    def silent(self, route: str | None = None) -> bool:
        """Whether nothing is answered, on this route or altogether."""
        return _EVERYTHING in self._silent or route in self._silent

    def sleep(self, seconds: float, *, until: Callable[[], bool]) -> None:
        """Wait so long on the server's clock, or until something is so."""
        end = self._clock.monotonic() + seconds
        with self.condition:
            while (left := end - self._clock.monotonic()) > 0 and not until():
                self._clock.wait(self.condition, left)

    def _drop_sockets(self, *, resets: bool, closes: bool) -> None:
        with self.condition:
            ending = self.sockets.released()
        for connected in ending:
            if closes:
                connected.close()
            else:
                connected.cut(resets=resets)

    def _cut_all(self) -> None:
        with self.condition:
            self.sockets.released()
        self._line.cut_all(resets=True)

    def _later(self, seconds: float | None, deed: Callable[[], None]) -> None:
        if seconds is not None:
            self._line.spawn(self._do_later, seconds, deed)

    def _do_later(self, seconds: float, deed: Callable[[], None]) -> None:
        self.sleep(seconds, until=lambda: self.closed)
        if not self.closed:
            deed()
        with self.condition:
            self.condition.notify_all()
