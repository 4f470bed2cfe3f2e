"""Sending a job: which instance next, what is written down before, when it stops."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from comfyclient.errors import (
    AccessDeniedError,
    BadAnswerError,
    BusyError,
    ClosedError,
    JobCancelledError,
    LedgerError,
    MissingNodeError,
    OutOfMemoryError,
    ServerFaultError,
    UnclearAnswerError,
    UnreachableError,
    ValidationError,
)
from comfyclient.jobs.berths import Berth
from comfyclient.jobs.course import Course
from comfyclient.jobs.demands import Demand
from comfyclient.jobs.dispatch import Dispatcher, Options
from comfyclient.jobs.router import Router
from comfyclient.storage.view import ViewStorage
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.transports.base import Ticket
from comfyclient.workflow import InputFile, Workflow


class Journal:
    """Writes down the steps, in order."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, ...]] = []
        self.broken = False

    def attempt(self, job_id, *, attempt_id, instance, client_id) -> None:
        """Before it is sent."""
        if self.broken:
            raise LedgerError("disk full")
        self.steps.append(("attempt", instance, attempt_id))

    def attempt_ended(self, job_id, *, attempt_id, error) -> None:
        """It came to nothing."""
        self.steps.append(("ended", type(error).__name__))


class Stub:
    """A transport that answers as the test says."""

    client_id = "me"
    backlog = None

    def __init__(self, name: str, journal: Journal, *answers: object) -> None:
        self.name = name
        self.journal = journal
        self.answers = list(answers)
        self.attempts: list[object] = []

    def submit(self, attempt, follower, *, deadline) -> Ticket:
        """The next answer; the last one for ever."""
        assert self.journal.steps[-1] == ("attempt", self.name, attempt.attempt_id)
        self.attempts.append(attempt)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return Ticket(self.name, attempt.attempt_id, attempt.attempt_id, "me", 1.0)

    def upload(self, file, *, deadline) -> str:
        """Stored under another name."""
        return f"moved/{file.filename}"


OK = object()
DEMAND = Demand("trip-postcard@1.0.0")


class Check:
    """A check before sending that lets these instances pass, from a moment on."""

    def __init__(self, **refused_for: int) -> None:
        self.refused_for = refused_for

    def refusal(self, workflow, instance, *, deadline, allow_partial):
        """Refuse so many times."""
        left = self.refused_for.get(instance.name, 0)
        self.refused_for[instance.name] = left - 1
        return ValidationError("unfit", instance=instance.name) if left > 0 else None


def dispatcher_of(
    router: Router, journal: Journal, clock: FakeClock, **more
) -> Dispatcher:
    """A dispatcher that gives its files to the instances themselves."""
    storage = ViewStorage(router.transports)
    return Dispatcher(
        router, journal, environment="e", storage=storage, clock=clock, **more
    )


@pytest.fixture
def journal() -> Journal:
    """An empty journal."""
    return Journal()


def send(
    journal: Journal,
    *stubs: Stub,
    workflow: Workflow | None = None,
    options: Options | None = None,
    checker: Check | None = None,
    **limits,
):
    """Send a job, with time passing quickly."""
    clock = FakeClock()
    workflow = Workflow.from_graph(GRAPH) if workflow is None else workflow
    settings = {"total_s": 300, "queue_s": 300, "silence_s": 100, **limits}
    course = Course("j", workflow, clock=clock, **settings)
    router = Router([Berth(stub) for stub in stubs], clock=clock)
    dispatcher = dispatcher_of(router, journal, clock, checker=checker)
    with ThreadPoolExecutor(1) as pool:
        options = Options() if options is None else options
        sending = pool.submit(dispatcher.send, course, DEMAND, options, follower=course)
        while not sending.done():
            clock.advance(1)
            threading.Event().wait(0.001)
    return sending.result(), clock


def test_every_attempt_is_written_down_before(journal: Journal) -> None:
    """Each attempt has its own id, in the journal before it is sent."""
    bad = Stub("a", journal, UnreachableError("x"))
    placed, _ = send(journal, bad, Stub("b", journal, OK))
    assert placed.transport.name == "b"
    assert [step[0] for step in journal.steps] == ["attempt", "ended", "attempt"]
    assert journal.steps[0][2] != journal.steps[2][2]


def test_nothing_is_sent_that_was_not_written_down(journal: Journal) -> None:
    """A journal that fails stops the job before it is sent."""
    journal.broken = True
    stub = Stub("a", journal, OK)
    with pytest.raises(LedgerError):
        send(journal, stub)
    assert stub.attempts == []


@pytest.mark.parametrize(
    "error",
    [
        UnclearAnswerError("x"),
        AccessDeniedError("x"),
        ValidationError("x"),
    ],
)
def test_what_is_final_is_not_tried_elsewhere(journal: Journal, error) -> None:
    """An unclear or final answer ends the sending: another one might run it twice."""
    second = Stub("b", journal, OK)
    with pytest.raises(type(error)) as caught:
        send(journal, Stub("a", journal, error), second)
    assert second.attempts == []
    assert caught.value.instance == "a"
    assert caught.value.job_id == "j"


@pytest.mark.parametrize(
    "error",
    [
        UnreachableError("x"),
        BusyError("x"),
        ServerFaultError("x"),
        BadAnswerError("x"),
        MissingNodeError("x"),
        OutOfMemoryError("x"),
    ],
)
def test_what_may_go_elsewhere_does(journal: Journal, error) -> None:
    """An instance's own trouble is not another's."""
    placed, _ = send(journal, Stub("a", journal, error), Stub("b", journal, OK))
    assert placed.transport.name == "b"


def test_a_round_without_an_answer_is_repeated(journal: Journal) -> None:
    """Instances that are all down are tried three times, with pauses."""
    stub = Stub("a", journal, UnreachableError("x"))
    with pytest.raises(UnreachableError):
        send(journal, stub)
    assert len(stub.attempts) == 3


def test_busy_is_asked_until_the_time_is_over(journal: Journal) -> None:
    """Busy instances are asked again by their own word, within the queue's time."""
    stub = Stub("a", journal, BusyError("x", retry_after=10))
    with pytest.raises(BusyError):
        send(journal, stub, queue_s=45)
    assert 3 <= len(stub.attempts) <= 5


@pytest.mark.parametrize(
    "error", [UnreachableError("x"), ServerFaultError("x"), BadAnswerError("x")]
)
def test_a_patient_sender_goes_on(journal: Journal, error) -> None:
    """What nobody waits for is tried until its time is over: servers come back."""
    stub = Stub("a", journal, *[error] * 8, OK)
    placed, _ = send(journal, stub, options=Options(patient=True))
    assert placed.transport is stub
    with pytest.raises(type(error)):
        send(journal, Stub("a", journal, error), options=Options(patient=True))


def test_where_it_came_to_nothing_is_tried_last(journal: Journal) -> None:
    """Another instance is asked first; with no other, the same one again."""
    first, second = Stub("a", journal, OK), Stub("b", journal, OK)
    placed, _ = send(journal, first, second, options=Options(last=first))
    assert placed.transport is second
    placed, _ = send(journal, first, options=Options(last=first))
    assert placed.transport is first


class TestPausing:
    """Between two tries, a job may be cancelled or its client closed."""

    @pytest.fixture
    def sending(self, journal: Journal):
        """A job that waits for a busy server, as a future."""
        clock = FakeClock()
        workflow = Workflow.from_graph(GRAPH)
        course = Course(
            "j", workflow, clock=clock, total_s=300, queue_s=300, silence_s=100
        )
        stub = Stub("a", journal, BusyError("x", retry_after=100), OK)
        router = Router([Berth(stub)], clock=clock)
        dispatcher = dispatcher_of(router, journal, clock)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(
                dispatcher.send, course, DEMAND, Options(), follower=course
            )
            clock.await_sleepers(1)
            yield course, dispatcher, future
        assert len(stub.attempts) == 1

    def test_cancelled(self, sending) -> None:
        """A cancelled job is not sent."""
        course, dispatcher, future = sending
        course.cancel_asked = True
        dispatcher.wake()
        with pytest.raises(JobCancelledError):
            future.result(20)

    def test_closed(self, sending) -> None:
        """A closed client sends nothing more."""
        _, dispatcher, future = sending
        dispatcher.close()
        with pytest.raises(ClosedError):
            future.result(20)


def test_busy_then_taken(journal: Journal) -> None:
    """The pause is as long as the server asked for."""
    stub = Stub("a", journal, BusyError("x", retry_after=25), OK)
    _, clock = send(journal, stub)
    assert clock.monotonic() >= 25
    assert len(stub.attempts) == 2


def test_the_more_telling_refusal_is_told(journal: Journal) -> None:
    """That one lacks a node says more than that another is down."""
    down = Stub("a", journal, UnreachableError("x"))
    with pytest.raises(MissingNodeError):
        send(journal, down, Stub("b", journal, MissingNodeError("x")))
    with pytest.raises(MissingNodeError):
        send(journal, Stub("b", journal, MissingNodeError("x")), down)


def test_an_unfit_instance_is_passed_over(journal: Journal) -> None:
    """Whatever is wrong there; nothing is written down of it, as nothing was sent."""
    unfit, fit = Stub("a", journal, OK), Stub("b", journal, OK)
    placed, _ = send(journal, unfit, fit, checker=Check(a=1))
    assert placed.transport is fit
    assert unfit.attempts == []
    assert [step[:2] for step in journal.steps if step[0] == "attempt"] == [
        ("attempt", "b")
    ]


def test_where_all_are_unfit_the_job_fails_at_once(journal: Journal) -> None:
    """What is wrong with the graph does not pass with time."""
    stub = Stub("a", journal, OK)
    with pytest.raises(ValidationError, match="unfit") as caught:
        send(journal, stub, checker=Check(a=2))
    assert caught.value.job_id == "j"
    assert journal.steps == []


def test_a_patient_sender_waits_for_the_fit_one(journal: Journal) -> None:
    """One that is down may come back, and run what the others would not."""
    fit = Stub("a", journal, *[UnreachableError("x")] * 5, OK)
    unfit = Stub("b", journal, OK)
    placed, _ = send(
        journal,
        fit,
        unfit,
        checker=Check(b=1000),
        options=Options(patient=True),
    )
    assert placed.transport is fit


def test_the_graph_names_files_as_they_are_stored(journal: Journal) -> None:
    """Uploaded inputs stand in the graph under the server's name for them."""
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": "c/x.png"}}}
    file = InputFile("c/x.png", "0", 1, b"x")
    stub = Stub("a", journal, OK)
    send(journal, stub, workflow=Workflow(graph, files=[file]))
    sent = stub.attempts[0].workflow.graph["1"]
    assert sent["inputs"]["image"] == "moved/x.png"


def test_each_job_saves_into_its_own_folder(journal: Journal) -> None:
    """The folder names environment, template and job; the job's digest does not."""
    graph = {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "card"}}}
    stub = Stub("a", journal, OK)
    workflow = Workflow(graph, template="trip-postcard@1.0.0", own_prefix=False)
    send(journal, stub, workflow=workflow)
    attempt = stub.attempts[0]
    sent = attempt.workflow.graph["1"]["inputs"]["filename_prefix"]
    assert sent == "e/trip-postcard/j/card"
    assert attempt.provenance["digest"] == workflow.digest


def test_provenance_holds_no_more_than_it_says(journal: Journal) -> None:
    """What goes into the picture is known: ids, names, digest, seed, time."""
    stub = Stub("a", journal, OK)
    send(journal, stub)
    assert set(stub.attempts[0].provenance) == {
        "job_id",
        "template",
        "digest",
        "seed",
        "environment",
        "instance",
        "submitted_at",
    }
