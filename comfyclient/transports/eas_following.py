"""Asks for the tasks of one queue service: where each stands, and for its result.

A watch brings results sooner; what it missed is found here, and without one all of
them. What becomes of a frame says `eas_sorting`.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Sequence

from ..errors import (
    BadAnswerError,
    ComfyClientError,
    JobLostError,
    RefusedError,
    ServerFaultError,
    TransportError,
)
from ..events import Started
from ..logs import InstanceLog
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .eas_company import Company
from .eas_frames import Frame
from .eas_http import INPUT, SINK, QueueHttp
from .eas_sorting import EasSorting
from .eas_subscriber import Subscriber
from .eas_tasks import Task
from .late_thread import LateThread

_logger = logging.getLogger("comfyclient.transports.eas_following")

LOOK_TIMEOUT_S, LEAST_PATIENCE_S = 20.0, 0.5
AT_ONCE = 16
"""Tasks that are looked for before the clock is looked at again."""
PULSE_S, IDLE_PULSE_S = 10.0, 60.0
"""Seconds between two looks at the queues as a whole: with tasks, and without."""
TWICE = 4
"""Frames of one request that are read at once: more than one is a duplicate."""
PAGE, SWEEP_S = 100, 0.5
"""Frames that are read at once, and seconds between such reads, where many are due."""
DOUBT_S = 2.0
"""Seconds at least between two questions who reads the sink."""
SURE = 5
"""Every so many looks, a task that waits is looked for in the sink all the same."""


class EasFollowing:
    """The followed tasks, and the thread that asks for them."""

    def __init__(
        self,
        http: QueueHttp,
        sorting: EasSorting,
        company: Company,
        *,
        watched: Callable[[], bool],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._http = http
        self._name = http.endpoint.name
        self._log = InstanceLog(_logger, self._name)
        self._sorting = sorting
        self._company = company
        self._watched = watched
        self._clock = clock
        self.register = sorting.register
        self._thread = LateThread(f"following-{self._name}", self._run)
        self._filling = False
        """It was warned that the sink will be full soon."""
        self._blind = False
        """The input queue does not tell where a request stands."""
        self._trouble: ComfyClientError | None = None
        self._longest = LOOK_TIMEOUT_S
        self._pulse_at = clock.monotonic() + PULSE_S
        self._sweep_at = clock.monotonic() + PULSE_S
        self._swept_to = 0
        self._anew_at = 0.0
        """When the sink is looked over from its beginning again."""
        self._doubt_at, self._told_at = math.inf, 0.0
        """When the sink is asked who reads it, because of a doubt; and when it was."""

    def add(self, task: Task) -> None:
        """Follow a task until its end; a result that came before is taken at once."""
        if task.subscriber.gone:
            return
        with self.register.condition:
            self.register.put(task)
            self.look_sooner()
            self._thread.begin()
        self._sorting.take_early(task)

    def look_sooner(self) -> None:
        """Look at the queues sooner than while nobody waited for anything."""
        with self.register.condition:
            now = self._clock.monotonic()
            self._pulse_at = min(self._pulse_at, now + PULSE_S)
            pause = SWEEP_S if self._sweeps_often() else PULSE_S
            self._sweep_at = min(self._sweep_at, now + pause)
            if self._company.doubted:
                self._doubt_at = max(now, self._told_at + DOUBT_S)
            self.register.wake_by(self._next_pulse())

    def _next_pulse(self) -> float:
        return min(self._pulse_at, self._sweep_at, self._doubt_at)

    def _sweeps_often(self) -> bool:
        """Whether results are found sooner in the sink as a whole than one by one."""
        if self._company.present:  # the watch may bring ours to somebody else
            return bool(self.register.tasks)
        return self.register.many and not self._watched()

    def remove(self, task_id: str, subscriber: Subscriber) -> None:
        """Follow a client's task no longer; that of another one stays."""
        task = self.register.find(task_id, None)
        if task is not None and task.subscriber is subscriber:
            self.register.pop(task)
            task.silence()

    def close(self) -> None:
        """End the thread; followed tasks hear nothing more."""
        for task in self.register.everyone():
            task.silence()
        self.register.close()
        self._thread.end(LOOK_TIMEOUT_S + 5)

    # -- asking

    def _run(self) -> None:
        while self.register.await_due(self._next_pulse):
            try:
                self._attend(self.register.due(AT_ONCE))
                self._pulse()
                self._note(None)
            except ComfyClientError as error:
                # the gateway may be away: the deadlines decide, not one answer
                self._note(error)
            except Exception:  # noqa: BLE001  one answer's bug must not end it all
                self._log.exception("while following")

    def _attend(self, batch: Sequence[Task]) -> None:
        live = [task for task in batch if not self._guarded(self._given_up, task)]
        left = [task.follower.deadline.remaining() for task in live]
        self._longest = max(min([LOOK_TIMEOUT_S, *left]), LEAST_PATIENCE_S)
        for task in live:
            self._guarded(self._look, task)

    def _guarded(self, step: Callable[[Task], object], task: Task) -> object:
        """Do something for a task: a bug of its follower must not hang the others."""
        try:
            return step(task)
        except ComfyClientError:
            raise
        except Exception:  # noqa: BLE001  it may be any bug of a caller's
            self._log.exception("while following task %s", task.task_id)
            return None

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
        found, watched = False, self._watched()
        for frame in self._results(task):
            found = True
            if watched:  # who else was it brought to?
                self._company.suspect()
                self.look_sooner()
            self._sorting.take(frame)
        if not found:
            self._sorting.take_parked(task)
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
        held = self._sorting.frames_held()
        sink = self._http.attributes(SINK, deadline=deadline, fresh=True)
        self._company.look(sink)
        self._told_at, self._doubt_at = self._clock.monotonic(), math.inf
        for frame in held:
            if sink.is_gone(frame.index):  # whoever it was for has it
                self._sorting.let_pass(frame)
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
        busy = bool(self.register.tasks or self._sorting.held)
        pause = PULSE_S if busy else IDLE_PULSE_S
        if now >= self._doubt_at:
            self._doubt_at = math.inf
            self.check_sink(self._patience())
        if now >= self._sweep_at:
            self._sweep_at = now + pause
            if self._company.present or not self._watched():
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
        held = self._sorting.frames_held()
        for frame in random.sample(held, min(len(held), AT_ONCE)):
            if self._sorting.awaits(frame) is False:
                self._sorting.dispose(frame)
                continue
            there = self._http.read(
                SINK, {}, index=frame.index, deadline=self._patience()
            )
            if not any(one.index == frame.index for one in there):
                self._sorting.let_pass(frame)

    def _sweep(self) -> None:
        """Look over the sink: for many results at once, and second or late ones."""
        frames = self._http.read(
            SINK, {}, index=self._swept_to, length=PAGE, deadline=self._patience()
        )
        for frame in frames:
            self._sorting.take(frame)
        now, full = self._clock.monotonic(), len(frames) >= PAGE
        often = self._sweeps_often()
        if full or (often and now < self._anew_at):  # go on behind what was seen
            self._swept_to = max((f.index + 1 for f in frames), default=self._swept_to)
        else:
            self._swept_to, self._anew_at = 0, now + PULSE_S
        if full or often:
            self._sweep_at = now + (0.0 if full else SWEEP_S)

    def _given_up(self, task: Task) -> bool:
        """Whether the task's time is over; then that is told."""
        if not task.follower.deadline.passed():
            return False
        if self.register.pop(task):
            task.give_up(self._why_none(task))
        return True

    def _why_none(self, task: Task) -> ComfyClientError | None:
        """What is known of a result that did not come."""
        if isinstance(self._trouble, TransportError) or not task.gone:
            return self._trouble
        return JobLostError(
            "an instance of the service took the request, and the sink has no result "
            "of it: the instance gave an empty answer, or somebody else took the result"
        )
