"""A job's course: status, log, ends and waits, without any server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from comfyclient.errors import (
    ExecutionError,
    JobCancelledError,
    JobInterruptedError,
    JobLostError,
    JobTimeoutError,
    UnreachableError,
)
from comfyclient.events import (
    ConnectionLost,
    Finished,
    NodeOutput,
    NodeProgress,
    NodeStarted,
    Preview,
    Queued,
    Resubmitted,
    Started,
)
from comfyclient.files.outputs import OutputRef
from comfyclient.jobs.course import STEPS_KEPT, Course, JobStatus
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import Deadline
from comfyclient.transports.base import Verdict
from comfyclient.workflow import Workflow

from ...scenes import WaitingClock

REF = OutputRef("2", "images", "a.png")


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def course(clock: FakeClock) -> Course:
    """A job that was not sent yet."""
    workflow = Workflow.from_graph(GRAPH)
    return Course("j", workflow, total_s=100, queue_s=50, silence_s=20, clock=clock)


def log_of(course: Course) -> list[object]:
    """What stays in the log."""
    return [event for event in course._log if event is not None]


def test_the_way_of_its_status(course: Course) -> None:
    """Intended, queued, running, succeeded."""
    seen = [course.status]
    for event in (Queued(), Started()):
        course.heard(event)
        seen.append(course.status)
    course.ended(Verdict(None))
    assert [*seen, course.status] == [
        JobStatus.INTENDED,
        JobStatus.QUEUED,
        JobStatus.RUNNING,
        JobStatus.SUCCEEDED,
    ]


@pytest.mark.parametrize(
    ("asked", "error", "status", "kind"),
    [
        (False, None, JobStatus.SUCCEEDED, None),
        (True, None, JobStatus.SUCCEEDED, None),
        (False, JobInterruptedError("x"), JobStatus.FAILED, JobInterruptedError),
        (True, JobInterruptedError("x"), JobStatus.CANCELLED, JobCancelledError),
        (True, JobLostError("x"), JobStatus.CANCELLED, JobCancelledError),
        (False, JobLostError("x"), JobStatus.FAILED, JobLostError),
        (True, ExecutionError("x"), JobStatus.FAILED, ExecutionError),
    ],
)
def test_what_was_asked_decides_what_an_end_means(
    course: Course, asked, error, status, kind
) -> None:
    """Only a job that we cancelled, and that did not end otherwise, is cancelled."""
    course.cancel_asked = asked
    course.ended(Verdict(error))
    assert course.status is status
    assert (None if kind is None else kind) == (
        None if course.verdict.error is None else type(course.verdict.error)
    )


def test_the_end_comes_once(course: Course) -> None:
    """A second end changes nothing, and nothing is heard after the first."""
    course.ended(Verdict(None))
    course.ended(Verdict(JobLostError("x")))
    course.heard(Started())
    course.overdue(None)
    assert course.status is JobStatus.SUCCEEDED
    assert log_of(course)[-1] == Finished(None)


def test_sent_again_it_waits_anew(course: Course, clock: FakeClock) -> None:
    """A job that is sent again is queued anew, hears the same nodes again, and its
    progress does not fall."""
    for event in (Queued(3), Started(), NodeStarted("1"), NodeStarted("2")):
        course.heard(event)
    before = course.progress
    clock.advance(45)
    course.restarted(Resubmitted(2, JobLostError("x")))
    assert (course.status, course.position) == (JobStatus.INTENDED, None)
    assert course.deadline.remaining() == 50  # the queue's time, anew
    course.heard(Queued(0))
    course.heard(NodeStarted("1"))
    assert log_of(course).count(NodeStarted("1")) == 2
    assert course.progress >= before > 0


def test_after_its_end_it_is_not_sent_again(course: Course) -> None:
    """A job that has ended stays so."""
    course.ended(Verdict(None))
    course.restarted(Resubmitted(2, JobLostError("x")))
    assert course.status is JobStatus.SUCCEEDED
    assert log_of(course)[-1] == Finished(None)


def test_outputs_that_no_frame_told_are_told(course: Course) -> None:
    """Every output is an event once, whether the socket or the history told it."""
    shown, late = NodeOutput("1", ()), NodeOutput("2", (REF,))
    course.heard(shown)
    course.ended(Verdict(None, {"1": shown, "2": late}))
    told = [e for e in log_of(course) if isinstance(e, NodeOutput)]
    assert told == [shown, late]


def test_a_queue_that_stands_still_is_told_once(course: Course) -> None:
    """The same place again is no event, another place is."""
    for position in (None, 3, 3, None, 2, 2):
        course.heard(Queued(position))
    assert log_of(course) == [Queued(), Queued(3), Queued(2)]
    assert course.doing() == "queued behind 2 others"


def test_a_late_look_at_the_queue(course: Course) -> None:
    """A job that runs does not go back into the queue."""
    course.heard(Queued(1))
    course.heard(NodeStarted("1"))
    course.heard(Queued(0))
    assert course.status is JobStatus.RUNNING


def test_steps_and_previews_do_not_pile_up(course: Course) -> None:
    """The log keeps the latest steps and one preview."""
    for n in range(3 * STEPS_KEPT):
        course.heard(NodeProgress("1", n, 10**9))
        course.heard(Preview(b"%d" % n, "image/png"))
    log = log_of(course)
    assert sum(isinstance(e, NodeProgress) for e in log) <= STEPS_KEPT
    assert [e.image for e in log if isinstance(e, Preview)] == [b"2999"]


def test_every_reader_starts_at_the_first_event(course: Course) -> None:
    """Reading is by place in the log: two readers see the same."""
    for event in (Queued(), Started(), NodeStarted("1")):
        course.heard(event)
    course.ended(Verdict(None))

    def read() -> list[object]:
        index, found = 0, []
        while (following := course.event_after(index, Deadline(0))) is not None:
            index = following[0]
            found.append(following[1])
        return found

    assert read() == read() == log_of(course)


class TestDeadlines:
    """Which time ends a job."""

    def test_before_it_is_sent(self, course, clock) -> None:
        """A job that nobody took yet has the queue's time, and no silence."""
        clock.advance(30)
        assert course.deadline.remaining() == 20

    def test_in_the_queue(self, course, clock) -> None:
        """A word on its place is a sign of life, and does not lengthen the queue."""
        course.heard(Queued(1))
        clock.advance(15)
        assert course.deadline.remaining() == 5
        course.heard(Queued(1))
        assert course.deadline.remaining() == 20
        clock.advance(19)
        course.heard(Queued(1))
        assert course.deadline.remaining() == 16

    def test_while_it_runs(self, course, clock) -> None:
        """A job that runs has its total time, and silence."""
        course.heard(Started())
        clock.advance(15)
        course.heard(Started())
        assert course.deadline.remaining() == 20
        clock.advance(19)
        course.heard(NodeStarted("1"))
        clock.advance(19)
        course.heard(NodeStarted("2"))
        clock.advance(19)
        course.heard(NodeProgress("2", 1, 2))
        clock.advance(19)
        course.heard(NodeProgress("2", 2, 2))
        assert course.deadline is course.total

    def test_a_broken_connection_is_no_life(self, course, clock) -> None:
        """That the socket broke is no sign that the server lives."""
        course.heard(Started())
        clock.advance(15)
        course.heard(ConnectionLost("reset"))
        assert course.deadline.remaining() == 5

    def test_the_error_tells_cause_and_place(self, course, clock) -> None:
        """A time that is over tells which, what the job did, and why nobody knows."""
        course.heard(NodeStarted("2"))
        clock.advance(21)
        trouble = UnreachableError("connection refused")
        course.overdue(trouble)
        error = course.verdict.error
        assert isinstance(error, JobTimeoutError)
        assert "without a sign of life of 20 s" in error.message
        assert "running node 2 (Save it)" in error.message
        assert "connection refused" in error.message
        assert error.__cause__ is trouble

    def test_a_wait_of_the_callers(self, course, clock) -> None:
        """A caller's own wait ends without ending the job."""
        waiting: list[BaseException] = []

        def wait() -> None:
            try:
                course.await_end(Deadline(5, clock=clock))
            except JobTimeoutError as error:
                waiting.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        clock.await_sleepers(1)
        clock.advance(5.1)
        thread.join(20)
        assert "the wait of 5 s" in str(waiting[0])
        assert not course.status.final


def test_who_waits_for_the_end_is_woken_by_it_alone() -> None:
    """A job of many steps does not wake its caller at each."""
    clock = WaitingClock()
    workflow = Workflow.from_graph(GRAPH)
    course = Course("j", workflow, total_s=99, queue_s=99, silence_s=99, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        end = pool.submit(course.await_end, Deadline(20))
        clock.await_waits(1)
        for step in range(20):
            course.heard(NodeProgress("1", step, 20))
            threading.Event().wait(0.005)  # whoever was woken has a turn
        course.ended(Verdict(None))
        assert end.result(20).error is None
    assert clock.waits == 1


def test_wakers_are_called_until_they_leave(course: Course) -> None:
    """A subscriber is woken at every event, and no more once it has left."""
    calls: list[int] = []
    leave = course.subscribe(lambda: calls.append(1))
    course.heard(Queued())
    leave()
    course.heard(Started())
    assert calls == [1]
