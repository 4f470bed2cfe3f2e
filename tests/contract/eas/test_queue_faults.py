"""A queue whose gateway, watch or client breaks at every point."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from comfyclient.errors import (
    JobCancelledError,
    UnreachableError,
)
from comfyclient.jobs.course import JobStatus
from comfyclient.testing import FaultProxy, Reply
from comfyclient.testing.eas_inference import instant, usual_frames
from comfyclient.timing import Deadline

from .queueing import PATIENCE, Queueing, all_once, end_of


@pytest.fixture
def proxy(queueing: Queueing) -> Iterator[FaultProxy]:
    """What breaks the connections between a client and the gateway."""
    with FaultProxy(queueing.gateway.url) as proxy:
        yield proxy


@pytest.mark.parametrize("broken", [b"", b"\x0a", b"[]", b"\x08\x01\x1a\x7f", b"\xff"])
def test_a_frame_that_is_none(
    watching: Queueing, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be decoded is asked for by its request's id."""
    watching.gateway.on_watch = lambda message: broken
    transport = watching.transport()
    course, ticket = watching.send(transport)
    watching.await_that(lambda: watching.gateway.sink.put_count == 1)
    register = transport._reading().following.register
    register.hasten(register.find(ticket.attempt_id, None))
    assert course.await_end(Deadline(PATIENCE)).error is None
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]
    watching.await_empty()


# -- connections


@pytest.mark.parametrize("count", [10, 150, 260, 400])
def test_cut_within_a_frame(queueing: Queueing, proxy: FaultProxy, count: int) -> None:
    """What broke off comes again, whole, on the next connection."""
    transport = queueing.transport(proxy.url)
    queueing.gateway.workers.hold()
    course, _ = queueing.send(transport)
    proxy.cut_after(count)
    proxy.cut_now()
    queueing.gateway.workers.go_on()
    queueing.await_that(lambda: queueing.gateway.sink.put_count == 1)
    proxy.behave()
    assert course.await_end(Deadline(PATIENCE)).error is None
    queueing.await_empty()
    all_once(queueing, 1)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_cut_at_every_byte(queueing: Queueing, proxy: FaultProxy) -> None:
    """Wherever a connection ends in a result, an answer or a deletion: none is lost."""
    transport = queueing.transport(proxy.url)
    for count in range(700):
        watch = transport._reading().watch
        if watch is not None and count:
            queueing.await_that(lambda watch=watch: watch.open)
        queueing.gateway.workers.hold()
        course, _ = queueing.send(transport)
        proxy.cut_after(count)
        queueing.gateway.workers.go_on()
        queueing.await_that(lambda n=count: queueing.gateway.sink.put_count == n + 1)
        proxy.behave()
        assert course.await_end(Deadline(PATIENCE)).error is None, count
    queueing.await_empty()
    all_once(queueing, 700)


def test_cut_again_and_again(watching: Queueing) -> None:
    """Watches that end after each result lose none."""
    transport = watching.transport()
    sent = [watching.send(transport) for _ in range(6)]
    for course, _ in sent:
        watching.gateway.cut_watchers(resets=True)
        assert course.await_end(Deadline(PATIENCE)).error is None
    watching.await_empty()
    all_once(watching, 6)


def test_a_watch_that_went_dead(watching: Queueing) -> None:
    """A connection that answers no ping is given up, and another one made."""
    with FaultProxy(watching.gateway.url) as proxy:
        transport = watching.transport(proxy.url)
        watch = transport._reading().watch
        watch._line.ping_every = 0.05
        watching.done(transport)
        watching.await_that(lambda: watch.open)
        proxy.stall()
        watching.await_that(lambda: not watch.open)
        proxy.behave()
        watching.await_that(lambda: watch.open)
        assert watching.done(transport).status is JobStatus.SUCCEEDED
    all_once(watching, 2)


@pytest.mark.parametrize("reply", [Reply(502), Reply(503), Reply.lost(acts=False)])
def test_a_gateway_in_trouble(queueing: Queueing, reply: Reply) -> None:
    """Reads that fail are made again; what is not deleted at once is deleted later."""
    gateway = queueing.gateway
    transport = queueing.transport()
    course, _ = queueing.send(transport)
    gateway.answer("GET sink", reply, reply)
    gateway.answer("DELETE sink", reply)
    gateway.answer("WATCH sink", reply)
    assert course.await_end(Deadline(PATIENCE)).error is None
    queueing.await_empty()


@pytest.mark.parametrize("resets", [True, False])
def test_kept_connections_that_end(queueing: Queueing, resets: bool) -> None:
    """A gateway drops what was idle without a word: a job sent then runs once, or not.

    Where it does not, that is certain, and it may be sent again.
    """
    transport = queueing.transport()
    for jobs in range(1, 4):
        try:
            verdict = end_of(queueing, transport)
        except UnreachableError:
            verdict = end_of(queueing, transport)
        assert verdict.error is None
        queueing.await_empty()
        assert queueing.gateway.input.put_count == jobs
        queueing.gateway.cut_connections(resets=resets)


# -- others


@pytest.mark.parametrize("groups", [("ours", "ours"), ("ours", "theirs")])
def test_two_clients(queueing: Queueing, groups: tuple[str, str]) -> None:
    """In one group or in two: each client gets the results of its own jobs."""
    clients = [queueing.transport(group=group) for group in groups]
    queueing.gateway.workers.hold()
    sent = []
    for _ in range(4):
        for client in clients:
            course, ticket = queueing.send(client)
            queueing.open_tasks.add(ticket.attempt_id)
            sent.append((client, course, ticket))
    queueing.gateway.workers.go_on()
    queueing.await_that(lambda: queueing.gateway.sink.put_count == 8)
    for client, course, ticket in sent:
        register = client._reading().following.register
        task = register.find(ticket.attempt_id, None)
        if task is not None:
            register.hasten(task)  # the other one may have been handed its result
        assert course.await_end(Deadline(PATIENCE)).error is None
    queueing.await_empty()
    all_once(queueing, 8)


def test_a_full_sink(queueing: Queueing) -> None:
    """Results are taken, so the service goes on."""
    queueing.gateway.sink.max_length = 2
    transport = queueing.transport()
    sent = [queueing.send(transport) for _ in range(8)]
    for course, _ in sent:
        assert course.await_end(Deadline(PATIENCE)).error is None
    queueing.await_empty()
    all_once(queueing, 8)


def test_a_sink_that_fills_up_is_told(
    queueing: Queueing, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody else's results stop the service: that is said before."""
    queueing.gateway.sink.max_length = 2
    queueing.gateway.sink.put(b"[]", {})
    queueing.gateway.sink.put(b"[]", {})
    queueing.transport().probe(deadline=Deadline(PATIENCE))
    assert "the sink holds 2 of about 2 results" in caplog.text


# -- crashes: an end that is not acknowledged was not written down


def test_a_crash_before_the_end_is_written_down(queueing: Queueing) -> None:
    """The result comes again, and the next process takes it."""
    first = queueing.transport()
    course, ticket = queueing.send(first, queueing.course(keeps=False))
    queueing.open_tasks.add(ticket.attempt_id)
    assert course.await_end(Deadline(PATIENCE)).error is None
    first.close()
    assert len(queueing.gateway.sink.frames) == 1

    again = queueing.course()
    queueing.transport().follow(ticket, again.workflow, again)
    assert again.await_end(Deadline(PATIENCE)).error is None
    queueing.await_empty()
    all_once(queueing, 2)


def test_a_crash_after_the_end_was_written_down(queueing: Queueing) -> None:
    """The result comes again, and the next process drops it."""
    first = queueing.transport()
    course, ticket = queueing.send(first, queueing.course(keeps=False))
    course.await_end(Deadline(PATIENCE))
    first.close()
    queueing.over_tasks.add(ticket.attempt_id)
    assert len(queueing.gateway.sink.frames) == 1

    second = queueing.transport()
    assert queueing.done(second).status is JobStatus.SUCCEEDED
    second._reading().following._sweep_at = 0
    queueing.await_empty()
    all_once(queueing, 2)


def test_a_job_that_ran_although_it_was_cancelled(queueing: Queueing) -> None:
    """An instance took it between the look and the deletion: its result is dropped."""
    gateway = queueing.gateway
    gateway.workers.hold()
    transport = queueing.transport()
    course, ticket = queueing.send(transport)
    course.cancel_asked = True
    request = next(iter(gateway.input.frames.values()))
    transport.cancel(ticket, deadline=Deadline(PATIENCE))
    assert isinstance(course.verdict.error, JobCancelledError)
    queueing.over_tasks.add(ticket.attempt_id)
    ((tags, data),) = usual_frames(request, instant(request))
    gateway.sink.put(data, tags)
    gateway.workers.go_on()
    assert queueing.done(transport).status is JobStatus.SUCCEEDED
    transport._reading().following._sweep_at = 0
    queueing.await_empty()
