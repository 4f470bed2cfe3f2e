"""What a websocket frame means: frames in, events out. Pure.

Reading has no memory: a server repeats itself (`progress_state` tells every finished
node again each time, a reconnect tells the running node again), and so do the events
read here. `Novelty`, one for each job, keeps only what says something new.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import JsonValue

from ..errors import BadAnswerError
from ..events import (
    Event,
    NodeBlocked,
    NodeFinished,
    NodeProgress,
    NodesCached,
    NodeStarted,
    NodeText,
    Preview,
    Queued,
    Started,
)
from .failures import BLOCKED, Failure, read_failure
from .nodes import submitted_id
from .results import output_refs
from .wire import (
    JsonObject,
    as_list,
    as_node,
    as_number,
    as_object,
    as_text,
    parse_object,
    printable,
    text_or,
)

State: TypeAlias = Literal["success", "error", "cancelled"]
"""How a job ended, as servers tell it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An event of one job."""

    prompt_id: str | None
    """None where the frame does not say: binary events 1 and 3, and the `executing`
    that greets a reconnect."""
    event: Event


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How long the server's queue is, and the id it gave this connection."""

    queue_remaining: int | None
    """Pending and running jobs together."""
    sid: str | None
    """Only in the first message of a connection."""


@dataclass(frozen=True, slots=True)
class ServerFlags:
    """The server's answer to our feature flags."""

    flags: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Ended:
    """A job ended; history tells it in full."""

    prompt_id: str
    settled: bool
    """True when history has it already; else it may lag by up to half a second."""
    how: State | None = None
    """None where the message does not say."""
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message that the protocol does not contain, or that names no job."""

    type: str
    data: JsonValue = field(default=None, repr=False)


Signal: TypeAlias = Heard | ServerStatus | ServerFlags | Ended | Unknown


def read_frame(frame: str | bytes) -> tuple[Signal, ...]:
    """What one frame says; a message of an unknown type is `Unknown`, never an error.

    Raises:
        BadAnswerError: it is no ComfyUI message, or a known one with wrong types.
    """
    if isinstance(frame, bytes):
        return (_read_binary(frame),)
    message = parse_object(frame, "a websocket message")
    kind = as_text(message.get("type"), "the type of a websocket message")
    reader = _READERS.get(kind)
    if reader is None:
        return (Unknown(kind, message.get("data")),)
    return reader(as_object(message.get("data"), f"the data of {kind}"))


class Novelty:
    """Tells which events of one job say something new; one object for each job."""

    def __init__(self) -> None:
        self._finished: set[str] = set()
        self._steps: dict[str, tuple[float, float]] = {}
        self._running: str | None = None

    def _begin(self) -> None:
        self._finished.clear()
        self._steps.clear()
        self._running = None

    def admits(self, event: Event) -> bool:
        """Whether the event is new; it is remembered."""
        match event:
            case Queued() | Started():  # a run begins, perhaps not the first
                self._begin()
                return True
            case NodeStarted(node_id=node):
                fresh = node != self._running
                self._running = node
                return fresh
            case NodeFinished(node_id=node):
                fresh = node not in self._finished
                self._finished.add(node)
                return fresh
            case NodeProgress(node_id=node, value=value, maximum=maximum):
                fresh = self._steps.get(node) != (value, maximum)
                self._steps[node] = (value, maximum)
                return fresh
            case _:
                return True


def _status(data: JsonObject) -> tuple[Signal, ...]:
    status = as_object(data.get("status", {}), "status.status")
    info = as_object(status.get("exec_info", {}), "status.exec_info")
    count, sid = info.get("queue_remaining"), data.get("sid")
    if count is not None:
        count = as_number(count, "status.queue_remaining")
    return (
        ServerStatus(
            queue_remaining=_whole(count),
            sid=None if sid is None else as_text(sid, "status.sid"),
        ),
    )


def _whole(count: float | None) -> int | None:
    return int(count) if count is not None and math.isfinite(count) else None


def _feature_flags(data: JsonObject) -> tuple[Signal, ...]:
    return (ServerFlags(data),)


def _of_job(kind: str, read: Callable[[JsonObject, str], tuple[Signal, ...]]) -> Reader:
    """A reader of a message that belongs to a job; one that names none is unknown."""

    def reader(data: JsonObject) -> tuple[Signal, ...]:
        prompt_id = data.get("prompt_id")
        if prompt_id is None:
            return (Unknown(kind, data),)
        return read(data, as_text(prompt_id, f"{kind}.prompt_id"))

    return reader


def _started(_data: JsonObject, prompt_id: str) -> tuple[Signal, ...]:
    return (Heard(prompt_id, Started()),)


def _cached(data: JsonObject, prompt_id: str) -> tuple[Signal, ...]:
    nodes = as_list(data.get("nodes"), "execution_cached.nodes")
    ids = tuple(as_node(node, "a node of execution_cached") for node in nodes)
    return (Heard(prompt_id, NodesCached(ids)),)


def _executing(data: JsonObject) -> tuple[Signal, ...]:
    """A node starts; `null` says that the job is over and history has it."""
    prompt_id, node = data.get("prompt_id"), data.get("node")
    if prompt_id is not None:
        prompt_id = as_text(prompt_id, "executing.prompt_id")
    if node is not None:
        return (Heard(prompt_id, NodeStarted(_shown(data, "node", "display_node"))),)
    return (
        Unknown("executing", data) if prompt_id is None else Ended(prompt_id, True),
    )


def _progress(data: JsonObject, prompt_id: str) -> tuple[Signal, ...]:
    if data.get("node") is None:
        return (Unknown("progress", data),)
    node = _shown(data, "node", "display_node")
    return _steps(prompt_id, node, data)


def _steps(prompt_id: str, node: str, data: JsonObject) -> tuple[Signal, ...]:
    value = as_number(data.get("value"), "the value of progress")
    maximum = as_number(data.get("max"), "the max of progress")
    if not (math.isfinite(value) and math.isfinite(maximum)):  # nodes may send NaN
        return ()
    return (Heard(prompt_id, NodeProgress(node, value, maximum)),)


def _progress_state(data: JsonObject, prompt_id: str) -> tuple[Signal, ...]:
    nodes = as_object(data.get("nodes"), "progress_state.nodes")
    found: list[Signal] = []
    for node_id, state in nodes.items():
        found += _node_state(
            node_id, as_object(state, "a node of progress_state"), prompt_id
        )
    return tuple(found)


def _node_state(node_id: str, state: JsonObject, prompt_id: str) -> tuple[Signal, ...]:
    """An inner node of an expansion that is done does not finish its parent."""
    shown = text_or(state.get("display_node_id"), "") or submitted_id(node_id)
    match state.get("state"):
        case "finished" if shown == node_id:
            return (Heard(prompt_id, NodeFinished(shown)),)
        case "running" if state.get("value"):
            return _steps(prompt_id, shown, state)
        case _:
            return ()


def _executed(data: JsonObject, prompt_id: str) -> tuple[Signal, ...]:
    node = _shown(data, "node", "display_node")
    return (Heard(prompt_id, output_refs(node, data.get("output"))),)


def _failed(data: JsonObject, prompt_id: str) -> tuple[Signal, ...]:
    """A blocked node reports itself as an error, and the job goes on."""
    if data.get("exception_type") != BLOCKED:
        return (Ended(prompt_id, False, "error", _failure(data)),)
    message = text_or(data.get("exception_message"), "")
    message = printable(message.removeprefix("Execution Blocked: ").strip())
    node = _shown(data, "node_id", "display_node")
    return (Heard(prompt_id, NodeBlocked(node, message)),)


def _failure(data: JsonObject) -> Failure:
    """What a node raised; that the job ended counts, however oddly it is told."""
    try:
        return read_failure(data)
    except BadAnswerError:
        return Failure()


def _ended(how: State) -> Callable[[JsonObject, str], tuple[Signal, ...]]:
    def read(_data: JsonObject, prompt_id: str) -> tuple[Signal, ...]:
        return (Ended(prompt_id, settled=False, how=how),)

    return read


def _shown(data: JsonObject, key: str, display: str) -> str:
    """The node to tell of: the one that the server displays, where it says so."""
    shown = data.get(display)
    if isinstance(shown, str) and shown:
        return submitted_id(shown)
    return submitted_id(as_node(data.get(key), f"the {key} of a message"))


Reader: TypeAlias = Callable[[JsonObject], tuple[Signal, ...]]

_READERS: Mapping[str, Reader] = {
    "status": _status,
    "feature_flags": _feature_flags,
    "executing": _executing,
    "execution_start": _of_job("execution_start", _started),
    "execution_cached": _of_job("execution_cached", _cached),
    "progress": _of_job("progress", _progress),
    "progress_state": _of_job("progress_state", _progress_state),
    "executed": _of_job("executed", _executed),
    "execution_error": _of_job("execution_error", _failed),
    "execution_success": _of_job("execution_success", _ended("success")),
    "execution_interrupted": _of_job("execution_interrupted", _ended("cancelled")),
}

_UINT = struct.Struct(">I")
_FORMATS: Mapping[int, str] = {1: "image/jpeg", 2: "image/png"}
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


def _read_binary(frame: bytes) -> Signal:
    event = _uint(frame, 0)
    match event:
        case 1:
            return _preview(frame)
        case 3:
            return _text(frame)
        case 4:
            return _told_preview(frame)
        case _:
            return Unknown(f"binary event {event}")


def _preview(frame: bytes) -> Signal:
    image = _image(frame, 8)
    media_type = _FORMATS.get(_uint(frame, 4)) or _sniffed(image)
    return Heard(None, Preview(image, media_type))


def _text(frame: bytes) -> Signal:
    head, text = _counted(frame)
    try:
        node = head.decode()
    except UnicodeDecodeError as error:
        raise BadAnswerError(
            f"the node id of a text frame is not UTF-8: {head[:40]!r}"
        ) from error
    # a node may cut its text anywhere, inside a character too
    return Heard(None, NodeText(submitted_id(node), text.decode("utf-8", "replace")))


def _told_preview(frame: bytes) -> Signal:
    head, _ = _counted(frame)
    data = parse_object(head, "the metadata of a preview")
    image = _image(frame, 8 + len(head))
    prompt_id = data.get("prompt_id")
    return Heard(
        None if prompt_id is None else as_text(prompt_id, "a preview's prompt_id"),
        Preview(
            image,
            text_or(data.get("image_type"), "") or _sniffed(image),
            _shown(data, "node_id", "display_node_id"),
        ),
    )


def _counted(frame: bytes) -> tuple[bytes, bytes]:
    """What the length in front announces, and the rest."""
    end = 8 + _uint(frame, 4)
    if end > len(frame):
        raise _cut(frame, end)
    return frame[8:end], frame[end:]


def _image(frame: bytes, start: int) -> bytes:
    if len(frame) <= start:
        raise _cut(frame, start + 1)
    return frame[start:]


def _uint(frame: bytes, start: int) -> int:
    if len(frame) < start + 4:
        raise _cut(frame, start + 4)
    number: int = _UINT.unpack_from(frame, start)[0]
    return number


def _cut(frame: bytes, needed: int) -> BadAnswerError:
    return BadAnswerError(
        f"a binary frame of {len(frame)} bytes is cut short:"
        f" its head asks for at least {needed}",
        hint="a proxy between here and ComfyUI may break websocket frames",
    )


def _sniffed(image: bytes) -> str:
    for magic, media_type in _MAGIC:
        if image.startswith(magic):
            return media_type
    return "application/octet-stream"
