"""The tasks of one queue service that are followed: what is known, and when to ask."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import ComfyClientError
from ..events import Event, Queued
from ..timing import Clock
from ..workflow import Workflow
from .base import Follower, Ticket, Verdict
from .eas_subscriber import Subscriber
from .pacing import interval

MANY = 20
"""Tasks that are asked for as if they were alone; with more, each is asked less."""
WATCHED_EVERY_S, WATCHED_AT_MOST_S = 5.0, 20.0
"""Seconds between looks for a task whose result a watch would bring."""
SPREAD_S = 0.02
"""Seconds for each task, where all are to be looked for at once."""


@dataclass(slots=True, eq=False)
class Task:
    """One task, followed until it is over."""

    task_id: str
    workflow: Workflow
    follower: Follower
    subscriber: Subscriber
    """Whose task it is."""
    since: float
    due: float
    index: int | None = None
    """Its place in the input queue, where that is known."""
    request_id: str | None = None
    sent: bool = False
    """The queue has it, as far as known."""
    position: int | None = None
    looks: int = 0
    gone: bool = False
    """The input queue has it no longer."""
    over: bool = False

    def tell(self, event: Event) -> None:
        """Tell the follower of an event, unless the end was told before."""
        with self.subscriber.telling:
            if not (self.over or self.subscriber.gone):
                self.follower.heard(event)

    def place(self, position: int | None) -> None:
        """Tell that it waits, and how many before it."""
        self.position = position if position is not None else self.position
        self.tell(Queued(self.position))

    def end(self, verdict: Verdict, *, done: Callable[[], None]) -> None:
        """Tell the follower of the end, once; `done` once it is written down."""
        with self.subscriber.telling:
            if self.silence():
                self.follower.ended(replace(verdict, acknowledge=done))

    def give_up(self, trouble: ComfyClientError | None) -> None:
        """Tell the follower that its time is over."""
        with self.subscriber.telling:
            if self.silence():
                self.follower.overdue(trouble)

    def silence(self) -> bool:
        """Let nothing more be told; whether anything could still be."""
        with self.subscriber.telling:
            first, self.over = not self.over, True
            return first and not self.subscriber.gone


def task_of(
    ticket: Ticket,
    workflow: Workflow,
    follower: Follower,
    *,
    subscriber: Subscriber,
    now: float,
) -> Task:
    """The task of a ticket, which another process may have drawn."""
    index = ticket.receipt.get("index", "")
    return Task(
        ticket.attempt_id,
        workflow,
        follower,
        subscriber,
        since=now,
        due=now,
        index=int(index) if index.isascii() and index.isdigit() else None,
        request_id=ticket.receipt.get("request_id"),
        sent=True,
    )


class TaskRegister:
    """The followed tasks by id. Safe for threads; `condition` guards it."""

    def __init__(self, clock: Clock, *, watched: Callable[[], bool]) -> None:
        self._clock = clock
        self._watched = watched
        self.condition = threading.Condition()
        self.tasks: dict[str, Task] = {}
        self._by_request: dict[str, str] = {}
        self._closed = False
        self._wakes_at = 0.0
        """When the thread that waits in `await_due` looks again by itself."""

    def put(self, task: Task) -> None:
        """Follow a task from now on."""
        with self.condition:
            self.tasks[task.task_id] = task
            if task.request_id is not None:
                self._by_request[task.request_id] = task.task_id
            self._wake(task)

    def confirm(self, task: Task, index: int | None, request_id: str | None) -> None:
        """The queue took a task that is followed: unless it ended, look for it soon."""
        with self.condition:
            if self.tasks.get(task.task_id) is not task:
                return
            task.index, task.request_id, task.sent = index, request_id, True
            if request_id is not None:
                self._by_request[request_id] = task.task_id
            now = self._clock.monotonic()
            task.due = now + self._pace(task, now)
            self._wake(task)

    def find(self, task_id: str | None, request_id: str | None) -> Task | None:
        """The task of this id; where a frame lacks it, that of this request."""
        with self.condition:
            known = task_id
            if known is None and request_id is not None:
                known = self._by_request.get(request_id)
            return None if known is None else self.tasks.get(known)

    def pop(self, task: Task) -> bool:
        """Follow a task no longer; False where somebody else did this before."""
        with self.condition:
            if self.tasks.get(task.task_id) is not task:
                return False
            del self.tasks[task.task_id]
            if task.request_id is not None:
                self._by_request.pop(task.request_id, None)
            return True

    def of(self, subscriber: Subscriber) -> list[Task]:
        """The tasks of one client."""
        return [task for task in self.everyone() if task.subscriber is subscriber]

    def everyone(self) -> list[Task]:
        """All of them."""
        with self.condition:
            return list(self.tasks.values())

    def hasten(self, task: Task) -> None:
        """Look for a task at once."""
        with self.condition:
            task.due = 0.0
            self._wake(task)

    def hasten_all(self) -> None:
        """Look for every task soon: what a watch would have brought may be there.

        They are spread out: a watch that breaks often must not flood the gateway.
        """
        with self.condition:
            now, within = self._clock.monotonic(), len(self.tasks) * SPREAD_S
            for task in self.tasks.values():
                task.due = min(task.due, now + random.uniform(0, within))
                self._wake(task)

    def due(self, most: int) -> list[Task]:
        """Tasks to look for now, each put off until its next look."""
        with self.condition:
            now = self._clock.monotonic()
            ready = sorted(
                (t for t in self.tasks.values() if t.sent and t.due <= now),
                key=lambda task: task.due,
            )[:most]
            for task in ready:
                task.due = now + self._pace(task, now)
            return ready

    def await_due(self, until: Callable[[], float]) -> bool:
        """Wait until a task is due, or that moment has come; False when closed."""
        with self.condition:
            while not self._closed:
                dues = (t.due for t in self.tasks.values() if t.sent)
                self._wakes_at = min([until(), *dues])
                left = self._wakes_at - self._clock.monotonic()
                if left <= 0:
                    break
                self._clock.wait(self.condition, max(left, 0.001))
            return not self._closed

    def wake_by(self, moment: float) -> None:
        """Have whoever waits in `await_due` ask again how long, if that is too long."""
        with self.condition:
            if moment < self._wakes_at:
                self.condition.notify_all()

    @property
    def many(self) -> bool:
        """Whether there are too many to ask for each alone."""
        return len(self.tasks) > MANY

    def close(self) -> None:
        """Follow nothing any more."""
        with self.condition:
            self._closed = True
            self.tasks.clear()
            self._by_request.clear()
            self.condition.notify_all()

    def _wake(self, task: Task) -> None:
        """Have it looked for in time: nobody is woken for what can wait."""
        if task.sent and task.due < self._wakes_at:
            self.condition.notify_all()

    def _pace(self, task: Task, now: float) -> float:
        age = now - task.since
        if self._watched():
            seconds = min(max(age * 0.5, WATCHED_EVERY_S), WATCHED_AT_MOST_S)
        else:
            seconds = interval(age=age, heard=False)
        crowd = max(1.0, len(self.tasks) / MANY)
        left = task.follower.deadline.remaining()
        return min(seconds * crowd, left + 0.01)
