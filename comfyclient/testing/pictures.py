"""The pictures of a scripted server: what a graph's output nodes show. Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from pydantic import JsonValue

FileKey = tuple[str, str, str]
"""A file's type, subfolder and name."""


def shown_by(
    graph: Mapping[str, JsonValue], *, after: int = 0
) -> tuple[dict[str, JsonValue], dict[FileKey, bytes]]:
    """What the output nodes of a graph show, and the files that they write.

    `after` files exist already: names and pictures go on counting there.
    """
    outputs: dict[str, JsonValue] = {}
    files: dict[FileKey, bytes] = {}
    for node_id, node in graph.items():
        kind = node.get("class_type") if isinstance(node, dict) else None
        if kind in {"SaveImage", "PreviewImage"}:
            folder = "output" if kind == "SaveImage" else "temp"
            number = after + len(files) + 1
            name = f"scripted_{number:05}_.png"
            files[folder, "", name] = png(number)
            ref: JsonValue = {"filename": name, "subfolder": "", "type": folder}
            outputs[node_id] = {"images": [ref]}
        elif kind == "PreviewAny":
            outputs[node_id] = {"text": ["hello"]}
    return outputs, files


def png(shade: int = 0) -> bytes:
    """A PNG of one grey pixel."""
    pixel = zlib.compress(bytes([0, shade % 256]))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
        (b"IDAT", pixel),
        (b"IEND", b""),
    )
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content + _checked(kind + content)
        for kind, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _checked(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))
