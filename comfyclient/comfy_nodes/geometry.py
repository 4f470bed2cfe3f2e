"""From latitudes and longitudes to pixels of a map. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_EARTH_M = 6_371_008.8
_TINY_M = 400.0
"""A trip smaller than this is drawn as if it were this large."""


@dataclass(frozen=True)
class Frame:
    """A rectangle of pixels."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Projection:
    """Mercator around a point, in pixels; longitudes go on past the 180° meridian."""

    middle: tuple[float, float]
    """The longitude in radians and the Mercator latitude at the frame's middle."""
    pixels: float
    """Pixels per radian of longitude."""
    centre: tuple[float, float]
    metres_per_pixel: float

    def __call__(self, lat: Points, lon: Points) -> Points:
        """The pixels [n, 2] of places; `lon` as `unwrapped` gives it."""
        x = (np.radians(lon) - self.middle[0]) * self.pixels + self.centre[0]
        y = (self.middle[1] - _mercator(lat)) * self.pixels + self.centre[1]
        return np.stack([x, y], axis=-1)


def _mercator(lat: Points) -> Points:
    return np.asarray(np.arcsinh(np.tan(np.radians(np.clip(lat, -85, 85)))))


def unwrapped(lon: Points, *, near: float | None = None) -> Points:
    """Longitudes without the jump at the 180° meridian, beginning near a given one."""
    if len(lon) == 0:
        return lon
    steady = np.unwrap(lon, period=360)
    if near is not None:
        steady = steady + 360 * np.round((near - steady[0]) / 360)
    return np.asarray(steady)


def project(lat: Points, lon: Points, *, frame: Frame) -> Projection:
    """The projection that fits all places into the frame, north up."""
    low, high = _mercator(np.array([lat.min(), lat.max()]))
    west, east = np.radians([lon.min(), lon.max()])
    middle = (float(west + east) / 2, float(low + high) / 2)
    parallel = math.cos(math.atan(math.sinh(middle[1])))
    least = _TINY_M / (_EARTH_M * parallel)
    wide, tall = max(east - west, least), max(high - low, least)
    pixels = min((frame.right - frame.left) / wide, (frame.bottom - frame.top) / tall)
    centre = ((frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2)
    return Projection(
        middle, float(pixels), centre, _EARTH_M * parallel / float(pixels)
    )


def thinned(points: Points, *, apart: float) -> NDArray[np.intp]:
    """The places in a line to keep so that none is closer than `apart` to the last."""
    if len(points) < 3:
        return np.arange(len(points))
    steps = np.hypot(*np.diff(points, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    slot = (travelled / apart).astype(np.int64)
    first = np.concatenate([[True], np.diff(slot) > 0])
    first[-1] = True
    return np.flatnonzero(first)


def flowing(points: Points, *, step: float, reach: int) -> tuple[Points, Points]:
    """A line in even steps with the jitter of its places smoothed, its ends kept.

    Also returns where between the original points (0, 1, …) each new one lies.
    """
    steps = np.hypot(*np.diff(points, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    total = float(travelled[-1])
    if total < step * 4:
        return points, np.arange(len(points), dtype=np.float64)
    at = np.linspace(0, total, min(int(total / step) + 2, 9_000))
    even = [np.interp(at, travelled, points[:, axis]) for axis in (0, 1)]
    line = np.stack([smoothed(values, reach=reach) for values in even], axis=-1)
    line[0], line[-1] = points[0], points[-1]
    return line, np.interp(at, travelled, np.arange(len(points)))


def smoothed(values: Points, *, reach: int) -> Points:
    """Values averaged over their neighbours, gaps filled from beside them."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(len(values))
    places = np.arange(len(values))
    filled = np.interp(places, places[known], values[known])
    reach = min(reach, (len(values) - 1) // 2)
    if reach < 1:
        return filled
    window = np.hanning(2 * reach + 3)[1:-1]
    padded = np.pad(filled, reach, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid")


def bounds(values: Sequence[Points]) -> tuple[float, float] | None:
    """The range that colours should span, without the odd extremes; None if flat."""
    every = np.concatenate(list(values)) if values else np.array([])
    every = every[np.isfinite(every)]
    if len(every) < 2:
        return None
    low, high = np.percentile(every, [3, 97])
    return (float(low), float(high)) if high - low > 1 else None


def round_length(metres: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not above the length."""
    power = 10.0 ** math.floor(math.log10(max(metres, 1e-9)))
    for times in (5.0, 2.0, 1.0):
        if times * power <= metres * (1 + 1e-9):
            return times * power
    return power


def length_text(metres: float) -> str:
    """A round length as a map writes it."""
    return f"{metres / 1000:,.0f} km" if metres >= 1000 else f"{metres:g} m"
