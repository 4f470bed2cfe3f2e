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
    return _png(struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0), bytes([0, shade % 256]))


def _png(header: bytes, rows: bytes) -> bytes:
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(content)) + kind + content + _checked(kind + content)
        for kind, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _checked(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))


def picture(width: int, height: int, *, seed: int = 0) -> bytes:
    """A PNG of that size: a sky over a land, in colours of the seed's."""
    sky, land = (seed * 37 % 160 + 60, seed * 91 % 120 + 110, 210), (96, 128, 84)
    rows = bytearray()
    for y in range(height):
        share = y / max(1, height - 1)
        colour = sky if share < 0.62 else land
        shade = 1 - 0.35 * share
        rows += b"\0" + bytes(int(part * shade) for part in colour) * width
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _png(header, bytes(rows))
