"""Trips read from files."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from comfyclient.errors import TripError
from comfyclient.trip.trips import Trip, load_trip, load_trips, parse_trip

from .written import SECRETS, Fields, fields, written

SAMPLES = Path(__file__).parents[3] / "examples" / "trips"


def error_of(path: Path) -> TripError:
    """What is wrong with a trip file."""
    with pytest.raises(TripError) as caught:
        load_trip(path)
    return caught.value


@pytest.mark.parametrize(
    ("change", "field", "mark", "part"),
    [
        ({"vehcle": {}}, "vehcle", '"vehcle"', "did you mean vehicle?"),
        ({"start": "2026-07-18T08:00:00"}, "start", '"start"', "has no zone"),
        ({"start": 1784332800}, "start", '"start"', "is not a moment"),
        ({"start": "0001-01-01T00:00:00Z"}, "start", '"start"', "year 1"),
        ({"end": "2026-07-18T07:00:00+08:00"}, "end", '"end"', "runs backwards"),
        ({"language": "de-DE"}, "language", '"language"', "'de-DE'"),
        ({"title": "t" * 201}, "title", '"title"', "200"),
        ({"companions": -1}, "companions", '"companions"', "'-1'"),
        ({"companions": 2.5}, "companions", '"companions"', "'2.5'"),
        ({"weather": {"condition": "sunny"}}, "weather.condition", "sunny", "'clear'"),
        ({"weather": {"low_c": 9, "high_c": 3}}, "weather", '"weather"', "above"),
        (
            {"figures": {"distance_m": float("nan")}},
            "figures.distance_m",
            "NaN",
            "finite",
        ),
        ({"figures": {"energy_kwh": "7"}}, "figures.energy_kwh", '"7"', "number"),
        ({"stops": [{"lat": 91, "lon": 0}]}, "stops[0].lat", '"lat": 91', "90"),
        ({"stops": [{}, {"lat": 9}]}, "stops[1]", '"lat"', "lon is missing"),
        ({"stops": [{"kind": "lak"}]}, "stops[0].kind", "lak", "'lake'"),
        ({"track": []}, "track", '"track"', "0 points"),
        (
            {"track": [{"lat": 1, "lon": 1}, {"lat": 1, "lon": 181}]},
            "track[1].lon",
            "181",
            "impossible",
        ),
        ({"track": {"gpx": "a.gpx", "x": 1}}, "track.gpx", '"gpx"', "nothing else"),
        ({"track": {"gpx": "../a.gpx"}}, "track.gpx", '"gpx"', "'../a.gpx'"),
        ({"track": {"gpx": "/etc/a.gpx"}}, "track.gpx", '"gpx"', "not a file in"),
        ({"track": {"gpx": "https://x/a"}}, "track.gpx", '"gpx"', "not a file in"),
        (
            {"photos": [{"source": "../../etc/passwd"}]},
            "photos[0].source",
            "passwd",
            "nor a path in the trip's folder",
        ),
        ({"photos": [{"source": "file:///x"}]}, "photos[0].source", "file:", "neither"),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_field(
    tmp_path: Path, change: Fields, field: str, mark: str, part: str
) -> None:
    """The line is the one on which the bad value stands."""
    path = written(tmp_path, fields(**change))
    error = error_of(path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert error.file == str(path)
    assert error.field == field
    assert part in error.message
    assert error.line is not None
    near = lines[error.line - 1 : error.line + 1 + (field == "stops[1]")]
    assert mark in "".join(near)
    assert str(error).startswith(f"{path}:{error.line}: {field}: ")


def test_a_stop_before_the_one_above_it_is_refused(tmp_path: Path) -> None:
    """Time runs forwards among the stops, too."""
    stops: JsonValue = [
        {"arrival": "2026-07-18T09:30:00+08:00"},
        {"arrival": "2026-07-18T09:00:00+08:00"},
    ]
    error = error_of(written(tmp_path, fields(stops=stops)))
    assert error.field == "stops[1].arrival"
    assert "runs backwards" in error.message


def test_a_track_of_another_day_is_refused(tmp_path: Path) -> None:
    """A track that does not belong to start and end is a mix-up."""
    points: JsonValue = [
        {"lat": 36, "lon": 100, "time": "2026-07-19T09:00:00+08:00"},
        {"lat": 36, "lon": 101, "time": "2026-07-19T09:10:00+08:00"},
    ]
    error = error_of(written(tmp_path, fields(track=points)))
    assert error.field == "track"
    assert "outside of start and end" in error.message


@pytest.mark.parametrize(
    "missing", ["id", "start", "end"], ids=lambda name: f"no {name}"
)
def test_a_missing_field_is_named(tmp_path: Path, missing: str) -> None:
    """Id, start and end are all that a trip must have."""
    for value in (None, "", "  "):
        error = error_of(written(tmp_path, fields(**{missing: value})))
        assert error.field == missing
        assert "is missing" in error.message


def test_further_faults_are_counted(tmp_path: Path) -> None:
    """The first is told, the others are announced."""
    path = written(tmp_path, fields(title=7, companions="x", language="xx"))
    assert "(and 2 more)" in error_of(path).message


@pytest.mark.parametrize("value", [[], "trip", 7, None])
def test_a_file_without_an_object_is_no_trip(tmp_path: Path, value: JsonValue) -> None:
    """A list of trips is told to become JSON Lines."""
    assert "JSON Lines" in error_of(written(tmp_path, value)).message


@pytest.mark.parametrize("name", ["vin", "plate", "owner"])
def test_an_error_about_a_secret_does_not_tell_it(tmp_path: Path, name: str) -> None:
    """The value of a secret is in no message, even where it is what is wrong."""
    secret = "SAMPLE" * 50
    error = error_of(written(tmp_path, fields(vehicle={name: secret})))
    assert error.field == f"vehicle.{name}"
    assert "SAMPLE" not in str(error)
    assert error.__cause__ is None


@pytest.mark.parametrize(
    "change",
    [
        {"vehicle": SECRETS[0]},
        {"stops": [SECRETS[3]]},
        {"title": SECRETS[1] * 60},
        {"id": SECRETS[0] * 60},
        {"highlights": [SECRETS[2] * 100]},
        {"language": SECRETS[1]},
        {"start": SECRETS[2]},
        {"companions": SECRETS[2].upper()},
        {"terrain": SECRETS[0]},
        {"photos": SECRETS[2]},
        {"track": {"columns": [SECRETS[1]], "rows": []}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_secret_in_a_wrong_place_is_not_quoted(
    tmp_path: Path, change: Fields
) -> None:
    """Neither the message nor anything that hangs on the error tells it."""
    whole = fields(**change)
    error = error_of(written(tmp_path, whole))
    with pytest.raises(TripError) as caught:
        parse_trip(whole)
    for told in (error, caught.value):
        assert told.__context__ is None
        shown = f"{told} {told!r} {pickle.dumps(told)!r}".lower()
        assert not any(secret.lower() in shown for secret in SECRETS)


def test_a_trip_of_centuries_is_refused_at_once(tmp_path: Path) -> None:
    """A clock that was never set must not cost minutes of sunrises."""
    path = written(tmp_path, fields(start="1980-01-01T00:00:00Z", stops=[], track=None))
    error = error_of(path)
    assert error.field == "end"
    assert "more than 366" in error.message


def test_a_number_too_long_to_write_is_a_trip_error() -> None:
    """In code a whole number may have more digits than Python will print."""
    with pytest.raises(TripError) as caught:
        parse_trip(fields(companions=10**5000))
    assert caught.value.field == "companions"


def test_a_key_cannot_steer_the_terminal(tmp_path: Path) -> None:
    """What does not print is escaped in the field of an error."""
    error = error_of(written(tmp_path, fields(**{"\x1b[2J": 1})))
    assert error.field == "\\x1b[2J"


def test_a_long_wrong_value_is_cut_short(tmp_path: Path) -> None:
    """A message stays readable whatever it quotes."""
    for track in (
        {"columns": ["x" * 9000], "rows": []},
        {"columns": ["lat", "lon"], "rows": [[1, 1]] * 2, "breaks": ["x" * 9000]},
    ):
        change: JsonValue = {**track}
        assert len(str(error_of(written(tmp_path, fields(track=change))))) < 500


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write into it; a track's pipe and a device fare the same."""
    os.mkfifo(tmp_path / "pipe.json")
    os.mkfifo(tmp_path / "pipe.gpx")
    path = written(tmp_path, fields(track={"gpx": "pipe.gpx"}))
    for each in (path, tmp_path / "pipe.json", Path("/dev/zero")):
        with pytest.raises(TripError, match="no regular file"):
            list(load_trips(each))


def test_an_error_elsewhere_tells_no_secret(tmp_path: Path) -> None:
    """A fault of the trip as a whole does not print the trip."""
    error = error_of(written(tmp_path, fields(end="2026-07-18T07:00:00+08:00")))
    assert not any(secret in str(error) for secret in SECRETS)


def test_a_trip_of_50000_points_loads_in_about_a_second(tmp_path: Path) -> None:
    """Long tracks are no reason to wait; the bound leaves room for a busy machine."""
    rows: list[JsonValue] = [
        [36 + i * 1e-4, 100.0, i * 0.2, 3200.5, 60.5] for i in range(50_000)
    ]
    columns: JsonValue = ["lat", "lon", "time_s", "altitude_m", "speed_kmh"]
    path = written(tmp_path, fields(track={"columns": columns, "rows": rows}))
    began = time.process_time()
    trip = load_trip(path)
    spent = time.process_time() - began
    assert trip.track is not None
    assert len(trip.track) == 50_000
    assert spent < 4


def test_photos_are_found_beside_the_trip(tmp_path: Path) -> None:
    """A relative path becomes that of the file; an address stays as it is."""
    photos: JsonValue = [
        {"source": "p/12:30.jpg"},
        {"source": "https://x/b.jpg?q=1"},
    ]
    trip = load_trip(written(tmp_path, fields(photos=photos)))
    assert trip.photos[0].source == str(tmp_path / "p" / "12:30.jpg")
    assert trip.photos[1].source == "https://x/b.jpg?q=1"


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    """What looks inside but leads outside is refused."""
    folder = tmp_path / "trips"
    folder.mkdir()
    (tmp_path / "secret.gpx").write_text("<gpx/>")
    (folder / "inside.gpx").symlink_to(tmp_path / "secret.gpx")
    error = error_of(written(folder, fields(track={"gpx": "inside.gpx"})))
    assert "is not a file in the folder" in error.message


def test_an_error_in_a_gpx_file_names_that_file(tmp_path: Path) -> None:
    """The line is one of the GPX file, not of the trip."""
    (tmp_path / "a.gpx").write_text('<gpx>\n<trkpt lat="9" lon="x"/></gpx>')
    error = error_of(written(tmp_path, fields(track={"gpx": "a.gpx"})))
    assert error.file == str(tmp_path / "a.gpx")
    assert error.line == 2


def test_a_gpx_reference_needs_a_start_first(tmp_path: Path) -> None:
    """Without a start it is the start that is missing."""
    (tmp_path / "a.gpx").write_text("<gpx/>")
    path = written(tmp_path, fields(track={"gpx": "a.gpx"}, start=None))
    assert error_of(path).field == "start"


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\ud800", "2026-07-18T09:00:00+08:00", "https://[x", "a\0b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.fixed_dictionaries({"lat": inner, "lon": inner, "source": inner})
    ),
    max_leaves=6,
)


_names = st.sampled_from(
    [
        "id",
        "title",
        "vehicle",
        "start",
        "end",
        "stops",
        "track",
        "figures",
        "weather",
        "companions",
        "photos",
        "highlights",
        "terrain",
        "language",
        "\ud800",
    ]
)


def outcome(path: Path) -> Trip | TripError:
    """The trip of a file, or what is wrong with it."""
    try:
        return load_trip(path)
    except TripError as error:
        return error


@given(changes=st.dictionaries(_names, _values, max_size=3))
def test_any_json_is_a_trip_or_a_trip_error(
    tmp_path_factory: pytest.TempPathFactory, changes: Fields
) -> None:
    """No value in any field raises anything else, here or when it is published."""
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps({**fields(), **changes}))
    found = outcome(path)
    if isinstance(found, Trip):
        assert found.for_publishing().model_dump_json().encode()
    else:
        assert found.line is not None
        assert str(found).encode()


@given(raw=st.binary(max_size=60), at=st.integers(0, 400))
def test_any_bytes_are_a_trip_or_a_trip_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, at: int
) -> None:
    """A damaged file is told as such, wherever the damage is."""
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    whole = json.dumps(fields()).encode()
    path.write_bytes(whole[:at] + raw + whole[at + len(raw) :])
    found = outcome(path)
    assert isinstance(found, Trip) or found.line is not None
    assert str(found).encode()


def test_mappings_in_code_have_the_errors_of_files() -> None:
    """Without a file there is still the field."""
    with pytest.raises(TripError) as caught:
        parse_trip(fields(figures={"climb": 3}))
    assert caught.value.field == "figures.climb"
    assert "did you mean climb_m?" in str(caught.value)


def test_every_sample_trip_loads_and_publishes_without_a_secret() -> None:
    """What ships with the package keeps the rules itself."""
    trips = list(load_trips(SAMPLES))
    assert len(trips) >= 8
    for trip in trips:
        published = trip.for_publishing().model_dump_json()
        assert trip.secrets()
        assert not any(secret in published for secret in trip.secrets())


@pytest.mark.parametrize(
    ("name", "test"),
    [
        ("qinghai-lake-loop", lambda p: p.days == 3 and p.terrain == "lake"),
        ("black-forest-weekend", lambda p: p.season == "autumn" and p.days == 2),
        ("coast-night-drive", lambda p: p.part_of_day == "night"),
        ("barely-recorded", lambda p: p.stops == () and p.highest is None),
        ("longjing-morning", lambda p: p.part_of_day == "dawn"),
    ],
)
def test_the_samples_are_the_trips_they_are_called(
    name: str, test: Callable[[object], bool]
) -> None:
    """Their facts are computed, and come out as their names promise."""
    assert test(load_trip(SAMPLES / f"{name}.json").for_publishing())
