"""The course of one job: its events, its status, and how it ended."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from ..errors import (
    ClosedError,
    ComfyClientError,
    JobCancelledError,
    JobInterruptedError,
    JobLostError,
    JobTimeoutError,
    TransportError,
)
from ..events import (
    ConnectionLost,
    Event,
    Finished,
    NodeOutput,
    NodeProgress,
    Preview,
    Progress,
    Queued,
    Resubmitted,
    Started,
)
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.base import Verdict
from ..transports.messages import Novelty
from ..workflow import Workflow
from .node_times import NodeTimes
from .progress import ProgressMeter

STEPS_KEPT = 1000
"""Progress events that stay in the log; older ones say nothing any more."""


class JobStatus(StrEnum):
    """Where a job stands."""

    INTENDED = "intended"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen."""
        return self in {self.SUCCEEDED, self.FAILED, self.CANCELLED}


class Course:
    """Takes a job's events in (a `Follower`), and keeps them for whoever waits.

    Its methods are called from a transport's threads and return at once; what waits on
    it is woken, never called, except for the short callbacks of `subscribe` and
    `on_event`.
    """

    def __init__(
        self,
        job_id: str,
        workflow: Workflow,
        *,
        total_s: float,
        queue_s: float,
        silence_s: float,
        clock: Clock = SYSTEM_CLOCK,
        created_at: datetime | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.job_id = job_id
        self.workflow = workflow
        self.total = Deadline(total_s, clock=clock)
        self._queue = Deadline(queue_s, clock=clock)
        self._silence_s = silence_s
        self._silence = Deadline(silence_s, clock=clock)
        self._clock = clock
        self._lock = threading.RLock()
        self._news = threading.Condition(self._lock)
        self._end = threading.Condition(self._lock)
        """Apart: whoever waits for the end alone is not woken by each step."""
        self._novelty = Novelty()
        self._meter = ProgressMeter(workflow)
        self._times = NodeTimes()
        self._log: list[Event | None] = []
        self._steps: deque[int] = deque()
        self._preview: int | None = None
        self._shown: set[str] = set()
        self._wakers: list[Callable[[], None]] = []
        self._on_event = on_event
        self.status = JobStatus.INTENDED
        self.position: int | None = None
        self.cancel_asked = False
        self._abandoned = False
        self.verdict: Verdict | None = None
        self.created_at = clock.now() if created_at is None else created_at
        self._log += self._meter.stages()

    # -- what a transport tells

    @property
    def deadline(self) -> Deadline:
        """The nearest of the whole job's, the queue's and the silence's."""
        nearest = self.total
        if self.status is not JobStatus.INTENDED:  # nobody can speak of it before
            nearest = min(nearest, self._silence, key=Deadline.remaining)
        if self.status in {JobStatus.INTENDED, JobStatus.QUEUED}:
            nearest = min(nearest, self._queue, key=Deadline.remaining)
        return nearest

    def heard(self, event: Event) -> None:
        """Take an event in; one that says nothing new is a sign of life still."""
        with self._lock:
            if not isinstance(event, ConnectionLost):
                self._silence = Deadline(self._silence_s, clock=self._clock)
            if self.status.final or not self._is_new(event):
                return
            self._note(event)
            self._append(event)
            self._times.apply(event, self._clock.monotonic())
            progress = self._meter.apply(event)
            if progress is not None:
                self._append(progress)
            self._news.notify_all()
        self._wake()

    def restarted(self, event: Resubmitted) -> None:
        """Take in that it is sent again: it waits for a server anew."""
        with self._lock:
            if self.status.final:
                return
            self.status = JobStatus.INTENDED
            self.position = None
            self._novelty = Novelty()
            self._meter.restart()
            self._times.restart()
            self._shown.clear()
            self._queue = Deadline(self._queue.seconds, clock=self._clock)
            self._silence = Deadline(self._silence_s, clock=self._clock)
            self._append(event)
            self._news.notify_all()
        self._wake()

    def ended(self, verdict: Verdict) -> None:
        """Take the end in: outputs not shown yet are shown, then it is finished."""
        verdict = self.as_asked(verdict)
        if verdict.error is not None:
            verdict.error.attach(job_id=self.job_id)
        with self._lock:
            if self.status.final:
                return
            self._finish(verdict)
            self._end.notify_all()
            self._news.notify_all()
        self._wake()

    def _finish(self, verdict: Verdict) -> None:
        for node_id, output in verdict.outputs.items():
            if node_id not in self._shown:
                self._append(output)
        finished = Finished(verdict.error)
        progress = self._meter.apply(finished)
        if progress is not None:
            self._append(progress)
        self.verdict = verdict
        self.status = _final_status(verdict.error)
        self._append(finished)

    def overdue(self, trouble: ComfyClientError | None) -> None:
        """End it: its time is over."""
        self.ended(Verdict(self.overdue_error(trouble)))

    def overdue_error(self, trouble: ComfyClientError | None) -> JobTimeoutError:
        """That its time is over, what it was doing, and why nobody could be asked."""
        error = self.timeout_error(self.deadline)
        if trouble is not None:
            asked = isinstance(trouble, TransportError)
            known = "the server could not be asked: " if asked else ""
            error.message += f"; {known}{trouble.message}"
            error.__cause__ = trouble
        return error

    def untaken_error(self, refusal: ComfyClientError) -> JobTimeoutError:
        """That its time is over, and why no instance took it."""
        error = self.timeout_error(self.deadline)
        error.message += f"; no instance took it: {refusal.message}"
        error.__cause__ = refusal
        return error

    def abandon(self) -> None:
        """Nothing more will be told: whoever waits is woken with a ClosedError."""
        with self._lock:
            self._abandoned = True
            self._end.notify_all()
            self._news.notify_all()
        self._wake()

    def as_asked(self, verdict: Verdict) -> Verdict:
        """A job that we cancelled was cancelled, whichever way the server shows it."""
        error = verdict.error
        if self.cancel_asked and isinstance(error, JobInterruptedError | JobLostError):
            cancelled = JobCancelledError(
                "the job was cancelled", instance=error.instance
            )
            return replace(verdict, error=cancelled)
        return verdict

    # -- what a handle reads

    @property
    def progress(self) -> float:
        """What is done, 0..1."""
        return self._meter.fraction

    @property
    def node_seconds(self) -> Mapping[str, float]:
        """How long each node of the present attempt has been at work, where heard."""
        with self._lock:
            return self._times.until(self._clock.monotonic())

    def event_after(self, index: int, deadline: Deadline) -> tuple[int, Event] | None:
        """The next event from this place in the log on; None at its end.

        Raises:
            JobTimeoutError: none came before the deadline.
        """
        with self._lock:
            while True:
                while index < len(self._log):
                    event = self._log[index]
                    index += 1
                    if event is not None:
                        return index, event
                if self.status.final:
                    return None
                self._wait(self._news, deadline)

    def await_end(self, deadline: Deadline) -> Verdict:
        """How it ended.

        Raises:
            JobTimeoutError: it has not, before the deadline.
        """
        with self._lock:
            while self.verdict is None:
                self._wait(self._end, deadline)
            return self.verdict

    def subscribe(self, waker: Callable[[], None]) -> Callable[[], None]:
        """Call this at every event, from a transport's thread; returns its end."""
        with self._lock:
            self._wakers.append(waker)

        def unsubscribe() -> None:
            with self._lock:
                self._wakers.remove(waker)

        return unsubscribe

    def timeout_error(self, deadline: Deadline) -> JobTimeoutError:
        """That a time is over, and what the job was doing."""
        kind = "the wait"
        for name, known in (
            ("its total time", self.total),
            ("its time in the queue", self._queue),
            ("the time without a sign of life", self._silence),
        ):
            if deadline is known:
                kind = name
        return JobTimeoutError(
            f"{kind} of {deadline.seconds:g} s is over; the job was {self.doing()}",
            job_id=self.job_id,
        )

    def doing(self) -> str:
        """In words, what it is doing."""
        if self.status is JobStatus.QUEUED and self.position is not None:
            return f"queued behind {self.position} others"
        current = self._meter.current
        if self.status is not JobStatus.RUNNING or current is None:
            return self.status.value
        title = self.workflow.title(current) or self.workflow.class_type(current)
        return f"running node {current} ({title}), {self.progress:.0%} done"

    def _wait(self, condition: threading.Condition, deadline: Deadline) -> None:
        if self._abandoned:
            raise ClosedError(
                f"the client was closed; the job was {self.doing()}, and its server "
                "goes on with it",
                job_id=self.job_id,
            )
        left = deadline.remaining()
        if left <= 0:
            raise self.timeout_error(deadline)
        self._clock.wait(condition, left)

    # -- the log

    def _is_new(self, event: Event) -> bool:
        if isinstance(event, Started):
            return self.status is not JobStatus.RUNNING
        if isinstance(event, Queued):
            # a look at the queue may arrive after the socket's word that it runs
            queued = self.status is JobStatus.QUEUED
            if queued and event.position in {None, self.position}:
                return False
            return self.status is not JobStatus.RUNNING
        return self._novelty.admits(event)

    def _note(self, event: Event) -> None:
        match event:
            case Queued(position=position):
                self.status = JobStatus.QUEUED
                self.position = position
            case NodeOutput(node_id=node_id):
                self._shown.add(node_id)
                self.status = JobStatus.RUNNING
            case _ if self.status is not JobStatus.RUNNING and _means_running(event):
                self.status = JobStatus.RUNNING

    def _append(self, event: Event) -> None:
        index = len(self._log)
        self._log.append(event)
        if self._on_event is not None:
            self._on_event(event)
        if isinstance(event, Preview):
            # only the latest picture matters, and they are large
            if self._preview is not None:
                self._log[self._preview] = None
            self._preview = index
        elif isinstance(event, Progress | NodeProgress):
            self._steps.append(index)
            if len(self._steps) > STEPS_KEPT:
                self._log[self._steps.popleft()] = None

    def _wake(self) -> None:
        with self._lock:
            wakers = list(self._wakers)
        for waker in wakers:
            waker()


def _means_running(event: Event) -> bool:
    return type(event).__name__.startswith(("Node", "Started", "Preview"))


def _final_status(error: ComfyClientError | None) -> JobStatus:
    if error is None:
        return JobStatus.SUCCEEDED
    if isinstance(error, JobCancelledError):
        return JobStatus.CANCELLED
    return JobStatus.FAILED
