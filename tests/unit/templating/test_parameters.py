"""Typed parameters: what each type takes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from comfyclient.templating.parameters import Parameter

PARAMETER: TypeAdapter[Parameter] = TypeAdapter(Parameter)


def parameter(**fields: Any) -> Parameter:
    """A parameter as a manifest declares it."""
    return PARAMETER.validate_python(fields)


@pytest.mark.parametrize(
    ("fields", "value", "seen"),
    [
        ({"type": "string", "max_length": 2}, "湖🚗", "湖🚗"),
        ({"type": "integer", "min": 0, "max": 2}, 2, 2),
        ({"type": "number"}, 2, 2.0),
        ({"type": "number", "min": 0.5}, 0.5, 0.5),
        ({"type": "boolean"}, False, False),
        ({"type": "choice", "choices": ["a", "b"]}, "b", "b"),
        ({"type": "colour"}, "#AbCdEf", "#abcdef"),
        ({"type": "seed"}, (1 << 64) - 1, (1 << 64) - 1),
    ],
)
def test_what_is_allowed_passes(fields: Any, value: Any, seen: Any) -> None:
    """The template sees the value in the type that the manifest says."""
    found = parameter(**fields).check(value)
    assert found == seen
    assert type(found) is type(seen)


@pytest.mark.parametrize(
    ("fields", "value"),
    [
        ({"type": "string", "max_length": 2}, "abc"),
        ({"type": "string"}, 5),
        ({"type": "string"}, b"abc"),
        ({"type": "integer"}, True),
        ({"type": "integer"}, 3.0),
        ({"type": "integer"}, "3"),
        ({"type": "integer", "min": 0}, -1),
        ({"type": "integer", "max": 2}, 3),
        ({"type": "number"}, float("nan")),
        ({"type": "number"}, float("inf")),
        ({"type": "number"}, 10**400),
        ({"type": "number"}, False),
        ({"type": "number", "max": 2}, 2.1),
        ({"type": "boolean"}, 1),
        ({"type": "boolean"}, "true"),
        ({"type": "choice", "choices": ["a"]}, "A"),
        ({"type": "choice", "choices": ["a"]}, ["a"]),
        ({"type": "colour"}, "#abc"),
        ({"type": "colour"}, "red"),
        ({"type": "colour"}, "#abcdef\n"),
        ({"type": "seed"}, -1),
        ({"type": "seed"}, 1 << 64),
        ({"type": "seed"}, True),
    ],
)
def test_what_is_not_allowed_is_told_with_what_is(fields: Any, value: Any) -> None:
    """The error shows the value, shortened, and what the parameter takes."""
    found = parameter(**fields)
    with pytest.raises(ValueError, match="allowed: ") as caught:
        found.check(value)
    assert found.allowed in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("fields", "text", "seen"),
    [
        ({"type": "string"}, "3", "3"),
        ({"type": "integer"}, " -3 ", -3),
        ({"type": "number"}, "2.5", 2.5),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "off", False),
        ({"type": "choice", "choices": ["a"]}, "a", "a"),
        ({"type": "colour"}, "#ABCDEF", "#abcdef"),
        ({"type": "seed"}, "18446744073709551615", (1 << 64) - 1),
    ],
)
def test_texts_are_read_by_type(fields: Any, text: str, seen: Any) -> None:
    """A command line gives texts only."""
    assert parameter(**fields).read(text) == seen


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "integer"}, "3.0"),
        ({"type": "integer"}, "1_000"),
        ({"type": "integer"}, "٣"),
        ({"type": "integer"}, "9" * 5000),
        ({"type": "number"}, "nan"),
        ({"type": "number"}, "much"),
        ({"type": "boolean"}, "maybe"),
        ({"type": "seed"}, "-1"),
        ({"type": "colour"}, "blue"),
    ],
)
def test_texts_that_cannot_be_read_are_told(fields: Any, text: str) -> None:
    """No half-read value gets through."""
    with pytest.raises(ValueError, match="allowed: "):
        parameter(**fields).read(text)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "integer", "min": 5, "default": 1}, "allowed: a whole number from 5"),
        ({"type": "choice", "choices": ["a"], "default": "b"}, "allowed: a"),
        ({"type": "choice", "choices": []}, "at least 1 item"),
        ({"type": "string", "default": "x", "required": True}, "no use for a default"),
        ({"type": "colour", "default": "red"}, "allowed: a colour"),
        ({"type": "integer", "default": True}, "valid integer"),
        ({"type": "text"}, "does not match"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(
    fields: Any, said: str
) -> None:
    """A default must be a value that the caller could give."""
    with pytest.raises(PydanticError, match=said):
        parameter(**fields)
