"""What a node raised on the server, as our errors. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydantic import JsonValue

from ..errors import ExecutionError, OutOfMemoryError
from .nodes import submitted_id
from .refusals import GraphInfo
from .wire import JsonObject, as_node, printable, shortened

BLOCKED = "ExecutionBlocked"
"""The exception type of an `execution_error` that does not end the job."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a node raised, without the values that it worked on."""

    node_id: str | None = None
    class_type: str | None = None
    exception_type: str | None = None
    exception_message: str | None = None
    traceback: tuple[str, ...] = ()


def read_failure(data: JsonObject) -> Failure:
    """The failure that the data of an `execution_error` tells.

    Raises:
        BadAnswerError: its node id is no id.
    """
    frames, node = data.get("traceback"), data.get("node_id")
    lines = frames if isinstance(frames, list) else []
    return Failure(
        node_id=None if node is None else submitted_id(as_node(node, "a node_id")),
        class_type=_text(data.get("node_type")),
        exception_type=_text(data.get("exception_type")),
        exception_message=_text(data.get("exception_message")),
        traceback=tuple(printable(line) for line in lines if isinstance(line, str)),
    )


def read_execution_error(
    failure: Failure, graph: GraphInfo
) -> ExecutionError | OutOfMemoryError:
    """The error that a failure means."""
    node, out_of_memory = failure.node_id, _is_out_of_memory(failure)
    class_type = failure.class_type
    if class_type is None and node is not None:
        class_type = graph.class_type(node)
    title = None if node is None else graph.title(node)
    name, value = _input_named(failure), None
    if node is not None and name is not None:
        value = graph.value(node, name)
    return (OutOfMemoryError if out_of_memory else ExecutionError)(
        f"{_named(node, class_type, title)} raised {_raised(failure)}",
        node_id=node,
        class_type=class_type,
        title=title,
        input_name=None if value is None else name,
        value=value,
        exception_type=failure.exception_type,
        exception_message=failure.exception_message,
        traceback=failure.traceback,
        place=None if node is None else graph.place(node, name),
        hint=_OUT_OF_MEMORY_HINT if out_of_memory else None,
    )


_OUT_OF_MEMORY_HINT = (
    "make the picture or the batch smaller, or use an instance with more memory"
)


def _named(node: str | None, class_type: str | None, title: str | None) -> str:
    if node is None:
        return "a node"
    inner = class_type or ""
    if title and title != class_type:
        inner = f"{inner} “{title}”".strip()
    return f"node {node} ({inner})" if inner else f"node {node}"


def _input_named(failure: Failure) -> str | None:
    """The word a message opens with, as in `title: too long` or `stops[2].name: …`.

    The server never says which input was at fault, but many nodes do. A word that is
    no input of the node does no harm: its place is then the node's.
    """
    found = _OPENING.match(failure.exception_message or "")
    return None if found is None else found[1]


_OPENING = re.compile(r"(\w+)(?:\[\d+\])*(?:\.\w+)*:")


def _raised(failure: Failure) -> str:
    kind = failure.exception_type or "an exception"
    first = (failure.exception_message or "").partition("\n")[0]
    return f"{kind}: {shortened(first, 500)}" if first else kind


def _is_out_of_memory(failure: Failure) -> bool:
    """By class, or by the words of libraries that raise a RuntimeError for it."""
    kind = (failure.exception_type or "").rpartition(".")[2]
    if kind in {"OutOfMemoryError", "MemoryError", "_ArrayMemoryError"}:
        return True
    text = (failure.exception_message or "").lower()
    if _SERVER_TIP in text:
        return True
    return kind in _VAGUE and any(words in text for words in _WORDS)


# the server adds these words itself, whatever class it took for out of memory
_SERVER_TIP = "this error means you ran out of memory on your gpu"
_VAGUE = frozenset({"RuntimeError", "AcceleratorError", "OSError", "Exception"})
_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")


def _text(value: JsonValue) -> str | None:
    return printable(value.strip()) if isinstance(value, str) else None
