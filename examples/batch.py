"""Make postcards of many trips: as they end, several at a time, one failure no matter.

Run again with the same name, what was made is not made anew, unless it is nowhere any
more. On the command line it is
`comfyclient batch trip-postcard examples/trips/trips.jsonl --out pictures`.

How to run: python examples/batch.py [folder for the pictures]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from comfyclient import Client, ComfyClientError, Trip, load_trips

TRIPS = Path(__file__).parent / "trips" / "trips.jsonl"


def trips() -> Iterator[Trip | ComfyClientError]:
    """Read as they are needed: a hundred thousand would take no more memory.

    What cannot be read is an outcome like any other.
    """
    bad: list[ComfyClientError] = []
    for trip in load_trips(TRIPS, on_error=bad.append):
        yield from bad
        bad.clear()
        yield trip
    yield from bad


def main(folder: str = "pictures") -> None:
    """Save every picture, and tell of each failure."""
    with (
        Client.from_config() as client,
        client.map(
            "trip-postcard", trips(), name="autumn", save_to=folder, remake=True
        ) as batch,
    ):
        for outcome in batch:
            if outcome.error is not None:
                print(f"failed: {outcome.error}")
            for file in outcome.files:
                print(f"{batch.tally.ended} ended; saved {file}")


if __name__ == "__main__":
    main(*sys.argv[1:2])
