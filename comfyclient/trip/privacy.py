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
import unicodedata
from collections.abc import Iterable, Iterator
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

_FEWEST_LETTERS = 2
_FILLERS = "\u115f\u1160"
"""Letters by name that show nothing; the other Hangul fillers fold to these."""
_WITHOUT_PROVINCE = re.compile("[a-z][a-z0-9]{5,6}")
"""A folded Chinese plate without its first character: people leave that out."""


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
    # A grid finer than a metre hides nothing, and one of nothing divides by nought.
    home_radius_m = max(1.0, home_radius_m)
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
    """Takes secrets out of texts, however they are spaced, cased, widened or styled.

    Only letters and digits are compared: whatever people put between the parts of a
    plate or a VIN makes no difference.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._cores: set[str] = set()
        literal = []
        for secret in secrets:
            core = "".join(folded for folded, _ in _folded(secret))
            # One letter would be found in any text: then it is matched as it stands.
            if len(core) < _FEWEST_LETTERS:
                literal.append(re.escape(secret))
            else:
                self._cores.add(core)
                if "\u4e00" <= core[0] <= "\u9fff":
                    tail = _WITHOUT_PROVINCE.fullmatch(core, 1)
                    self._cores |= set() if tail is None else {tail[0]}
        literal.sort(key=len, reverse=True)
        self._literal = re.compile("|".join(literal)) if literal else None

    def finds(self, text: str) -> bool:
        """Whether the text holds a secret."""
        if self._literal is not None and self._literal.search(text) is not None:
            return True
        folded = "".join(part for part, _ in _folded(text)) if self._cores else ""
        return any(core in folded for core in self._cores)

    def clean(self, text: str) -> str:
        """The text without the secrets."""
        # What is left and right of one secret may together be another.
        while spans := self._found(text):
            for first, last in reversed(spans):
                text = text[:first] + REDACTED + text[last:]
        return text if self._literal is None else self._literal.sub(REDACTED, text)

    def _found(self, text: str) -> list[tuple[int, int]]:
        """Where secrets stand, as they follow each other; those that meet are one."""
        if not self._cores:
            return []
        letters, places = "", []
        for folded, at in _folded(text):
            letters += folded
            places += [at] * len(folded)
        spans: list[tuple[int, int]] = []
        for core in self._cores:
            at = letters.find(core)
            while at >= 0:
                spans.append((places[at], places[at + len(core) - 1] + 1))
                at = letters.find(core, at + 1)
        merged: list[tuple[int, int]] = []
        for first, last in sorted(spans):
            if merged and first < merged[-1][1]:
                first, last = merged[-1][0], max(last, merged[-1][1])
                merged.pop()
            merged.append((first, last))
        return [(first, _behind_marks(text, last)) for first, last in merged]


def _folded(text: str) -> Iterator[tuple[str, int]]:
    """Letters and digits without case, width, style and marks; where each stood."""
    for at, character in enumerate(text):
        plain = unicodedata.normalize("NFKD", character).casefold()
        for part in unicodedata.normalize("NFKD", plain):
            digit = unicodedata.decimal(part, None)
            if digit is not None:
                yield str(digit), at
            elif part.isalnum() and part not in _FILLERS:
                yield part, at


def _behind_marks(text: str, at: int) -> int:
    """Past the accents and enclosures that belong to the letter before."""
    while at < len(text) and unicodedata.category(text[at]).startswith("M"):
        at += 1
    return at
