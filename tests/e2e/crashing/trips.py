"""The trips of a batch: a graph for each, which no other one has. Pure."""

from __future__ import annotations

from typing import Any

from comfyclient.graph import with_meta
from comfyclient.workflow import NamedOutput, Workflow

COLOURS = 0x050505
"""Apart from each other, so that no picture passes for another one's."""


def trip_name(number: int) -> str:
    """What the trip is called, and its result."""
    return f"trip-{number:04}"


def colour_of(trip: str) -> tuple[int, int, int]:
    """The colour of its picture."""
    number = int(trip.rpartition("-")[2])
    return number % 256, 40 + number // 256, 200


def workflow_of(trip: str, *, tallied: bool) -> Workflow:
    """A picture of the trip's colour; `tallied` counts its executions on the way."""
    red, green, blue = colour_of(trip)
    graph: dict[str, Any] = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {
                "width": 16,
                "height": 16,
                "batch_size": 1,
                "color": red << 16 | green << 8 | blue,
            },
        },
        "3": {
            "class_type": "SaveImage",
            "inputs": {"images": ["2" if tallied else "1", 0], "filename_prefix": "c"},
        },
    }
    if tallied:
        graph["2"] = {"class_type": "Tally", "inputs": {"image": ["1", 0]}}
    outputs = [NamedOutput("picture", "3")]
    return Workflow(with_meta(graph), outputs=outputs, trip_id=trip)
