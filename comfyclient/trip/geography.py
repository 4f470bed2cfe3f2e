"""Geometry on the globe: distances, bounds, simplification, climbs. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

EARTH_RADIUS_M = 6_371_008.8
"""The mean radius of the WGS 84 ellipsoid."""

METRES_PER_DEGREE = EARTH_RADIUS_M * math.pi / 180

Position: TypeAlias = tuple[float, float]
"""Latitude and longitude in degrees."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The smallest box that holds some positions; `west > east` crosses 180°."""

    south: float
    west: float
    north: float
    east: float

    @property
    def crosses_180(self) -> bool:
        """Whether the box holds the meridian of 180°."""
        return self.west > self.east


def distance_m(a: Position, b: Position) -> float:
    """Great-circle distance by the haversine formula."""
    lat_a, lat_b = math.radians(a[0]), math.radians(b[0])
    half_lat = (lat_b - lat_a) / 2
    half_lon = math.radians(b[1] - a[1]) / 2
    h = (
        math.sin(half_lat) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, h)))


def steps_m(positions: Sequence[Position]) -> list[float]:
    """The distance from each position to the next: one fewer than positions."""
    return [distance_m(a, b) for a, b in pairwise(positions)]


def normal_lon(lon: float) -> float:
    """The same longitude in -180..180."""
    return lon if -180 <= lon <= 180 else (lon + 180) % 360 - 180


def unwrapped(longitudes: Iterable[float]) -> list[float]:
    """Longitudes made continuous: each within 180° of the one before it."""
    result: list[float] = []
    for lon in longitudes:
        if result:
            lon += 360 * round((result[-1] - lon) / 360)
        result.append(lon)
    return result


def bounds_of(positions: Sequence[Position]) -> Bounds | None:
    """The smallest box around positions, across 180° where that is shorter."""
    if not positions:
        return None
    lats = [lat for lat, _ in positions]
    lons = sorted({lon for _, lon in positions})
    gaps = [b - a for a, b in pairwise(lons)]
    widest = max(gaps, default=0.0)
    if widest <= lons[0] + 360 - lons[-1]:
        return Bounds(min(lats), lons[0], max(lats), lons[-1])
    at = gaps.index(widest)
    return Bounds(min(lats), lons[at + 1], max(lats), lons[at])


def projected(positions: Sequence[Position]) -> list[tuple[float, float]]:
    """Metres east and north of the first position (equirectangular)."""
    if not positions:
        return []
    lats = [lat for lat, _ in positions]
    middle = (min(lats) + max(lats)) / 2
    shrink = math.cos(math.radians(middle)) * METRES_PER_DEGREE
    lons = unwrapped(lon for _, lon in positions)
    return [
        ((lon - lons[0]) * shrink, (lat - lats[0]) * METRES_PER_DEGREE)
        for lat, lon in zip(lats, lons, strict=True)
    ]


def simplified(
    positions: Sequence[Position],
    *,
    tolerance_m: float = 0.0,
    max_points: int | None = None,
) -> list[int]:
    """Which positions to keep, by Douglas-Peucker with the farthest point first.

    Taking the worst deviation of the whole line first lets one pass serve both
    limits: it stops when no point is farther than `tolerance_m` from the simplified
    line, or when `max_points` are kept. Both ends always stay.
    """
    last = len(positions) - 1
    if last < 2:
        return list(range(last + 1))
    flat = projected(positions)
    kept = [0, last]
    limit = len(positions) if max_points is None else max_points
    worst = [_farthest(flat, 0, last=last)]
    while worst and len(kept) < limit:
        minus, at, first, end = heapq.heappop(worst)
        if -minus <= tolerance_m:
            break
        kept.append(at)
        for a, b in ((first, at), (at, end)):
            if b - a > 1:
                heapq.heappush(worst, _farthest(flat, a, last=b))
    return sorted(kept)


def _farthest(
    flat: Sequence[tuple[float, float]], first: int, *, last: int
) -> tuple[float, int, int, int]:
    """Minus the greatest deviation from the chord, and where: fit for a heap."""
    x0, y0 = flat[first]
    dx, dy = flat[last][0] - x0, flat[last][1] - y0
    square = dx * dx + dy * dy
    best, at = -1.0, first + 1
    for index in range(first + 1, last):
        x, y = flat[index][0] - x0, flat[index][1] - y0
        along = (x * dx + y * dy) / square if square else 0.0
        along = 0.0 if along < 0 else 1.0 if along > 1 else along
        off_x, off_y = x - along * dx, y - along * dy
        off = off_x * off_x + off_y * off_y
        if off > best:
            best, at = off, index
    return -math.sqrt(best), at, first, last


def climb_m(altitudes: Iterable[float], *, threshold_m: float = 10.0) -> float:
    """The sum of climbs, counting a turn only once it is `threshold_m` deep.

    GPS altitudes wander by some metres; summed without a threshold they would make
    a hill of every plain.
    """
    total, low, high = 0.0, math.inf, -math.inf
    for altitude in altitudes:
        if altitude > high:
            high = altitude
        if altitude < low:
            low = high = altitude
        if high - altitude >= threshold_m:
            total += high - low if high - low >= threshold_m else 0.0
            low = high = altitude
    return total + (high - low if high - low >= threshold_m else 0.0)


def resampled(
    distances: Sequence[float], values: Sequence[float], *, samples: int
) -> tuple[float, ...]:
    """Values at evenly spaced distances, linear in between."""
    if not values or samples < 1:
        return ()
    if len(values) == 1 or samples == 1:
        return (values[0],) * samples
    result, at = [], 0
    step = (distances[-1] - distances[0]) / (samples - 1)
    for number in range(samples):
        wanted = distances[0] + step * number
        while at < len(distances) - 2 and distances[at + 1] < wanted:
            at += 1
        width = distances[at + 1] - distances[at]
        share = (wanted - distances[at]) / width if width > 0 else 0.0
        share = min(1.0, max(0.0, share))
        result.append(values[at] + share * (values[at + 1] - values[at]))
    return tuple(result)
