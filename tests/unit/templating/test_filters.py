"""Filters of templates."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from comfyclient.errors import RenderError
from comfyclient.templating.filters import FILTERS, MAX_SEED, to_json
from comfyclient.templating.slots import SlotTemplate


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("-3 | abs", 3),
        ("['a', none, ''] | set_only", ["a", ""]),
        ("[{'a': 1}, {'a': none}] | having('a')", [{"a": 1}]),
        ("[{'a': 1, 'b': 2}] | pick('b')", [{"b": 2}]),
        ("'海边 🌊☀\ufe0f 👨\u200d👩 日落 ★ → ℃' | plain", "海边 日落 ★ → ℃"),
        ("[{'name': 'Café 🇫🇷 1\ufe0f\u20e3'}, 2] | plain", [{"name": "Café 1"}, 2]),
        ("[{'a': 1}, {'a': 2}] | pluck('a')", [1, 2]),
        ("1284.56 | grouped", "1,285"),
        ("1284.56 | grouped(1)", "1,284.6"),
        ("9 | between(1, 5)", 5),
        ("-9 | between(1, 5)", 1),
        ("'环青海湖自驾' | clip(4)", "环青海…"),
        ("'环青海湖' | clip(4)", "环青海湖"),
        ("'ab cd' | clip(4)", "ab…"),
        ("none | default('x')", "x"),
        ("'' | default('x')", ""),
        ("0 | default(5)", 0),
        ("params.nothing | default('x')", "x"),
        ("[3, 4] | first", 3),
        ("[3, 4] | last", 4),
        ("'2.5' | float", 2.5),
        ("2.9 | int", 2),
        ("[1, 'b', 2.5] | join(' · ')", "1 · b · 2.5"),
        ("[1, ['湖']] | json_text", '[1,["湖"]]'),
        ('{"a": "\\"}"} | json_text', '{"a":"\\"}"}'),
        ("[1, 2] | length", 2),
        ("'aB' | lower", "ab"),
        ("[1, 5, 2] | max", 5),
        ("[4, 5, 2] | min", 2),
        ("41 | plus(1)", 42),
        (f"{MAX_SEED} | plus(2)", 1),
        ("2.567 | round", 3),
        ("2.567 | round(1)", 2.6),
        ("12 | string", "12"),
        ("[1, 2] | sum", 3),
        ("' a ' | trim", "a"),
        ("'aB' | upper", "AB"),
        ("{'k': 1} | items", [["k", 1]]),
        ("[{'k': 1, 'v': 2}, {'k': none}] | where('k', 1)", [{"k": 1, "v": 2}]),
        ("[{'k': 1}, {'k': none}] | where('k', none)", [{"k": None}]),
    ],
)
def test_each_filter_gives_what_the_docs_say(expression: str, expected: Any) -> None:
    """One slot with the filter gives the expected JSON value of the expected type."""
    template = SlotTemplate("{{ " + expression + " }}", "t@1.0.0")
    given = json.loads(template.fill({"params": SimpleNamespace()}, None).text)
    assert given == expected
    assert type(given) is type(expected)


def test_rounding_to_whole_numbers_gives_integers() -> None:
    """An INT input of a node must not get `3.0`."""
    template = SlotTemplate("{{ 2.567 | round }}", "t@1.0.0")
    assert template.fill({}, None).text == "3"


@pytest.mark.parametrize(
    "expression",
    [
        "[1] | upper",
        "none | join",
        "true | string",
        "['a'] | pick('a')",
        "[{'a': 1}] | pick('b')",
        "'a' | grouped",
    ],
)
def test_a_filter_refuses_what_it_is_not_for(expression: str) -> None:
    """Python's way of writing a list or a boolean never gets onto a card."""
    template = SlotTemplate("{{ " + expression + " }}", "t@1.0.0")
    with pytest.raises(RenderError):
        template.fill({}, None)


def test_undefined_is_never_a_value() -> None:
    """Not even inside a list."""
    template = SlotTemplate("{{ [params.nothing] }}", "t@1.0.0")
    with pytest.raises(RenderError, match="nothing"):
        template.fill({"params": SimpleNamespace()}, None)


def test_json_is_ascii() -> None:
    """Any text can be cut into chunks and lines without a thought."""
    assert to_json("湖\u2028\n") == '"\\u6e56\\u2028\\n"'


def test_every_filter_is_tested() -> None:
    """A new filter needs a case above."""
    source = Path(__file__).read_text("utf-8")
    missing = [name for name in FILTERS if f"| {name}" not in source]
    assert missing == ["upload"]


def test_every_filter_is_documented() -> None:
    """The page on templates lists all filters, and none that there is not."""
    page = Path(__file__).parents[3] / "docs" / "templates.md"
    table = page.read_text("utf-8").split("### Filters")[1].split("Tests:")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = [name.strip(" `") for row in rows for name in row.split(",")]
    assert sorted(named) == sorted(FILTERS)
