"""Results that come twice, late, in disorder, as nothing, or for others."""

from __future__ import annotations

import gzip
import json

import pytest

from comfyclient.errors import (
    BadResultError,
    ExecutionError,
    JobInterruptedError,
    JobTimeoutError,
    OutOfMemoryError,
    ValidationError,
)
from comfyclient.testing import Produced, QueueFrame, Reply
from comfyclient.testing.eas_frames import PROTOBUF, as_json, encoded_list
from comfyclient.testing.eas_inference import instant, usual_frames
from comfyclient.timing import Deadline

from .queueing import PATIENCE, Queueing, all_once, end_of


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
    course, ticket = queueing.send(transport, queueing.course(total_s=1))
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
    course, _ = queueing.send(queueing.transport(), queueing.course(total_s=1))
    error = course.await_end(Deadline(PATIENCE)).error
    assert isinstance(error, JobTimeoutError)
    if queueing.results == "poll":  # it has looked by then, or was just looking
        said = "the sink has no result of it", "no answer within the time allowed"
        assert any(words in str(error) for words in said)
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


def test_what_was_passed_was_for_another_ledger(watching: Queueing) -> None:
    """Of the same group, whose client was closed: it finds a copy when it resumes."""
    shared = {"unknown_results": "pass", "named_group": True}
    watching.gateway.workers.hold()
    first = watching.transport(**shared)
    _, ticket = watching.send(first)
    first.close()
    watching.gateway.workers.go_on()
    second = watching.transport(**shared, awaited=lambda task_id: None)
    assert end_of(watching, second).error is None
    watching.await_empty()  # there is no other group that it would be kept for
    again, third = watching.course(), watching.transport(**shared)
    third.follow(ticket, again.workflow, again)
    assert again.await_end(Deadline(PATIENCE)).error is None
    assert not list((watching.folder / "parked" / "queue").rglob("*.json"))


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
        (
            b'{"code":"InternalError","message":"the worker died"}',
            ExecutionError,
            'answered no outputs: {"code":"InternalError","message":"the worker',
        ),
        (b'[{"detail":"CUDA out of memory"}]', OutOfMemoryError, "answered no outputs"),
        (b'{"status":"failed","9":{}}', BadResultError, "does not have: 9"),
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
