"""A trip as the car recorded it, secrets included, and what follows from it. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Self

from pydantic import (
    Field,
    JsonValue,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from .facts import Drive, TripFacts, drive_of, facts_of
from .privacy import Redactor
from .records import (
    Count,
    Figures,
    Language,
    LanguageTag,
    Line,
    Moment,
    Name,
    Photo,
    Record,
    Stop,
    Terrain,
    Vehicle,
    Weather,
    unix,
)
from .tracks import Track, as_json, fault, track_of

_LONGEST_DAYS = 366
CLOCK_SLACK_S = 3600.0
"""How far the car's clock and the receiver's may differ at the ends."""


class RecordedTrip(Record):
    """All that a trip file holds."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    title: Name | None = None
    vehicle: Vehicle = Field(default_factory=Vehicle)
    start: Moment
    end: Moment
    stops: Annotated[tuple[Stop, ...], Field(max_length=1000)] = ()
    track: Track | None = None
    figures: Figures = Field(default_factory=Figures)
    weather: Weather | None = None
    companions: Count | None = None
    """People in the car besides its driver."""
    photos: Annotated[tuple[Photo, ...], Field(max_length=1000)] = ()
    highlights: Annotated[tuple[Line, ...], Field(max_length=100)] = ()
    terrain: Terrain | None = None
    """What the land is like; guessed from stops and altitudes where not given."""
    language: LanguageTag | None = None
    """`zh` or `en`; taken from the script of the texts where not given."""

    @field_validator("track", mode="plain")
    @classmethod
    def _read_track(cls, value: object, info: ValidationInfo) -> Track | None:
        start = info.data.get("start")
        # Without a start the trip is refused anyway, and for that reason alone.
        if value is None or start is None:
            return None
        return track_of(value, start=start)

    @field_serializer("track")
    def _write_track(self, track: Track | None) -> dict[str, JsonValue] | None:
        return None if track is None else as_json(track, start=self.start)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        first, last = unix(self.start), unix(self.end)
        if last < first:
            raise fault(
                f"time runs backwards: end {self.end.isoformat()} is before start "
                f"{self.start.isoformat()}",
                ("end",),
            )
        if last - first > _LONGEST_DAYS * 86_400:
            lasted = (last - first) / 86_400
            raise fault(
                f"the trip lasts {lasted:.0f} days, more than {_LONGEST_DAYS}: "
                "start or end is wrong, or it is many trips",
                ("end",),
            )
        low, high = first - CLOCK_SLACK_S, last + CLOCK_SLACK_S
        times = self.track.times if self.track is not None else None
        if times is not None and not low <= times[0] <= times[-1] <= high:
            raise fault(
                "its times lie more than an hour outside of start and end", ("track",)
            )
        self._check_stops(low, high)
        return self

    def _check_stops(self, low: float, high: float) -> None:
        before = low
        for index, stop in enumerate(self.stops):
            if stop.arrival is None:
                continue
            arrival = unix(stop.arrival)
            shown = stop.arrival.isoformat()
            if not low <= arrival <= high:
                why = f"{shown} lies more than an hour outside of start and end"
                raise fault(why, ("stops", index, "arrival"))
            if arrival < before:
                why = f"time runs backwards: {shown} is before the stop above it"
                raise fault(why, ("stops", index, "arrival"))
            before = arrival

    @cached_property
    def drive(self) -> Drive | None:
        """The way between the points of the track; None without one."""
        return None if self.track is None else drive_of(self.track)

    @cached_property
    def facts(self) -> TripFacts:
        """Everything that follows from the records; computed once."""
        return facts_of(
            start=self.start,
            end=self.end,
            track=self.track,
            drive=self.drive,
            stops=self.stops,
            figures=self.figures,
            terrain=self.terrain,
        )

    @cached_property
    def spoken(self) -> Language:
        """The language to write in: the one given, else that of its texts' script."""
        if self.language is not None:
            return self.language
        stops = (text for stop in self.stops for text in (stop.name, stop.place))
        texts = (self.title, *self.highlights, *stops)
        return "zh" if any(_has_han(text) for text in texts if text) else "en"

    def secrets(self) -> tuple[str, ...]:
        """The values that must never be found in anything made of this trip."""
        car = self.vehicle
        held = [car.vin, car.plate, car.owner, *(stop.address for stop in self.stops)]
        return tuple(dict.fromkeys(_plain(secret) for secret in held if secret))

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        yield "id", Redactor(self.secrets()).clean(self.id)
        yield "start", self.start.date().isoformat()
        yield "track", self.track


def _plain(secret: SecretStr) -> str:
    return secret.get_secret_value()


def _has_han(text: str) -> bool:
    return any(
        unicodedata.name(character, "").startswith("CJK UNIFIED") for character in text
    )
