"""A job's way through the queue of an API edition."""

from __future__ import annotations

import json
import logging

import pytest

from comfyclient.errors import (
    AccessDeniedError,
    BadAnswerError,
    BusyError,
    ConfigError,
    NotOfferedError,
    TooLargeError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.events import Finished, NodeOutput, Queued, Started
from comfyclient.files.refs import OutputRef
from comfyclient.jobs.course import JobStatus
from comfyclient.testing import Reply
from comfyclient.testing.bench import events_of
from comfyclient.timing import Deadline
from comfyclient.transports.base import Attempt
from comfyclient.workflow import InputFile, Workflow

from .queueing import PATIENCE, Queueing


def test_a_job_is_done(queueing: Queueing) -> None:
    """It is queued, its outputs are told, and nothing of it stays in the queues."""
    course = queueing.done(queueing.transport())

    assert course.status is JobStatus.SUCCEEDED, course.verdict.error
    events = events_of(course)
    assert isinstance(events[0], Queued)
    assert isinstance(events[-1], Finished)
    shown = [event for event in events if isinstance(event, NodeOutput)]
    assert [ref.filename.endswith("_2_.png") for ref in shown[0].refs] == [True]
    queueing.await_empty()
    assert set(queueing.ends.values()) == {1}


def test_what_the_queue_is_sent(queueing: Queueing) -> None:
    """The bare graph as short JSON, named by its task, read by who we are."""
    transport = queueing.transport()
    course, ticket = queueing.send(transport)
    course.await_end(Deadline(PATIENCE))

    request = next(r for r in queueing.gateway.requests if r.method == "POST")
    assert request.query == {"task_id": ticket.attempt_id}
    assert (
        request.body
        == json.dumps(course.workflow.graph, separators=(",", ":")).encode()
    )
    assert request.headers["authorization"] == "secret"
    assert request.headers["x-eas-queueservice-redis-gid"] == "ours"
    assert ticket.receipt.keys() == {"index", "request_id"}
    assert ticket.prompt_id == ticket.attempt_id


def test_its_place_in_the_queue(queueing: Queueing) -> None:
    """Those before it are counted; that an instance took it means that it runs."""
    queueing.gateway.workers.hold()
    transport = queueing.transport()
    sent = [queueing.send(transport) for _ in range(3)]
    last, ticket = sent[-1]
    following = transport._reading().following

    following.register.hasten(following.register.find(ticket.attempt_id, None))
    queueing.await_that(lambda: last.position == 2)
    probe = transport.probe(deadline=Deadline(PATIENCE))
    assert (probe.queue_remaining, probe.version) == (3, None)
    assert probe.features == frozenset()
    assert transport.backlog == 3
    queueing.gateway.workers.go_on()
    assert all(c.await_end(Deadline(PATIENCE)).error is None for c, _ in sent)


def test_it_runs_while_an_instance_has_it(queueing: Queueing) -> None:
    """That is the one step of its work that can be known."""
    gateway = queueing.gateway
    gateway.workers.close()
    gateway.input.closed = gateway.sink.closed = False
    transport = queueing.transport()
    course, ticket = queueing.send(transport)
    gateway.input.take(gateway.input.join("inference", "by hand"))
    register = transport._reading().following.register
    register.hasten(register.find(ticket.attempt_id, None))
    queueing.await_that(lambda: course.status is JobStatus.RUNNING)
    with pytest.raises(NotOfferedError, match="no way to stop"):
        transport.cancel(ticket, deadline=Deadline(PATIENCE))
    assert Started() in course._log


def test_cancelled_while_it_waits(queueing: Queueing) -> None:
    """It is taken out of the queue, and never runs."""
    queueing.gateway.workers.hold()
    transport = queueing.transport()
    course, ticket = queueing.send(transport)
    course.cancel_asked = True
    transport.cancel(ticket, deadline=Deadline(PATIENCE))
    assert course.status is JobStatus.CANCELLED
    queueing.gateway.workers.go_on()
    assert queueing.done(transport).status is JobStatus.SUCCEEDED
    assert queueing.gateway.sink.put_count == 1


def test_cancelled_when_it_is_done(queueing: Queueing) -> None:
    """What is done stays done."""
    transport = queueing.transport()
    course, ticket = queueing.send(transport)
    course.await_end(Deadline(PATIENCE))
    queueing.await_empty()
    transport.cancel(ticket, deadline=Deadline(PATIENCE))
    assert course.status is JobStatus.SUCCEEDED


def test_another_process_goes_on(queueing: Queueing) -> None:
    """By what the ticket holds; the first one takes nothing from it."""
    queueing.gateway.workers.hold()
    first = queueing.transport()
    course, ticket = queueing.send(first)
    queueing.open_tasks.add(ticket.attempt_id)
    first.forget(ticket)
    again = queueing.course()
    second = queueing.transport()
    second.follow(ticket, again.workflow, again)
    queueing.gateway.workers.go_on()
    assert again.await_end(Deadline(PATIENCE)).error is None
    assert not course.status.final


# -- submits


@pytest.mark.parametrize("arrives", [True, False])
def test_a_lost_answer(queueing: Queueing, arrives: bool) -> None:
    """Both queues are asked: it is followed if it arrived, and refused if not."""
    queueing.gateway.answer("POST input", Reply.lost(acts=arrives))
    transport = queueing.transport()
    if arrives:
        assert queueing.done(transport).status is JobStatus.SUCCEEDED
    else:
        with pytest.raises(UnreachableError, match="did not arrive"):
            queueing.send(transport)
    assert queueing.gateway.sink.put_count == int(arrives)
    assert queueing.gateway.asked["POST input"] == 1


def test_a_lost_answer_to_a_job_that_waits(queueing: Queueing) -> None:
    """It is found in the input queue, with its index, so that it can be cancelled."""
    queueing.gateway.workers.hold()
    queueing.gateway.answer("POST input", Reply(504, acts=True))
    transport = queueing.transport()
    course, ticket = queueing.send(transport)
    assert ticket.receipt["index"] == "1"
    found = transport.find(ticket.attempt_id, deadline=Deadline(PATIENCE))
    assert found == ticket
    queueing.gateway.workers.go_on()
    assert course.await_end(Deadline(PATIENCE)).error is None


def test_an_answer_lost_for_good(queueing: Queueing) -> None:
    """Where the queues cannot be asked, nothing is claimed and nothing sent again."""
    queueing.gateway.workers.hold()
    queueing.gateway.always("POST input", Reply.lost(acts=True))
    queueing.gateway.always("GET input", Reply(500))
    queueing.gateway.always("GET sink", Reply(500))
    with pytest.raises(UnclearAnswerError, match="could not be asked"):
        queueing.send(queueing.transport())
    assert queueing.gateway.asked["POST input"] == 1


def test_a_queue_that_looks_for_no_tags(queueing: Queueing) -> None:
    """A frame of somebody else proves nothing of ours."""
    queueing.gateway.workers.hold()
    queueing.gateway.input.put(b"{}", {"task_id": "somebody's"})
    transport = queueing.transport()
    foreign = json.dumps([{"index": 1, "tags": {"task_id": "other"}, "data": ""}])
    queueing.gateway.always("GET input", Reply(200, foreign.encode()))
    with pytest.raises(UnclearAnswerError, match="look for tags"):
        transport.find("mine", deadline=Deadline(PATIENCE))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b'{"code":"Unauthorized","message":"Invalid token"}', AccessDeniedError),
        (404, b"404 page not found", BadAnswerError),
        (429, b"too many", BusyError),
        (450, b"", BusyError),
        (503, b"no healthy upstream", BusyError),
    ],
)
def test_a_refused_submit(
    queueing: Queueing, status: int, body: bytes, error: type[Exception]
) -> None:
    """What the gateway says of itself is an error at once: nothing was queued."""
    queueing.gateway.always("POST input", Reply(status, body))
    with pytest.raises(error):
        queueing.send(queueing.transport())
    assert queueing.gateway.asked["POST input"] == 1
    assert queueing.gateway.asked["GET sink"] == 0


def test_a_graph_that_is_too_large(queueing: Queueing) -> None:
    """The queue's limit is known before anything is sent."""
    queueing.gateway.input.max_payload = 400
    transport = queueing.transport()
    queueing.done(transport)  # it fits
    graph = {"1": {"class_type": "A", "inputs": {"text": "x" * 400}}}
    attempt = Attempt("t", Workflow.from_graph(graph))
    course = queueing.course()
    with pytest.raises(TooLargeError, match="the queue takes 400") as caught:
        transport.submit(attempt, course, deadline=course.deadline)
    assert "storage" in caught.value.hint
    assert queueing.gateway.asked["POST input"] == 1


def test_titles_go_before_a_graph_is_refused(queueing: Queueing) -> None:
    """What only people read is left out where it is too much."""
    queueing.gateway.input.max_payload = 300
    node = {"class_type": "SaveImage", "inputs": {}, "_meta": {"title": "长" * 200}}
    attempt = Attempt("t", Workflow.from_graph({"2": node}))
    course = queueing.course()
    queueing.transport().submit(attempt, course, deadline=course.deadline)
    assert course.await_end(Deadline(PATIENCE)).error is None


def test_a_queue_that_tells_nothing_of_itself(queueing: Queueing) -> None:
    """Without attributes a job is sent and ends all the same; they are asked once."""
    gateway = queueing.gateway
    gateway.answer("GET input", Reply(400, b"what?"))
    transport = queueing.transport()
    transport.greet(deadline=Deadline(PATIENCE))
    assert queueing.done(transport).status is JobStatus.SUCCEEDED
    asked = [r for r in gateway.requests if r.query.get("_attrs_") == "true"]
    assert len(asked) == 1


def test_a_queue_that_tells_no_places(queueing: Queueing) -> None:
    """What it answers otherwise is all there is of a sign of life."""
    gateway = queueing.gateway
    gateway.workers.hold()
    transport = queueing.transport()
    course, ticket = queueing.send(transport)
    gateway.always("GET input", Reply(400, b"what?"))
    before = course.signs
    register = transport._reading().following.register
    register.hasten(register.find(ticket.attempt_id, None))
    queueing.await_that(lambda: course.signs > before)
    gateway.always("GET input", None)
    gateway.workers.go_on()
    assert course.await_end(Deadline(PATIENCE)).error is None


def test_what_an_api_edition_cannot_do(queueing: Queueing) -> None:
    """It is said with a remedy, and costs no request."""
    transport = queueing.transport()
    deadline = Deadline(PATIENCE)
    for call in (transport.relieve, transport.object_info):
        with pytest.raises(NotOfferedError) as caught:
            call(deadline=deadline)
        assert caught.value.hint
    assert not queueing.gateway.requests


def test_no_file_goes_through_a_queue(queueing: Queueing) -> None:
    """Pictures go by the storage; that is said before anything is sent."""
    transport = queueing.transport()
    file = InputFile("comfyclient/a.png", "a", 4, b"\x89PNG")
    ref = OutputRef("2", "images", "a.png")
    with pytest.raises(ConfigError, match="no file goes") as caught:
        transport.upload(file, deadline=Deadline(PATIENCE))
    assert "'oss' or 'mount'" in caught.value.hint
    with pytest.raises(ConfigError, match="no file goes"):
        transport.open(ref, Deadline(PATIENCE))
    assert not queueing.gateway.requests


def test_no_websocket_passes(
    watching: Queueing, caplog: pytest.LogCaptureFixture
) -> None:
    """The results are asked for; that no watch works is said once."""
    watching.gateway.always("WATCH sink", Reply(404, b"404 page not found"))
    transport = watching.transport()
    with caplog.at_level(logging.WARNING):
        assert watching.done(transport).status is JobStatus.SUCCEEDED
        watching.done(transport)
    told = [r for r in caplog.records if "no watch" in r.message]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("published", "sent"),
    [
        ("X-Reader-Group", "x-reader-group"),
        ("Authorization", "x-eas-queueservice-redis-gid"),
        ("X-A\r\nX-B", "x-eas-queueservice-redis-gid"),
    ],
)
def test_a_queue_that_names_its_own_headers(
    queueing: Queueing, published: str, sent: str
) -> None:
    """Its names are taken, with each request and the watch; never one of ours."""
    told = {"meta.header.group": published, "meta.header.user": "X-Reader"}
    queueing.gateway.answer("GET input", Reply.of_json(told))
    transport = queueing.transport()
    transport.greet(deadline=Deadline(PATIENCE))
    assert queueing.done(transport).verdict.error is None
    queueing.await_empty()
    later = queueing.gateway.requests[1:]
    assert {request.headers.get(sent) for request in later} == {"ours"}
    assert {request.headers.get("authorization") for request in later} == {"secret"}
    assert all(request.headers.get("x-reader") for request in later)
