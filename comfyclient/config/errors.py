"""The mistakes of a configuration: all at once, each with place, key, remedy. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..errors import ConfigError
from .secrets import shown, shown_key
from .shapes import Shape, Table, shape_at
from .toml_lines import Location

_BARE = re.compile(r"[A-Za-z0-9_-]+")

MOST_TOLD = 20
"""Mistakes that one error lists."""

Place = Callable[[Location], str]
"""Says which line of which file, variable or argument a key came from."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong, and what to do about it."""

    words: str
    hint: str | None = None
    location: Location = ()
    place: str | None = None
    """Where it stands, if not where `location` came from."""

    def told(self, place: Place) -> str:
        """The mistake behind its place."""
        where = place(self.location) if self.place is None else self.place
        return f"{where}: {self.words}" if where else self.words


def error_of(mistakes: Sequence[Mistake], place: Place) -> ConfigError:
    """One error that tells all mistakes."""
    if len(mistakes) == 1:
        return ConfigError(mistakes[0].told(place), hint=mistakes[0].hint)
    lines = [f"the configuration has {len(mistakes)} mistakes"]
    for mistake in mistakes[:MOST_TOLD]:
        hint = "" if mistake.hint is None else f" ({mistake.hint})"
        lines.append(f"  - {mistake.told(place)}{hint}")
    if len(mistakes) > MOST_TOLD:
        lines.append(f"  … and {len(mistakes) - MOST_TOLD} more")
    return ConfigError("\n".join(lines))


def mistakes_of(error: ValidationError, root: Shape) -> list[Mistake]:
    """What pydantic found, in our words."""
    found = error.errors(include_url=False)
    return [_mistake(one, root) for one in found if not _follows(one, found)]


def _follows(one: Mapping[str, Any], found: Iterable[Mapping[str, Any]]) -> bool:
    """Whether an array is called too short only because its items were refused."""
    place = one["loc"]
    return one["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place
        for other in found
    )


def _mistake(found: Mapping[str, Any], root: Shape) -> Mistake:
    location: Location = tuple(part for part in found["loc"] if part != "[key]")
    if found["type"] == "extra_forbidden":
        return unknown_key(location, root)
    got = None if found["type"] == "missing" else shown(location, found["input"])
    if found["type"] == "configuration" and got == "a table":
        got = None  # something between its keys is wrong, and was named
    return Mistake(
        f"{dotted(location)}: {_remedy(found)}"
        + ("" if got is None else f", got {got}"),
        location=location,
    )


def _remedy(found: Mapping[str, Any]) -> str:
    """What would be right; pydantic speaks of Python's types where it means ours."""
    if found["type"] == "path_type":
        return "Input should be a path"
    if found["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "Input should be a table"
    if found["type"] == "tuple_type":
        tables = found["loc"][-1] == "instances"
        return f"Input should be an array{' of tables' if tables else ''}"
    return str(found["msg"])


def unknown_key(location: Location, root: Shape) -> Mistake:
    """A key that no table of its place has."""
    *above, key = location
    shape = shape_at(root, tuple(above))
    known = shape.keys if isinstance(shape, Table) else []
    return Mistake(
        f"unknown key {dotted((*above, shown_key(str(key))))}",
        hint=did_you_mean(str(key), known) or _known_here(known),
        location=location,
    )


def _known_here(known: Sequence[str]) -> str | None:
    return f"known here: {', '.join(sorted(known))}" if known else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that was perhaps meant."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else None


def dotted(location: Location) -> str:
    """A key as it is written: `environments.test.instances[0].url`."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{_written(part)}" if text else _written(part)
    return text


def _written(part: str) -> str:
    return (
        part
        if _BARE.fullmatch(part)
        else json.dumps(part, ensure_ascii=not part.isprintable())
    )
