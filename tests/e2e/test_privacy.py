"""No word of the owner, and no place near home, leaves the trip: whatever is made."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from comfyclient import Client, Settings, Trip, load_trip
from comfyclient.config.settings import EnvironmentSettings, PrivacySettings
from comfyclient.templating.registry import Registry
from comfyclient.trip.geography import distance_m

TRIPS = Path(__file__).parents[2] / "examples" / "trips"
SAMPLES = sorted(TRIPS.glob("*.json"))
RADIUS_M = 500.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The embedded engine, with ledger and engine files where a test can read them."""
    local = EnvironmentSettings(
        transport="embedded",
        ledger=f"sqlite:///{tmp_path / 'ledger.db'}",
        engine={"base_directory": tmp_path / "engine"},  # type: ignore[arg-type]
    )
    return Settings(
        environments={"local": local}, privacy=PrivacySettings(home_radius_m=RADIUS_M)
    )


def marked(file: Path, folder: Path) -> Path:
    """The sample with secrets that nothing else can contain, also in its free texts."""
    raw = json.loads(file.read_text(encoding="utf-8"))
    raw["vehicle"] = {
        **raw.get("vehicle", {}),
        "vin": "LSVZZZ7XQK0SECRET",
        "plate": "沪QXSECRET8",
        "owner": "Qxowner Secretperson",
    }
    raw["id"] = "trip of LSVZZZ7XQK0SECRET"
    raw["title"] = "沪QXSECRET8 with Qxowner Secretperson"
    raw["highlights"] = ["LSVZZZ7XQK0SECRET drove", "owner Qxowner Secretperson smiled"]
    for stop in raw.get("stops", []):
        stop["name"] = f"{stop.get('name') or ''} Qxowner Secretperson".strip()
    marked_file = folder / file.name
    marked_file.write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")
    for gpx in TRIPS.glob("*.gpx"):
        (folder / gpx.name).write_bytes(gpx.read_bytes())
    return marked_file


def everything_under(folder: Path) -> bytes:
    """Every byte of every file: ledger, journal, inputs, outputs, pictures."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return b"\0".join(file.read_bytes() for file in files)


def coordinates_in(graph: object) -> Iterator[tuple[float, float]]:
    """Every pair of numbers in a rendered graph that could be a place."""
    pair = re.compile(r"(-?\d{1,2}\.\d+)\W+(?:lon\W+)?(-?\d{1,3}\.\d+)")
    for lat, lon in pair.findall(json.dumps(graph, ensure_ascii=False)):
        yield float(lat), float(lon)


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_no_secret_is_found_in_anything_that_a_job_leaves(
    file: Path, tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Graph, events, logs, ledger, server's files, pictures: none has the owner."""
    caplog.set_level(logging.DEBUG)
    source = tmp_path / "source"
    source.mkdir()
    trip = load_trip(marked(file, source))
    secrets = [*trip.secrets(), "Secretperson"]
    kept = tmp_path / "kept"

    with Client(settings) as client:
        job = client.submit("trip-postcard", trip, seed=7)
        events = repr(list(job.events(timeout=150)))
        result = job.result()
        picture = result.output("postcard").save(kept)
        left = everything_under(tmp_path / "engine") + b"".join(
            path.read_bytes() for path in tmp_path.glob("ledger.db*")
        )
        texts = [
            json.dumps(dict(job.workflow.graph), ensure_ascii=False),
            events,
            caplog.text,
            repr((job, result, trip)),
            json.dumps(dict(job.workflow.params)),
        ]

    assert len(trip.secrets()) >= 3
    for secret in secrets:
        escaped = json.dumps(secret)[1:-1]
        assert all(secret not in text and escaped not in text for text in texts)
        for form in (secret.encode(), escaped.encode()):
            assert form not in left
            assert form not in picture.read_bytes()


@pytest.mark.parametrize("file", SAMPLES, ids=lambda file: file.stem)
def test_no_place_near_home_is_in_the_graph(file: Path) -> None:
    """No number pair of the graph lies within the radius of the track's two ends."""
    trip = load_trip(file)
    homes = _ends(trip)

    workflow = (
        Registry()
        .find("trip-postcard")
        .render(trip, {}, seed=7, home_radius_m=RADIUS_M)
    )

    places = list(coordinates_in(dict(workflow.graph)))
    for home in homes:
        assert all(distance_m(place, home) > RADIUS_M for place in places)


def test_places_are_recognised_in_a_graph() -> None:
    """The search that the test above relies on finds what a template writes."""
    graph = {"1": {"inputs": {"track": "[[[36.51,101.25,3200.5,60]]]"}}}

    assert (36.51, 101.25) in list(coordinates_in(graph))


def _ends(trip: Trip) -> list[tuple[float, float]]:
    positions = list(trip.track.positions) if trip.track is not None else []
    return [positions[0], positions[-1]] if positions else []
