"""One trip becomes one postcard on the embedded engine: no GPU, no cloud, no key.

How to run: python examples/first_postcard.py [trip.json] [folder]
"""

from __future__ import annotations

import sys
from pathlib import Path

from comfyclient import Client, load_trip

TRIPS = Path(__file__).parent / "trips"


def main(
    trip: str = str(TRIPS / "black-forest-weekend.json"), out: str = "out"
) -> None:
    """Submit, wait, save, and say where the picture came from."""
    with Client.from_config() as client:
        result = client.run("trip-postcard", load_trip(trip), seed=7)
        print("saved", result.output("postcard").save(out))
        origin = result.provenance
        print(f"by {origin.template}, seed {origin.seed}, graph {origin.digest[:12]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
