"""Frames as the EAS queue service writes them: protocol buffers, by hand. Pure.

DataFrameProto     { uint64 index = 1; map<string, string> tags = 2;
                     bytes data = 3; string message = 4 }
DataFrameListProto { repeated DataFrameProto index = 1 }
AttributesProto    { map<string, string> attributes = 1 }
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

PROTOBUF = "application/vnd.google.protobuf"


@dataclass(frozen=True, slots=True)
class QueueFrame:
    """One item of a queue."""

    index: int
    data: bytes
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def request_id(self) -> str:
        """What the queue named the request; empty where it has none."""
        return self.tags.get("requestId", "")


def encoded_frame(frame: QueueFrame) -> bytes:
    """A frame as one message of a watch."""
    index = _varint(1 << 3) + _varint(frame.index)
    tags = b"".join(_bytes(2, _entry(*tag)) for tag in frame.tags.items())
    return index + tags + _bytes(3, frame.data)


def encoded_list(frames: Iterable[QueueFrame]) -> bytes:
    """Frames as the answer to a read."""
    return b"".join(_bytes(1, encoded_frame(frame)) for frame in frames)


def encoded_attributes(attributes: Mapping[str, str]) -> bytes:
    """A queue's attributes."""
    return b"".join(_bytes(1, _entry(*one)) for one in attributes.items())


def as_json(frames: Iterable[QueueFrame]) -> list[dict[str, Any]]:
    """Frames as the answer to a read that asks for JSON."""
    return [
        {
            "index": frame.index,
            "tags": dict(frame.tags),
            "data": base64.b64encode(frame.data).decode(),
        }
        for frame in frames
    ]


def _entry(key: str, value: str) -> bytes:
    return _bytes(1, key.encode()) + _bytes(2, value.encode())


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
