"""Whatever happens to frames and connections, each job ends once, and rightly."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator

import pytest

from comfyclient.errors import (
    BadResultError,
    ExecutionError,
    JobCancelledError,
    JobInterruptedError,
    JobTimeoutError,
    OutOfMemoryError,
    UnreachableError,
    ValidationError,
)
from comfyclient.jobs.course import JobStatus
from comfyclient.testing import FaultProxy, Produced, QueueFrame, Reply
from comfyclient.testing.eas_frames import PROTOBUF, as_json, encoded_list
from comfyclient.testing.eas_inference import instant, usual_frames
from comfyclient.timing import Deadline
from comfyclient.transports.eas_queue import EasQueueTransport

from .queueing import PATIENCE, Queueing


@pytest.fixture
def proxy(queueing: Queueing) -> Iterator[FaultProxy]:
    """What breaks the connections between a client and the gateway."""
    with FaultProxy(queueing.gateway.url) as proxy:
        yield proxy


def end_of(queueing: Queueing, transport: EasQueueTransport):
    """How a job ends; there is one end, and nothing is left in the queues."""
    course, ticket = queueing.send(transport)
    verdict = course.await_end(Deadline(PATIENCE))
    queueing.over_tasks.add(ticket.attempt_id)
    return verdict


def all_once(queueing: Queueing, jobs: int) -> None:
    """Every job ended, and no job ended twice."""
    assert sorted(queueing.ends.values()) == [1] * jobs


# -- what becomes of frames


def test_a_result_that_comes_twice(queueing: Queueing) -> None:
    """The queue hands out at least once: the second one is dropped."""
    queueing.gateway.workers.sending = lambda request, produced: [
        *usual_frames(request, produced),
        *usual_frames(request, produced),
    ]
    transport = queueing.transport()
    for _ in range(3):
        assert end_of(queueing, transport).error is None
    transport._reading().following._sweep_at = 0
    queueing.await_empty()
    all_once(queueing, 3)


def test_results_without_the_tasks_tag(queueing: Queueing) -> None:
    """The request's id tells whose they are, twice as well."""
    queueing.gateway.workers.sending = lambda request, produced: (
        [({"requestId": request.request_id}, produced.body)] * 2
    )
    transport = queueing.transport()
    queueing.gateway.workers.hold()  # before the answer, nobody knows the request
    course, _ = queueing.send(transport)
    queueing.gateway.workers.go_on()
    assert course.await_end(Deadline(PATIENCE)).error is None
    transport._reading().following._sweep_at = 0
    assert end_of(queueing, transport).error is None
    queueing.await_empty()


@pytest.mark.parametrize("form", ["gzip", "protobuf"])
def test_other_forms_of_an_answer(queueing: Queueing, form: str) -> None:
    """A gateway may compress what it passes on, a queue answer as its SDK asks."""
    queueing.gateway.workers.hold()
    queueing.gateway.always("WATCH sink", Reply(404))
    transport = queueing.transport()
    course, ticket = queueing.send(transport)
    (request,) = queueing.gateway.input.frames.values()
    frame = QueueFrame(7, instant(request).body, {"task_id": ticket.attempt_id})
    shown = {
        "gzip": Reply(
            200,
            gzip.compress(json.dumps(as_json([frame])).encode()),
            {"Content-Encoding": "gzip", "Content-Type": "application/json"},
        ),
        "protobuf": Reply(200, encoded_list([frame]), {"Content-Type": PROTOBUF}),
    }
    queueing.gateway.always("GET sink", shown[form])
    register = transport._reading().following.register
    queueing.gateway.input.delete([request.index])
    register.hasten(register.find(ticket.attempt_id, None))
    assert course.await_end(Deadline(PATIENCE)).error is None


def test_a_job_that_ran_twice(queueing: Queueing) -> None:
    """Two results with other files: the first one counts."""
    queueing.gateway.workers.sending = lambda request, produced: [
        *usual_frames(request, produced),
        *usual_frames(request, Produced(b'[{"2":{"images":[{"filename":"b"}]}}]')),
    ]
    transport = queueing.transport()
    verdict = end_of(queueing, transport)
    assert verdict.outputs["2"].refs[0].filename.endswith("_2_.png")
    transport._reading().following._sweep_at = 0
    queueing.await_empty()


def test_a_result_that_comes_late(queueing: Queueing) -> None:
    """After the job's time: it is dropped, and the next job is not disturbed."""
    queueing.gateway.workers.hold()
    transport = queueing.transport()
    course, ticket = queueing.send(transport, queueing.course(total_s=0.2))
    assert isinstance(course.await_end(Deadline(PATIENCE)).error, JobTimeoutError)
    queueing.over_tasks.add(ticket.attempt_id)
    queueing.gateway.workers.go_on()
    queueing.await_that(lambda: queueing.gateway.sink.put_count == 1)
    assert end_of(queueing, transport).error is None
    transport._reading().following._sweep_at = 0
    queueing.await_empty()
    all_once(queueing, 2)


def test_a_result_that_never_comes(queueing: Queueing) -> None:
    """An empty answer gives no frame: the deadline ends the job and says so."""
    queueing.gateway.workers.inference = lambda request: None
    course, _ = queueing.send(queueing.transport(), queueing.course(total_s=0.3))
    error = course.await_end(Deadline(PATIENCE)).error
    assert isinstance(error, JobTimeoutError)
    if queueing.results == "poll":  # it has looked by then
        assert "the sink has no result of it" in str(error)
    all_once(queueing, 1)


def test_an_empty_queue_is_no_sign_of_life(queueing: Queueing) -> None:
    """A task that may still wait there is told of; one that cannot is not."""
    queueing.gateway.workers.hold()
    transport = queueing.transport()
    course, _ = queueing.send(transport)
    for told in (True, False):
        transport._reading().http._attributes.clear()
        before = course.signs
        transport._reading().following._signs_of_life()
        assert (course.signs > before) is told
        queueing.gateway.input.delete([1])


def test_results_in_another_order(queueing: Queueing) -> None:
    """Each result finds its own job."""
    kept: list = []

    def backwards(request: QueueFrame, produced: Produced | None):
        kept.extend(usual_frames(request, produced))
        return list(reversed(kept)) if len(kept) == 4 else []

    queueing.gateway.workers.sending = backwards
    transport = queueing.transport()
    sent = [queueing.send(transport) for _ in range(4)]
    for course, ticket in sent:
        refs = course.await_end(Deadline(PATIENCE)).outputs["2"].refs
        assert refs[0].filename == f"{ticket.attempt_id}_2_.png"
    queueing.await_empty()
    all_once(queueing, 4)


def test_somebody_elses_results_are_left(queueing: Queueing) -> None:
    """They are neither taken nor lost, and more of them than the window holds no up."""
    sink = queueing.gateway.sink
    for number in range(6):
        sink.put(b"[]", {"task_id": f"foreign-{number}"})
    transport = queueing.transport(window=4)
    for _ in range(3):
        assert end_of(queueing, transport).error is None
    queueing.await_that(lambda: len(sink.frames) == 6)
    assert {f.tags["task_id"][:7] for f in sink.frames.values()} == {"foreign"}
    assert not {index for index in sink.commits if index <= 6}


def test_somebody_elses_results_are_passed(watching: Queueing) -> None:
    """Our group is done with them, and the others' groups still get them."""
    sink = watching.gateway.sink
    sink.join("theirs", "somebody", window=9)
    for number in range(6):
        sink.put(b"[]", {"task_id": f"foreign-{number}"})
    transport = watching.transport(window=4, unknown_results="pass")
    assert end_of(watching, transport).error is None
    watching.await_that(lambda: len(sink.commits) >= 6)
    assert len([f for f in sink.frames.values() if f.data == b"[]"]) == 6


def test_somebody_elses_results_are_parked(queueing: Queueing) -> None:
    """They are on the disk before they leave the sink; whoever follows one gets it."""
    queueing.gateway.workers.hold()
    first = queueing.transport()
    course, ticket = queueing.send(first)
    first.close()
    queueing.gateway.workers.go_on()
    queueing.await_that(lambda: queueing.gateway.sink.put_count == 1)

    second = queueing.transport(unknown_results="park")
    assert end_of(queueing, second).error is None
    second._reading().following._sweep_at = 0
    queueing.await_empty()
    assert len(list((queueing.folder / "parked" / "queue").iterdir())) == 1
    again = queueing.course()
    second.follow(ticket, again.workflow, again)
    assert again.await_end(Deadline(PATIENCE)).error is None
    assert not list((queueing.folder / "parked" / "queue").iterdir())
    assert not course.status.final


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"", BadResultError, "not JSON"),
        (b"not json", BadResultError, "begins 'not json'"),
        (b"\xff\xfe\x00", BadResultError, "not JSON"),
        (b"[" * 100_000, BadResultError, "not JSON"),
        (b"[]", BadResultError, "no output at all"),
        (b"[{}]", BadResultError, "no output at all"),
        (b"[1, 2]", BadResultError, "not a list of objects"),
        (b'[{"type":"execution_interrupted","data":{}}]', JobInterruptedError, ""),
        (
            b'[{"type":"execution_error","data":{"node_id":"1","exception_type":"E",'
            b'"exception_message":"color: too red"}}]',
            ExecutionError,
            "node 1 (EmptyImage) raised E: color: too red",
        ),
        (
            b'{"error":{"type":"x","message":"m","details":""},"node_errors":{"1":'
            b'{"errors":[{"type":"t","message":"m","details":"d","extra_info":'
            b'{"input_name":"width"}}],"class_type":"EmptyImage"}}}',
            ValidationError,
            "width",
        ),
    ],
)
def test_a_result_that_is_none(
    watching: Queueing, data: bytes, kind: type, words: str
) -> None:
    """Whatever cannot be a result is a failure, with what is known of it."""
    watching.gateway.workers.sending = lambda request, produced: [
        (dict(request.tags), data)
    ]
    error = end_of(watching, watching.transport()).error
    assert type(error) is kind
    assert words in str(error)
    watching.await_empty()


@pytest.mark.parametrize(
    ("code", "body", "kind", "words"),
    [
        ("500", b"Internal Server Error", ExecutionError, "answered 500: Internal"),
        ("500", b"CUDA out of memory", OutOfMemoryError, "out of memory"),
        ("504", b"\xff", ExecutionError, "answered 504"),
        ("", b"[]", ExecutionError, "answered"),
        (
            "400",
            json.dumps(
                {"error": {"type": "prompt_no_outputs", "message": "no outputs"},
                 "node_errors": {}}
            ).encode(),
            ValidationError,
            "no outputs",
        ),
    ],
)  # fmt: skip
def test_a_failed_call(
    watching: Queueing, code: str, body: bytes, kind: type, words: str
) -> None:
    """A tag says that the inference did not answer 200; its words are kept."""
    watching.gateway.workers.sending = lambda request, produced: [
        ({**request.tags, "lastCode": code}, body)
    ]
    error = end_of(watching, watching.transport()).error
    assert type(error) is kind
    assert words in str(error)


def test_a_result_from_the_cache(queueing: Queueing) -> None:
    """The aggregate alone is a result, too; nothing was executed."""
    body = json.dumps([{"2": {"images": [{"filename": "a.png"}], "animated": [True]}}])
    queueing.gateway.workers.inference = lambda request: Produced(body.encode())
    verdict = end_of(queueing, queueing.transport())
    assert verdict.error is None
    assert verdict.cached_nodes == ("2",)
    assert verdict.outputs["2"].refs[0].filename == "a.png"


def test_a_huge_result(queueing: Queueing) -> None:
    """Megabytes arrive whole."""
    text = "x" * (3 << 20)
    body = json.dumps([{"2": {"images": [{"filename": "a"}], "text": [text]}}])
    queueing.gateway.workers.inference = lambda request: Produced(body.encode())
    verdict = end_of(queueing, queueing.transport())
    assert verdict.outputs["2"].values == {"text": [text]}


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
