"""The handle of a job: waits, cancels and asyncio, over a course of the test's own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from comfyclient.errors import (
    AccessDeniedError,
    JobInterruptedError,
    JobTimeoutError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.events import Finished, Queued, Started
from comfyclient.job import Job
from comfyclient.jobs.course import Course, JobStatus
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.transports.base import Verdict
from comfyclient.workflow import Workflow


class Desk:
    """A job and its course."""

    def __init__(self, clock: FakeClock) -> None:
        self.course = Course(
            "j",
            Workflow.from_graph(GRAPH),
            total_s=100,
            queue_s=100,
            silence_s=100,
            clock=clock,
        )
        self.cancelled = 0
        self.on_cancel = lambda: None
        self.job = Job(
            self.course,
            environment="test",
            instance=lambda: "a",
            result=lambda verdict: ("result", verdict),
            cancel=self.cancel,
            clock=clock,
        )

    def cancel(self, deadline: object) -> None:
        """Count, and do what the test wants."""
        self.cancelled += 1
        self.on_cancel()


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def desk(clock: FakeClock) -> Desk:
    """A job that was sent."""
    return Desk(clock)


def test_what_it_says_of_itself(desk: Desk) -> None:
    """A handle tells id, place, status and progress without asking anybody."""
    job = desk.job
    assert (job.id, job.environment, job.instance) == ("j", "test", "a")
    assert (job.status, job.progress) == (JobStatus.INTENDED, 0.0)
    assert repr(job) == "<Job j a graph: intended>"


def test_equal_by_id(desk: Desk, clock: FakeClock) -> None:
    """Two handles of one job are the same in sets and dicts."""
    assert len({desk.job, Desk(clock).job}) == 1
    assert desk.job != "j"


def test_a_wait_is_over(desk: Desk, clock: FakeClock) -> None:
    """A wait that is over leaves the job as it is."""
    with pytest.raises(JobTimeoutError, match="the wait of 0 s"):
        desk.job.result(timeout=0)
    desk.course.ended(Verdict(None))
    assert desk.job.result(timeout=0)[0] == "result"


def test_no_wait_is_endless(desk: Desk, clock: FakeClock) -> None:
    """Without a timeout a wait ends a little after the job's own time."""
    caught: list[JobTimeoutError] = []

    def wait() -> None:
        try:
            desk.job.result()
        except JobTimeoutError as error:
            caught.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    clock.await_sleepers(1)
    clock.advance(131)
    waiting.join(20)
    assert "130 s" in str(caught[0])


def test_cancel_asks_again(desk: Desk, clock: FakeClock) -> None:
    """A job that runs on after a yes is asked to stop again."""
    asking = threading.Thread(target=desk.job.cancel)
    asking.start()
    while desk.cancelled < 3:
        clock.advance(0.5)
        threading.Event().wait(0.002)
    desk.course.ended(Verdict(JobInterruptedError("x")))
    asking.join(20)
    assert desk.job.status is JobStatus.CANCELLED


def test_cancel_tells_what_happened(desk: Desk) -> None:
    """A job that finished first has succeeded, and is asked nothing more."""
    desk.on_cancel = lambda: desk.course.ended(Verdict(None))
    assert desk.job.cancel() is JobStatus.SUCCEEDED
    assert desk.job.cancel() is JobStatus.SUCCEEDED
    assert desk.cancelled == 1


def test_a_cancel_that_is_refused(desk: Desk) -> None:
    """What will not pass is the caller's to know at once."""

    def refuse() -> None:
        raise AccessDeniedError("403")

    desk.on_cancel = refuse
    with pytest.raises(AccessDeniedError):
        desk.job.cancel()
    assert desk.cancelled == 1


def test_a_cancel_that_cannot_be_asked(desk: Desk, clock: FakeClock) -> None:
    """It is asked until its time is over; the last trouble is the caller's to know."""

    def refuse() -> None:
        clock.advance(8)
        raise UnreachableError("refused")

    desk.on_cancel = refuse
    with pytest.raises(UnreachableError):
        clock.run(lambda: desk.job.cancel(timeout=30))
    assert desk.cancelled == 4


def test_a_cancel_that_is_asked_again(desk: Desk, clock: FakeClock) -> None:
    """An answer that was lost is no reason to let the job run on."""

    def lose() -> None:
        desk.on_cancel = lambda: desk.course.ended(Verdict(JobInterruptedError("x")))
        raise UnclearAnswerError("lost")

    desk.on_cancel = lose
    assert clock.run(desk.job.cancel) is JobStatus.CANCELLED
    assert desk.cancelled == 2


def test_a_cancel_without_effect(desk: Desk, clock: FakeClock) -> None:
    """A job that will not stop ends the wait, with what it is doing."""
    desk.course.heard(Started())
    desk.on_cancel = lambda: clock.advance(40)
    with pytest.raises(JobTimeoutError, match=r"the wait of 30 s.*running"):
        desk.job.cancel(timeout=30)
    assert desk.job.status is JobStatus.RUNNING


def test_await_and_async_for(desk: Desk) -> None:
    """In a loop, the events come from another thread and the result at the end."""

    async def run() -> tuple[object, list[object]]:
        async def listen() -> list[object]:
            return [event async for event in desk.job]

        listening = asyncio.ensure_future(listen())
        await asyncio.sleep(0)
        teller = threading.Thread(target=tell)
        teller.start()
        result = await desk.job
        teller.join()
        return result, await listening

    def tell() -> None:
        desk.course.heard(Queued())
        desk.course.heard(Started())
        desk.course.ended(Verdict(None))

    result, events = asyncio.run(run())
    assert result[0] == "result"
    assert events[0] == Queued()
    assert events[-1] == Finished(None)
    assert desk.course._wakers == []


def test_await_has_an_end_too(desk: Desk, clock: FakeClock) -> None:
    """Awaiting a job whose time is over raises, and does not hang."""
    clock.advance(131)

    async def run() -> None:
        await desk.job

    desk.course.overdue(None)
    with pytest.raises(JobTimeoutError):
        asyncio.run(run())
