"""What keeps a home and a name out of a published trip: zones and redaction. Pure.

A zone is not the circle around the home itself. Where the published track ends on an
exact circle, three of its ends give the centre away, and an offset drawn anew for each
trip averages out over many. So the centre is snapped to the middle of a grid cell
whose side is the home radius: every trip from any home of that cell is cut by the same
circle, and all it can tell is the cell. The circle is so much larger that the
home radius around the true place always lies inside.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .geography import (
    EARTH_RADIUS_M,
    METRES_PER_DEGREE,
    Position,
    distance_m,
    normal_lon,
)

REDACTED = "…"
"""Stands in a text where a secret stood."""

_JOINTS = r"[\s\-_.,/·•‧・﹒|:\u00ad\u200b-\u200f\u2060\ufeff]*"
"""What people put between the parts of a plate or a VIN."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A circle nothing may be published from."""

    centre: Position
    radius_m: float

    def holds(self, position: Position) -> bool:
        """Whether a position lies inside."""
        lat_off = abs(position[0] - self.centre[0]) * METRES_PER_DEGREE
        return (
            lat_off <= self.radius_m
            and distance_m(position, self.centre) <= self.radius_m
        )


def zone_around(home: Position, *, home_radius_m: float) -> Zone:
    """The zone of the grid cell in which a home lies."""
    if home_radius_m == 0:
        return Zone(home, 0.0)
    height = home_radius_m / METRES_PER_DEGREE
    lat = min(90.0, max(-90.0, (math.floor(home[0] / height) + 0.5) * height))
    widest = math.cos(math.radians(max(0.0, abs(lat) - height / 2)))
    width = 360.0
    if widest * METRES_PER_DEGREE * 360 > home_radius_m:
        width = home_radius_m / (widest * METRES_PER_DEGREE)
    lon = normal_lon((math.floor(home[1] / width) + 0.5) * width)
    centre = (lat, lon)
    reach = max(home_radius_m * math.sqrt(0.5), distance_m(home, centre))
    return Zone(centre, min(home_radius_m + reach, math.pi * EARTH_RADIUS_M) + 1.0)


def hides(zones: Iterable[Zone], position: Position | None) -> bool:
    """Whether any zone holds the position."""
    return position is not None and any(zone.holds(position) for zone in zones)


class Redactor:
    """Takes secrets out of texts, however they are spaced, cased or widened."""

    def __init__(self, secrets: Iterable[str]) -> None:
        patterns = [_pattern(secret) for secret in sorted(secrets, key=len)[::-1]]
        self._search = (
            re.compile("|".join(patterns), re.IGNORECASE) if patterns else None
        )

    def finds(self, text: str) -> bool:
        """Whether the text holds a secret."""
        return self._search is not None and self._search.search(text) is not None

    def clean(self, text: str) -> str:
        """The text without the secrets."""
        return text if self._search is None else self._search.sub(REDACTED, text)


def _pattern(secret: str) -> str:
    """Matches a secret with any joints between its characters, or none."""
    core = re.sub(_JOINTS, "", secret)
    # A secret of joints alone has no core: then it is matched as it stands.
    return _JOINTS.join(_either_width(c) for c in core) if core else re.escape(secret)


def _either_width(character: str) -> str:
    if "!" <= character <= "~":
        wide = chr(ord(character) + 0xFEE0)
        return f"[{re.escape(character)}{wide}]"
    return re.escape(character)
