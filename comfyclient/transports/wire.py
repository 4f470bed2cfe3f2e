"""JSON as servers send it, read with every type checked. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TypeAlias

from pydantic import JsonValue

from ..errors import BadAnswerError

JsonObject: TypeAlias = dict[str, JsonValue]

_NAMES: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def parse(body: str | bytes, what: str) -> JsonValue:
    """The JSON of an answer; NaN and Infinity pass, as ComfyUI writes them.

    Raises:
        BadAnswerError: it is not JSON, or too deeply nested to be a real answer.
    """
    try:
        # json.loads alone would guess UTF-16 and UTF-32 from NUL bytes
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
        value: JsonValue = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(
            f"{what} is not JSON: {shortened(str(error), 80)};"
            f" it begins {shortened(repr(body[:60]), 80)}",
            hint="check that the instance's url leads to ComfyUI itself",
        ) from error
    return value


def parse_object(body: str | bytes, what: str) -> JsonObject:
    """The JSON object of an answer.

    Raises:
        BadAnswerError: it is not JSON, or not an object.
    """
    return as_object(parse(body, what), what)


def as_object(value: JsonValue, what: str) -> JsonObject:
    """The value, which the protocol says is an object.

    Raises:
        BadAnswerError: it is something else.
    """
    if isinstance(value, dict):
        return value
    raise wrong(what, value, "an object")


def as_text(value: JsonValue, what: str) -> str:
    """The value, which the protocol says is a string.

    Raises:
        BadAnswerError: it is something else.
    """
    if isinstance(value, str):
        return value
    raise wrong(what, value, "a string")


def as_number(value: JsonValue, what: str) -> float:
    """The value, which the protocol says is a number; one too large is infinite.

    Raises:
        BadAnswerError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(what, value, "a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def as_list(value: JsonValue, what: str) -> list[JsonValue]:
    """The value, which the protocol says is a list.

    Raises:
        BadAnswerError: it is something else.
    """
    if isinstance(value, list):
        return value
    raise wrong(what, value, "a list")


def as_node(value: JsonValue, what: str) -> str:
    """A node id: a string, or a number from nodes that send their own messages.

    Raises:
        BadAnswerError: it is something else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return shortened(brief(value), 40)
    return as_text(value, what)


def text_or(value: JsonValue, default: str) -> str:
    """The value where it is a string, the default otherwise."""
    return value if isinstance(value, str) else default


def object_or_empty(value: JsonValue) -> JsonObject:
    """The value where it is an object, an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def wrong(what: str, value: JsonValue, expected: str) -> BadAnswerError:
    """The error for a value of another type than the protocol says."""
    found = _NAMES[type(value)]
    shown = "" if isinstance(value, dict | list) else f" ({brief(value)})"
    return BadAnswerError(
        f"{what} is {found if value is not None else 'null or missing'}{shown},"
        f" not {expected}",
        hint="check that the instance is a ComfyUI of a supported version",
    )


def brief(value: JsonValue, limit: int = 60) -> str:
    """A value as short text that can be printed; strings stand as they are."""
    if isinstance(value, str) and value.strip():
        return shortened(value, limit)
    try:
        return shortened(json.dumps(value, ensure_ascii=False), limit)
    except (ValueError, RecursionError):  # a 5000-digit number, or too deep
        return _NAMES[type(value)]


def shortened(text: str, limit: int) -> str:
    """Text that can be printed anywhere, cut with an ellipsis."""
    cut = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return printable(cut)


def printable(text: str) -> str:
    """Text without lone surrogates, which JSON can hold and no file or terminal can."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
