"""Events: small, frozen, told apart by their class."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from comfyclient import events
from comfyclient.events import Event, Finished, NodeOutput, Preview, Progress

KINDS = get_args(Event)


def test_the_union_has_every_class() -> None:
    """Every event class of the module is part of `Event`, so that a match is whole."""
    classes = {
        kind
        for kind in vars(events).values()
        if isinstance(kind, type) and kind.__module__ == events.__name__
    }
    assert classes == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_frozen_and_small(kind: type) -> None:
    """No event can be changed by one of its readers."""
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert kind.__doc__


def test_a_picture_is_not_printed() -> None:
    """The repr of a preview does not hold its bytes."""
    assert "secret" not in repr(Preview(b"secret", "image/png"))


def test_matching_by_class() -> None:
    """A caller matches on class and fields."""
    match Finished(error=None):
        case Finished(error=None):
            matched = True
        case _:
            matched = False
    assert matched
    assert Progress(0.5) == Progress(0.5)
    assert NodeOutput("1", ()).values == {}
