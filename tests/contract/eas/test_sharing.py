"""The clients of a process share one reader of a service's results."""

from __future__ import annotations

from dataclasses import replace

import pytest

from comfyclient.errors import ClosedError, ComfyClientError
from comfyclient.events import Event
from comfyclient.jobs.course import Course
from comfyclient.timing import Deadline
from comfyclient.transports.base import Ticket, Verdict
from comfyclient.transports.eas_frames import Frame
from comfyclient.transports.eas_queue import EasQueueTransport
from comfyclient.transports.eas_reader import Readers

from .queueing import PATIENCE, Queueing

STRANGERS = {"awaited": lambda task_id: None}
"""Options of a client whose ledger knows nothing of the others' jobs."""


def left_behind(queueing: Queueing, client: EasQueueTransport) -> tuple[Course, Ticket]:
    """A job whose client heard its end, did not write it down, and is gone."""
    course, ticket = queueing.send(client, queueing.course(keeps=False))
    queueing.open_tasks.add(ticket.attempt_id)
    assert course.await_end(Deadline(PATIENCE)).error is None
    client.close()
    return course, ticket


def review(client: EasQueueTransport) -> None:
    """Have the reader look over the queues now, not some seconds later."""
    following = client._reading().following
    following._pulse_at = following._sweep_at = 0
    following._pulse()


def test_one_watch_for_all(watching: Queueing) -> None:
    """Three clients are one reader of the queue; each hears of its own jobs."""
    readers = Readers()
    clients = [watching.transport(readers=readers) for _ in range(3)]
    sent = [(watching.send(client)) for _ in range(3) for client in clients]
    for course, ticket in sent:
        refs = course.await_end(Deadline(PATIENCE)).outputs["2"].refs
        assert refs[0].filename == f"{ticket.attempt_id}_2_.png"
    watching.await_empty()
    assert watching.gateway.asked["WATCH sink"] == 1
    assert set(watching.ends.values()) == {1}


def test_the_last_one_closes_it(watching: Queueing) -> None:
    """Until then it reads on; who comes later gets a new one."""
    readers = Readers()
    sink = watching.gateway.sink
    first, second = (watching.transport(readers=readers) for _ in range(2))
    for client in (first, second):
        assert watching.done(client).verdict.error is None
    first.close()
    first.close()
    assert watching.done(second).verdict.error is None
    assert len(sink.groups["ours"].consumers) == 1
    second.close()
    watching.await_that(lambda: not sink.groups["ours"].consumers)
    third = watching.transport(readers=readers)
    assert watching.done(third).verdict.error is None
    assert watching.gateway.asked["WATCH sink"] == 2


def test_a_closed_client_hears_nothing(queueing: Queueing) -> None:
    """Its jobs are nobody's then, and it takes no new ones."""
    readers = Readers()
    gone, other = (queueing.transport(readers=readers) for _ in range(2))
    queueing.gateway.workers.hold()
    course, ticket = queueing.send(gone)
    queueing.open_tasks.add(ticket.attempt_id)
    gone.close()
    queueing.gateway.workers.go_on()
    assert queueing.done(other).verdict.error is None
    with pytest.raises(ClosedError):
        queueing.send(gone)
    assert not course.status.final
    queueing.await_that(lambda: len(queueing.gateway.sink.frames) == 1)


@pytest.mark.parametrize("other", [{}, STRANGERS], ids=["same ledger", "another"])
@pytest.mark.parametrize("unknown", ["leave", "park", "pass"])
def test_closed_before_the_end_is_written_down(
    queueing: Queueing, other: dict, unknown: str
) -> None:
    """The result stays, whatever the others know of it, and is taken when resumed."""
    shared = {"readers": Readers(), "unknown_results": unknown}
    stays = queueing.transport(**shared, **other)
    assert queueing.done(stays).verdict.error is None
    course, ticket = left_behind(queueing, queueing.transport(**shared))
    review(stays)
    assert queueing.done(stays).verdict.error is None

    again, second = queueing.course(), queueing.transport(**shared)
    second.follow(ticket, again.workflow, again)
    assert again.await_end(Deadline(PATIENCE)).error is None
    queueing.await_empty()
    assert queueing.ends[course.job_id] == queueing.ends[again.job_id] == 1


@pytest.mark.parametrize("other", [{}, STRANGERS], ids=["same ledger", "another"])
def test_closed_after_the_end_was_written_down(queueing: Queueing, other: dict) -> None:
    """The sink is rid of the result once somebody there knows that it is over."""
    readers = Readers()
    stays = queueing.transport(readers=readers, **other)
    assert queueing.done(stays).verdict.error is None
    _, ticket = left_behind(queueing, queueing.transport(readers=readers))
    queueing.open_tasks.discard(ticket.attempt_id)
    queueing.over_tasks.add(ticket.attempt_id)
    if other:
        review(stays)
        assert queueing.done(stays).verdict.error is None
        queueing.await_that(lambda: len(queueing.gateway.sink.frames) == 1)
    assert queueing.done(queueing.transport(readers=readers)).verdict.error is None
    review(stays)
    queueing.await_empty()


@pytest.mark.parametrize("other", [{}, STRANGERS], ids=["same ledger", "another"])
@pytest.mark.parametrize("unknown", ["leave", "park"])
def test_opened_while_results_arrive(
    queueing: Queueing, other: dict, unknown: str
) -> None:
    """Jobs that are resumed meanwhile get theirs, each once."""
    shared = {"readers": Readers(), "unknown_results": unknown, "window": 4}
    stays = queueing.transport(**shared, **other)
    queueing.gateway.workers.hold()
    first = queueing.transport(**shared)
    tickets = [queueing.send(first)[1] for _ in range(12)]
    queueing.open_tasks.update(ticket.attempt_id for ticket in tickets)
    first.close()
    own = [queueing.send(stays)[0] for _ in range(3)]
    queueing.gateway.workers.go_on()
    second, resumed = queueing.transport(**shared), []
    for ticket in tickets:
        course = queueing.course()
        second.follow(ticket, course.workflow, course)
        resumed.append(course)
    for course in (*resumed, *own):
        assert course.await_end(Deadline(PATIENCE)).error is None
    queueing.await_empty()
    assert sorted(queueing.ends.values()) == [1] * 15


def test_a_task_that_changes_hands(queueing: Queueing) -> None:
    """Who follows it last is told; that the first one forgets it changes nothing."""
    readers = Readers()
    first, second = (queueing.transport(readers=readers) for _ in range(2))
    queueing.gateway.workers.hold()
    course, ticket = queueing.send(first)
    again = queueing.course()
    second.follow(ticket, again.workflow, again)
    first.forget(ticket)
    first.close()
    queueing.gateway.workers.go_on()
    assert again.await_end(Deadline(PATIENCE)).error is None
    assert not course.status.final


@pytest.mark.parametrize("process", ["the same", "another"])
def test_followed_while_it_is_parked(queueing: Queueing, process: str) -> None:
    """Who looked in the folder too early finds it there with the next look."""
    park = {"readers": Readers(), "unknown_results": "park"}
    parks = queueing.transport(**park, **STRANGERS)
    queueing.gateway.workers.hold()
    first = queueing.transport(**park)
    _, ticket = queueing.send(first)
    first.close()
    follows = queueing.transport(**park)
    if process == "another":
        follows = queueing.transport(unknown_results="park")
    parking, again = parks._reading(starts=True).sorting._parking, queueing.course()
    original = parking.park

    def parked(frame: Frame) -> None:
        parking.park = original
        follows.follow(ticket, again.workflow, again)
        original(frame)

    parking.park = parked
    queueing.gateway.workers.go_on()
    queueing.await_that(lambda: queueing.gateway.sink.put_count == 1)
    if queueing.results == "poll":
        review(parks)
    queueing.await_that(lambda: parking.park == original)
    if process == "another":
        register = follows._reading().register
        while (task := register.find(ticket.attempt_id, None)) is not None:
            register.hasten(task)
            queueing.await_that(lambda task=task: task.over or task.due > 0)
    assert again.await_end(Deadline(PATIENCE)).error is None
    queueing.await_empty()


class Broken(Course):
    """A course whose every method raises."""

    def heard(self, event: Event) -> None:
        """A bug."""
        raise ZeroDivisionError

    def ended(self, verdict: Verdict) -> None:
        """Another one."""
        raise ZeroDivisionError

    def overdue(self, trouble: ComfyClientError | None) -> None:
        """And one more."""
        raise ZeroDivisionError


def test_a_bug_of_one_client(
    queueing: Queueing, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told in the log, and the others' jobs go on."""
    readers = Readers()
    bad, good = (queueing.transport(readers=readers) for _ in range(2))
    queueing.gateway.workers.hold()
    course, ticket = queueing.send(good)
    for total_s in (20.0, 0.05):
        broken = Broken(
            "j", course.workflow, total_s=total_s, queue_s=20.0, silence_s=20.0
        )
        bad.follow(replace(ticket, attempt_id=f"b{total_s}"), course.workflow, broken)
    queueing.await_that(lambda: "ZeroDivisionError" in caplog.text)
    queueing.gateway.workers.go_on()
    assert course.await_end(Deadline(PATIENCE)).error is None
    assert queueing.done(good).verdict.error is None


# -- where the way differs


def test_another_token(watching: Queueing) -> None:
    """Each has a reader of its own, which hands over what is the other's at once."""
    readers = Readers()
    sent = []
    clients = [watching.transport(readers=readers, headers={"X": n}) for n in "ab"]
    for client in clients:
        assert watching.done(client).verdict.error is None
    for _ in range(6):
        for client in clients:
            sent.append(watching.send(client))
    for course, ticket in sent:
        refs = course.await_end(Deadline(PATIENCE)).outputs["2"].refs
        assert refs[0].filename == f"{ticket.attempt_id}_2_.png"
    watching.await_empty()
    assert watching.gateway.asked["WATCH sink"] == 2
    assert watching.gateway.asked["GET sink"] == 0  # none had to be asked for
    assert set(watching.ends.values()) == {1}


def test_a_token_that_is_wrong(watching: Queueing) -> None:
    """Who has it hears that it is; the others are not disturbed."""
    readers = Readers()
    good = watching.transport(readers=readers)
    bad = watching.transport(readers=readers, token="wrong")
    assert watching.done(good).verdict.error is None
    with pytest.raises(Exception, match="token"):
        watching.send(bad)
    assert watching.done(good).verdict.error is None


def test_resumed_the_other_way(watching: Queueing) -> None:
    """A result in the hands of one reader goes to who resumes its job by another."""
    readers = Readers()
    stays = watching.transport(readers=readers, **STRANGERS)
    assert watching.done(stays).verdict.error is None
    watching.gateway.workers.hold()
    first = watching.transport(readers=readers)
    _, ticket = watching.send(first)
    first.close()
    watching.gateway.workers.go_on()
    watching.await_that(lambda: stays._reading().sorting.held)
    again = watching.course()
    second = watching.transport(readers=readers, headers={"X": "b"})
    second.follow(ticket, again.workflow, again)
    assert again.status.final
    watching.await_empty()


@pytest.mark.parametrize("groups", [("ours", "ours"), ("ours", "theirs")])
def test_asking_and_watching(watching: Queueing, groups: tuple[str, str]) -> None:
    """One polls, one watches: each has its own results, whatever the groups."""
    readers = Readers()
    clients = [
        watching.transport(readers=readers, group=group, results=results)
        for group, results in zip(groups, ("poll", "watch"), strict=True)
    ]
    sent = [watching.send(client) for _ in range(4) for client in clients]
    for course, _ in sent:
        assert course.await_end(Deadline(PATIENCE)).error is None
    watching.await_empty()
    assert sorted(watching.ends.values()) == [1] * 8
