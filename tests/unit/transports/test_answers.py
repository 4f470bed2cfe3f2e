"""HTTP answers of servers older, newer and odder than the recorded ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from comfyclient.errors import BadAnswerError
from comfyclient.events import NodeOutput
from comfyclient.files.outputs import OutputRef
from comfyclient.transports.answers import (
    Outcome,
    QueueView,
    Whereabouts,
    read_accepted,
    read_history,
    read_job,
    read_queue,
)

IMAGE: JsonValue = {
    "images": [{"filename": "a.png", "subfolder": "", "type": "output"}]
}
START: JsonValue = ["execution_start", {"prompt_id": "p", "timestamp": 1_000}]
SUCCESS: JsonValue = ["execution_success", {"prompt_id": "p", "timestamp": 3_500}]
STOPPED: JsonValue = ["execution_interrupted", {"node_id": "3", "timestamp": 3_500}]
BLOCKED: JsonValue = ["execution_error", {"exception_type": "ExecutionBlocked"}]
RAISED: JsonValue = [
    "execution_error",
    {
        "node_id": "3",
        "node_type": "KSampler",
        "exception_type": "ValueError",
        "exception_message": "boom\n",
        "traceback": ["line 1\n", None, "line 2\n"],
        "current_inputs": {"api_key": ["sk-secret"]},
        "timestamp": 3_500,
    },
]


def packed(value: JsonValue) -> bytes:
    """JSON as bytes."""
    return json.dumps(value).encode()


def history(status: JsonValue, **more: JsonValue) -> Outcome | None:
    """Read an entry with this status."""
    return read_history(packed({"p": {"outputs": {}, "status": status, **more}}), "p")


def ended(status_str: JsonValue, *messages: JsonValue, **more: JsonValue) -> Outcome:
    """Read an entry that ended so."""
    outcome = history({"status_str": status_str, "messages": list(messages)}, **more)
    assert outcome is not None
    return outcome


def test_accepted() -> None:
    """The id is the answer's own; the number may be a float or missing."""
    body: JsonValue = {"prompt_id": "p", "number": -1.5, "node_errors": {}}
    accepted = read_accepted(packed(body))

    assert (accepted.prompt_id, accepted.number, accepted.issues) == ("p", -1.5, ())
    assert read_accepted(b'{"prompt_id":"p","node_errors":[]}').number is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>nginx</html>",
        b"[]",
        b"{}",
        b'{"prompt_id":null}',
        b'{"prompt_id":5}',
        b'{"prompt_id":"p","number":"7"}',
        b'{"prompt_id":"p"',
        b'{"prompt_id":"\xff"}',
        '{"prompt_id":"p"}'.encode("utf-16"),
    ],
)
def test_not_accepted(body: bytes) -> None:
    """An answer without an id was not given by ComfyUI."""
    with pytest.raises(BadAnswerError):
        read_accepted(body)


def test_queue_order() -> None:
    """Pending jobs come as a heap: they are sorted by number, then by id."""
    pending = [[5, "e"], [float("nan"), "z"], [-2.5, "b"], [5, "c"], [1, "a"]]
    view = read_queue(
        packed(
            {
                "queue_running": [[9, "r", {}, {}, []]],
                "queue_pending": [[n, i, {}, {}, []] for n, i in pending],
            }
        )
    )

    assert view == QueueView(("r",), ("b", "a", "c", "e", "z"))
    assert [view.position(i) for i in "rbacez"] == [0, 1, 2, 3, 4, 5]
    assert view.position("x") is None


def test_queue_whereabouts() -> None:
    """An id that runs and waits at once (it was sent twice) counts as running."""
    view = QueueView(("r",), ("r", "p"))

    assert view.whereabouts("r") is Whereabouts.RUNNING
    assert view.whereabouts("p") is Whereabouts.PENDING
    assert view.whereabouts("x") is Whereabouts.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[]",
        '{"queue_running":[]}',
        '{"queue_running":[],"queue_pending":null}',
        '{"queue_running":[],"queue_pending":[5]}',
        '{"queue_running":[],"queue_pending":[[1]]}',
        '{"queue_running":[],"queue_pending":[["1","p"]]}',
        '{"queue_running":[[1,5]],"queue_pending":[]}',
        '{"queue_running":[{}],"queue_pending":[]}',
    ],
)
def test_bad_queue(body: str) -> None:
    """A queue that cannot be read is never taken for an empty one."""
    with pytest.raises(BadAnswerError):
        read_queue(body.encode())


def test_not_in_history() -> None:
    """No entry means: not ended, deleted, or never known."""
    assert read_history(b"{}", "p") is None
    assert read_history(packed({"other": {"outputs": {}}}), "p") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"p":null}',
        b'{"p":[]}',
        b'{"error":"not found"}',
        b'{"p":{"outputs":[]}}',
        b'{"p":{"outputs":{}',
    ],
)
def test_bad_history(body: bytes) -> None:
    """A body that is no history is never taken for "not there"."""
    with pytest.raises(BadAnswerError):
        read_history(body, "p")


def test_success() -> None:
    """Times are the server's milliseconds; cached nodes are told."""
    cached: JsonValue = ["execution_cached", {"nodes": ["1", "2"], "timestamp": 1_001}]
    outcome = ended("success", START, cached, SUCCESS, outputs={"2": IMAGE})

    assert outcome == Outcome(
        state="success",
        outputs={"2": NodeOutput("2", (OutputRef("2", "images", "a.png"),))},
        cached_nodes=("1", "2"),
        started_at=datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        ended_at=datetime(1970, 1, 1, 0, 0, 3, 500_000, tzinfo=UTC),
    )


def test_server_of_early_2024() -> None:
    """Before 2024-07-21 there is no success message and no time."""
    outcome = ended("success", ["execution_start", {"prompt_id": "p"}])

    assert outcome == Outcome(state="success")


@pytest.mark.parametrize("entry", [{}, {"status": None}])
@pytest.mark.parametrize(
    ("outputs", "state"), [({"2": IMAGE}, "success"), ({}, "error")]
)
def test_no_status(
    entry: dict[str, JsonValue], outputs: dict[str, JsonValue], state: str
) -> None:
    """Without a status outputs are the only sign of success."""
    outcome = read_history(packed({"p": {**entry, "outputs": outputs}}), "p")

    assert outcome is not None
    assert outcome.state == state


def test_failure() -> None:
    """A failure keeps the facts and leaves the node's inputs out."""
    outcome = ended("error", START, RAISED, outputs={"5": IMAGE})

    assert outcome.state == "error"
    assert list(outcome.outputs) == ["5"]
    assert outcome.failure is not None
    assert outcome.failure.exception_message == "boom"
    assert outcome.failure.traceback == ("line 1\n", "line 2\n")
    assert "sk-secret" not in repr(outcome)


def test_cancelled() -> None:
    """An interrupted job reads as an error; its last message says that it is none."""
    outcome = ended("error", START, STOPPED)

    assert (outcome.state, outcome.interrupted_node) == ("cancelled", "3")
    assert outcome.failure is None
    assert ended("error", ["execution_interrupted", {}]).state == "cancelled"


def test_error_without_messages() -> None:
    """An error of which nothing else is known is still an error."""
    assert history({"status_str": "error"}) == Outcome(state="error")


def test_blocked_is_no_failure() -> None:
    """A blocked node in the messages does not make a failure."""
    outcome = ended("success", START, BLOCKED, SUCCESS)

    assert (outcome.state, outcome.failure) == ("success", None)
    failure = ended("error", START, RAISED, BLOCKED).failure
    assert failure is not None
    assert failure.exception_type == "ValueError"


@pytest.mark.parametrize(
    ("completed", "state"), [(True, "success"), (False, "error"), (None, "error")]
)
def test_unknown_status_word(completed: JsonValue, state: str) -> None:
    """A word of a later version is read by `completed`."""
    outcome = history({"status_str": "splendid", "completed": completed})

    assert outcome == Outcome(state=state)


@pytest.mark.parametrize(
    "messages",
    [None, {}, "x", [None], [[]], [["execution_start"]], [[5, {}]], [["x", None]]],
)
def test_odd_messages(messages: JsonValue) -> None:
    """Messages of another shape are skipped: the job has ended all the same."""
    outcome = history({"status_str": "success", "messages": messages})

    assert outcome == Outcome(state="success")


@pytest.mark.parametrize(
    "stamp", [True, "1", None, 1e300, -1e300, float("nan"), 10**30]
)
def test_odd_times(stamp: JsonValue) -> None:
    """A time that is none is left out."""
    assert (
        ended("success", ["execution_start", {"timestamp": stamp}]).started_at is None
    )


def test_expanded_nodes() -> None:
    """Outputs of inner nodes stand under their submitted node, added up."""
    graph: JsonValue = [1, "p", {"3": {}, "30": {}, "v1.0.0.2": {}}, {}, []]
    outputs: JsonValue = {
        "3.0.0.1": {"text": ["a"]},
        "3.0.0.2": {"text": ["b"]},
        "30.0.0.2": {"text": ["c"]},
        "v1.0.0.2": {"text": ["d"]},
        "made-up": {"text": ["e"]},
        "else.0.0.1": {"text": ["f"]},
    }
    # a cached expansion keeps the ids of the run that made it
    meta: JsonValue = {
        "3.0.0.1": {"display_node": "3"},
        "30.0.0.2": {"display_node": "3"},
        "made-up": {"display_node": "30"},
        "else.0.0.1": {"display_node": "gone"},
    }
    outcome = ended("success", prompt=graph, outputs=outputs, meta=meta)

    assert {k: v.values["text"] for k, v in outcome.outputs.items()} == {
        "3": ["a", "b"],
        "30": ["c", "e"],
        "v1.0.0.2": ["d"],
        "else": ["f"],
    }
    assert [shown.node_id for shown in outcome.outputs.values()] == list(
        outcome.outputs
    )


def job(status: JsonValue, **more: JsonValue) -> bytes:
    """An answer of the jobs API."""
    return packed({"id": "p", "status": status, **more})


@pytest.mark.parametrize(
    ("status", "where"),
    [("pending", Whereabouts.PENDING), ("in_progress", Whereabouts.RUNNING)],
)
def test_unfinished_job(status: str, where: Whereabouts) -> None:
    """A job that waits or runs has no outcome."""
    assert read_job(job(status)) == (where, None)


def test_unknown_job() -> None:
    """The body of the 404 says that there is no such job."""
    assert read_job(b'{"error":"Job not found"}') == (Whereabouts.UNKNOWN, None)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"not json",
        b'{"status":null}',
        b'{"error":"other"}',
        b'{"status":"waiting_for_godot"}',
        b'{"status":"completed","outputs":[]}',
    ],
)
def test_bad_job(body: bytes) -> None:
    """What cannot be read is an error, never "unknown job"."""
    with pytest.raises(BadAnswerError):
        read_job(body)


def test_completed_job() -> None:
    """Times come from the job itself where messages have none."""
    body = job(
        "completed",
        execution_start_time=1_000,
        execution_end_time=3_500,
        outputs={"2": IMAGE},
    )
    where, outcome = read_job(body)

    assert where is Whereabouts.ENDED
    assert outcome == ended("success", START, SUCCESS, outputs={"2": IMAGE})


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_interrupted_job(status: str) -> None:
    """An interrupted job is cancelled, also where 0.6 to 0.8 call it failed."""
    _, outcome = read_job(job(status, execution_status={"messages": [START, STOPPED]}))

    assert outcome is not None
    assert (outcome.state, outcome.interrupted_node) == ("cancelled", "3")


def test_failed_job() -> None:
    """The error is read from the job's own field, the messages are not needed."""
    error = RAISED[1]
    _, outcome = read_job(job("failed", execution_error=error, outputs={"5": IMAGE}))

    assert outcome is not None
    assert outcome.state == "error"
    assert outcome.failure is not None
    assert outcome.failure.class_type == "KSampler"
    assert list(outcome.outputs) == ["5"]
