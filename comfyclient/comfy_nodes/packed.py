"""Unpacks JSON lists that were sent as short text. Pure.

What comes over a queue may have only a few KB: comfyclient packs long lists then.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

PREFIX = "packed:1:"
MOST_BYTES = 64 << 20
"""Of a text that was unpacked: what would fill the memory is damaged, too."""


def unpacked(text: str, *, most: int = MOST_BYTES) -> Any:
    """The value that a packed text holds.

    Raises:
        ValueError: it was not packed by comfyclient, or is damaged.
    """
    try:
        content = _inflated(base64.b85decode(text.removeprefix(PREFIX)), most)
        whole = json.loads(content)
        value = list(whole["rest"])
        for key, columns in whole["tables"].items():
            alone = isinstance(columns, dict)
            rows = _column(columns["alone"]) if alone else _rows(columns)
            if key == "":
                value = rows
            else:
                value[int(key)] = rows
    except (zlib.error, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"packed text is damaged: {error!r}") from error
    return value


def _inflated(content: bytes, most: int) -> bytes:
    stream = zlib.decompressobj()
    found = stream.decompress(content, most)
    if not stream.eof:
        raise ValueError("packed text is damaged, or too long")
    return found


def _rows(columns: list[Any]) -> list[Any]:
    return [list(row) for row in zip(*map(_column, columns), strict=True)]


def _column(column: list[Any]) -> list[Any]:
    """The numbers of a column: each as many decimal places right as there were."""
    decimals, steps = column
    unit, whole = 10 ** int(decimals), 0
    numbers: list[Any] = []
    for step in steps:
        if step is None:
            numbers.append(None)
            continue
        whole += int(step)
        numbers.append(whole / unit if decimals else whole)
    return numbers
