"""What a template, a copywriter or a node may know of a trip. Pure.

A type of its own, not a trip with holes: it has no field that could hold a VIN, a
plate, an owner, an address, a clock time or the place of a photo file. All its values
are JSON values, or records of JSON values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict, PrivateAttr

from .geography import resampled, simplified, steps_m
from .records import Condition, Language, Powertrain, StopKind, Terrain
from .sun import PartOfDay, Season

Point: TypeAlias = tuple[float, float, float | None, float | None]
"""Latitude, longitude, altitude in metres, speed in km/h."""
Segment: TypeAlias = tuple[Point, ...]

ROUTE_POINTS = 400
PROFILE_SAMPLES = 120
_SAMPLED = 50
"""Points looked at for each point of a simplified segment."""


class _Published(BaseModel):
    """A frozen record of JSON values."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class PublishedVehicle(_Published):
    """The car, as anybody may see it."""

    brand: str | None = None
    model: str | None = None
    powertrain: Powertrain | None = None
    colour: str | None = None


class PublishedWeather(_Published):
    """How the weather was on the whole."""

    condition: Condition | None = None
    low_c: float | None = None
    high_c: float | None = None


class PublishedStop(_Published):
    """A stop outside every zone."""

    name: str | None = None
    kind: StopKind = "other"
    place: str | None = None
    lat: float | None = None
    lon: float | None = None
    day: int | None = None
    """The travel day, from 1; None where no arrival was recorded."""
    stay_h: float | None = None


class PublishedBounds(_Published):
    """The box around the published track; `west > east` crosses 180°."""

    south: float
    west: float
    north: float
    east: float


class PublishedHighPoint(_Published):
    """The highest point of the published track."""

    altitude_m: float
    lat: float
    lon: float
    near: str | None = None
    """The name of the nearest published stop within 5 km."""


class PublishedLeg(_Published):
    """One travel day."""

    day: int
    date: str
    distance_km: float | None = None
    duration_h: float | None = None
    part_of_day: PartOfDay
    highest_m: float | None = None
    stops: tuple[str, ...] = ()
    """Names of the day's published stops, in order."""


class PublishedPhoto(_Published):
    """A photo outside every zone; its file is no attribute: see `photo_source`."""

    number: int
    day: int | None = None
    lat: float | None = None
    lon: float | None = None
    _source: str = PrivateAttr(default="")


class PublishedFigures(_Published):
    """Totals of the whole trip, the cut ends included."""

    distance_m: float | None = None
    """Whole kilometres: what the ends lost must not show their length."""
    duration_s: float | None = None
    energy_kwh: float | None = None
    fuel_l: float | None = None
    average_kmh: float | None = None
    top_kmh: float | None = None
    climb_m: float | None = None
    recuperated_kwh: float | None = None
    charging_stops: int | None = None


class PublishedTrip(_Published):
    """A trip as it may be shown to the world."""

    id: str
    title: str | None = None
    language: Language
    vehicle: PublishedVehicle
    start_date: str
    end_date: str
    days: int
    season: Season | None
    daylight: float | None
    light: dict[PartOfDay, float]
    part_of_day: PartOfDay
    terrain: Terrain
    weather: PublishedWeather | None
    companions: int | None
    segments: tuple[Segment, ...]
    route: tuple[Segment, ...]
    """The segments simplified to 400 points in all: what a map draws."""
    altitude_profile: tuple[float, ...]
    """120 altitudes, evenly spaced along the way; empty where unknown."""
    bounds: PublishedBounds | None
    highest: PublishedHighPoint | None
    stops: tuple[PublishedStop, ...]
    legs: tuple[PublishedLeg, ...]
    distance_km: float | None
    duration_h: float | None
    figures: PublishedFigures
    highlights: tuple[str, ...]
    photos: tuple[PublishedPhoto, ...]

    def simplified(self, max_points: int = ROUTE_POINTS) -> tuple[Segment, ...]:
        """The segments simplified to so many points in all."""
        return simplified_segments(self.segments, max_points=max_points)

    def profile(self, samples: int = PROFILE_SAMPLES) -> tuple[float, ...]:
        """So many altitudes, evenly spaced along the way; empty where unknown."""
        return profile_of(self.segments, samples=min(max(0, samples), 10_000))

    def __repr__(self) -> str:
        return f"PublishedTrip({self.id!r})"

    __str__ = __repr__


def photo_source(photo: PublishedPhoto) -> str:
    """The path or URL of a photo, for the one who uploads it; templates cannot."""
    return photo._source


def with_source(photo: PublishedPhoto, source: str) -> PublishedPhoto:
    """The same photo, knowing its file."""
    photo._source = source
    return photo


def with_sources(trip: PublishedTrip, of: PublishedTrip) -> PublishedTrip:
    """The trip, its photos knowing the files that the other's have."""
    files = {photo.number: photo_source(photo) for photo in of.photos}
    for photo in trip.photos:
        with_source(photo, files.get(photo.number, ""))
    return trip


def simplified_segments(
    segments: Sequence[Segment], *, max_points: int
) -> tuple[Segment, ...]:
    """Each segment by Douglas-Peucker, the points shared out by their number."""
    if sum(len(segment) for segment in segments) <= max_points:
        return tuple(segments)
    by_length = sorted(segments, key=len, reverse=True)[: max(0, max_points // 2)]
    shown = [segment for segment in segments if segment in by_length]
    spare = max_points - 2 * len(shown)
    total = sum(len(segment) for segment in shown)
    return tuple(
        _thinned(segment, 2 + spare * len(segment) // total) for segment in shown
    )


def _thinned(segment: Segment, count: int) -> Segment:
    # Some curves cost the algorithm points times count: very long ones are sampled.
    stride = max(1, len(segment) // (_SAMPLED * count))
    sampled = (*segment[:-1:stride], segment[-1])
    kept = simplified([(p[0], p[1]) for p in sampled], max_points=count)
    return tuple(sampled[index] for index in kept)


def profile_of(segments: Sequence[Segment], *, samples: int) -> tuple[float, ...]:
    """Altitudes along the segments laid end to end, without the gaps between.

    The summit is among them: between two samples it would be told lower than it is.
    """
    distances: list[float] = []
    altitudes: list[float] = []
    along = 0.0
    for segment in segments:
        steps = [0.0, *steps_m([(p[0], p[1]) for p in segment])]
        for point, step in zip(segment, steps, strict=True):
            along += step
            if point[2] is not None:
                distances.append(along)
                altitudes.append(point[2])
    values = list(resampled(distances, altitudes, samples=samples))
    if values:
        top = altitudes.index(max(altitudes))
        whole = distances[-1] - distances[0]
        share = (distances[top] - distances[0]) / whole if whole > 0 else 0.0
        values[round(share * (len(values) - 1))] = altitudes[top]
    return tuple(round(value, 1) for value in values)
