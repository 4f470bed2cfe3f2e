"""Where a job is: its end is written down, its place given back, once."""

from __future__ import annotations

import pytest

from comfyclient.course import Course
from comfyclient.dispatch import Placed
from comfyclient.errors import (
    ClosedError,
    ExecutionError,
    JobCancelledError,
    JobLostError,
    LedgerError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.events import NodeOutput
from comfyclient.ledger_records import JobState
from comfyclient.outputs import OutputRef
from comfyclient.placement import Placement
from comfyclient.router import Router
from comfyclient.testing.bench import GRAPH
from comfyclient.timing import Deadline
from comfyclient.transports.base import Ticket, Verdict
from comfyclient.workflow import Workflow


class Journal:
    """Notes the ends."""

    def __init__(self) -> None:
        self.ends: list[tuple[JobState, int]] = []
        self.broken = False

    def changed(self, job_id, state, *, error=None, outputs=None, detail=None) -> bool:
        """An end."""
        if self.broken:
            raise LedgerError("disk full")
        self.ends.append((state, len(outputs)))
        return True


class Stub:
    """A transport that notes what it is asked."""

    name, client_id = "a", "me"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: Exception | None = None

    def forget(self, ticket) -> None:
        """Noted."""
        self.asked.append("forget")

    def cancel(self, ticket, *, deadline) -> None:
        """Noted, and answered with the error."""
        self.asked.append("cancel")
        if self.error is not None:
            raise self.error


class Desk:
    """One job, its router and its placement."""

    def __init__(self) -> None:
        self.stub, self.journal = Stub(), Journal()
        self.router = Router([(self.stub, 1.0), (Stub(), 1.0)])
        self.router.took(self.stub)
        self.course = Course(
            "j", Workflow.from_graph(GRAPH), total_s=9, queue_s=9, silence_s=9
        )
        self.placement = Placement(
            self.course, self.router, self.journal, environment="e"
        )
        self.course.when_ended(self.placement.settle, give_up=self.placement.give_up)
        self.placed = Placed(self.stub, Ticket("a", "t", "t", "me"))

    @property
    def free(self) -> bool:
        """Whether its instance's place was given back."""
        return self.router.in_order()[0] is self.stub


@pytest.fixture
def desk() -> Desk:
    """A job that was sent."""
    return Desk()


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, JobState.SUCCEEDED),
        (ExecutionError("x"), JobState.FAILED),
        (JobCancelledError("x"), JobState.CANCELLED),
        (JobLostError("x"), JobState.LOST),
    ],
)
def test_the_end_is_written_down_and_its_place_free(desk, error, state) -> None:
    """Each end has its state; the instance has one job less."""
    desk.placement.put(desk.placed)
    output = NodeOutput("2", (OutputRef("2", "images", "a.png"),))
    desk.course.ended(Verdict(error, {"2": output}))
    assert desk.journal.ends == [(state, 1)]
    assert desk.free


def test_an_end_before_the_answer(desk: Desk) -> None:
    """A job that ends before its submit returned gives its place back all the same."""
    desk.course.ended(Verdict(None))
    assert not desk.free
    desk.placement.put(desk.placed)
    assert desk.free


def test_an_end_while_it_is_put(desk: Desk) -> None:
    """An end that is being settled while the answer arrives loses no place."""
    note = desk.journal.changed

    def changed(*arguments: object, **more: object) -> bool:
        desk.placement.put(desk.placed)  # the answer arrives right now
        return note(*arguments, **more)

    desk.journal.changed = changed
    desk.course.ended(Verdict(None))
    assert desk.free


def test_a_place_is_given_back_once(desk: Desk) -> None:
    """No second job is counted away."""
    desk.router.took(desk.stub)
    desk.placement.put(desk.placed)
    desk.course.ended(Verdict(None))
    desk.placement.put(desk.placed)
    assert not desk.free


def test_an_unclear_job_is_not_called_failed(desk: Desk) -> None:
    """A job that a server may have stays open in the ledger."""
    desk.course.rejected(UnclearAnswerError("x"))
    assert desk.journal.ends == []


def test_a_ledger_that_fails_hides_no_result(desk: Desk, caplog) -> None:
    """The result is there although its end could not be written down."""
    desk.placement.put(desk.placed)
    desk.journal.broken = True
    desk.course.ended(Verdict(None))
    assert desk.course.await_end(Deadline(0)).error is None
    assert "disk full" in caplog.text
    assert desk.free


@pytest.mark.parametrize("error", [None, UnreachableError("x"), ClosedError("x")])
def test_giving_up_stops_it_there(desk: Desk, error) -> None:
    """A job whose time is over is stopped on its server, as far as it can be."""
    desk.placement.put(desk.placed)
    desk.stub.error = error
    desk.course.overdue(None)
    assert desk.stub.asked == ["forget", "cancel"]


def test_giving_up_before_anyone_took_it(desk: Desk) -> None:
    """A job that nobody took is stopped nowhere."""
    desk.course.overdue(None)
    assert desk.stub.asked == []
    assert desk.placement.instance() is None
