"""Frames of the EAS queue service, decoded without a protobuf library. Pure.

    DataFrameProto     { uint64 index = 1; map<string, string> tags = 2;
                         bytes data = 3; string message = 4 }
    DataFrameListProto { repeated DataFrameProto index = 1 }

So says the service's public Go SDK (`eas/types`). Fields of later versions are passed
over, as protobuf asks for.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from ..errors import BadAnswerError
from .wire import as_list, as_object, as_text, object_or_empty, parse, printable

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}


@dataclass(frozen=True, slots=True)
class Frame:
    """One item of a queue."""

    index: int
    """Its place in its own queue: that of a result is another than its request's."""
    data: bytes = field(repr=False)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def task_id(self) -> str | None:
        """What its sender named the task."""
        return self.tags.get("task_id")

    @property
    def request_id(self) -> str | None:
        """What the queue named the request."""
        return self.tags.get("requestId")


def read_frame(content: bytes) -> Frame:
    """The frame of one message of a watch.

    Raises:
        BadAnswerError: these bytes are no frame.
    """
    index, data = 0, b""
    tags: dict[str, str] = {}
    for number, value in _fields(content):
        match number, value:
            case 1, int():
                index = value
            case 2, bytes():
                key, tag = _entry(value)
                tags[key] = tag
            case 3, bytes():
                data = value
            case ((1 | 2 | 3), _):
                raise _broken(f"field {number} has another type")
            case _:
                pass
    return Frame(index, data, tags)


PROTOBUF = "application/vnd.google.protobuf"


def read_frames(content: bytes, content_type: str = "application/json") -> list[Frame]:
    """The frames of a read, in either of the two forms that the service has.

    Raises:
        BadAnswerError: these bytes are not what their type says.
    """
    if content_type.partition(";")[0].strip().lower() != PROTOBUF:
        return _from_json(parse(content, "a list of frames")) if content.strip() else []
    frames: list[Frame] = []
    for number, value in _fields(content):
        if number == 1 and isinstance(value, bytes):
            frames.append(read_frame(value))
        elif number == 1:
            raise _broken("a list holds no frame")
    return frames


def _from_json(value: JsonValue) -> list[Frame]:
    shown = [value] if isinstance(value, dict) else as_list(value, "a list of frames")
    return [_frame_of(as_object(one, "a frame")) for one in shown]


def _frame_of(frame: Mapping[str, JsonValue]) -> Frame:
    if not frame.keys() & {"index", "tags", "data"}:
        raise _broken("it has neither index, tags nor data")
    index = frame.get("index", 0)
    if isinstance(index, str) and index.isascii() and index.isdigit():
        index = int(index[:20])  # JSON libraries write 64 bits so
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise _broken(f"its index is {str(index)[:30]!r}")
    tags = object_or_empty(frame.get("tags"))
    text = as_text(frame.get("data", ""), "a frame's data")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _broken("its data is not base64") from None
    return Frame(index, data, {key: str(tag) for key, tag in tags.items()})


def _entry(content: bytes) -> tuple[str, str]:
    key, tag = "", ""
    for number, value in _fields(content):
        if number in {1, 2} and not isinstance(value, bytes):
            raise _broken("a tag is no text")
        if isinstance(value, bytes) and number == 1:
            key = _text(value)
        elif isinstance(value, bytes) and number == 2:
            tag = _text(value)
    return key, tag


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _broken("a tag is not UTF-8") from None


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of one message: numbers and what they hold."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise _broken("field 0 does not exist")
        if kind == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise _broken(f"wire type {kind} is not used")
        if size > len(content) - at:
            raise _broken("it is cut off")
        yield number, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at >= len(content):
            raise _broken("it is cut off")
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise _broken("a number does not end")


def _broken(why: str) -> BadAnswerError:
    return BadAnswerError(
        printable(f"this is no frame of the queue service: {why}"),
        hint="check that the instance's url leads to an EAS service of the API edition",
    )
