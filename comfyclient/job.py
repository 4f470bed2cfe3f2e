"""The handle of one submitted job: status, events, result, cancel; sync and asyncio."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import suppress

from .errors import JobTimeoutError, TransportError
from .events import Event
from .files.outputs import SavedFile
from .jobs.course import Course, JobStatus
from .result import Result
from .timing import SYSTEM_CLOCK, Clock, Deadline
from .transports.base import Verdict
from .workflow import Workflow

__all__ = ["Job", "JobStatus"]

CANCEL_AGAIN = 1.0
"""Seconds until a job that runs on is asked to stop again: a yes is no proof."""


class Job:
    """One submitted job. Equal by id; safe to use from several threads.

    In asyncio code, `await job` gives the result and `async for event in job` its
    events; both only wake up, the work stays in the client's threads.
    """

    def __init__(
        self,
        course: Course,
        *,
        environment: str,
        instance: Callable[[], str | None],
        result: Callable[[Verdict], Result],
        cancel: Callable[[Deadline], None],
        saved: Callable[[], Sequence[SavedFile]] = tuple,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._course = course
        self._environment = environment
        self._instance = instance
        self._make_result = result
        self._cancel = cancel
        self._saved = saved
        self._clock = clock
        self._result: Result | None = None

    @property
    def id(self) -> str:
        """The job's own id, the same for every attempt at it."""
        return self._course.job_id

    @property
    def workflow(self) -> Workflow:
        """The graph that was sent."""
        return self._course.workflow

    @property
    def environment(self) -> str:
        """The environment it belongs to."""
        return self._environment

    @property
    def instance(self) -> str | None:
        """The instance that has it; None until one accepted it."""
        return self._instance()

    @property
    def status(self) -> JobStatus:
        """Where it stands."""
        return self._course.status

    @property
    def progress(self) -> float:
        """What is done of the whole graph, 0..1; never falls."""
        return self._course.progress

    @property
    def saved(self) -> Sequence[SavedFile]:
        """The files that came home of it before this handle was made."""
        return self._saved()

    @property
    def doing(self) -> str:
        """In words, what it is doing."""
        return self._course.doing()

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Every event from the first on, as they come; ends after `Finished`.

        A call made late starts with the first event too; of previews and of many
        progress steps only the latest are kept.

        Raises:
            JobTimeoutError: the job has not ended after `timeout` seconds (by default,
                the job's own total time); it goes on, and may be asked again.
        """
        deadline = self._deadline(timeout)
        index = 0
        while (found := self._course.event_after(index, deadline)) is not None:
            index, event = found
            yield event

    def result(self, timeout: float | None = None) -> Result:
        """The outputs, once the job has succeeded.

        Raises:
            JobTimeoutError: it has not ended after `timeout` seconds (by default, the
                job's own total time); it goes on, and may be asked again.
            ValidationError, ExecutionError, JobError: it failed; see `errors.py`.
            OutputMissingError: it succeeded without an output the manifest requires.
        """
        verdict = self._course.await_end(self._deadline(timeout))
        if verdict.error is not None:
            raise verdict.error
        if self._result is None:
            self._result = self._make_result(verdict)
        return self._result

    def when_ended(self, tell: Callable[[], object]) -> None:
        """Call this once, when the job has ended; at once, if it has.

        It is called from any thread, and must return at once.
        """
        untold = deque([tell])

        def look() -> None:
            if self.status.final:
                with suppress(IndexError):  # another thread was faster
                    untold.pop()()

        self._course.subscribe(look)
        look()

    def cancel(self, *, timeout: float = 30) -> JobStatus:
        """Ask the server to drop or stop this job, and wait for how it ended.

        The status says what happened, not what was asked: a job that finished first
        has succeeded. A server that does not answer well is asked again.

        Raises:
            JobTimeoutError: it still runs after `timeout` seconds.
            TransportError: likewise; the server could not be asked.
        """
        deadline = Deadline(timeout, clock=self._clock)
        self._course.cancel_asked = True
        while not self.status.final:
            trouble = self._ask_to_stop(deadline)
            try:
                self._course.await_end(deadline.within(CANCEL_AGAIN))
            except JobTimeoutError:
                if deadline.passed():
                    late = self._course.timeout_error(deadline)
                    raise trouble or late from None
        return self.status

    def _ask_to_stop(self, deadline: Deadline) -> TransportError | None:
        """Ask once; what was wrong, where the same question may be answered later."""
        try:
            self._cancel(deadline)
        except TransportError as error:
            if not error.retryable:
                raise
            return error
        return None

    def __await__(self) -> Generator[None, None, Result]:
        return self._awaited().__await__()

    async def __aiter__(self) -> AsyncIterator[Event]:
        index = 0
        while True:
            found = await self._next(index)
            if found is None:
                return
            index, event = found
            yield event

    async def _awaited(self) -> Result:
        index = 0
        while (found := await self._next(index)) is not None:
            index = found[0]
        return self.result(timeout=0)

    async def _next(self, index: int) -> tuple[int, Event] | None:
        """The next event, without blocking the loop.

        Raises:
            JobTimeoutError: the job's total time is over.
        """
        import asyncio  # whoever awaits has it; others do without

        loop = asyncio.get_running_loop()
        woken = asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(woken.set)

        unsubscribe = self._course.subscribe(wake)
        try:
            while True:
                woken.clear()
                try:
                    return self._course.event_after(index, _at_once(self._clock))
                except JobTimeoutError:
                    left = self._deadline(None).remaining()
                if left <= 0:
                    raise self._course.timeout_error(self._course.total)
                with suppress(TimeoutError):
                    # not wait_for: before 3.12 it may swallow a cancellation that
                    # comes with the wake-up
                    async with asyncio.timeout(left):
                        await woken.wait()
        finally:
            unsubscribe()

    def _deadline(self, timeout: float | None) -> Deadline:
        """By default a little past the job's own: then it ends by itself."""
        if timeout is None:
            timeout = self._course.total.remaining() + 30
        return Deadline(timeout, clock=self._clock)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        what = self.workflow.template or "a graph"
        return f"<Job {self.id} {what}: {self._course.doing()}>"


def _at_once(clock: Clock) -> Deadline:
    return Deadline(0, clock=clock)
