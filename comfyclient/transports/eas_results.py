"""What a frame of the sink says of a job: how it ended, in our own terms. Pure.

Documented are the frames of jobs that succeed: a list of `executed` messages and, last,
all outputs by node; where ComfyUI served the job from its cache, the last alone. How
errors look is not documented, so whatever is no such list counts as one, with the words
that came.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from ..errors import (
    BadAnswerError,
    BadResultError,
    ComfyClientError,
    JobInterruptedError,
)
from ..events import NodeOutput
from ..workflow import Workflow
from .base import Verdict
from .eas_frames import Frame
from .failures import Failure, read_execution_error, read_failure
from .nodes import submitted_id
from .refusals import read_refusal
from .results import merged, output_refs
from .wire import JsonObject, object_or_empty, printable, shortened, text_or

DATA_LIMIT = 64 << 20
"""Bytes of a result that are read; the queue itself is said to stop at some KB."""
LAST_CODE = "lastCode"
"""The tag with the status that the inference answered, where that was not 200."""
_ERRORS = ("execution_error", "execution_interrupted")


def verdict_of_frame(frame: Frame, workflow: Workflow) -> Verdict:
    """How the job ended whose result this frame is; never raises."""
    code = frame.tags.get(LAST_CODE, "200").strip()
    try:
        shown = _Shown.read(frame.data)
        if code != "200":
            return Verdict(_failed_call(code, frame.data, shown, workflow))
        error = shown.error(workflow)
        if error is None and shown.words and not shown.outputs:
            error = _failure("answered no outputs", frame.data, workflow)
        error = error or _incomplete(shown, workflow)
    except BadAnswerError as unreadable:
        if code != "200":
            return Verdict(_failed_call(code, frame.data, _Shown(), workflow))
        return Verdict(
            BadResultError(
                f"the job's result cannot be read: {unreadable.message}", hint=_HINT
            )
        )
    return Verdict(error, outputs=shown.outputs, cached_nodes=shown.cached)


_HINT = "see the service's log; its files, if any, are in the mounted output folder"


@dataclass(slots=True)
class _Shown:
    """What stands in a frame's data."""

    outputs: dict[str, NodeOutput] = field(default_factory=dict)
    cached: tuple[str, ...] = ()
    failure: JsonObject | None = None
    """The first message or answer that tells of a failure."""
    words: bool = False
    """Whether texts stand where outputs should: an answer that nobody documents."""

    @classmethod
    def read(cls, data: bytes) -> _Shown:
        """Take the data apart.

        Raises:
            BadAnswerError: it is not JSON, or holds something else than objects.
        """
        parts = _parts(data)
        shown = cls()
        executed: dict[str, NodeOutput] = {}
        for part in parts:
            if part.get("type") in _ERRORS or _is_refusal(part):
                shown.failure = shown.failure or part
            elif part.get("type") == "executed":
                message = object_or_empty(part.get("data"))
                _add(executed, text_or(message.get("node"), ""), message.get("output"))
            elif not isinstance(part.get("type"), str):
                shown._aggregate(part)
        shown.cached = tuple(n for n in shown.outputs if n not in executed)
        for node_id, output in executed.items():
            shown.outputs.setdefault(node_id, output)
        return shown

    def _aggregate(self, part: JsonObject) -> None:
        for node_id, ui in part.items():
            if isinstance(ui, dict):
                _add(self.outputs, node_id, ui)
            else:
                self.words = self.words or isinstance(ui, str)

    def error(self, workflow: Workflow) -> ComfyClientError | None:
        """The failure as an error of ours; None where nothing failed."""
        failure = self.failure
        if failure is None:
            return None
        if failure.get("type") == "execution_interrupted":
            return JobInterruptedError("the job was interrupted on the server")
        if failure.get("type") == "execution_error":
            told = read_failure(object_or_empty(failure.get("data")))
            return read_execution_error(told, workflow)
        return read_refusal(json.dumps(failure).encode(), workflow)


def _parts(data: bytes) -> Sequence[JsonObject]:
    if len(data) > DATA_LIMIT:
        raise BadAnswerError(f"it is larger than {DATA_LIMIT >> 20} MB")
    try:
        value: JsonValue = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        words = printable(data[:200].decode("utf-8", "replace"))
        raise BadAnswerError(
            f"it is not JSON ({shortened(str(error), 60)}); it begins {words!r}"
        ) from None
    parts = value if isinstance(value, list) else [value]
    found = [part for part in parts if isinstance(part, dict)]
    if len(found) < len(parts):
        raise BadAnswerError("it is not a list of objects")
    return found


def _is_refusal(part: JsonObject) -> bool:
    """Whether this is what ComfyUI answers to a graph that it does not take."""
    return "node_errors" in part and "error" in part


def _add(outputs: dict[str, NodeOutput], node: str, ui: JsonValue) -> None:
    node_id = submitted_id(node)
    shown = output_refs(node_id, ui)
    known = outputs.get(node_id)
    outputs[node_id] = shown if known is None else merged(known, shown)


def _failed_call(
    code: str, data: bytes, shown: _Shown, workflow: Workflow
) -> ComfyClientError:
    """The error of a frame whose tag says that the call of the inference failed."""
    try:
        told = shown.error(workflow)
    except BadAnswerError:
        told = None
    if told is not None:
        return told
    return _failure(f"answered {shortened(code, 20)}", data, workflow)


def _failure(what: str, data: bytes, workflow: Workflow) -> ComfyClientError:
    """The error of an answer of which its words alone are known."""
    words = shortened(" ".join(data[:1000].decode("utf-8", "replace").split()), 300)
    told = read_execution_error(
        Failure(exception_type="Exception", exception_message=words), workflow
    )
    told.exception_type = None
    told.message = f"the service's ComfyUI {what}: {words}"
    told.hint = told.hint or _HINT
    return told


def _incomplete(shown: _Shown, workflow: Workflow) -> BadResultError | None:
    """What a result lacks that the graph must have made."""
    named = {o.node_id for o in workflow.outputs if o.required}
    missing = sorted(named - set(shown.outputs))
    if missing:
        nodes = ", ".join(missing)
        return BadResultError(
            f"the result says nothing of node {nodes}, which makes an output",
            hint=_HINT,
        )
    if not shown.outputs:
        return BadResultError("the result names no output at all", hint=_HINT)
    if workflow.graph and not workflow.graph.keys() & shown.outputs.keys():
        nodes = shortened(", ".join(sorted(shown.outputs)), 60)
        return BadResultError(
            f"the result is of nodes that the graph does not have: {nodes}", hint=_HINT
        )
    return None
