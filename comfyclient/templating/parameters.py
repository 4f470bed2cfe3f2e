"""The typed parameters of a template: declared, given by callers, checked. Pure."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from .filters import MAX_SEED

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


class _Parameter(BaseModel):
    """What every parameter has."""

    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, strict=True
    )

    description: str = ""
    required: bool = False
    """Whether the caller must give it; else it is its default, or unset (None)."""

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        raise NotImplementedError

    def check(self, value: object) -> JsonValue:
        """The value as the template sees it.

        Raises:
            ValueError: it is not allowed.
        """
        raise NotImplementedError

    def read(self, text: str) -> JsonValue:
        """A value given as text, such as on a command line.

        Raises:
            ValueError: it is not allowed.
        """
        return self.check(text)

    @model_validator(mode="after")
    def _sound(self) -> _Parameter:
        default: object = getattr(self, "default", None)
        if default is None:
            return self
        if self.required:
            raise ValueError("a required parameter has no use for a default")
        try:
            self.check(default)
        except ValueError as error:
            raise ValueError(f"the default {default!r}: {error}") from error
        return self

    def _refuse(self, value: object) -> ValueError:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}…"
        return ValueError(f"got {shown}; allowed: {self.allowed}")


class StringParameter(_Parameter):
    """A text."""

    type: Literal["string"]
    default: str | None = None
    max_length: int = Field(default=200, ge=1, le=100_000)

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return f"text of at most {self.max_length} characters"

    def check(self, value: object) -> JsonValue:
        """The text itself."""
        if not isinstance(value, str) or len(value) > self.max_length:
            raise self._refuse(value)
        return str(value)


class IntegerParameter(_Parameter):
    """A whole number; True and 3.0 are none."""

    type: Literal["integer"]
    default: int | None = None
    min: int | None = None
    max: int | None = None

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return "a whole number" + _bounds(self.min, self.max)

    def check(self, value: object) -> JsonValue:
        """The number itself."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._refuse(value)
        if not _within(value, self.min, self.max):
            raise self._refuse(value)
        return int(value)

    def read(self, text: str) -> JsonValue:
        """A whole number in decimal digits."""
        if not re.fullmatch(r"[+-]?[0-9]{1,30}", text.strip()):
            raise self._refuse(text)
        return self.check(int(text))


class NumberParameter(_Parameter):
    """A finite number."""

    type: Literal["number"]
    default: float | None = None
    min: float | None = None
    max: float | None = None

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return "a number" + _bounds(self.min, self.max)

    def check(self, value: object) -> JsonValue:
        """The number, always as a float."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refuse(value)
        number = float(value) if abs(value) < 1e300 else math.inf
        if not math.isfinite(number) or not _within(number, self.min, self.max):
            raise self._refuse(value)
        return number

    def read(self, text: str) -> JsonValue:
        """A number as Python writes it."""
        try:
            return self.check(float(text))
        except ValueError:
            raise self._refuse(text) from None


class BooleanParameter(_Parameter):
    """Yes or no."""

    type: Literal["boolean"]
    default: bool | None = None

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return "true or false"

    def check(self, value: object) -> JsonValue:
        """The boolean itself; 0 and 1 are none."""
        if not isinstance(value, bool):
            raise self._refuse(value)
        return value

    def read(self, text: str) -> JsonValue:
        """True, false, yes, no, on, off, 1 or 0."""
        word = text.strip().lower()
        if word not in _TRUE | _FALSE:
            raise self._refuse(text)
        return word in _TRUE


class ChoiceParameter(_Parameter):
    """One of a few texts."""

    type: Literal["choice"]
    choices: list[str] = Field(min_length=1)
    default: str | None = None

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return ", ".join(self.choices)

    def check(self, value: object) -> JsonValue:
        """The choice itself."""
        if not isinstance(value, str) or value not in self.choices:
            raise self._refuse(value)
        return str(value)


class ColourParameter(_Parameter):
    """A colour as `#rrggbb`."""

    type: Literal["colour"]
    default: str | None = None

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return "a colour such as #1a2b3c"

    def check(self, value: object) -> JsonValue:
        """The colour in lower case."""
        if not isinstance(value, str) or not _COLOUR.fullmatch(value):
            raise self._refuse(value)
        return value.lower()


class SeedParameter(_Parameter):
    """A seed of its own, next to the workflow's."""

    type: Literal["seed"]
    default: int | None = None

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return "a whole number" + _bounds(0, MAX_SEED)

    def check(self, value: object) -> JsonValue:
        """The seed itself."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._refuse(value)
        if not 0 <= value <= MAX_SEED:
            raise self._refuse(value)
        return int(value)

    def read(self, text: str) -> JsonValue:
        """A seed in decimal digits."""
        if not re.fullmatch(r"[0-9]{1,20}", text.strip()):
            raise self._refuse(text)
        return self.check(int(text))


Parameter: TypeAlias = Annotated[
    StringParameter
    | IntegerParameter
    | NumberParameter
    | BooleanParameter
    | ChoiceParameter
    | ColourParameter
    | SeedParameter,
    Field(discriminator="type"),
]


def _within(value: float, low: float | None, high: float | None) -> bool:
    return (low is None or value >= low) and (high is None or value <= high)


def _bounds(low: float | None, high: float | None) -> str:
    match low, high:
        case None, None:
            return ""
        case _, None:
            return f" from {low} up"
        case None, _:
            return f" up to {high}"
    return f" from {low} to {high}"
