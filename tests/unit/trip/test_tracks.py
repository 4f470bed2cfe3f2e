"""A GPS track read from JSON values."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from pydantic_core import PydanticCustomError

from comfyclient.trip.tracks import Track, as_json, track_of

START = datetime.fromisoformat("2026-07-18T08:00:00+08:00")


def fault_of(value: object) -> tuple[tuple[str | int, ...], str]:
    """Path and message of what is wrong with a track."""
    with pytest.raises(PydanticCustomError) as caught:
        track_of(value, start=START)
    context = caught.value.context or {}
    return context["path"], context["why"]


def point(**changes: JsonValue) -> dict[str, JsonValue]:
    """A harmless point with changes."""
    return {"lat": 36.5, "lon": 100.5, **changes}


def test_objects_and_rows_give_the_same_track() -> None:
    """Both forms are one record, and seconds count from the start."""
    objects = [
        point(time="2026-07-18T08:00:00+08:00", altitude_m=3200),
        point(lat=36.6, time="2026-07-18T00:01:00Z", altitude_m=None),
    ]
    rows = {
        "columns": ["time_s", "lat", "lon", "altitude_m"],
        "rows": [[0, 36.5, 100.5, 3200], [60, 36.6, 100.5, None]],
    }
    assert track_of(objects, start=START) == track_of(rows, start=START)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("form", ["objects", "rows"])
def test_fewer_than_two_points_are_no_track(count: int, form: str) -> None:
    """An explicit track of 0 or 1 points is an error that says what to do."""
    points = [point()] * count
    rows = {"columns": ["lat", "lon"], "rows": [[36.5, 100.5]] * count}
    path, why = fault_of(points if form == "objects" else rows)
    assert path == ()
    assert f"{count} point" in why
    assert "leave track out" in why


@pytest.mark.parametrize(
    ("change", "field", "part"),
    [
        ({"lat": 90.001}, "lat", "lat 90.001 is impossible"),
        ({"lon": -180.5}, "lon", "lon -180.5 is impossible"),
        ({"lon": 10**400}, "lon", "is impossible"),
        ({"lat": float("nan")}, "lat", "lat is nan"),
        ({"lon": float("inf")}, "lon", "lon is inf"),
        ({"lat": "36.5"}, "lat", "lat is not a number but '36.5'"),
        ({"lat": True}, "lat", "lat is not a number"),
        ({"lat": None}, "lat", "lat is missing"),
        ({"lat": 0, "lon": 0}, "lat", "without a fix"),
        ({"altitude_m": float("-inf")}, "altitude_m", "altitude_m is -inf"),
        ({"altitude_m": 9001}, "altitude_m", "impossible"),
        ({"speed_kmh": -1}, "speed_kmh", "impossible"),
        ({"latt": 1}, "latt", "did you mean lat?"),
    ],
)
def test_a_bad_value_is_named_with_its_point(
    change: dict[str, JsonValue], field: str, part: str
) -> None:
    """The path leads to the point and the value that is wrong."""
    path, why = fault_of([point(), point(), point(**change)])
    assert path == (2, field)
    assert part in why


def test_a_bad_value_in_a_row_is_named_with_its_place() -> None:
    """In the compact form the path is that of the JSON value."""
    rows = {"columns": ["lon", "lat"], "rows": [[100, 36], [100, 136]]}
    path, why = fault_of(rows)
    assert path == ("rows", 1, 1)
    assert "lat 136 is impossible" in why


@pytest.mark.parametrize(
    ("value", "path", "part"),
    [
        ("x", (), "neither a list of points"),
        ({"gpx": "a.gpx"}, (), "load_trip"),
        ({"columns": ["lat", "lon"], "rowz": []}, ("rowz",), "did you mean rows?"),
        ({"columns": ["lat", "lng"], "rows": []}, ("columns", 1), "unknown column"),
        ({"columns": ["lat", "lat"], "rows": []}, ("columns", 1), "twice"),
        ({"columns": "lat", "rows": []}, ("columns",), "not a list"),
        ({"columns": ["lat", "lon"], "rows": 3}, ("rows",), "not a list"),
        (
            {"columns": ["lat", "lon"], "rows": [[1, 2], [1]]},
            ("rows", 1),
            "row of 2 values",
        ),
        ({"columns": ["lat"], "rows": [[1], [2]]}, ("rows", 0), "no point has lon"),
        (
            {"columns": ["lat", "lon"], "rows": [[1, 2]] * 3, "breaks": [3]},
            ("breaks", 0),
            "3 is not a row",
        ),
        ([point(), 7], (1,), "not an object"),
    ],
)
def test_a_wrong_shape_is_named(
    value: object, path: tuple[str | int, ...], part: str
) -> None:
    """Every wrong shape has a path and a reason."""
    found, why = fault_of(value)
    assert found == path
    assert part in why


def test_time_may_stand_still_and_not_run_back() -> None:
    """Equal times are a receiver's resolution, falling ones an error."""
    same = [point(time_s=5), point(time_s=5)]
    assert track_of(same, start=START).times == (START.timestamp() + 5,) * 2
    path, why = fault_of([point(time_s=5), point(time_s=4)])
    assert path == (1, "time")
    assert "time runs backwards: 1 s" in why


@pytest.mark.parametrize(
    ("points", "path", "part"),
    [
        ([point(time="2026-07-18T08:00:00"), point()], (1, "time"), "is missing here"),
        ([point(time="2026-07-18T08:00:00")] * 2, (0, "time"), "has no zone"),
        ([point(time="noon")] * 2, (0, "time"), "is not a moment"),
        ([point(time=17)] * 2, (0, "time"), "is not a moment"),
        (
            [point(time="2026-07-18T08:00:00Z", time_s=1)] * 2,
            (0, "time"),
            "both time and time_s",
        ),
    ],
)
def test_times_are_all_there_or_none(
    points: object, path: tuple[str | int, ...], part: str
) -> None:
    """A track is timed as a whole, with zones."""
    found, why = fault_of(points)
    assert found == path
    assert part in why


_numbers = st.tuples(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.integers(0, 10**6),
    st.none() | st.floats(-500, 9000),
    st.none() | st.floats(0, 500),
).filter(lambda row: (row[0], row[1]) != (0, 0))


@given(st.lists(_numbers, min_size=2, max_size=20))
def test_a_track_survives_its_json_form(
    rows: list[tuple[float, float, int, float | None, float | None]],
) -> None:
    """Written and read again, a track is the same."""
    columns = ["lat", "lon", "time_s", "altitude_m", "speed_kmh"]
    ordered = sorted((list(row) for row in rows), key=lambda row: row[2] or 0)
    track = track_of({"columns": columns, "rows": ordered}, start=START)
    assert track_of(as_json(track, start=START), start=START) == track


def test_repr_shows_no_place() -> None:
    """The repr counts the points and names none."""
    assert repr(Track(((1.5, 2.5), (3.5, 4.5)))) == "Track(2 points)"
