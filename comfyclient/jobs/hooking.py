"""Carries what happens to jobs to the caller's hooks, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from datetime import datetime
from functools import partial

from ..errors import ComfyClientError
from ..events import (
    Event,
    Finished,
    NodeFinished,
    NodeOutput,
    NodeProgress,
    NodeStarted,
    NodeText,
    Preview,
    Progress,
    Queued,
    Resubmitted,
    Started,
)
from ..files.outputs import Homecoming
from ..hooks import End, Hook, JobFacts, Step, StepName
from ..timing import SYSTEM_CLOCK, Clock, Span
from ..workflow import Workflow
from .errands import PARTING_S, Errands

_log = logging.getLogger("comfyclient.jobs.hooking")

BACKLOG = 10_000
"""Calls that may wait for slow hooks before those about progress are left out."""
MOST = 100_000
"""Calls that may wait at all: hooks that never return must not fill the memory."""
PICTURES = 100
"""Likewise, of pictures of work so far: each may take a megabyte."""
_PASSING = (Progress, NodeProgress, Preview, NodeText)


class Hooks:
    """The hooks of one client; without any, nothing is queued and no thread begins."""

    def __init__(
        self,
        hooks: Sequence[Hook],
        *,
        clock: Clock = SYSTEM_CLOCK,
        most: int = MOST,
        parting_s: float = PARTING_S,
    ) -> None:
        self._hooks = tuple(hooks)
        self._most = most
        self._parting_s = parting_s
        self._errands = Errands("hooks", clock=clock)
        self._lock = threading.Lock()
        self._waiting = self._left_out = 0

    def __bool__(self) -> bool:
        return bool(self._hooks)

    @property
    def crowded(self) -> bool:
        """Whether the hooks do not keep up."""
        return self._waiting >= BACKLOG

    def leaves_out(self, event: Event) -> bool:
        """Whether so many calls wait that this one is spared."""
        if isinstance(event, Preview):
            return self._waiting >= PICTURES
        return self.crowded and isinstance(event, _PASSING)

    def call(self, context: Context, each: Callable[[Hook], None]) -> None:
        """Have each hook called, after what was asked for before."""
        if not self._hooks:
            return
        with self._lock:
            full = self._waiting >= self._most
            self._waiting += not full
            self._left_out += full
        if not full:
            self._errands.do(lambda: self._call(context, each))
        elif self._left_out == 1:
            _log.error("hooks hang: %d calls wait, others are left out", self._most)

    def close(self) -> None:
        """Let what waits be heard, for a few seconds at most."""
        heard = threading.Event()
        if self._waiting:
            self._errands.do(heard.set)
            if not heard.wait(self._parting_s):
                self._parting_s = 0.0
        self._errands.close(parting_s=self._parting_s)

    def _call(self, context: Context, each: Callable[[Hook], None]) -> None:
        with self._lock:
            self._waiting -= 1
            left_out = self._left_out if self._waiting <= self._most // 2 else 0
            self._left_out -= left_out
        if left_out:
            _log.error("%d calls of hooks were left out", left_out)
        for hook in self._hooks:
            try:
                context.run(each, hook)
            except Exception:  # noqa: BLE001  a caller's bug must not stop jobs
                _log.exception("a hook failed: %s", type(hook).__name__)


class Witness:
    """Sees one job's events, and tells the hooks what they amount to.

    Its methods return at once: the hooks hear of it later, with the times of now.
    """

    def __init__(
        self,
        job: JobFacts,
        workflow: Workflow,
        hooks: Hooks,
        *,
        instance: Callable[[], str | None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._job = job
        self._workflow = workflow
        self._hooks = hooks
        self._instance = instance
        self._clock = clock
        self._context = copy_context()
        self._queued_at: datetime | None = None
        self._started_at: datetime | None = None
        self._node: tuple[str, datetime] | None = None
        self._lock = threading.Lock()
        self._submitting = False
        self._held: Callable[[], None] | None = None
        """The end of a job that ended before its submit did."""

    def began(self) -> None:
        """The job is about to be sent, or was taken up."""
        self._hooks.call(self._context, lambda hook: hook.began(self._job))

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """The job is sent within; whatever comes of it, its end is told afterwards."""
        begun, failed = self._clock.now(), None
        self._submitting = True
        try:
            yield
        except ComfyClientError as error:
            failed = error
            raise
        finally:
            self.step("submit", begun, error=failed)
            with self._lock:
                self._submitting = False
                held, self._held = self._held, None
            if held is not None:
                held()

    def saw(self, event: Event) -> None:
        """An event, in the order of the job's log."""
        if not self._hooks:
            return
        if not self._hooks.leaves_out(event):
            self._hooks.call(self._context, lambda hook: hook.heard(self._job, event))
        self._follow(event, self._clock.now())

    def step(
        self,
        name: StepName,
        begun_at: datetime,
        *,
        until: datetime | None = None,
        subject: str | None = None,
        node_id: str | None = None,
        bytes: int | None = None,
        error: ComfyClientError | None = None,
    ) -> None:
        """A stretch that began then is over."""
        if not self._hooks:
            return
        end = self._clock.now() if until is None else until
        step = Step(
            name=name,
            begun_at=begun_at,
            seconds=Span(begun_at, end).seconds,
            instance=self._instance(),
            subject=subject,
            node_id=node_id,
            bytes=bytes,
            error=error,
        )
        self._hooks.call(self._context, lambda hook: hook.stepped(self._job, step))

    def collected(self, homecoming: Homecoming) -> None:
        """A file came home, or did not."""
        self.step(
            "collect",
            homecoming.took.begin,
            until=homecoming.took.end,
            subject=homecoming.output.ref.filename,
            bytes=homecoming.bytes,
            error=homecoming.error,
        )

    def _follow(self, event: Event, now: datetime) -> None:
        match event:
            case Queued():
                self._queued_at = self._queued_at or now
            case Started():
                self._start(now)
            case NodeStarted(node_id=node_id):
                self._start(now)
                self._close_node(now)
                self._node = node_id, now
            case NodeFinished(node_id=node_id) | NodeOutput(node_id=node_id):
                if self._node is not None and self._node[0] == node_id:
                    self._close_node(now)
            case Resubmitted(reason=reason):
                self._close(now, reason)
            case Finished(error=error):
                self._close(now, error)
                self._end(now, error)

    def _end(self, now: datetime, error: ComfyClientError | None) -> None:
        end = End(now, Span(self._job.created_at, now).seconds, error)
        tell = partial(
            self._hooks.call, self._context, lambda hook: hook.ended(self._job, end)
        )
        with self._lock:
            self._held = tell if self._submitting else None
            held = self._submitting
        if not held:
            tell()

    def _start(self, now: datetime) -> None:
        if self._started_at is None:
            self._started_at = now
            if self._queued_at is not None:
                self.step("queue", self._queued_at, until=now)

    def _close_node(self, now: datetime, error: ComfyClientError | None = None) -> None:
        if self._node is not None:
            node_id, begun = self._node
            title = self._workflow.title(node_id) or self._workflow.class_type(node_id)
            self.step(
                "node", begun, until=now, subject=title, node_id=node_id, error=error
            )
            self._node = None

    def _close(self, now: datetime, error: ComfyClientError | None) -> None:
        """The attempt is over: so is what was open of it."""
        failed = error if self._node is not None else None
        self._close_node(now, failed)
        if self._started_at is not None:
            self.step("execute", self._started_at, until=now, error=error)
        elif self._queued_at is not None:
            self.step("queue", self._queued_at, until=now, error=error)
        self._queued_at = self._started_at = None
