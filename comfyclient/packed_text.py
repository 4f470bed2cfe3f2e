"""JSON lists as short text, for what carries only a few KB. Pure.

Rows of numbers, such as the points of a track, become columns of whole differences,
which say the same in fewer digits; then all of it is compressed. Nothing is rounded.
Our node pack reads it.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Sequence
from decimal import Decimal

from pydantic import JsonValue

PREFIX = "packed:1:"
"""What packed text begins with; `comfy_nodes.packed` unpacks it."""
LEAST_ROWS = 8
_MOST_DECIMALS = 9
_EXACT = 2**53


def packed(text: str) -> str:
    """A JSON list as short text; the text itself where that is shorter, or no list."""
    try:
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, list):
        return text
    tables: dict[str, JsonValue] = {}
    whole = _table(value)
    rest: list[JsonValue] = []
    if whole is None:
        rest = [_taken(child, str(at), tables) for at, child in enumerate(value)]
    else:
        tables[""] = whole
    try:
        content = json.dumps({"rest": rest, "tables": tables}, separators=(",", ":"))
    except RecursionError:
        return text
    squeezed = base64.b85encode(zlib.compress(content.encode(), 9)).decode()
    short = PREFIX + squeezed
    return short if len(short) < len(text.encode("utf-8", "surrogatepass")) else text


def _taken(child: JsonValue, key: str, tables: dict[str, JsonValue]) -> JsonValue:
    """The child itself, or nothing where its rows went into a table."""
    table = _table(child)
    if table is None:
        return child
    tables[key] = table
    return None


def _table(rows: JsonValue) -> JsonValue:
    """The columns of many rows of as many numbers, or the one of many numbers.

    None where it is something else.
    """
    if not isinstance(rows, list) or len(rows) < LEAST_ROWS:
        return None
    alone = _column(rows)
    if alone is not None:
        return {"alone": alone}
    first = rows[0]
    width = len(first) if isinstance(first, list) else 0
    if not width or any(not isinstance(r, list) or len(r) != width for r in rows):
        return None
    columns: list[JsonValue] = []
    for at in range(width):
        column = _column([row[at] for row in rows if isinstance(row, list)])
        if column is None:
            return None
        columns.append(column)
    return columns


def _column(values: Sequence[JsonValue]) -> list[JsonValue] | None:
    """The decimals of a column, and the differences of its numbers; nulls stay."""
    exact = [None if value is None else _exact(value) for value in values]
    if any(e is None and v is not None for e, v in zip(exact, values, strict=True)):
        return None
    decimals = max((_decimals(e) for e in exact if e is not None), default=0)
    if decimals > _MOST_DECIMALS:
        return None
    steps: list[JsonValue] = []
    before = 0
    for number in exact:
        if number is None:
            steps.append(None)
            continue
        whole = int(number.scaleb(decimals))
        if abs(whole) >= _EXACT:
            return None
        steps.append(whole - before)
        before = whole
    return [decimals, steps]


def _exact(value: JsonValue) -> Decimal | None:
    """A number in its own digits; None where it is none, or one with a signed zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and (not math.isfinite(value) or _is_minus_zero(value)):
        return None
    return Decimal(repr(value)) if abs(value) < _EXACT else None


def _is_minus_zero(value: float) -> bool:
    return value == 0 and math.copysign(1, value) < 0


def _decimals(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else _MOST_DECIMALS + 1
