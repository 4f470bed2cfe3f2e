"""What of a trip may be published, and what may not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from comfyclient.errors import UsageError
from comfyclient.trip.geography import distance_m
from comfyclient.trip.published import (
    PublishedPhoto,
    PublishedTrip,
    PublishedVehicle,
    photo_source,
    simplified_segments,
)
from comfyclient.trip.trips import Trip, load_trip, parse_trip

SAMPLES = Path(__file__).parents[3] / "examples" / "trips"

Fields = dict[str, JsonValue]
HOME = (36.6412, 101.7615)
VIN, PLATE, OWNER = "SAMPLE0000VIN0001", "样A·00001", "Sample Owner"
ADDRESS = "1 Example Street"


def trip(**changes: JsonValue) -> Trip:
    """A loop from home, with every secret there is, and changes."""
    fields: dict[str, JsonValue] = {
        "id": "loop",
        "start": "2026-07-18T08:00:00+08:00",
        "end": "2026-07-18T11:00:00+08:00",
        "vehicle": {"brand": "B", "vin": VIN, "plate": PLATE, "owner": OWNER},
        "stops": [
            {"kind": "home", "name": "Ours", "place": "Xining", "address": ADDRESS},
            {"kind": "lake", "name": "Lake", "place": "Far", "lat": 36.8, "lon": 101.8},
        ],
        "track": loop(),
    }
    return parse_trip({**fields, **changes})


def loop(*, points: int = 400, home: tuple[float, float] = HOME) -> JsonValue:
    """A round of some 40 km that passes home once more in its middle."""
    rows: list[JsonValue] = []
    for index in range(points):
        angle = 4 * math.pi * index / (points - 1)
        rows.append(
            [
                home[0] + 0.03 * (1 - math.cos(angle)),
                home[1] + 0.04 * math.sin(angle),
                10 * index,
                2300 + 100 * math.sin(angle / 4),
            ]
        )
    return {"columns": ["lat", "lon", "time_s", "altitude_m"], "rows": rows}


def places(published: PublishedTrip) -> list[tuple[float, float]]:
    """Every position that a published trip shows."""
    found = [(p[0], p[1]) for s in published.segments for p in s]
    found += [(p[0], p[1]) for s in published.route for p in s]
    stops = [(stop.lat, stop.lon) for stop in published.stops]
    photos = [(photo.lat, photo.lon) for photo in published.photos]
    for lat, lon in stops + photos:
        if lat is not None and lon is not None:
            found.append((lat, lon))
    if published.highest is not None:
        found.append((published.highest.lat, published.highest.lon))
    return found


def test_both_ends_and_every_later_pass_are_cut() -> None:
    """Two rounds past home leave two open pieces, none of them near it."""
    published = trip().for_publishing()
    assert len(published.segments) == 2
    assert min(distance_m(place, HOME) for place in places(published)) > 500


def test_the_cut_does_not_lie_around_the_home() -> None:
    """The four cut ends lie on a circle whose middle is somewhere else."""
    ends = [
        distance_m((p[0], p[1]), HOME)
        for segment in trip().for_publishing().segments
        for p in (segment[0], segment[-1])
    ]
    assert max(ends) - min(ends) > 50


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.floats(1, 70) | st.floats(-70, -1), st.floats(-180, 180)),
    st.floats(50, 3000),
    st.integers(2, 150),
)
def test_no_published_place_lies_near_a_home(
    home: tuple[float, float], radius: float, points: int
) -> None:
    """Wherever the home and however wide the radius, nothing is inside it."""
    rows = loop(points=points, home=home)
    assert isinstance(rows, dict)
    listed = rows["rows"]
    assert isinstance(listed, list)
    for row in listed:
        assert isinstance(row, list)
        row[1] = (float(str(row[1])) + 180) % 360 - 180
    whole = trip(
        track=rows,
        stops=[{"kind": "meal", "lat": home[0], "lon": home[1]}],
        photos=[{"source": "https://x/a.jpg", "lat": home[0], "lon": home[1]}],
    )
    assert whole.track is not None
    ends = (whole.track.positions[0], whole.track.positions[-1])
    for place in places(whole.for_publishing(home_radius_m=radius)):
        assert min(distance_m(place, end) for end in ends) > radius


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=6),
    st.sampled_from(["id", "title", "brand", "name", "place", "highlight"]),
)
@settings(max_examples=40, deadline=None)
def test_no_secret_stands_in_any_published_text(secret: str, where: str) -> None:
    """A secret written into any text of the trip is not in the published JSON."""
    secret = f"Zq{secret}"[:180]
    text = f"a {secret} b"
    whole = trip(
        id=text if where == "id" else "x",
        title=text if where == "title" else None,
        vehicle={"owner": secret, "brand": text if where == "brand" else None},
        stops=[
            {
                "kind": "lake",
                "name": text if where == "name" else None,
                "place": text if where == "place" else None,
            }
        ],
        highlights=[text] if where == "highlight" else [],
    )
    dumped = whole.for_publishing().model_dump_json()
    assert secret not in dumped
    assert secret not in json.dumps(json.loads(dumped), ensure_ascii=False)


def test_nothing_of_the_home_stop_is_published() -> None:
    """Name, town, address and kind are gone with the stop itself."""
    dumped = trip().for_publishing().model_dump_json()
    for secret in ("Ours", "Xining", ADDRESS, "home", VIN, PLATE, OWNER):
        assert secret not in dumped


def test_no_clock_time_is_published() -> None:
    """Dates are there, hours are not."""
    stops: JsonValue = [{"name": "L", "arrival": "2026-07-18T08:17:00+08:00"}]
    published = trip(stops=stops).for_publishing()
    assert "08:17" not in published.model_dump_json()
    assert "T0" not in published.model_dump_json()
    assert published.start_date == "2026-07-18"
    assert published.legs[0].stops == ("L",)


def test_an_id_with_a_secret_becomes_a_hash_that_depends_on_the_track() -> None:
    """The VIN cannot be found by hashing all VINs: the track is in the hash."""
    one = trip(id=f"trip-{VIN.lower()}").for_publishing().id
    other = trip(id=f"trip-{VIN.lower()}", track=loop(points=300)).for_publishing().id
    assert one.startswith("trip-")
    assert VIN.lower() not in one
    assert one != other
    assert one == trip(id=f"trip-{VIN.lower()}").for_publishing().id


def test_a_text_of_nothing_but_a_secret_is_no_text() -> None:
    """What would be only the mark of a redaction is left out."""
    published = trip(title=OWNER, highlights=[OWNER, "kept"]).for_publishing()
    assert published.title is None
    assert published.highlights == ("kept",)


def test_a_work_place_in_the_middle_is_cut_too() -> None:
    """A stop at work hides its surroundings like an end of the track."""
    far = (HOME[0] + 0.06, HOME[1])
    stops: JsonValue = [{"kind": "work", "lat": far[0], "lon": far[1]}]
    published = trip(stops=stops).for_publishing()
    assert published.stops == ()
    assert len(published.segments) == 4
    assert min(distance_m(place, far) for place in places(published)) > 500


def there_and_back() -> Fields:
    """A way past a long stand in its middle, which no stop gives a place."""
    rows: list[JsonValue] = []
    for index in range(360):
        away = min(index, 120) + max(0, index - 240)
        rows.append([36.0 + away / 500, 100.0, 30 * index])
    return {"track": {"columns": ["lat", "lon", "time_s"], "rows": rows}}


@pytest.mark.parametrize("kind", ["home", "work"])
def test_a_home_without_a_place_is_found_on_the_track(kind: str) -> None:
    """When the car came there is enough to know where it stood."""
    stops: JsonValue = [
        {"kind": kind, "arrival": "2026-07-18T09:02:00+08:00", "stay_s": 3000}
    ]
    published = trip(**there_and_back(), stops=stops).for_publishing()
    stand = (36.0 + 120 / 500, 100.0)
    assert len(published.segments) == 2
    assert min(distance_m(place, stand) for place in places(published)) > 500


def test_what_happened_while_at_home_is_gone_without_a_place_of_its_own() -> None:
    """A photo of the loaded car, and the charger in the garage, have only a time."""
    times = ("08:00:00", "08:20:00", "10:59:59")
    moments = [f"2026-07-18T{time}+08:00" for time in times]
    published = trip(
        **there_and_back(),
        stops=[{"kind": "charge", "name": at, "arrival": at} for at in moments],
        photos=[{"source": "https://x/a.jpg", "taken_at": at} for at in moments],
    ).for_publishing()
    assert [stop.name for stop in published.stops] == [moments[1]]
    assert [photo.number for photo in published.photos] == [2]


def test_a_stop_near_home_is_gone_whatever_its_kind() -> None:
    """The charger at the corner would tell where the home is."""
    stops: JsonValue = [{"kind": "charge", "name": "C", "lat": HOME[0], "lon": HOME[1]}]
    assert trip(stops=stops).for_publishing().stops == ()


def test_totals_are_close_to_the_whole_trips_and_rounded() -> None:
    """The cut costs at most a few kilometres; thousands, minutes and km/h are whole."""
    whole = trip()
    published = whole.for_publishing()
    total = whole.facts.figures.distance_m
    assert total is not None
    assert published.figures.distance_m is not None
    assert abs(published.figures.distance_m - total) < 3000
    assert published.figures.distance_m % 1000 == 0
    assert published.distance_km == published.figures.distance_m / 1000
    assert (published.figures.duration_s or 0) % 60 == 0
    assert (published.figures.average_kmh or 0.5) % 1 == 0


@given(st.integers(0, 30), st.integers(0, 1))
def test_totals_do_not_tell_how_the_hidden_ends_were_driven(
    loops: int, home: int
) -> None:
    """Any number of rounds around the block, from any house of a cell: same totals."""
    start = [(36.0001 + home * 1e-3, 100.0001, 0.0)]
    around = [
        (36.0002 + 1e-3 * (n % 2), 100.0002, 60.0 * (n + 1)) for n in range(loops)
    ]
    outside = [(36.05 + 0.001 * n, 100.0, 3600.0 + 10 * n) for n in range(200)]
    rows = [list(point) for point in (*start, *around, *outside)]
    end = {"end": "2026-07-17T12:00:00+08:00", "start": "2026-07-17T08:00:00+08:00"}
    driven = trip(
        track={"columns": ["lat", "lon", "time_s"], "rows": rows}, stops=[], **end
    )
    straight = trip(
        track={"columns": ["lat", "lon", "time_s"], "rows": [rows[0], *rows[-200:]]},
        stops=[],
        **end,
    )
    told, expected = driven.for_publishing(), straight.for_publishing()
    assert told.figures.distance_m == expected.figures.distance_m
    assert told.segments == expected.segments
    assert [leg.distance_km for leg in told.legs] == [
        leg.distance_km for leg in expected.legs
    ]


@pytest.mark.parametrize("samples", [2, 9, 64, 200])
@pytest.mark.parametrize("name", ["qinghai-lake-loop", "black-forest-weekend"])
def test_the_profile_has_the_summit(name: str, samples: int) -> None:
    """However few samples there are, none tells the highest point lower than it is."""
    published = load_trip(SAMPLES / f"{name}.json").for_publishing()

    assert max(published.profile(samples)) == published.highest.altitude_m


def test_what_tells_a_place_is_of_the_cut_track() -> None:
    """Bounds, profile and highest point know nothing of the hidden ends."""
    whole = trip(
        track={
            "columns": ["lat", "lon", "altitude_m"],
            "rows": [
                [36.0, 100.0, 4000],
                [36.1, 100.0, 3000],
                [36.2, 100.0, 3100],
                [36.3, 100.0, 9],
            ],
        }
    )
    published = whole.for_publishing()
    assert published.bounds is not None
    assert (published.bounds.south, published.bounds.north) == (36.1, 36.2)
    assert (min(published.altitude_profile), max(published.altitude_profile)) == (
        3000,
        3100,
    )
    assert published.highest is not None
    assert published.highest.altitude_m == 3100
    assert published.legs[0].highest_m == 3100


def test_a_trip_around_the_block_keeps_its_facts_without_a_line() -> None:
    """Where everything is inside the zone, no place is left, and nothing breaks."""
    points: JsonValue = [
        {"lat": 36.0 + i / 10_000, "lon": 100.0, "time_s": i * 10} for i in range(9)
    ]
    published = trip(track=points).for_publishing()
    assert published.segments == published.route == ()
    assert published.altitude_profile == ()
    assert published.bounds is None
    assert published.highest is None
    assert published.season == "summer"


def test_radius_nought_cuts_nothing() -> None:
    """The cut can be switched off; the home stop is gone all the same."""
    published = trip().for_publishing(home_radius_m=0)
    assert [len(segment) for segment in published.segments] == [400]
    assert [stop.name for stop in published.stops] == ["Lake"]


@pytest.mark.parametrize("radius", [-1, math.nan, math.inf, 100_001])
def test_an_impossible_radius_is_refused(radius: float) -> None:
    """A radius that would cut nothing, or everything, by accident is an error."""
    with pytest.raises(UsageError, match="home_radius_m"):
        trip().for_publishing(home_radius_m=radius)


def test_a_published_trip_cannot_hold_a_secret() -> None:
    """There is no field for one, in the trip or in its vehicle."""
    with pytest.raises(ValidationError):
        PublishedVehicle.model_validate({"vin": VIN})
    fields = set(PublishedTrip.model_fields) | set(PublishedVehicle.model_fields)
    assert not fields & {"vin", "plate", "owner", "address", "start", "end", "track"}


def test_a_photo_file_is_for_the_one_who_uploads_it() -> None:
    """Neither dump nor repr shows a path, though the photo knows it."""
    photos: JsonValue = [
        {"source": f"https://x/{VIN}.jpg?sig=s3cret"},
        {"source": "https://x/at-home.jpg", "lat": HOME[0], "lon": HOME[1]},
    ]
    whole = trip(photos=photos)
    published = whole.for_publishing()
    assert [photo.number for photo in published.photos] == [1]
    assert photo_source(published.photos[0]) == f"https://x/{VIN}.jpg?sig=s3cret"
    shown = published.model_dump_json() + repr(published.photos) + repr(whole.photos)
    assert "s3cret" not in shown
    assert VIN not in shown
    assert photo_source(PublishedPhoto(number=1)) == ""


@given(st.lists(st.integers(2, 90), max_size=12), st.integers(0, 120))
def test_a_route_never_has_more_points_than_asked(
    lengths: list[int], limit: int
) -> None:
    """Many pieces share the limit; the longest stay where it is too small."""
    segments = tuple(
        tuple((50 + n / 10, i / 100, None, None) for i in range(length))
        for n, length in enumerate(lengths)
    )
    found = simplified_segments(segments, max_points=limit)
    assert sum(len(segment) for segment in found) <= limit or found == segments == ()
    assert all(len(segment) >= 2 for segment in found)


def test_a_long_curve_that_splits_badly_is_still_simplified_soon() -> None:
    """A curve whose farthest point is always near its end does not cost squares."""
    curve = tuple(
        (60 * (1 - 0.9995**i), 60 * i / 60_000, None, None) for i in range(60_000)
    )
    (route,) = simplified_segments((curve,), max_points=400)
    assert 2 < len(route) <= 400
    assert (route[0], route[-1]) == (curve[0], curve[-1])


def test_speed_is_measured_or_computed() -> None:
    """Without readings the points' own times give the speed for the line's colour."""
    published = trip().for_publishing()
    speeds = [p[3] for segment in published.segments for p in segment]
    assert all(speed is not None and 20 < speed < 100 for speed in speeds)


def test_a_published_trip_is_json_and_comes_back() -> None:
    """Dumped and read again it is the same, for caches and other processes."""
    published = trip().for_publishing()
    assert PublishedTrip.model_validate_json(published.model_dump_json()) == published
