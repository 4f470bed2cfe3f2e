"""Words for a trip, made of nothing but its own facts: no model, no key. Pure."""

from __future__ import annotations

from typing import Protocol

from pydantic import BaseModel, ConfigDict

from ..trip.published import PublishedTrip
from .chinese import CHINESE
from .english import ENGLISH
from .facts import Phrases, anchor_names, region_of

MAX_LINES = 4


class TripCopy(BaseModel):
    """The words of one trip."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    title: str
    """The trip's own, else at most 10 Chinese characters or 28 Latin letters."""
    subtitle: str
    """Its dates, and its region where known."""
    lines: tuple[str, ...]
    """Two to four short lines."""
    poster_prompt: str
    """What an image model should paint; names no person, place or brand."""


class Copywriter(Protocol):
    """Writes the words for a trip."""

    def write(self, trip: PublishedTrip) -> TripCopy:
        """Title, subtitle, lines and a prompt, in the trip's language."""


class OfflineCopywriter:
    """Writes from the facts alone: the same trip always gets the same words."""

    def write(self, trip: PublishedTrip) -> TripCopy:
        """Title, subtitle, lines and a prompt, in the trip's language."""
        phrases = CHINESE if trip.language == "zh" else ENGLISH
        return TripCopy(
            title=trip.title if trip.title is not None else _title(trip, phrases),
            subtitle=_subtitle(trip, phrases),
            lines=_lines(trip, phrases),
            poster_prompt=phrases.prompt(trip),
        )


def _title(trip: PublishedTrip, phrases: Phrases) -> str:
    """The first that fits: around a place of the trip, else of season and land."""
    for name in anchor_names(trip):
        title = phrases.title_at(trip, name)
        if len(title) <= phrases.title_limit:
            return title
    return phrases.title(trip)


def _subtitle(trip: PublishedTrip, phrases: Phrases) -> str:
    region = region_of(trip)
    dates = phrases.dates(trip)
    return dates if region is None else f"{dates} · {region}"


def _lines(trip: PublishedTrip, phrases: Phrases) -> tuple[str, ...]:
    """How far, then what the trip itself tells, then the facts worth a line."""
    middle = list(trip.highlights[:2])
    if not middle:
        middle = _days_or_stops(trip, phrases)
    opening = phrases.opening(trip)
    start = [] if opening is None else [opening]
    closing = [line for line in phrases.closing(trip) if line not in middle]
    return tuple([*start, *middle, *closing][:MAX_LINES])


def _days_or_stops(trip: PublishedTrip, phrases: Phrases) -> list[str]:
    told = [leg for leg in trip.legs if leg.stops]
    if 2 <= len(trip.legs) <= 3 and len(told) == len(trip.legs):
        return [phrases.day(leg) for leg in told]
    names = [stop.name for stop in trip.stops if stop.name is not None]
    distinct = list(dict.fromkeys(names))
    return [phrases.stops(distinct[:4])] if distinct else []
