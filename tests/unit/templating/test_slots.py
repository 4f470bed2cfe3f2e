"""Slots: what a `{{ … }}` may be, and what it gives."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.errors import RenderError
from comfyclient.templating.slots import Filled, SlotTemplate

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def fill(source: str, **context: Any) -> Filled:
    """Render a source with `params` as given."""
    template = SlotTemplate(source, "t@1.0.0")
    return template.fill({"params": SimpleNamespace(**context)}, None)


def value(expression: str, **context: Any) -> Any:
    """What one slot gives."""
    return json.loads(fill("{{ " + expression + " }}", **context).text)


def refused(source: str, **context: Any) -> RenderError:
    """The error of a source that must not render."""
    with pytest.raises(RenderError) as caught:
        fill(source, **context)
    assert caught.value.template == "t@1.0.0"
    return caught.value


@given(TEXTS)
def test_any_text_is_one_json_string(text: str) -> None:
    """No character of a text ends its string or begins a slot."""
    filled = fill('{"a": {{ params.x }}, "b": [{{ params.x }}]}', x=text)
    assert json.loads(filled.text) == {"a": text, "b": [text]}
    assert filled.text.isascii()


@pytest.mark.parametrize(
    "given_value",
    [None, True, 0, -1, 1 << 64, 1.5, [], [1, "a"], {"a": [None]}, "", '"},"9":{'],
)
def test_every_json_value_comes_out_as_it_is(given_value: Any) -> None:
    """Numbers stay numbers, null is null, lists and objects stay whole."""
    assert value("params.x", x=given_value) == given_value


@pytest.mark.parametrize(
    ("given_value", "said"),
    [
        (float("nan"), "Out of range float"),
        (float("inf"), "Out of range float"),
        ({"a": [float("-inf")]}, "Out of range float"),
        (object(), "object cannot be a JSON value"),
        (range, "unsafe"),
        ("\ud800", "surrogate"),
        ({"a": "\udfff"}, "surrogate"),
    ],
)
def test_what_json_lacks_is_refused_with_line_and_slot(
    given_value: Any, said: str
) -> None:
    """The error names the line and the slot's source."""
    error = refused('{\n"a": {{  params.x\n }} }', x=given_value)
    assert error.line == 2
    assert "{{ params.x }}" in str(error)
    assert said in str(error)


def test_pairs_of_surrogates_pass() -> None:
    """An emoji is written as a pair of escapes and read back as itself."""
    assert value("params.x", x="🚗 \\ud800 in words") == "🚗 \\ud800 in words"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% include 'x' %}", "'include'"),
        ("{% import 'x' as x %}", "'import'"),
        ("{% from 'x' import x %}", "'import'"),
        ("{% extends 'x' %}", "'extends'"),
        ("{% block x %}{% endblock %}", "'block'"),
        ("{% macro x() %}{% endmacro %}", "'macro'"),
        ("{% call x() %}{% endcall %}", "'call'"),
        ("{% filter upper %}{% endfilter %}", "'filter block'"),
        ("{% set x %}1{% endset %}", "'set block'"),
        ("{% with x = 1 %}{% endwith %}", "'with'"),
        ("{{ 9 ** 9 ** 9 }}", "'**'"),
        ("{% for x in [] recursive %}{% endfor %}", "cannot be recursive"),
        ("{{ params.x.upper() }}", "only range()"),
        ("{{ trip.model_dump() }}", "only range()"),
        ("{{ cycler }}", "not known here"),
        ("{{ params.__class__ }}", "private"),
        ("{{ params['x']['__class__']['mro'] | attr('x') }}", "no filter 'attr'"),
        ("{{ _run }}", "private"),
        ("{{ loops }}", "'loops' is not known here"),
        ("{% set trip = 1 %}", "cannot be set"),
        ("{{ params.x | tojson }}", "there is no filter 'tojson'"),
        ("{{ params.x is sameas 1 }}", "sameas"),
        ("{{ params.x", "unexpected end"),
        ("{% for x in [] %}", "Unexpected end"),
        ("{{ params.x + }}", "expected"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "too deeply"),
    ],
)
def test_what_no_template_needs_is_refused(source: str, said: str) -> None:
    """Nothing but slots, for, if and set; errors name the line."""
    error = refused("\n\n" + source, x="a")
    assert said in str(error)
    assert error.line == 3 or "deeply" in said


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("params.missing", "no attribute 'missing'"),
        ("params.x.missing", "no attribute 'missing'"),
        ("params.x['__class__']", "unsafe"),
        ("params.x.upper", "unsafe"),
        ("params.items", "no attribute 'items'"),
        ("1 / 0", "ZeroDivisionError"),
        ("params.x + 1", "TypeError"),
        ("params.x | int", "ValueError"),
        ("params.x | upload", "takes no files"),
        ("[range(10000000) | length]", "OverflowError"),
        ("trip.title", "'trip' is undefined"),
    ],
)
def test_a_slot_that_fails_is_told_with_its_line(expression: str, said: str) -> None:
    """Whatever goes wrong while rendering becomes a RenderError."""
    error = refused('{"a": 1,\n\n"b": {{ ' + expression + " }} }", x="a")
    assert error.line == 3
    assert said in str(error)


def test_a_failure_in_an_if_names_its_line() -> None:
    """Control flow fails with a line too."""
    assert refused("\n{% if params.x > 1 %}1{% endif %}", x="a").line == 2


def test_a_huge_rendering_is_stopped() -> None:
    """A loop cannot fill the memory."""
    source = "{% for i in range(99999) %}{{ params.x }},{% endfor %}"
    assert "more than 64 MiB" in str(refused(source, x="x" * 10_000))


def test_slots_and_fixed_text_know_their_lines() -> None:
    """Each offset of the text leads back to the line that wrote it, loops included."""
    source = """{
{% for i in range(2) %}
  {{ "n" ~ i }}: {
    "x": {{ i }},
    {# a comment
       of two lines #}
    "y": 1
  },
{% endfor %}
  "last": {{ params.x | upper }}
}"""
    filled = fill(source, x="z")
    places = {
        part: [filled.place(i) for i in range(len(filled.text)) if _at(filled, i, part)]
        for part in ('"n0"', '"n1"', '"x"', '"y"', '"last"', '"Z"')
    }
    assert {part: [line for line, _ in at] for part, at in places.items()} == {
        '"n0"': [3],
        '"n1"': [3],
        '"x"': [4, 4],
        '"y"': [7, 7],
        '"last"': [10],
        '"Z"': [10],
    }
    slot = places['"Z"'][0][1]
    assert slot is not None
    assert slot.expression == "params.x | upper"
    assert places['"last"'][0][1] is None


def _at(filled: Filled, offset: int, part: str) -> bool:
    return filled.text.startswith(part, offset)


@pytest.mark.parametrize(
    ("source", "quoted"),
    [
        ('{"a": "{{ params.x }}"}', True),
        ('{"a": "b\\" {{ params.x }}"}', True),
        ('{"a": {{ params.x }}}', False),
        ('{"a": "\\\\", "b": {{ params.x }}}', False),
        ('{"a": {{ params.x }}, "b": "{{ params.x }}"}', True),
    ],
)
def test_a_slot_inside_quotes_is_noticed(source: str, quoted: bool) -> None:
    """Escaped quotes do not mislead, nor does what a slot gives."""
    assert (fill(source, x='"').quoted() is not None) is quoted


def test_what_a_template_reads_is_known() -> None:
    """Fields of the trip and parameters are found in slots, loops and conditions."""
    template = SlotTemplate(
        "{{ trip.title }}{% for s in trip['stops'] %}{{ s.name }}{% endfor %}\n"
        "{% if params.a %}{{ params.b | default(copy.title) }}{% endif %}",
        "t@1.0.0",
    )
    assert template.reads.trip == {"title": 1, "stops": 1}
    assert template.reads.params == {"a": 2, "b": 2}
    assert template.reads.names == {"trip", "params", "copy"}


def test_texts_are_not_rendered_again() -> None:
    """A slot's text that looks like a slot stays text."""
    assert value("params.x", x="{{ params.y }}{% if %}{#") == "{{ params.y }}{% if %}{#"


def test_the_same_fixed_text_in_two_lines_is_told_apart() -> None:
    """Of equal texts between slots, the one behind the slot before is meant."""
    filled = fill('[{{ 1 }},\n"a", {{ 2 }},\n"a", {{ 3 }},\n"a", {{ 4 }}]')
    places = [i for i in range(len(filled.text)) if filled.text.startswith('"a"', i)]
    assert [filled.place(offset)[0] for offset in places] == [2, 3, 4]
