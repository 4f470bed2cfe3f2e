"""Makes of a recorded trip the one that may be published. Pure."""

from __future__ import annotations

import hashlib
import logging
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..errors import UsageError
from .facts import Days, Drive
from .geography import Position, bounds_of, distance_m
from .privacy import Redactor, Zone, hides, zone_around
from .published import (
    PROFILE_SAMPLES,
    ROUTE_POINTS,
    Point,
    PublishedBounds,
    PublishedFigures,
    PublishedHighPoint,
    PublishedLeg,
    PublishedPhoto,
    PublishedStop,
    PublishedTrip,
    PublishedVehicle,
    PublishedWeather,
    Segment,
    profile_of,
    simplified_segments,
    with_source,
)
from .recorded import RecordedTrip
from .records import Photo, Stop, unix
from .totals import Shift, shift_of
from .tracks import Track

NEAR_M = 5000.0
"""Within this a stop gives the highest point its name."""
_LARGEST_RADIUS_M = 100_000.0

_log = logging.getLogger("comfyclient.trip.publishing")


@dataclass(slots=True)
class _Cut:
    """What is left of a track outside the zones."""

    segments: list[Segment] = field(default_factory=list)
    highest: Point | None = None
    highest_by_day: dict[int, float] = field(default_factory=dict)


def zones_of(trip: RecordedTrip, *, home_radius_m: float) -> tuple[Zone, ...]:
    """Around both ends of the raw track and every home or work place.

    Raises:
        UsageError: the radius is not a number of metres from 0 to 100 km.
    """
    if not 0 <= home_radius_m <= _LARGEST_RADIUS_M:
        raise UsageError(
            f"home_radius_m is {home_radius_m!r}, not metres from 0 to 100000",
            hint="500 is the default; 0 switches the cut off",
        )
    if home_radius_m == 0:
        return ()
    homes = [home for s in trip.stops if s.is_private for home in _places(trip, s)]
    if trip.track is not None:
        homes += [trip.track.positions[0], trip.track.positions[-1]]
    around = (zone_around(home, home_radius_m=home_radius_m) for home in homes)
    return tuple(dict.fromkeys(around))


def _places(trip: RecordedTrip, what: Stop | Photo) -> Iterator[Position]:
    """Where it was; what does not say it, the track around its time does."""
    if what.position is not None:
        yield what.position
        return
    if isinstance(what, Photo):
        at, stay_s = what.taken_at, 0.0
    else:
        at, stay_s = what.arrival, what.stay_s if what.stay_s is not None else 0.0
    times = trip.track.times if trip.track is not None else None
    if trip.track is None or times is None or at is None:
        return
    for moment in (unix(at), unix(at) + stay_s):
        behind = min(bisect_left(times, moment), len(times) - 1)
        yield trip.track.positions[max(0, behind - 1)]
        yield trip.track.positions[behind]


def publish(trip: RecordedTrip, *, home_radius_m: float) -> PublishedTrip:
    """The trip without names and homes; see `docs/trips.md` for every rule."""
    zones = zones_of(trip, home_radius_m=home_radius_m)
    redactor = Redactor(trip.secrets())
    facts, days = trip.facts, Days.since(trip.start)
    cut, shift = _Cut(), Shift()
    if trip.track is not None and trip.drive is not None:
        track, drive = trip.track, trip.drive
        hidden = [hides(zones, position) for position in track.positions]
        cut = _cut(track, drive, hidden=hidden, days=days)
        shift = shift_of(track, drive, hidden=hidden, zones=zones, days=days)
    segments = tuple(cut.segments)
    stops = tuple(_stops(trip, zones, redactor=redactor, days=days))
    figures = _figures(trip, shift)
    cleaned = [_clean(redactor, line) for line in trip.highlights]
    return PublishedTrip(
        id=_public_id(trip, redactor),
        title=_clean(redactor, trip.title),
        language=trip.spoken,
        vehicle=_vehicle(trip, redactor),
        start_date=trip.start.date().isoformat(),
        end_date=trip.end.astimezone(trip.start.tzinfo).date().isoformat(),
        days=facts.days,
        season=facts.season,
        daylight=_rounded(facts.daylight, 3),
        light={part: round(share, 3) for part, share in facts.light.items()},
        part_of_day=facts.part_of_day,
        terrain=facts.terrain,
        weather=_weather(trip),
        companions=trip.companions,
        segments=segments,
        route=simplified_segments(segments, max_points=ROUTE_POINTS),
        altitude_profile=profile_of(segments, samples=PROFILE_SAMPLES),
        bounds=_bounds(segments),
        highest=_highest(cut.highest, stops),
        stops=stops,
        legs=tuple(_legs(trip, stops, cut=cut, shift=shift)),
        distance_km=None if figures.distance_m is None else figures.distance_m / 1000,
        duration_h=_in_hours(figures.duration_s),
        figures=figures,
        highlights=tuple(line for line in cleaned if line is not None),
        photos=tuple(_photos(trip, zones, days=days)),
    )


def _cut(track: Track, drive: Drive, *, hidden: Sequence[bool], days: Days) -> _Cut:
    cut = _Cut()
    open_: list[Point] = []
    for index, is_hidden in enumerate(hidden):
        if (is_hidden or index in drive.gaps) and open_:
            cut.segments.append(tuple(open_))
            open_ = []
        if not is_hidden:
            fresh = index == 0 or hidden[index - 1]
            point = _point(track, drive, index=index, fresh=fresh)
            open_.append(point)
            _note_height(cut, point, day=_day_at(track, days, index=index))
    cut.segments.append(tuple(open_))
    cut.segments = [segment for segment in cut.segments if len(segment) > 1]
    return cut


def _point(track: Track, drive: Drive, *, index: int, fresh: bool) -> Point:
    """A point that is shown; a fresh one must not tell of the way that led to it."""
    lat, lon = track.positions[index]
    altitude = track.altitudes[index] if track.altitudes is not None else None
    speed = track.speeds_kmh[index] if track.speeds_kmh is not None else None
    if speed is None and drive.seconds is not None:
        interval = min(index if fresh else index - 1, len(drive.seconds) - 1)
        seconds = drive.seconds[interval]
        speed = drive.steps[interval] / seconds * 3.6 if seconds else 0.0
    return (round(lat, 5), round(lon, 5), _rounded(altitude, 1), _rounded(speed, 1))


def _note_height(cut: _Cut, point: Point, *, day: int) -> None:
    altitude = point[2]
    if altitude is None:
        return
    cut.highest_by_day[day] = max(altitude, cut.highest_by_day.get(day, altitude))
    highest = cut.highest[2] if cut.highest is not None else None
    if highest is None or altitude > highest:
        cut.highest = point


def _day_at(track: Track, days: Days, *, index: int) -> int:
    return days.number(track.times[index]) if track.times is not None else 1


def _stops(
    trip: RecordedTrip, zones: tuple[Zone, ...], *, redactor: Redactor, days: Days
) -> Iterator[PublishedStop]:
    for stop in trip.stops:
        if stop.is_private or any(hides(zones, p) for p in _places(trip, stop)):
            continue
        yield PublishedStop(
            name=_clean(redactor, stop.name),
            kind=stop.kind,
            place=_clean(redactor, stop.place),
            lat=_rounded(stop.lat, 5),
            lon=_rounded(stop.lon, 5),
            day=None if stop.arrival is None else days.number(unix(stop.arrival)),
            stay_h=_in_hours(stop.stay_s),
        )


def _photos(
    trip: RecordedTrip, zones: tuple[Zone, ...], *, days: Days
) -> Iterator[PublishedPhoto]:
    for number, photo in enumerate(trip.photos, start=1):
        if any(hides(zones, place) for place in _places(trip, photo)):
            _log.info("photo %d was taken in a home zone: not published", number)
            continue
        taken = photo.taken_at
        yield with_source(
            PublishedPhoto(
                number=number,
                day=None if taken is None else max(1, days.number(unix(taken))),
                lat=_rounded(photo.lat, 5),
                lon=_rounded(photo.lon, 5),
            ),
            photo.source,
        )


def _legs(
    trip: RecordedTrip, stops: tuple[PublishedStop, ...], *, cut: _Cut, shift: Shift
) -> Iterator[PublishedLeg]:
    names: dict[int, list[str]] = defaultdict(list)
    for stop in stops:
        if stop.name is not None and stop.day is not None:
            names[stop.day].append(stop.name)
    for leg in trip.facts.legs:
        way = shift.distance(leg.distance_m, day=leg.day)
        yield PublishedLeg(
            day=leg.day,
            date=leg.date.isoformat(),
            distance_km=None if way is None else way / 1000,
            duration_h=_in_hours(shift.duration(leg.duration_s, day=leg.day)),
            part_of_day=leg.part_of_day,
            highest_m=cut.highest_by_day.get(leg.day),
            stops=tuple(names[leg.day]),
        )


def _figures(trip: RecordedTrip, shift: Shift) -> PublishedFigures:
    """The totals, from which the length of the cut ends cannot be told."""
    full = trip.facts.figures
    way, spent = shift.distance(full.distance_m), shift.duration(full.duration_s)
    average = full.average_kmh
    if way is not None and spent:  # of these two: the exact one would tell the third
        average = way / spent * 3.6
    return PublishedFigures(
        distance_m=way,
        duration_s=spent,
        energy_kwh=_rounded(full.energy_kwh, 1),
        fuel_l=_rounded(full.fuel_l, 1),
        average_kmh=_rounded(average, 0),
        top_kmh=_rounded(full.top_kmh, 0),
        climb_m=_rounded(full.climb_m, -1),
        recuperated_kwh=_rounded(full.recuperated_kwh, 1),
        charging_stops=full.charging_stops,
    )


def _vehicle(trip: RecordedTrip, redactor: Redactor) -> PublishedVehicle:
    car = trip.vehicle
    return PublishedVehicle(
        brand=_clean(redactor, car.brand),
        model=_clean(redactor, car.model),
        powertrain=car.powertrain,
        colour=_clean(redactor, car.colour),
    )


def _weather(trip: RecordedTrip) -> PublishedWeather | None:
    if trip.weather is None:
        return None
    return PublishedWeather(
        condition=trip.weather.condition,
        low_c=trip.weather.low_c,
        high_c=trip.weather.high_c,
    )


def _bounds(segments: tuple[Segment, ...]) -> PublishedBounds | None:
    box = bounds_of([(p[0], p[1]) for segment in segments for p in segment])
    if box is None:
        return None
    return PublishedBounds(
        south=box.south, west=box.west, north=box.north, east=box.east
    )


def _highest(
    point: Point | None, stops: tuple[PublishedStop, ...]
) -> PublishedHighPoint | None:
    if point is None or point[2] is None:
        return None
    near = [
        (distance_m((point[0], point[1]), (stop.lat, stop.lon)), stop.name)
        for stop in stops
        if stop.name is not None and stop.lat is not None and stop.lon is not None
    ]
    metres, name = min(near, default=(NEAR_M + 1, None))
    return PublishedHighPoint(
        altitude_m=point[2],
        lat=point[0],
        lon=point[1],
        near=name if metres <= NEAR_M else None,
    )


def _public_id(trip: RecordedTrip, redactor: Redactor) -> str:
    """The id, or where a secret stands in it a name that cannot be traced back.

    The whole track goes into the hash: a VIN alone could be found by trying.
    """
    if not redactor.finds(trip.id):
        return trip.id
    positions = trip.track.positions if trip.track is not None else ()
    salted = repr((trip.id, trip.secrets(), trip.start, trip.end, positions))
    return f"trip-{hashlib.sha256(salted.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _clean(redactor: Redactor, text: str | None) -> str | None:
    """The text without secrets; None where nothing to read is left of it."""
    if text is None:
        return None
    cleaned = redactor.clean(text)
    return cleaned if any(c.isalnum() for c in cleaned) or cleaned == text else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else float(round(value, digits))


def _in_hours(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 3600, 1)
