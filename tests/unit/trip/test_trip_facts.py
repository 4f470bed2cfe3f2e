"""What follows from a trip's records."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import JsonValue

from comfyclient.trip.facts import Days, drive_of
from comfyclient.trip.geography import METRES_PER_DEGREE
from comfyclient.trip.trips import Trip, parse_trip

STEP = 0.01 * METRES_PER_DEGREE
"""Metres of a hundredth of a degree north."""


def trip(**changes: JsonValue) -> Trip:
    """Three hours of a summer morning, with changes."""
    fields: dict[str, JsonValue] = {
        "id": "t",
        "start": "2026-07-18T08:00:00+08:00",
        "end": "2026-07-18T11:00:00+08:00",
    }
    return parse_trip({**fields, **changes})


def northward(
    count: int, *, every_s: float = 60, lat: float = 36.0, **columns: JsonValue
) -> dict[str, JsonValue]:
    """A straight track to the north, a hundredth of a degree a step."""
    rows: list[JsonValue] = [
        [lat + 0.01 * i, 100.0, every_s * i, *columns.values()] for i in range(count)
    ]
    return {"columns": ["lat", "lon", "time_s", *columns], "rows": rows}


def test_figures_come_from_the_track() -> None:
    """Distance, driving time, average and top speed need no asking."""
    figures = trip(track=northward(11)).facts.figures
    assert figures.distance_m == pytest.approx(10 * STEP)
    assert figures.duration_s == 600
    assert figures.average_kmh == pytest.approx(STEP / 60 * 3.6)
    assert figures.top_kmh == pytest.approx(STEP / 60 * 3.6)


def test_a_given_figure_is_taken_over() -> None:
    """The car's own counter beats the track; the average follows it."""
    given: JsonValue = {"distance_m": 12_000, "top_kmh": 99}
    figures = trip(track=northward(11), figures=given).facts.figures
    assert figures.distance_m == 12_000
    assert figures.top_kmh == 99
    assert figures.average_kmh == pytest.approx(72)


def test_a_rest_is_no_driving_time() -> None:
    """An hour at one place counts for nothing, nor does it for the metres after it."""
    track = northward(11)
    rows = track["rows"]
    assert isinstance(rows, list)
    for row in rows[6:]:
        assert isinstance(row, list)
        row[2] = float(str(row[2])) + 3600
    figures = trip(track=track).facts.figures
    assert figures.duration_s == pytest.approx(600)


def test_a_jump_counts_nothing_and_breaks_the_line() -> None:
    """One point a thousand kilometres off makes no thousand kilometres."""
    track = northward(11)
    rows = track["rows"]
    assert isinstance(rows, list)
    rows[5] = [46.0, 110.0, 300]
    found = trip(track=track)
    assert found.facts.figures.distance_m == pytest.approx(8 * STEP)
    assert found.drive is not None
    assert found.drive.gaps == {5, 6}


def test_a_silence_of_the_recorder_is_a_gap_that_counts() -> None:
    """The way across a tunnel was driven, but nobody knows its line."""
    rows: list[JsonValue] = [[36 + 0.001 * i, 100.0, 5 * i] for i in range(20)]
    rows += [[36.1 + 0.001 * i, 100.0, 1500 + 5 * i] for i in range(20)]
    found = trip(track={"columns": ["lat", "lon", "time_s"], "rows": rows})
    assert found.drive is not None
    assert found.drive.gaps == {20}
    total = found.facts.figures.distance_m
    assert total == pytest.approx(0.119 * METRES_PER_DEGREE)


def test_a_sparse_track_has_no_gaps() -> None:
    """What is far apart all along is how this recorder records."""
    found = trip(track=northward(6, every_s=1800, lat=36.0))
    assert found.track is not None
    assert drive_of(found.track).gaps == set()


def test_two_points_are_a_drive() -> None:
    """The least track there is has all the facts."""
    facts = trip(track=northward(2)).facts
    assert facts.figures.distance_m == pytest.approx(STEP)
    assert facts.days == 1


def test_two_points_in_one_place_divide_nothing_by_zero() -> None:
    """A car that never moved has a distance of nothing and no speed."""
    still: JsonValue = [{"lat": 36, "lon": 100, "time_s": 0}] * 2
    facts = trip(track=still).facts
    assert facts.figures.distance_m == 0
    assert facts.figures.top_kmh is None


def test_crossing_180_is_a_short_way() -> None:
    """A drive over the meridian has its true length and a narrow box."""
    points: JsonValue = [
        {"lat": -16.8, "lon": lon, "time_s": at}
        for at, lon in ((0, 179.99), (60, 180), (120, -179.99))
    ]
    facts = trip(track=points).facts
    assert facts.figures.distance_m == pytest.approx(2129, abs=2)
    assert facts.bounds is not None
    assert facts.bounds.crosses_180
    assert facts.season == "winter"


def test_the_highest_point_is_where_it_was_reached() -> None:
    """Its position comes along; points without an altitude are passed over."""
    points: JsonValue = [
        {"lat": 36.0, "lon": 100, "altitude_m": 3200},
        {"lat": 36.1, "lon": 100, "altitude_m": 3817},
        {"lat": 36.2, "lon": 100},
    ]
    highest = trip(track=points).facts.highest
    assert highest is not None
    assert (highest.altitude_m, highest.position) == (3817, (36.1, 100))
    assert trip(track=northward(3)).facts.highest is None


def test_light_is_that_of_the_driving_and_not_of_the_night_between() -> None:
    """A trip of two mornings has no night, though one lies inside it."""
    rows: list[JsonValue] = [[36 + 0.01 * i, 100.0, 60 * i] for i in range(60)]
    rows += [[36.6 + 0.01 * i, 100.0, 86_400 + 60 * i] for i in range(60)]
    facts = trip(
        end="2026-07-19T11:00:00+08:00",
        track={"columns": ["lat", "lon", "time_s"], "rows": rows},
    ).facts
    assert facts.light["night"] == 0
    assert facts.daylight == pytest.approx(1)
    assert [leg.day for leg in facts.legs] == [1, 2]
    assert sum(leg.distance_m or 0 for leg in facts.legs) == pytest.approx(
        facts.figures.distance_m
    )


def test_a_night_drive_is_dark_and_one_day() -> None:
    """Past midnight it is still the evening's drive."""
    facts = trip(
        start="2026-09-26T22:30:00+08:00",
        end="2026-09-27T01:30:00+08:00",
        track=northward(60),
    ).facts
    assert facts.part_of_day == "night"
    assert facts.daylight == 0
    assert facts.days == 1


def test_shares_of_light_sum_to_one() -> None:
    """An evening that gets dark has shares of each, and they are whole."""
    facts = trip(
        start="2026-09-26T17:00:00+08:00",
        end="2026-09-26T22:00:00+08:00",
        track=northward(250, lat=35.0),
    ).facts
    assert sum(facts.light.values()) == pytest.approx(1)
    assert facts.light["dusk"] > 0


def test_without_any_place_the_clock_tells_the_part_of_day() -> None:
    """Season and daylight stay unknown: no place, no hemisphere."""
    facts = trip().facts
    assert facts.part_of_day == "day"
    assert facts.season is None
    assert facts.daylight is None
    assert facts.figures.distance_m is None
    assert facts.figures.duration_s == 3 * 3600


def test_a_stop_is_place_enough() -> None:
    """Without a track a stop's position gives season and light."""
    facts = trip(stops=[{"lat": -33.9, "lon": 151.2, "stay_s": 1800}]).facts
    assert facts.season == "winter"
    assert facts.daylight is not None
    assert facts.figures.duration_s == 2.5 * 3600


def test_a_trip_of_days_without_a_track_has_no_driving_time() -> None:
    """Nights are no driving, and nothing tells how long they were."""
    facts = trip(end="2026-07-20T11:00:00+08:00").facts
    assert facts.figures.duration_s is None
    assert facts.days == 3
    assert [leg.distance_m for leg in facts.legs] == [None] * 3


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-07-18T08:00:00+08:00", "2026-07-18T20:00:00+08:00", 1),
        ("2026-07-18T22:00:00+08:00", "2026-07-19T03:59:00+08:00", 1),
        ("2026-07-18T22:00:00+08:00", "2026-07-19T04:01:00+08:00", 2),
        ("2026-07-18T03:30:00+08:00", "2026-07-18T20:00:00+08:00", 1),
        ("2026-07-18T08:00:00+08:00", "2026-07-18T21:00:00Z", 2),
    ],
)
def test_travel_days_begin_at_four(start: str, end: str, days: int) -> None:
    """A night belongs to its evening, an early start to its morning."""
    first = datetime.fromisoformat(start)
    last = datetime.fromisoformat(end)
    assert Days.since(first).number(last.timestamp()) == days


@pytest.mark.parametrize(
    ("kinds", "terrain"),
    [
        (["lake", "pass"], "lake"),
        (["pass", "lake", "pass"], "mountains"),
        (["beach"], "coast"),
        (["meal", "stay"], "plain"),
        (["forest", "city", "city"], "city"),
    ],
)
def test_stops_tell_the_terrain(kinds: list[str], terrain: str) -> None:
    """Most votes win; of as many the more scenic."""
    stops: JsonValue = [{"kind": kind} for kind in kinds]
    assert trip(stops=stops).facts.terrain == terrain


@pytest.mark.parametrize(
    ("altitudes", "terrain"),
    [
        ([10, 20, 15], "plain"),
        ([200, 420, 210], "hills"),
        ([200, 1500, 300], "mountains"),
    ],
)
def test_altitudes_tell_the_terrain_where_stops_do_not(
    altitudes: list[int], terrain: str
) -> None:
    """Rise and climb make plain, hills and mountains."""
    points: JsonValue = [
        {"lat": 48 + 0.02 * i, "lon": 8, "altitude_m": altitude}
        for i, altitude in enumerate(altitudes)
    ]
    assert trip(track=points).facts.terrain == terrain
    assert trip(track=points, terrain="city").facts.terrain == "city"


def test_recorded_charging_stops_are_counted() -> None:
    """None recorded tells nothing: the figure stays unknown."""
    stops: JsonValue = [{"kind": "charge"}, {"kind": "meal"}, {"kind": "charge"}]
    assert trip(stops=stops).facts.figures.charging_stops == 2
    assert trip().facts.figures.charging_stops is None
