"""The main job: sample trips become postcards on the embedded engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from comfyclient import Client, Settings, Trip, load_trip
from comfyclient.config.settings import EnvironmentSettings
from comfyclient.trip.trips import parse_trip

TRIPS = Path(__file__).parents[2] / "examples" / "trips"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One client for the whole file: its engine caches what repeats."""
    ledger = tmp_path_factory.mktemp("ledger") / "jobs.db"
    local = EnvironmentSettings(transport="embedded", ledger=f"sqlite:///{ledger}")
    with Client(Settings(environments={"local": local})) as opened:
        yield opened


def card_of(client: Client, trip: Trip, folder: Path, *, seed: int = 7) -> Image.Image:
    """The finished postcard of a trip."""
    result = client.run("trip-postcard", trip, seed=seed)
    with Image.open(result.output("postcard").save(folder)) as picture:
        picture.load()
        return picture


def test_the_picture_says_where_it_came_from(client: Client, tmp_path: Path) -> None:
    """Template, digest, seed and job stand in the PNG's own metadata."""
    trip = load_trip(TRIPS / "coast-night-drive.json")
    result = client.run("trip-postcard", trip, seed=11)

    with Image.open(result.output("postcard").save(tmp_path)) as picture:
        told = json.loads(picture.info["comfyclient"])

    assert told["job_id"] == result.provenance.job_id
    assert told["template"] == "trip-postcard@1.0.0"
    assert told["digest"] == result.provenance.digest
    assert told["seed"] == 11


def test_the_same_seed_paints_the_same_card(client: Client, tmp_path: Path) -> None:
    """Also on another engine, which has nothing cached."""
    trip = load_trip(TRIPS / "barely-recorded.json")
    first = card_of(client, trip, tmp_path)
    other_settings = Settings(
        environments={
            "local": EnvironmentSettings(
                transport="embedded", ledger=f"sqlite:///{tmp_path / 'other.db'}"
            )
        }
    )

    with Client(other_settings) as other:
        second = card_of(other, trip, tmp_path)

    assert first.tobytes() == second.tobytes()
    assert card_of(client, trip, tmp_path, seed=8).tobytes() != first.tobytes()


def test_emoji_in_the_owners_words_do_not_cost_the_card(
    client: Client, tmp_path: Path
) -> None:
    """Titles, stops and highlights as people write them still give a picture."""
    trip = parse_trip(
        {
            "id": "emoji",
            "title": "🚗💨 去海边 🌊☀️",
            "start": "2026-05-01T08:00:00+08:00",
            "end": "2026-05-01T18:00:00+08:00",
            "language": "zh",
            "vehicle": {"brand": "示例汽车", "model": "远行 7 ⚡"},
            "stops": [
                {"kind": "beach", "name": "金沙滩 🏖️", "lat": 35.97, "lon": 120.26},
                {"kind": "meal", "name": "🦐 码头", "lat": 36.05, "lon": 120.33},
            ],
            "highlights": ["第一次带孩子看日出 👨‍👩‍👧❤️"],
        }
    )

    assert card_of(client, trip, tmp_path).size == (1080, 1440)
