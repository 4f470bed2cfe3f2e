"""JSON as servers send it: what is accepted, and how a wrong type is told."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from pydantic import JsonValue

from comfyclient.errors import BadAnswerError
from comfyclient.transports.wire import (
    as_list,
    as_node,
    as_number,
    as_object,
    as_text,
    brief,
    parse,
    parse_object,
    shortened,
)


def test_python_json() -> None:
    """NaN and Infinity are numbers, as Python's encoder writes them."""
    value = parse(b"[NaN, Infinity, -Infinity, 1e999]", "it")

    assert isinstance(value, list)
    assert [math.isfinite(v) for v in value if isinstance(v, float)] == [False] * 4


def test_byte_order_mark() -> None:
    """A proxy's byte order mark does no harm."""
    assert parse_object(b"\xef\xbb\xbf{}", "it") == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>" + b"x" * 5_000_000,
        b"\xff\xfe{\x00}\x00",
        b"{\x00}\x00",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"9" * 10_000,
        "\ud800",
    ],
)
def test_no_json(body: bytes | str) -> None:
    """What is no JSON is told in a few printable words, with what to check."""
    with pytest.raises(BadAnswerError, match="it is not JSON") as caught:
        parse(body, "it")

    assert len(str(caught.value)) < 300
    assert "url" in (caught.value.hint or "")
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (as_object, {"a": 1}, [None, True, 1, 1.5, "s", []]),
        (as_list, [1], [None, True, 1, 1.5, "s", {}]),
        (as_text, "s", [None, True, 1, 1.5, [], {}]),
        (as_number, 1.5, [None, True, "1", [], {}]),
        (as_node, "1", [None, True, 1.5, [], {}]),
    ],
)
def test_types(
    read: Callable[[JsonValue, str], object], good: JsonValue, bad: list[JsonValue]
) -> None:
    """Each reader takes its own type alone, and names what it found instead."""
    assert read(good, "the x") == good
    for value in bad:
        with pytest.raises(BadAnswerError, match=r"^the x is .*, not "):
            read(value, "the x")


def test_huge_numbers() -> None:
    """An integer beyond all floats is infinite."""
    assert as_number(10**400, "n") == math.inf
    assert as_number(-(10**400), "n") == -math.inf


def test_node_numbers() -> None:
    """A node id may be a whole number, a silly one too."""
    assert as_node(7, "n") == "7"
    assert len(as_node(10**9000, "n")) <= 40


def test_brief_of_depth() -> None:
    """A value too deep to be written again is still named."""
    deep: JsonValue = []
    for _ in range(100_000):
        deep = [deep]

    assert brief(deep) == "a list"
    while deep:  # or the interpreter would recurse in freeing it
        deep = deep.pop()


def test_shortened() -> None:
    """Short text stays, long text is cut with an ellipsis, and all can be printed."""
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "ab…"
    assert shortened("a\udcff", 9) == "a\\udcff"
