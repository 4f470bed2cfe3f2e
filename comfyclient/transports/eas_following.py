"""Follows the tasks of one queue service: its frames are sorted, its queues are asked.

However a frame comes, by the watch or because it was asked for, it goes one way: to the
follower of its task, and out of the sink once the end is written down. A frame of a
task that is over is dropped: the queue hands out at least once. A frame of nobody here
is never lost: it stays where it is, or is parked.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Literal, TypeAlias

from ..errors import (
    BadAnswerError,
    ClosedError,
    ComfyClientError,
    ConfigError,
    JobLostError,
    LedgerError,
    RefusedError,
    ServerFaultError,
    TransportError,
)
from ..events import Queued, Started
from ..logs import InstanceLog
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .eas_disposal import Disposal
from .eas_frames import Frame
from .eas_http import INPUT, SINK, QueueHttp
from .eas_parking import Parking
from .eas_results import verdict_of_frame
from .eas_tasks import Task, TaskRegister

_logger = logging.getLogger("comfyclient.transports.eas_following")

LOOK_TIMEOUT_S, LEAST_PATIENCE_S = 20.0, 0.5
AT_ONCE = 16
"""Tasks that are looked for before the clock is looked at again."""
PULSE_S, IDLE_PULSE_S = 10.0, 60.0
"""Seconds between two looks at the queues as a whole: with tasks, and without."""
SETTLED_KEPT = 10_000
TWICE = 4
"""Frames of one request that are read at once: more than one is a duplicate."""
PAGE, SWEEP_S = 100, 0.5
"""Frames that are read at once, and seconds between such reads, where many are due."""
SURE = 5
"""Every so many looks, a task that waits is looked for in the sink all the same."""

Unknown: TypeAlias = Literal["leave", "park", "pass"]
"""What becomes of frames of tasks that nobody here knows."""
Awaited: TypeAlias = Callable[[str], bool | None]
"""Whether a job waits for the task of this id; None where no job ever had it."""


class EasFollowing:
    """The followed tasks, and the thread that asks for them."""

    def __init__(
        self,
        http: QueueHttp,
        disposal: Disposal,
        *,
        watched: Callable[[], bool],
        window: int,
        awaited: Awaited,
        unknown: Unknown,
        parking: Parking,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._http = http
        self._name = http.endpoint.name
        self._log = InstanceLog(_logger, self._name)
        self._disposal = disposal
        self._watch_open = watched
        self._window = window
        self._awaited = awaited
        self._unknown = unknown
        self._parking = parking
        self._clock = clock
        self.register = TaskRegister(clock, watched=self._watched)
        self._held: dict[int, Frame] = {}
        """Frames that the watch handed us and that we have not committed."""
        self._settled: dict[str | None, None] = {}
        """Tasks and requests that ended last: written down, no ledger is asked."""
        self._thread: threading.Thread | None = None
        self._closed = False
        self._filling = False
        """It was warned that the sink will be full soon."""
        self._blind = False
        """The input queue does not tell where a request stands."""
        self._trouble: ComfyClientError | None = None
        self._longest = LOOK_TIMEOUT_S
        self._pulse_at = clock.monotonic() + PULSE_S
        self._sweep_at = clock.monotonic() + PULSE_S
        self._swept_to = 0

    def add(self, task: Task) -> None:
        """Follow a task until its end; a result that came before is taken at once."""
        with self.register.condition:
            self.register.put(task)
            self._hasten_pulse()
            self._start()
        early = next(
            (f for f in self._frames_held() if f.task_id == task.task_id), None
        )
        if early is None and task.sent:
            early = self._parking.find(task.task_id)
        if early is not None:
            self._end(task, early)

    def _hasten_pulse(self) -> None:
        """Look at the queues sooner than while nobody waited for anything."""
        now = self._clock.monotonic()
        many = self.register.many and not self._watched()
        self._pulse_at = min(self._pulse_at, now + PULSE_S)
        self._sweep_at = min(self._sweep_at, now + (SWEEP_S if many else PULSE_S))

    def remove(self, task_id: str) -> None:
        """Follow a task no longer."""
        task = self.register.pop(task_id)
        if task is not None:
            task.silence()

    def close(self) -> None:
        """End the thread; followed tasks hear nothing more."""
        self._closed = True
        for task in self.register.everyone():
            task.silence()
        self.register.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=LOOK_TIMEOUT_S + 5)

    # -- frames

    def watched_frame(self, frame: Frame) -> None:
        """Take a frame that the watch brought; it is ours until it is committed."""
        with self.register.condition:
            self._held[frame.index] = frame
        self.take(frame)

    def take(self, frame: Frame) -> None:
        """Sort a frame: to its task's follower, away, or to where unknown ones go."""
        task = self.register.find(frame.task_id, frame.request_id)
        if task is not None:
            self._end(task, frame)
            return
        awaited = self._is_awaited(frame)
        if awaited is False:
            self._log.info("dropped a second result, or a late one")
            self._dispose(frame)
        elif awaited is None:
            self._take_unknown(frame)

    def _end(self, task: Task, frame: Frame) -> None:
        verdict = verdict_of_frame(frame, task.workflow)
        if verdict.error is not None:
            verdict.error.attach(instance=self._name)
        self.register.pop(task.task_id)
        if not task.sent:  # its result was faster than the answer to its submit
            task.tell(Queued())
        task.end(verdict, done=lambda: self._done(task, frame))

    def _done(self, task: Task, frame: Frame) -> None:
        """The end of a frame's task is written down: the sink may forget it."""
        self._parking.remove(task.task_id)
        with self.register.condition:
            for name in {task.task_id, frame.request_id} - {None}:
                self._settled[name] = None
            while len(self._settled) > SETTLED_KEPT:
                del self._settled[next(iter(self._settled))]
        self._dispose(frame)

    def _dispose(self, frame: Frame) -> None:
        with self.register.condition:
            self._held.pop(frame.index, None)
        self._disposal.delete(frame.index)

    def _is_awaited(self, frame: Frame) -> bool | None:
        if {frame.task_id, frame.request_id} & self._settled.keys():
            return False
        if frame.task_id is None:
            return None
        try:
            return self._awaited(frame.task_id)
        except (LedgerError, ClosedError) as error:
            self._log.info("a result waits for the ledger: %s", error)
            return True

    def _take_unknown(self, frame: Frame) -> None:
        if self._unknown == "park":
            try:
                self._parking.park(frame)
            except ConfigError as error:
                self._log.error("%s", error)
            else:
                self._dispose(frame)
        elif self._unknown == "pass" and frame.index in self._held:
            self._let_pass(frame)

    def _let_pass(self, frame: Frame) -> None:
        with self.register.condition:
            self._held.pop(frame.index, None)
        self._disposal.commit(frame.index)

    def _watched(self) -> bool:
        """Whether a watch brings results: not while others' fill its window."""
        return self._watch_open() and len(self._held) < self._window

    def _frames_held(self) -> list[Frame]:
        with self.register.condition:
            return list(self._held.values())

    # -- asking

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(
                target=self._run,
                name=f"comfyclient-following-{self._name}",
                daemon=True,
            )
            self._thread.start()

    def _run(self) -> None:
        while self.register.await_due(min(self._pulse_at, self._sweep_at)):
            batch = self.register.due(AT_ONCE)
            live = [task for task in batch if not self._given_up(task)]
            left = [task.follower.deadline.remaining() for task in live]
            self._longest = max(min([LOOK_TIMEOUT_S, *left]), LEAST_PATIENCE_S)
            try:
                for task in live:
                    self._look(task)
                self._pulse()
                self._note(None)
            except ComfyClientError as error:
                # the gateway may be away: the deadlines decide, not one answer
                self._note(error)
            except Exception:  # noqa: BLE001  one task's bug must not hang the others
                self._log.exception("while following")

    def _note(self, trouble: ComfyClientError | None) -> None:
        if trouble is not None and type(trouble) is not type(self._trouble):
            self._log.info("cannot ask for tasks: %s", trouble)
        self._trouble = trouble

    def _patience(self) -> Deadline:
        return Deadline(self._longest, clock=self._clock)

    def _look(self, task: Task) -> None:
        """Where the task stands in the input queue, and whether its result is there."""
        task.looks += 1
        waits = self._place(task)
        if waits and task.looks % SURE:
            return
        found = False
        for frame in self._results(task):
            found = True
            self.take(frame)
        if not found and self._blind:
            task.place(None)  # no better sign of life is to be had

    def _results(self, task: Task) -> list[Frame]:
        """The task's frames in the sink; where the filter is not kept, none else's."""
        tags = {"task_id": task.task_id}
        if task.request_id is not None:
            tags = {"requestId": task.request_id}
        frames = self._http.read(SINK, tags, length=TWICE, deadline=self._patience())
        return [
            frame
            for frame in frames
            if task.task_id == frame.task_id
            or (frame.task_id is None and frame.request_id == task.request_id)
        ]

    def _place(self, task: Task) -> bool:
        """Tell where the request stands; whether it waits still."""
        if task.index is None or task.gone or self._blind:
            return False
        try:
            place = self._http.place(task.index, deadline=self._patience())
        except (BadAnswerError, RefusedError) as error:
            self._log.warning("tells no places in its queue: %s", error)
            self._blind = True
            return False
        if place is None:
            task.gone = True
            return False
        if place.handed_out:
            task.tell(Started())
            return False
        task.place(place.ahead)
        return True

    # -- the queues as a whole

    def check_sink(self, deadline: Deadline) -> None:
        """Warn before the sink is full: then the service takes no more requests."""
        sink = self._http.attributes(SINK, deadline=deadline, fresh=True)
        if sink.nearly_full and not self._filling:
            self._log.warning(
                "the sink holds %s of about %s results: the service stops when it is "
                "full; somebody must read or delete them",
                sink.length,
                sink.max_length,
            )
        self._filling = sink.nearly_full

    def _pulse(self) -> None:
        now = self._clock.monotonic()
        busy = bool(self.register.tasks or self._held)
        pause = PULSE_S if busy else IDLE_PULSE_S
        if now >= self._sweep_at:
            self._sweep_at = now + pause
            if not self._watched():
                self._sweep()
        if now >= self._pulse_at:
            self._pulse_at = now + pause
            try:
                self._signs_of_life()
                self.check_sink(self._patience())
            except (BadAnswerError, RefusedError, ServerFaultError) as error:
                self._log.debug("tells nothing of its queues: %s", error.message)
            self._review_held()

    def _signs_of_life(self) -> None:
        """Tell every task that waits so, without a request for each."""
        tasks = [t for t in self.register.everyone() if t.sent and t.index is not None]
        if not tasks:
            return
        queue = self._http.attributes(INPUT, deadline=self._patience())
        first = queue.first
        if first is None or queue.length == 0:
            return
        for task in tasks:
            if task.index is not None and task.index >= first:
                if task.position is not None:
                    task.position = min(task.position, task.index - first)
                task.place(None)

    def _review_held(self) -> None:
        """Free the window of frames that somebody has taken, or nobody needs."""
        held = self._frames_held()
        for frame in random.sample(held, min(len(held), AT_ONCE)):
            if self._is_awaited(frame) is False:
                self._dispose(frame)
                continue
            there = self._http.read(
                SINK, {}, index=frame.index, deadline=self._patience()
            )
            if not any(one.index == frame.index for one in there):
                self._let_pass(frame)

    def _sweep(self) -> None:
        """Look over the sink: for many results at once, and second or late ones."""
        frames = self._http.read(
            SINK, {}, index=self._swept_to, length=PAGE, deadline=self._patience()
        )
        for frame in frames:
            self.take(frame)
        full = len(frames) >= PAGE
        self._swept_to = max(f.index for f in frames) + 1 if full else 0
        if full or self.register.many:
            self._sweep_at = self._clock.monotonic() + (0.0 if full else SWEEP_S)

    def _given_up(self, task: Task) -> bool:
        """Whether the task's time is over; then that is told."""
        if not task.follower.deadline.passed():
            return False
        if self.register.pop(task.task_id) and task.silence():
            task.follower.overdue(self._why_none(task))
        return True

    def _why_none(self, task: Task) -> ComfyClientError | None:
        """What is known of a result that did not come."""
        if isinstance(self._trouble, TransportError) or not task.gone:
            return self._trouble
        return JobLostError(
            "an instance of the service took the request, and the sink has no result "
            "of it: the instance gave an empty answer, or somebody else took the result"
        )
