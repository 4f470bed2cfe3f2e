"""What of a trip is worth a word, in any language. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Protocol

from ..trip.privacy import REDACTED
from ..trip.published import PublishedLeg, PublishedTrip
from ..trip.records import StopKind

_WORTH: Mapping[StopKind, int] = {
    "lake": 0,
    "beach": 1,
    "pass": 2,
    "desert": 3,
    "forest": 4,
    "sight": 5,
    "viewpoint": 6,
    "park": 7,
    "village": 8,
    "city": 9,
}
"""Which stop a trip is remembered by, best first; the others never name it."""

HIGH_M = 300.0
CLIMB_M = 500.0


class Phrases(Protocol):
    """How one language says what a trip has."""

    title_limit: int

    def title_at(self, trip: PublishedTrip, name: str) -> str:
        """A title around a place of the trip."""

    def title(self, trip: PublishedTrip) -> str:
        """A title of season, light and land alone."""

    def dates(self, trip: PublishedTrip) -> str:
        """From when to when."""

    def opening(self, trip: PublishedTrip) -> str | None:
        """How far and how long; None where neither is known."""

    def day(self, leg: PublishedLeg) -> str:
        """One travel day by its stops."""

    def stops(self, names: Sequence[str]) -> str:
        """Where the trip went."""

    def closing(self, trip: PublishedTrip) -> Iterator[str]:
        """Facts worth a line, best first; at least two."""

    def prompt(self, trip: PublishedTrip) -> str:
        """What to paint."""


def anchor_names(trip: PublishedTrip) -> list[str]:
    """The names a title may be built around, best first: of days, the region."""
    named = [
        (_WORTH[stop.kind], at, stop.name)
        for at, stop in enumerate(trip.stops)
        if stop.name is not None and stop.kind in _WORTH
    ]
    region = region_of(trip) if trip.days > 1 else None
    names = [name for _, _, name in sorted(named) if REDACTED not in name]
    return list(dict.fromkeys(names if region is None else [region, *names]))


def region_of(trip: PublishedTrip) -> str | None:
    """The place most stops are in; the first of them where several tie."""
    known = (stop.place for stop in trip.stops if stop.place is not None)
    places = Counter(place for place in known if REDACTED not in place)
    return places.most_common(1)[0][0] if places else None


def first_and_last(trip: PublishedTrip) -> tuple[date, date]:
    """The calendar dates of start and end."""
    return date.fromisoformat(trip.start_date), date.fromisoformat(trip.end_date)


def regained_km(trip: PublishedTrip) -> int | None:
    """How far the recuperated energy carries at this trip's own consumption."""
    figures = trip.figures
    back, used, way = figures.recuperated_kwh, figures.energy_kwh, figures.distance_m
    if back is None or used is None or way is None or back < 1 or used <= 0:
        return None
    return round(back / used * way / 1000)
