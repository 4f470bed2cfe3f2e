"""What follows from a trip's track, times and stops, so that nobody is asked. Pure."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise

from .geography import Bounds, Position, bounds_of, climb_m, steps_m
from .records import Figures, Stop, StopKind, Terrain, unix
from .sun import (
    SUNRISE_DEGREES,
    PartOfDay,
    Season,
    elevation,
    part_by_clock,
    part_of_day,
    season,
)
from .tracks import Track

DAY_STARTS_AT = 4
"""The hour at which a travel day begins: a night drive belongs to its evening."""
_SHORTEST_DAY = timedelta(hours=6)
_FASTEST_KMH = 300.0
_RESTING_KMH = 1.0
_CRAWLING_KMH = 10.0
_SUN_STEP_S = 120.0
_TOP_SPEED_WINDOW_S = 10.0
_HILLY = 0.006
"""Metres of climb per metre of road from which a plain is no plain."""

_TERRAIN_OF: Mapping[StopKind, Terrain] = {
    "lake": "lake",
    "beach": "coast",
    "desert": "desert",
    "forest": "forest",
    "pass": "mountains",
    "city": "city",
}
"""What a stop says of the land; of as many votes the upper one wins."""


@dataclass(frozen=True, slots=True)
class Days:
    """Which travel day a moment belongs to, in the zone of the start."""

    start: datetime
    second: datetime
    """When the second travel day begins."""
    second_unix: float

    @classmethod
    def since(cls, start: datetime) -> Days:
        """The travel days of a trip with that start."""
        second = start.replace(hour=DAY_STARTS_AT, minute=0, second=0, microsecond=0)
        while second - start < _SHORTEST_DAY:
            second += timedelta(days=1)
        return cls(start, second, unix(second))

    def number(self, at: float) -> int:
        """The travel day of a Unix time, from 1."""
        after = at - self.second_unix
        return 1 if after < 0 else 2 + int(after // 86_400)

    def date(self, number: int) -> date:
        """The calendar date on which a travel day begins."""
        if number <= 1:
            return self.start.date()
        return (self.second + timedelta(days=number - 2)).date()


@dataclass(frozen=True, slots=True)
class Drive:
    """The way from each point of a track to the next."""

    steps: tuple[float, ...]
    """Metres; 0 where the position jumped impossibly far."""
    seconds: tuple[float, ...] | None
    """Time spent moving; 0 for rests. None without times."""
    gaps: frozenset[int]
    """Points that the line must not be drawn to: recording stopped before them."""


@dataclass(frozen=True, slots=True)
class HighPoint:
    """The highest point of a track."""

    altitude_m: float
    position: Position


@dataclass(frozen=True, slots=True)
class Leg:
    """One travel day."""

    day: int
    date: date
    distance_m: float | None
    duration_s: float | None
    part_of_day: PartOfDay


@dataclass(frozen=True, slots=True)
class TripFacts:
    """Everything derived; a figure that the trip gives is taken over as it is."""

    figures: Figures
    season: Season | None
    """None where no place is known: the hemisphere decides."""
    daylight: float | None
    """Share of the driving time with the sun up."""
    light: Mapping[PartOfDay, float]
    """Shares of the driving time, summing to 1."""
    part_of_day: PartOfDay
    """The part with the greatest share."""
    terrain: Terrain
    bounds: Bounds | None = field(repr=False)
    highest: HighPoint | None = field(repr=False)
    days: int
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class _Lit:
    """A stretch of driving under one light."""

    day: int
    seconds: float
    part: PartOfDay
    sun_up: bool | None


def drive_of(track: Track) -> Drive:
    """Steps, moving time and gaps of a track."""
    raw = steps_m(track.positions)
    spans = _spans(track)
    usual_step = statistics.median(raw)
    usual_span = statistics.median(spans) if spans is not None else 0.0
    gaps = set(track.breaks)
    steps = list(raw)
    for index, step in enumerate(raw):
        span = spans[index] if spans is not None else None
        if span is not None and step > 300 and step > span * _FASTEST_KMH / 3.6:
            steps[index] = 0.0
            gaps.add(index + 1)
        elif step > max(3000.0, 30 * usual_step) or (
            span is not None and step > 1000 and span > max(600.0, 30 * usual_span)
        ):
            gaps.add(index + 1)
    moving = None
    if spans is not None:
        moving = tuple(
            _moving(step, span, usual=usual_span)
            for step, span in zip(steps, spans, strict=True)
        )
    return Drive(tuple(steps), moving, frozenset(gaps))


def _moving(step: float, span: float, *, usual: float) -> float:
    """How much of the time between two points was driving."""
    if step <= span * _RESTING_KMH / 3.6:
        return 0.0
    # A long slow interval is a stop with the first metres after it.
    stopped = span > max(120.0, 4 * usual) and step < span * _CRAWLING_KMH / 3.6
    return usual if stopped else span


def facts_of(
    *,
    start: datetime,
    end: datetime,
    track: Track | None,
    drive: Drive | None,
    stops: Sequence[Stop],
    figures: Figures,
    terrain: Terrain | None,
) -> TripFacts:
    """Everything that follows from a trip's own records."""
    days = Days.since(start)
    place = _some_place(track, stops)
    lit = tuple(_lit(days, end, track=track, drive=drive, place=place))
    full = _figures(_with_charges(figures, stops), track, drive=drive)
    if full.duration_s is None and days.number(unix(end)) == 1:
        stays = sum(stop.stay_s for stop in stops if stop.stay_s is not None)
        spent = unix(end) - unix(start) - stays
        full = full.model_copy(update={"duration_s": spent if spent > 0 else None})
    light = _shares(lit)
    up = sum(part.seconds for part in lit if part.sun_up)
    total = sum(part.seconds for part in lit)
    return TripFacts(
        figures=_with_average(full),
        season=season(place[0], start.month) if place is not None else None,
        daylight=up / total if place is not None and total > 0 else None,
        light=light,
        part_of_day=max(light, key=lambda part: light[part]),
        terrain=terrain
        if terrain is not None
        else guess_terrain(stops, track, figures=full),
        bounds=bounds_of(track.positions) if track is not None else None,
        highest=highest_of(track) if track is not None else None,
        days=days.number(unix(end)),
        legs=tuple(
            _legs(
                days,
                days.number(unix(end)),
                track=track,
                drive=drive,
                figures=full,
                lit=lit,
            )
        ),
    )


def highest_of(track: Track) -> HighPoint | None:
    """The point of the greatest altitude."""
    if track.altitudes is None:
        return None
    known = [(a, -at) for at, a in enumerate(track.altitudes) if a is not None]
    altitude, minus = max(known)
    return HighPoint(altitude, track.positions[-minus])


def guess_terrain(
    stops: Sequence[Stop], track: Track | None, *, figures: Figures
) -> Terrain:
    """What most stops say of the land, else what its altitudes say, else a plain."""
    votes = Counter(_TERRAIN_OF[s.kind] for s in stops if s.kind in _TERRAIN_OF)
    if votes:
        order = list(_TERRAIN_OF.values())
        return max(votes, key=lambda land: (votes[land], -order.index(land)))
    known = track.known_altitudes() if track is not None else []
    if not known:
        return "plain"
    rise = max(known) - min(known)
    if rise >= 1000 or (max(known) >= 2500 and rise >= 400):
        return "mountains"
    climb, way = figures.climb_m, figures.distance_m
    steep = climb is not None and way is not None and climb >= way * _HILLY
    return "hills" if rise >= 150 and steep else "plain"


def _spans(track: Track) -> list[float] | None:
    if track.times is None:
        return None
    return [b - a for a, b in pairwise(track.times)]


def _some_place(track: Track | None, stops: Sequence[Stop]) -> Position | None:
    if track is not None:
        return track.positions[len(track) // 2]
    known = [stop.position for stop in stops if stop.position is not None]
    return known[0] if known else None


def _figures(given: Figures, track: Track | None, *, drive: Drive | None) -> Figures:
    if track is None or drive is None:
        return given
    found: dict[str, float | None] = {"distance_m": sum(drive.steps)}
    if drive.seconds is not None and sum(drive.seconds) > 0:
        found["duration_s"] = sum(drive.seconds)
    altitudes = track.known_altitudes()
    if altitudes:
        found["climb_m"] = climb_m(altitudes)
    found["top_kmh"] = _top_kmh(track, drive)
    missing = {k: v for k, v in found.items() if getattr(given, k) is None}
    return given.model_copy(update=missing)


def _with_charges(given: Figures, stops: Sequence[Stop]) -> Figures:
    """Charging stops counted where some are recorded; none recorded tells nothing."""
    count = sum(stop.kind == "charge" for stop in stops)
    if given.charging_stops is not None or count == 0:
        return given
    return given.model_copy(update={"charging_stops": count})


def _with_average(figures: Figures) -> Figures:
    distance, duration = figures.distance_m, figures.duration_s
    if figures.average_kmh is not None or distance is None or not duration:
        return figures
    return figures.model_copy(update={"average_kmh": distance / duration * 3.6})


def _top_kmh(track: Track, drive: Drive) -> float | None:
    """The fastest reading, or the fastest ten seconds of the way itself."""
    if track.speeds_kmh is not None:
        return max(speed for speed in track.speeds_kmh if speed is not None)
    if drive.seconds is None:
        return None
    best, way, spent, first = 0.0, 0.0, 0.0, 0
    for index, (step, span) in enumerate(zip(drive.steps, drive.seconds, strict=True)):
        if index in drive.gaps:
            way, spent, first = 0.0, 0.0, index
        way, spent = way + step, spent + span
        if spent >= _TOP_SPEED_WINDOW_S:
            best = max(best, way / spent * 3.6)
        while spent >= _TOP_SPEED_WINDOW_S and first < index:
            way, spent = way - drive.steps[first], spent - drive.seconds[first]
            first += 1
    return min(best, _FASTEST_KMH) if best > 0 else None


def _lit(
    days: Days,
    end: datetime,
    *,
    track: Track | None,
    drive: Drive | None,
    place: Position | None,
) -> Iterator[_Lit]:
    """The driving time under each light; by the clock where no place is known."""
    moving = drive.seconds if drive is not None else None
    if track is None or track.times is None or moving is None or not sum(moving):
        yield from _lit_by_schedule(days, end, place=place)
        return
    asked = -_SUN_STEP_S
    part: PartOfDay = "day"
    up = True
    for index, seconds in enumerate(moving):
        at = track.times[index]
        if at - asked >= _SUN_STEP_S:
            asked, where = at, track.positions[index]
            part, up = part_of_day(where, at), elevation(where, at) > SUNRISE_DEGREES
        if seconds > 0:
            yield _Lit(days.number(at), seconds, part, up)


def _lit_by_schedule(
    days: Days, end: datetime, *, place: Position | None
) -> Iterator[_Lit]:
    """From start to end; of a trip over 18 hours only 7 to 21 o'clock."""
    first, last = unix(days.start), unix(end)
    step = max(60.0, min(900.0, (last - first) / 20))
    at = first
    while at <= last:
        local = days.start + timedelta(seconds=at - first)
        if last - first <= 18 * 3600 or 7 <= local.hour < 21:
            if place is None:
                yield _Lit(days.number(at), step, part_by_clock(local), None)
            else:
                up = elevation(place, at) > SUNRISE_DEGREES
                yield _Lit(days.number(at), step, part_of_day(place, at), up)
        at += step


def _shares(lit: Sequence[_Lit]) -> dict[PartOfDay, float]:
    shares: dict[PartOfDay, float] = {"day": 0, "dawn": 0, "dusk": 0, "night": 0}
    for stretch in lit:
        shares[stretch.part] += stretch.seconds
    total = sum(shares.values())
    return {part: s / total for part, s in shares.items()} if total else {"day": 1.0}


def _legs(
    days: Days,
    count: int,
    *,
    track: Track | None,
    drive: Drive | None,
    figures: Figures,
    lit: Sequence[_Lit],
) -> Iterator[Leg]:
    metres: dict[int, float] = defaultdict(float)
    seconds: dict[int, float] = defaultdict(float)
    by_day: dict[int, list[_Lit]] = defaultdict(list)
    for stretch in lit:
        by_day[stretch.day].append(stretch)
    times = track.times if track is not None else None
    moving = drive.seconds if drive is not None else None
    timed = drive is not None and times is not None and moving is not None
    if drive is not None and times is not None and moving is not None:
        for step, span, at in zip(drive.steps, moving, times, strict=False):
            day = days.number(at)
            metres[day] += step
            seconds[day] += span
    for day in range(1, count + 1):
        light = _shares(by_day[day])
        part = max(light, key=lambda name: light[name])
        way = metres[day] if timed else figures.distance_m if count == 1 else None
        spent = seconds[day] if timed else figures.duration_s if count == 1 else None
        yield Leg(day, days.date(day), way, spent, part)
