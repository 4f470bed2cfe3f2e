"""Any input at all: a right result or the error for a bad answer, and soon."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from comfyclient.errors import BadAnswerError, TemplatePlace
from comfyclient.transports.answers import (
    Outcome,
    read_accepted,
    read_history,
    read_job,
    read_queue,
)
from comfyclient.transports.failures import read_execution_error
from comfyclient.transports.messages import read_frame
from comfyclient.transports.refusals import read_refusal
from comfyclient.transports.results import output_refs


class NoGraph:
    """A graph of which nothing is known."""

    def class_type(self, node_id: str) -> str | None:
        """Nothing."""

    def title(self, node_id: str) -> str | None:
        """Nothing."""

    def value(self, node_id: str, input_name: str) -> str | None:
        """The value."""
        return "'given'" if input_name == "title" else None

    def place(
        self, node_id: str, input_name: str | None = None
    ) -> TemplatePlace | None:
        """Nothing."""


text = st.text(st.characters(exclude_categories=()), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4)
    ),
    max_leaves=12,
)


def shaped(*keys: str) -> st.SearchStrategy[JsonValue]:
    """JSON that has the protocol's keys in unexpected places."""
    names = st.sampled_from(keys)
    return st.recursive(
        json_values | names,
        lambda inner: (
            st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=6)
        ),
        max_leaves=25,
    )


def soon(read: Callable[[], object]) -> None:
    """Nothing but an error of ours comes out, printable, after little work."""
    began = time.thread_time()
    try:
        read()
    except BadAnswerError as error:
        str(error).encode()

    assert time.thread_time() - began < 1


KINDS = [
    "status",
    "feature_flags",
    "executing",
    "execution_start",
    "execution_cached",
    "progress",
    "progress_state",
    "executed",
    "execution_error",
    "execution_success",
    "execution_interrupted",
]
IN_FRAMES = ["prompt_id", "node", "nodes", "display_node", "output", "status", "sid"]
IN_FRAMES += ["value", "max", "node_id", "exception_type", "filename", "state"]
IN_ANSWERS = ["p", "prompt", "outputs", "status", "status_str", "messages", "meta"]
IN_ANSWERS += ["images", "filename", "subfolder", "type", "execution_error", "success"]
IN_ANSWERS += ["traceback", "exception_type", "error", "completed", "display_node"]
IN_ANSWERS += ["queue_running", "queue_pending", "execution_status", "workflow"]
IN_REFUSALS = ["error", "node_errors", "1", "errors", "type", "message", "details"]
IN_REFUSALS += ["extra_info", "input_name", "input_config", "received_value", "options"]
IN_REFUSALS += ["value_not_in_list", "ckpt_name", "class_type", "node_id", "max", "min"]


@given(st.binary() | text)
def test_any_frame(raw: str | bytes) -> None:
    """No bytes and no text as a frame."""
    soon(partial(read_frame, raw))


@given(st.integers(0, 5), st.integers(0, 40), st.binary(max_size=60))
def test_any_binary_event(event: int, count: int, rest: bytes) -> None:
    """No binary frame of a known event."""
    soon(partial(read_frame, struct.pack(">II", event, count) + rest))


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(IN_FRAMES), json_values))
def test_any_message(kind: str, data: dict[str, JsonValue]) -> None:
    """No JSON under a known type of message."""
    soon(partial(read_frame, json.dumps({"type": kind, "data": data})))


def read_all(body: bytes) -> None:
    """Read one body as every kind of answer, and tell of every failure found."""
    graph = NoGraph()
    found: list[Outcome | None] = []
    soon(lambda: read_accepted(body, graph))
    soon(lambda: read_queue(body).position("p"))
    soon(lambda: found.append(read_history(body, "p")))
    soon(lambda: found.append(read_job(body)[1]))
    soon(lambda: str(read_refusal(body, graph)).encode())
    for outcome in found:
        if outcome is not None and outcome.failure is not None:
            str(read_execution_error(outcome.failure, graph)).encode()


@given(st.binary())
def test_any_body(body: bytes) -> None:
    """No bytes as an HTTP answer."""
    read_all(body)


@given(shaped(*IN_ANSWERS))
def test_any_answer(value: JsonValue) -> None:
    """No JSON as an HTTP answer."""
    read_all(json.dumps(value).encode())


@given(st.dictionaries(st.sampled_from(IN_ANSWERS), shaped(*IN_ANSWERS)))
def test_any_entry(entry: dict[str, JsonValue]) -> None:
    """No entry of the history, and no job of the jobs API."""
    soon(partial(read_history, json.dumps({"p": entry}).encode(), "p"))
    for status in ("completed", "failed", "cancelled"):
        soon(partial(read_job, json.dumps({**entry, "status": status}).encode()))


@given(st.dictionaries(st.sampled_from(IN_REFUSALS), shaped(*IN_REFUSALS)))
def test_any_refusal(issue: dict[str, JsonValue]) -> None:
    """No refusal, in the error or under a node."""
    for body in ({"error": issue}, {"node_errors": {"1": {"errors": [issue]}}}, issue):
        read_all(json.dumps(body).encode())


@given(shaped("images", "filename", "subfolder", "type", "mediaType", "3d", "a.glb"))
def test_any_ui(ui: JsonValue) -> None:
    """No ui result of a node; each file found has a name."""
    assert all(ref.filename for ref in output_refs("1", ui).refs)
