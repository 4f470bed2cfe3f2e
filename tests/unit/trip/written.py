"""Trips with every secret, written to files."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue

Fields = dict[str, JsonValue]


SECRETS = ("SAMPLE0000VIN0001", "样A·00001", "Sample Owner", "1 Example Street")


def fields(**changes: JsonValue) -> Fields:
    """A small trip with every secret, and changes."""
    return {
        "id": "t",
        "vehicle": {"vin": SECRETS[0], "plate": SECRETS[1], "owner": SECRETS[2]},
        "start": "2026-07-18T08:00:00+08:00",
        "end": "2026-07-18T11:00:00+08:00",
        "stops": [
            {"kind": "home", "name": "Ours", "address": SECRETS[3]},
            {"kind": "lake", "name": "L", "arrival": "2026-07-18T09:00:00+08:00"},
        ],
        "track": [{"lat": 36.0, "lon": 100.0}, {"lat": 36.1, "lon": 100.0}],
        **changes,
    }


def written(folder: Path, value: JsonValue, name: str = "trip.json") -> Path:
    """A readable JSON file, one value a line."""
    path = folder / name
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
    return path
