"""Many trips of one file or folder, read as they are needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from comfyclient.errors import TripError
from comfyclient.trip.trips import Trip, count_trips, load_trips, read_trips

from .written import Fields, fields, written


def lines_of(*values: JsonValue | str) -> str:
    """JSON Lines; a text stands as it is."""
    return "\n".join(v if isinstance(v, str) else json.dumps(v) for v in values)


def test_lines_are_streamed_and_told_by_their_number(tmp_path: Path) -> None:
    """A good trip comes before the bad line is even read."""
    path = tmp_path / "trips.jsonl"
    path.write_text(lines_of(fields(id="a"), fields(id="b", companions=-1)))
    trips = load_trips(path)
    assert next(trips).id == "a"
    with pytest.raises(TripError) as caught:
        next(trips)
    assert (caught.value.line, caught.value.field) == (2, "companions")


def test_one_bad_trip_does_not_stop_the_rest(tmp_path: Path) -> None:
    """With a function for errors every good trip comes, and every bad one is told."""
    path = tmp_path / "trips.ndjson"
    gpx: Fields = fields(track={"gpx": "none.gpx"})
    path.write_text(lines_of("{", fields(id="a"), "[]", gpx, fields(id="b")))
    errors: list[TripError] = []
    assert [trip.id for trip in load_trips(path, on_error=errors.append)] == ["a", "b"]
    assert [error.line for error in errors] == [1, 3, None]


def test_a_folder_gives_its_trips_in_order_of_name(tmp_path: Path) -> None:
    """JSON and JSON Lines files count, anything else does not."""
    written(tmp_path, fields(id="b"), "b.json")
    (tmp_path / "a.jsonl").write_text(lines_of(fields(id="a1"), fields(id="a2")))
    (tmp_path / "notes.txt").write_text("no trip")
    (tmp_path / "c.json").mkdir()
    assert [trip.id for trip in load_trips(tmp_path)] == ["a1", "a2", "b"]


def test_a_file_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    """Each trip comes with its JSON in one line, bad lines as they are; all count."""
    (tmp_path / "a.json").write_text("{")
    written(tmp_path, fields(id="b"), "b.json")
    (tmp_path / "c.jsonl").write_text(lines_of("oh", fields(id="c"), ""))
    (tmp_path / "d.failures.jsonl").write_text(lines_of(fields(id="d")))
    read = list(read_trips(tmp_path))
    assert [t.id if isinstance(t, Trip) else None for _, t in read] == [
        None, "b", None, "c",
    ]  # fmt: skip
    assert [line for line, _ in read][::2] == ["", "oh"]
    assert all(json.loads(line)["id"] in "bc" for line, _ in read[1::2])
    assert not any("\n" in line for line, _ in read)
    assert count_trips(tmp_path) == 4
    assert [trip.id for trip in load_trips(tmp_path, on_error=lambda _: None)] == [
        "b", "c",
    ]  # fmt: skip


def test_a_50_mb_file_of_lines_needs_the_memory_of_one(tmp_path: Path) -> None:
    """Many trips may be as large as they like; only one is held."""
    path = tmp_path / "trips.jsonl"
    line = json.dumps(fields()).encode()
    padded = line + b" " * (1_000_000 - len(line) - 1) + b"\n"
    with path.open("wb") as file:
        for _ in range(50):
            file.write(padded)
    assert sum(1 for _ in load_trips(path, max_bytes=2_000_000)) == 50


@pytest.mark.parametrize("name", ["none.json", "a\0b.json", "n" * 300, "none.jsonl"])
def test_a_missing_path_is_a_trip_error(tmp_path: Path, name: str) -> None:
    """Neither loader lets an operating system's error through."""
    with pytest.raises(TripError, match="cannot be read"):
        list(load_trips(tmp_path / name))
