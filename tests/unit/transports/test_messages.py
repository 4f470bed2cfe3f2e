"""Websocket frames: hand-made ones, hostile ones, and what repeats itself."""

from __future__ import annotations

import json
import struct
import time

import pytest
from pydantic import JsonValue

from comfyclient.errors import BadAnswerError
from comfyclient.events import (
    Event,
    NodeBlocked,
    NodeFinished,
    NodeOutput,
    NodeProgress,
    NodesCached,
    NodeStarted,
    NodeText,
    Preview,
    Queued,
    Started,
)
from comfyclient.transports.failures import Failure
from comfyclient.transports.messages import (
    Ended,
    Heard,
    Novelty,
    ServerFlags,
    ServerStatus,
    Unknown,
    read_frame,
)
from comfyclient.transports.nodes import submitted_id

JPEG = b"\xff\xd8\xff\xe0rest"
PNG = b"\x89PNG\r\n\x1a\nrest"


def frame(kind: str, **data: JsonValue) -> str:
    """A text frame of a type."""
    return json.dumps({"type": kind, "data": data})


def binary(event: int, *parts: int | bytes) -> bytes:
    """A binary frame: numbers as big-endian u32, bytes as they are."""
    packed = [struct.pack(">I", p) if isinstance(p, int) else p for p in parts]
    return struct.pack(">I", event) + b"".join(packed)


def told(meta: JsonValue, image: bytes) -> bytes:
    """A preview with metadata."""
    head = json.dumps(meta).encode()
    return binary(4, len(head), head, image)


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (frame("execution_start", prompt_id="p", timestamp=1), Started()),
        (frame("execution_cached", prompt_id="p", nodes=["1"]), NodesCached(("1",))),
        (frame("executing", prompt_id="p", node="3"), NodeStarted("3")),
        (
            frame("executing", prompt_id="p", node="3.0.0.1", display_node="3"),
            NodeStarted("3"),
        ),
        (frame("executing", prompt_id="p", node="3.0.0.1"), NodeStarted("3")),
        (frame("executing", prompt_id="p", node=7), NodeStarted("7")),
        (
            frame("progress", prompt_id="p", node="3", value=1, max=2),
            NodeProgress("3", 1, 2),
        ),
        (
            frame("executed", prompt_id="p", node="2", output=None),
            NodeOutput("2", ()),
        ),
        (frame("executed", prompt_id="p", node="2"), NodeOutput("2", ())),
        (
            frame(
                "execution_error",
                prompt_id="p",
                node_id="2",
                exception_type="ExecutionBlocked",
                exception_message="Execution Blocked: please stop",
            ),
            NodeBlocked("2", "please stop"),
        ),
    ],
)
def test_events(text: str, event: Event) -> None:
    """Each message of a job becomes its event, under the submitted node."""
    assert read_frame(text) == (Heard("p", event),)


@pytest.mark.parametrize(
    ("text", "settled", "how"),
    [
        (frame("execution_success", prompt_id="p"), False, "success"),
        (
            frame("execution_interrupted", prompt_id="p", node_id="3"),
            False,
            "cancelled",
        ),
        (frame("executing", prompt_id="p", node=None), True, None),
        (frame("executing", prompt_id="p"), True, None),
    ],
)
def test_ends(text: str, settled: bool, how: str | None) -> None:
    """An end says how; history is ready after the null `executing`, which does not."""
    assert read_frame(text) == (Ended("p", settled, how),)


def test_an_end_by_a_failure() -> None:
    """What a node raised is told with the end."""
    told = {"exception_type": "ValueError", "exception_message": "no", "node_id": "3"}
    (ended,) = read_frame(frame("execution_error", prompt_id="p", **told))
    assert (ended.how, ended.settled) == ("error", False)
    assert ended.failure.node_id == "3"
    assert ended.failure.exception_message == "no"


@pytest.mark.parametrize("told", [{}, {"node_id": {}}, {"traceback": 7, "node_id": []}])
def test_an_end_by_an_odd_failure(told: dict[str, JsonValue]) -> None:
    """A failure that is told oddly has ended the job all the same."""
    (ended,) = read_frame(frame("execution_error", prompt_id="p", **told))
    assert ended == Ended("p", False, "error", Failure())


def test_status() -> None:
    """The first status carries the connection's id, later ones only the queue."""
    first = '{"type":"status","data":{"status":{"exec_info":{"queue_remaining":2}}'
    assert read_frame(first + ',"sid":"s"}}') == (ServerStatus(2, "s"),)
    assert read_frame(first + "}}") == (ServerStatus(2, None),)
    assert read_frame('{"type":"status","data":{}}') == (ServerStatus(None, None),)


def test_flags() -> None:
    """The server's flags pass as they are."""
    assert read_frame(frame("feature_flags", a=True, b={"c": 1})) == (
        ServerFlags({"a": True, "b": {"c": 1}}),
    )


def test_progress_state() -> None:
    """It tells finished nodes and counting ones; inner nodes never finish a parent."""
    nodes: JsonValue = {
        "1": {"state": "finished", "value": 1, "max": 1, "display_node_id": "1"},
        "3": {"state": "running", "value": 0.0, "max": 1.0, "display_node_id": "3"},
        "3.0.0.1": {"state": "finished", "value": 1, "max": 1, "display_node_id": "3"},
        "3.0.0.2": {"state": "running", "value": 2, "max": 5, "display_node_id": "3"},
        "3.0.0.3": {"state": "finished", "value": 1, "max": 1},
        "4": {"state": "error"},
        "inner": {"state": "running", "value": 1, "max": 5, "display_node_id": "6"},
    }

    assert read_frame(frame("progress_state", prompt_id="p", nodes=nodes)) == (
        Heard("p", NodeFinished("1")),
        Heard("p", NodeProgress("3", 2, 5)),
        Heard("p", NodeProgress("6", 1, 5)),
    )


@pytest.mark.parametrize(
    "text",
    [
        frame("assets.seed.started", roots=["output"]),
        frame("crystools.monitor", cpu=1),
        '{"type":"made.up"}',
        '{"type":"made.up","data":[1]}',
        frame("executing", node=None),
        frame("progress", value=1, max=2),
        frame("progress", value=1, max=2, prompt_id="p", node=None),
        frame("executed", node="1", output={}),
        frame("execution_success", prompt_id=None),
    ],
)
def test_unknown(text: str) -> None:
    """A foreign type, or a message that names no job or node, is unknown: no error."""
    [signal] = read_frame(text)

    assert isinstance(signal, Unknown)
    assert signal.type == json.loads(text)["type"]


def test_reconnect_greeting() -> None:
    """The `executing` that greets a reconnect names no job."""
    assert read_frame('{"type":"executing","data":{"node":"3"}}') == (
        Heard(None, NodeStarted("3")),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        '{"type":"status","data":{',
        "[]",
        "null",
        '"status"',
        "{}",
        '{"type":null,"data":{}}',
        '{"type":5,"data":{}}',
        '{"type":"status"}',
        '{"type":"executing","data":null}',
        '{"type":"executing","data":[]}',
        '{"type":"status","data":{"status":[]}}',
        '{"type":"status","data":{"status":{"exec_info":5}}}',
        frame("execution_start", prompt_id=5),
        frame("execution_cached", prompt_id="p", nodes="1"),
        frame("execution_cached", prompt_id="p", nodes=[None]),
        frame("execution_cached", prompt_id="p"),
        frame("executing", prompt_id="p", node=True),
        frame("executing", prompt_id="p", node=[]),
        frame("executing", prompt_id=[], node="1"),
        frame("progress", prompt_id="p", node="1", value="1", max=2),
        frame("progress", prompt_id="p", node="1", value=True, max=2),
        frame("progress", prompt_id="p", node="1", value=1),
        frame("progress_state", prompt_id="p", nodes=[]),
        frame("progress_state", prompt_id="p", nodes={"1": None}),
        frame("executed", prompt_id="p"),
        "[" * 100_000,
        '{"type":"x","data":' + "9" * 5000 + "}",
    ],
)
def test_malformed_text(text: str) -> None:
    """A malformed message is an error of ours that says what was found."""
    with pytest.raises(BadAnswerError) as caught:
        read_frame(text)

    assert caught.value.hint
    assert len(str(caught.value)) < 400


def test_error_names_field_and_value() -> None:
    """The message names the field, what stood there, and what should."""
    with pytest.raises(
        BadAnswerError, match=r"execution_start.prompt_id.*\(5\).*string"
    ):
        read_frame(frame("execution_start", prompt_id=5))


def test_nan() -> None:
    """Python's NaN and Infinity literals are read; NaN is no progress."""
    text = '{"type":"progress","data":{"prompt_id":"p","node":"1","value":NaN,"max":2}}'
    assert read_frame(text) == ()
    [signal] = read_frame(
        '{"type":"executed","data":{"prompt_id":"p","node":"1",'
        '"output":{"value":[Infinity]}}}'
    )
    assert signal == Heard("p", NodeOutput("1", (), {"value": [float("inf")]}))


def test_huge_number() -> None:
    """A number beyond all floats is no progress, and no crash."""
    text = frame("progress", prompt_id="p", node="1", value=10**400, max=1)
    assert read_frame(text) == ()


@pytest.mark.parametrize(
    ("raw", "signal"),
    [
        (binary(1, 1, JPEG), Heard(None, Preview(JPEG, "image/jpeg"))),
        (binary(1, 2, PNG), Heard(None, Preview(PNG, "image/png"))),
        (binary(1, 9, PNG), Heard(None, Preview(PNG, "image/png"))),
        (binary(1, 9, b"?"), Heard(None, Preview(b"?", "application/octet-stream"))),
        (binary(2, b"raw"), Unknown("binary event 2")),
        (binary(77), Unknown("binary event 77")),
        (binary(3, 1, b"4hi"), Heard(None, NodeText("4", "hi"))),
        (binary(3, 7, b"3.0.0.1", b"hi"), Heard(None, NodeText("3", "hi"))),
        (binary(3, 1, b"4"), Heard(None, NodeText("4", ""))),
        (
            binary(3, 1, b"4\xe4"),
            Heard(None, NodeText("4", "\N{REPLACEMENT CHARACTER}")),
        ),
        (
            told({"node_id": "3", "prompt_id": "p", "image_type": "image/png"}, PNG),
            Heard("p", Preview(PNG, "image/png", "3")),
        ),
        (
            told({"node_id": "3.0.0.1", "display_node_id": "3"}, JPEG),
            Heard(None, Preview(JPEG, "image/jpeg", "3")),
        ),
    ],
)
def test_binary(raw: bytes, signal: object) -> None:
    """Binary events 1, 3 and 4 are read; others are unknown."""
    assert read_frame(raw) == (signal,)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\0\0",
        binary(1),
        binary(1, 1),
        binary(3),
        binary(3, 1),
        binary(3, 4, b"abc"),
        binary(3, 2**32 - 1, b"abc"),
        binary(3, 1, b"\xff"),
        binary(4),
        binary(4, 2, b"{"),
        binary(4, 2, b"{}"),
        binary(4, 2, b"{}", JPEG),
        binary(4, 2, b"[]", JPEG),
        binary(4, 2, b"{x", JPEG),
        told({"node_id": None}, JPEG),
        told({"node_id": "1", "prompt_id": 5}, JPEG),
    ],
)
def test_malformed_binary(raw: bytes) -> None:
    """A frame that is cut short, or whose head is no JSON object, is an error."""
    with pytest.raises(BadAnswerError):
        read_frame(raw)


@pytest.mark.parametrize(
    ("node", "owner"),
    [
        ("3", "3"),
        ("3.0.0.1", "3"),
        ("3.0.0.1.0.0.2", "3"),
        ("12:4", "12:4"),
        ("12:4.0.1.7", "12:4"),
        ("v1.5", "v1.5"),
        ("a.b.c.d", "a.b.c.d"),
        ("", ""),
        (".", "."),
    ],
)
def test_submitted_id(node: str, owner: str) -> None:
    """Only ids in the form of node expansion belong to another node."""
    assert submitted_id(node) == owner


def test_novelty() -> None:
    """Repeats are no news, changes are, and a new run starts from nothing."""
    new = Novelty().admits
    first, half = NodeProgress("3", 1, 2), NodeProgress("3", 2, 2)
    run = [NodeStarted("3"), first, half, NodeFinished("3"), NodeOutput("3", ())]

    assert [new(event) for event in run] == [True] * 5
    assert [new(event) for event in run] == [False, True, True, False, True]
    assert not new(half)
    assert new(NodeStarted("4"))
    assert new(NodeStarted("3"))
    for begin in (Started(), Queued()):
        assert new(begin)
        assert [new(event) for event in run] == [True] * 5


def test_cost() -> None:
    """A small frame is read in well under a millisecond, a big one in linear time."""
    small = frame("progress", prompt_id="p" * 36, node="3", value=1, max=20)
    dots = frame("executing", prompt_id="p", node="1." * 200_000)
    began = time.perf_counter()
    for _ in range(1000):
        read_frame(small)
    read_frame(dots)

    assert time.perf_counter() - began < 1
