"""Where the sun stands, and what part of the day that makes. Pure.

After the NOAA Solar Calculator (Jean Meeus, *Astronomical Algorithms*, the
low-accuracy series): within 0.02° for the years 1900 to 2100, refraction left out.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Literal, TypeAlias

from .geography import Position

PartOfDay: TypeAlias = Literal["dawn", "day", "dusk", "night"]
Season: TypeAlias = Literal["spring", "summer", "autumn", "winter"]

SUNRISE_DEGREES = -0.833
"""The sun's centre when its upper edge shows, refraction included."""
TWILIGHT_DEGREES = -6.0
"""Below this civil twilight has ended: night."""
LOW_SUN_DEGREES = 6.0
"""Up to this the light is still that of dawn or dusk."""

_J2000 = 946_728_000.0
"""2000-01-01 12:00 UTC as a Unix time."""


def elevation(place: Position, at: float) -> float:
    """Degrees of the sun above the horizon at a Unix time."""
    return _stand(place, at)[0]


def part_of_day(place: Position, at: float) -> PartOfDay:
    """The part of the day that the sun's height makes there and then."""
    height, hour_angle = _stand(place, at)
    if height >= LOW_SUN_DEGREES:
        return "day"
    if height < TWILIGHT_DEGREES:
        return "night"
    return "dawn" if hour_angle < 0 else "dusk"


def part_by_clock(local: datetime) -> PartOfDay:
    """The part of the day by the clock alone, for trips without any place."""
    hour = local.hour + local.minute / 60
    if 5 <= hour < 7:
        return "dawn"
    if 7 <= hour < 18:
        return "day"
    return "dusk" if 18 <= hour < 20 else "night"


def season(lat: float, month: int) -> Season:
    """The meteorological season of a month in that hemisphere."""
    names: tuple[Season, ...] = ("winter", "spring", "summer", "autumn")
    quarter = month % 12 // 3
    return names[(quarter + 2) % 4 if lat < 0 else quarter]


def _stand(place: Position, at: float) -> tuple[float, float]:
    """The sun's elevation and hour angle (negative before noon), in degrees."""
    century = (at - _J2000) / 86_400 / 36_525
    declination, equation_min = _sun(century)
    solar_min = (at % 86_400) / 60 + equation_min + 4 * place[1]
    hour_angle = (solar_min / 4) % 360 - 180
    lat = math.radians(place[0])
    sine = math.sin(lat) * math.sin(declination) + math.cos(lat) * math.cos(
        declination
    ) * math.cos(math.radians(hour_angle))
    return math.degrees(math.asin(max(-1.0, min(1.0, sine)))), hour_angle


def _sun(century: float) -> tuple[float, float]:
    """Declination in radians and the equation of time in minutes."""
    t = century
    mean_lon = math.radians((280.46646 + t * (36_000.76983 + 0.0003032 * t)) % 360)
    anomaly = math.radians(357.52911 + t * (35_999.05029 - 0.0001537 * t))
    eccentricity = 0.016708634 - t * (0.000042037 + 0.0000001267 * t)
    centre = (
        math.sin(anomaly) * (1.914602 - t * (0.004817 + 0.000014 * t))
        + math.sin(2 * anomaly) * (0.019993 - 0.000101 * t)
        + math.sin(3 * anomaly) * 0.000289
    )
    node = math.radians(125.04 - 1934.136 * t)
    apparent = mean_lon + math.radians(centre - 0.00569 - 0.00478 * math.sin(node))
    tilt = math.radians(23.43929111 - 0.0130042 * t + 0.00256 * math.cos(node))
    declination = math.asin(math.sin(tilt) * math.sin(apparent))
    y = math.tan(tilt / 2) ** 2
    equation = (
        y * math.sin(2 * mean_lon)
        - 2 * eccentricity * math.sin(anomaly)
        + 4 * eccentricity * y * math.sin(anomaly) * math.cos(2 * mean_lon)
        - y * y * math.sin(4 * mean_lon) / 2
        - 1.25 * eccentricity**2 * math.sin(2 * anomaly)
    )
    return declination, 4 * math.degrees(equation)
