"""The inputs that a node has with the values it was given: choices open others. Pure.

A dynamic combo's choice brings inputs named `format.codec`; an input that grows has
`images.image0`, `images.image1`, …
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from .object_info import (
    AUTOGROW,
    DYNAMIC,
    DYNAMIC_COMBO,
    DYNAMIC_SLOT,
    InputInfo,
    NodeInfo,
    read_input,
    read_inputs,
)

MOST_GROWN = 100
"""An input grows to no more than this on any server."""


@dataclass(slots=True)
class Inputs:
    """The inputs of one node."""

    known: dict[str, InputInfo] = field(default_factory=dict)
    """By name, dotted ones among them."""
    grown: set[str] = field(default_factory=set)
    """The inputs that one which grows stands for."""
    choosing: list[InputInfo] = field(default_factory=list)
    """Dynamic combos, whether their choice was made or not."""


def inputs_of(node: NodeInfo, given: Mapping[str, JsonValue]) -> Inputs:
    """What the node takes, given these values."""
    found = Inputs()
    _expand(node.inputs.values(), given, found)
    return found


def option_keys(combo: InputInfo) -> list[JsonValue]:
    """What a dynamic combo can be set to."""
    return [option.get("key") for option in _options(combo)]


def _expand(
    inputs: Iterable[InputInfo], given: Mapping[str, JsonValue], found: Inputs
) -> None:
    for one in inputs:
        if one.kind not in DYNAMIC:
            found.known[one.name] = one
        elif one.kind == AUTOGROW:
            for entry in _grown(one):
                found.known[entry.name] = entry
                found.grown.add(entry.name)
        else:
            if one.kind == DYNAMIC_COMBO:
                found.choosing.append(one)
            opened = _opened(one, given)
            if opened is not None:
                found.known[one.name] = one
                _expand(opened, given, found)


def _opened(
    one: InputInfo, given: Mapping[str, JsonValue]
) -> Iterator[InputInfo] | None:
    """The inputs behind a choice or a slot; None while it is not made."""
    if one.name not in given:
        return None
    if one.kind == DYNAMIC_SLOT:
        return read_inputs(one.options.get("inputs"), prefix=f"{one.name}.")
    for option in _options(one):
        if option.get("key") == given[one.name]:
            return read_inputs(option.get("inputs"), prefix=f"{one.name}.")
    return None


def _options(combo: InputInfo) -> list[dict[str, JsonValue]]:
    options = combo.options.get("options")
    entries = options if isinstance(options, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]


def _grown(one: InputInfo) -> Iterator[InputInfo]:
    template = one.options.get("template")
    if not isinstance(template, dict):
        return
    entry = _template_input(template.get("input"))
    least = template.get("min")
    if entry is None or not isinstance(least, int):
        return
    for number, name in enumerate(_grown_names(template)):
        required = entry.required and number < least
        yield replace(entry, name=f"{one.name}.{name}", required=required)


def _template_input(sections: JsonValue) -> InputInfo | None:
    """The first input of the template, of whichever section has one."""
    for section, entries in sections.items() if isinstance(sections, dict) else ():
        for spec in entries.values() if isinstance(entries, dict) else ():
            return read_input("", spec, required=section == "required")
    return None


def _grown_names(template: Mapping[str, JsonValue]) -> list[str]:
    names = template.get("names")
    if isinstance(names, list):
        return [str(name) for name in names[:MOST_GROWN]]
    prefix, most = template.get("prefix"), template.get("max")
    if not isinstance(prefix, str) or not isinstance(most, int):
        return []
    return [f"{prefix}{number}" for number in range(min(most, MOST_GROWN))]
