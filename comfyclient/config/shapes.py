"""What the configuration may hold: tables, tables by name, values. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from .toml_lines import Location


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose keys are fixed."""

    model: type[BaseModel]

    @property
    def keys(self) -> list[str]:
        """Its keys, in order."""
        return list(self.model.model_fields)

    def shape_of(self, key: str) -> Shape:
        """What stands under one of its keys."""
        return shape_of(self.model.model_fields[key].annotation)


@dataclass(frozen=True, slots=True)
class Named:
    """A table whose keys are names of the user's."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Listed:
    """An array of tables that have names."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Value:
    """A single value, or a list of them."""

    type: Any


Shape = Table | Named | Listed | Value


def shape_of(annotation: Any) -> Shape:
    """The shape of a model's field."""
    kind, arguments = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        return shape_of(arguments[0])
    if kind in {Union, UnionType}:
        return shape_of(next(one for one in arguments if one is not type(None)))
    if kind is dict:
        return Named(shape_of(arguments[1]))
    if kind is tuple:
        item = shape_of(arguments[0])
        return Listed(item) if isinstance(item, Table) else Value(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Table(annotation)
    return Value(annotation)


def shape_at(root: Shape, location: Location) -> Shape | None:
    """The shape at a place; None where nothing may stand."""
    shape = root
    for part in location:
        match shape:
            case Table() if part in shape.keys:
                shape = shape.shape_of(str(part))
            case Named(item) | Listed(item):
                shape = item
            case _:
                return None
    return shape


def values_of(shape: Shape, *, under: Location = ()) -> Iterator[tuple[Location, Any]]:
    """Every value that may stand somewhere, with its type; names are `*`."""
    match shape:
        case Table():
            for key in shape.keys:
                yield from values_of(shape.shape_of(key), under=(*under, key))
        case Named(item) | Listed(item):
            yield from values_of(item, under=(*under, "*"))
        case Value(kind):
            yield under, kind
