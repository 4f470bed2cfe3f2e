"""Sorts the results of one queue: to the jobs that wait for them, away, or aside.

However a frame comes, by the watch or because it was asked for, it goes one way: to the
follower of its task, and out of the sink once the end is written down. A frame of a
task that is over is dropped: the queue hands out at least once. A frame of nobody here
is never lost: it stays where it is, or is parked.

Several clients may be told by one, and others may read the same queue beside it in the
same process: a frame goes to whoever follows its task, or waits for who will.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from ..errors import ConfigError
from ..events import Queued
from ..logs import InstanceLog
from .eas_company import Company
from .eas_disposal import Disposal
from .eas_frames import Frame
from .eas_parking import Parking
from .eas_results import verdict_of_frame
from .eas_subscriber import Subscriber
from .eas_tasks import Task, TaskRegister

_logger = logging.getLogger("comfyclient.transports.eas_sorting")

SETTLED_KEPT = 10_000

Unknown: TypeAlias = Literal["leave", "park", "pass"]
"""What becomes of frames of tasks that nobody here knows."""


class EasSorting:
    """The clients of a queue, the tasks that they follow, and the frames in hand."""

    def __init__(
        self,
        name: str,
        register: TaskRegister,
        disposal: Disposal,
        parking: Parking,
        *,
        unknown: Unknown,
        keeps_passed: bool,
        company: Company,
        others: Callable[[], Sequence[EasSorting]],
    ) -> None:
        self._name = name
        self._log = InstanceLog(_logger, name)
        self.register = register
        self._disposal = disposal
        self._parking = parking
        self._unknown = unknown
        self._keeps_passed = keeps_passed
        """Other ledgers may read as our group: what one passes, another waits for."""
        self._company = company
        self._others = others
        """Who sorts for the same group of this queue, and reads it in another way."""
        self._subscribers: dict[Subscriber, None] = {}
        self._held: dict[int, Frame] = {}
        """Frames that the watch handed us and that we have not committed."""
        self._settled: dict[str | None, None] = {}
        """Tasks and requests that ended last: written down, no ledger is asked."""

    # -- who is told

    def join(self, subscriber: Subscriber) -> None:
        """One more client whose tasks are followed."""
        with self.register.condition:
            self._subscribers[subscriber] = None

    def leave(self, subscriber: Subscriber) -> None:
        """A client is gone: on return it is told nothing more, nor asked."""
        with self.register.condition:
            self._subscribers.pop(subscriber, None)
        subscriber.leave()
        for task in self.register.of(subscriber):
            self.register.pop(task)

    def take_early(self, task: Task) -> None:
        """Take a result that was there before its task was followed."""
        for one in (self, *self._others()):
            for frame in one.frames_held():
                if frame.task_id == task.task_id:
                    one.take(frame)
        if task.sent:
            self.take_parked(task)

    def take_parked(self, task: Task) -> None:
        """Take a result that was parked: perhaps by another process, just now."""
        parked = self._parking.find(task.task_id)
        if parked is not None:
            self.take(parked)

    # -- frames

    def take_watched(self, frame: Frame) -> None:
        """Take a frame that the watch brought; it is ours until it is committed."""
        with self.register.condition:
            self._held[frame.index] = frame
        self.take(frame)

    def take(self, frame: Frame) -> None:
        """Sort a frame: to its task's follower, away, or to where unknown ones go."""
        task = self._claimed(frame)
        if task is not None:
            self._end(task, frame)
            return
        awaited = self.awaits(frame)
        if awaited is False:
            self._log.info("dropped a second result, or a late one")
            self.dispose(frame)
        elif awaited is None:
            self._take_unknown(frame)
        elif frame.index in self._held:
            self._company.suspect()

    def _claimed(self, frame: Frame) -> Task | None:
        """The task of a frame, whoever follows it; nobody else ends it then."""
        for one in (self, *self._others()):
            task = one.register.find(frame.task_id, frame.request_id)
            if task is not None and one.register.pop(task):
                return task
        return None

    def _end(self, task: Task, frame: Frame) -> None:
        verdict = verdict_of_frame(frame, task.workflow)
        if verdict.error is not None:
            verdict.error.attach(instance=self._name)
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
        self.dispose(frame)

    def dispose(self, frame: Frame) -> None:
        """Nobody needs a frame any more."""
        with self.register.condition:
            self._held.pop(frame.index, None)
        self._disposal.delete(frame.index)

    def let_pass(self, frame: Frame) -> None:
        """Our group is done with a frame; others may not be."""
        with self.register.condition:
            self._held.pop(frame.index, None)
        self._disposal.commit(frame.index)

    def awaits(self, frame: Frame) -> bool | None:
        """Whether any client waits for a frame; None where none ever had its task."""
        if {frame.task_id, frame.request_id} & self._settled.keys():
            return False
        if frame.task_id is None:
            return None
        said = {
            subscriber.knows(frame.task_id)
            for one in (self, *self._others())
            for subscriber in one.subscribers()
        }
        if True in said:
            return True
        return False if False in said else None

    def subscribers(self) -> list[Subscriber]:
        """The clients that are told."""
        with self.register.condition:
            return list(self._subscribers)

    def frames_held(self) -> list[Frame]:
        """What the watch handed us, and is not committed yet."""
        with self.register.condition:
            return list(self._held.values())

    @property
    def held(self) -> int:
        """How many these are."""
        return len(self._held)

    def _take_unknown(self, frame: Frame) -> None:
        if self._unknown == "park":
            self._set_aside(frame, self._parking.park, then=self.dispose)
        elif self._unknown == "pass" and frame.index in self._held:
            if self._keeps_passed:
                self._set_aside(frame, self._parking.copy, then=self.let_pass)
            else:
                self.let_pass(frame)

    def _set_aside(
        self,
        frame: Frame,
        keep: Callable[[Frame], None],
        *,
        then: Callable[[Frame], None],
    ) -> None:
        """Have a frame on the disk, and only then out of our hands."""
        try:
            keep(frame)
        except ConfigError as error:
            self._log.error("%s", error)
            return
        task = self._claimed(frame)  # it may be followed since it was asked for
        if task is None:
            then(frame)
        else:
            self._end(task, frame)
