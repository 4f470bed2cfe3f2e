"""The records a trip is made of, as its file has them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, NoReturn, Self, TypeAlias, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from ..errors import UsageError
from .geography import Position
from .tracks import did_you_mean, fault

StopKind: TypeAlias = Literal[
    "home",
    "work",
    "charge",
    "fuel",
    "meal",
    "stay",
    "sight",
    "viewpoint",
    "lake",
    "beach",
    "pass",
    "village",
    "city",
    "park",
    "forest",
    "desert",
    "rest",
    "other",
]
PRIVATE_KINDS = frozenset({"home", "work"})
Powertrain: TypeAlias = Literal[
    "electric",
    "range_extender",
    "plug_in_hybrid",
    "hybrid",
    "petrol",
    "diesel",
    "hydrogen",
]
Terrain: TypeAlias = Literal[
    "lake", "hills", "mountains", "coast", "plain", "city", "desert", "forest"
]
TERRAINS: tuple[Terrain, ...] = get_args(Terrain)
Condition: TypeAlias = Literal[
    "clear", "cloudy", "overcast", "rain", "snow", "fog", "wind", "storm"
]
Language: TypeAlias = Literal["zh", "en"]

_YEARS = range(1980, 2200)


def _moment(value: object) -> object:
    """Text or datetime with a zone; numbers would lose the local day."""
    if isinstance(value, str):
        shown = value[:40]
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise fault(
                f"{shown!r} is not a moment such as 2026-07-18T08:00:00+08:00"
            ) from None
    if not isinstance(value, datetime):
        raise fault("is not a moment such as 2026-07-18T08:00:00+08:00")
    if value.tzinfo is None or value.utcoffset() is None:
        raise fault(f"{value.isoformat()} has no zone; add one, such as +08:00 or Z")
    if value.year not in _YEARS:
        raise fault(f"the year {value.year} is impossible for a recorded trip")
    return value


def _language(value: object) -> object:
    """The primary subtag of a BCP 47 tag, in any case and with either joint."""
    if not isinstance(value, str):
        raise fault("is not a language tag such as zh-CN or en")
    primary = re.split("[-_]", value.strip().lower())[0]
    if primary not in get_args(Language):
        raise fault(f"{value[:40]!r} is not supported; give a tag of zh or en")
    return primary


Moment: TypeAlias = Annotated[datetime, BeforeValidator(_moment)]
LanguageTag: TypeAlias = Annotated[Language, BeforeValidator(_language)]
Name: TypeAlias = Annotated[str, StringConstraints(max_length=200)]
Line: TypeAlias = Annotated[str, StringConstraints(max_length=1000)]
Amount: TypeAlias = Annotated[
    float, Field(strict=True, allow_inf_nan=False, ge=0, le=1e9)
]
Speed: TypeAlias = Annotated[
    float, Field(strict=True, allow_inf_nan=False, ge=0, le=500)
]
Degrees: TypeAlias = Annotated[
    float, Field(strict=True, allow_inf_nan=False, ge=-90, le=70)
]
Latitude: TypeAlias = Annotated[
    float, Field(strict=True, allow_inf_nan=False, ge=-90, le=90)
]
Longitude: TypeAlias = Annotated[
    float, Field(strict=True, allow_inf_nan=False, ge=-180, le=180)
]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=1000)]
Secret: TypeAlias = Annotated[SecretStr, Field(min_length=2, max_length=200)]
"""One character would be found in any text, so it cannot be kept out of one."""


class Record(BaseModel):
    """A frozen part of a trip; unknown fields are errors, null and blank unset."""

    model_config = ConfigDict(
        defer_build=True,
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        for key in value:
            if key not in cls.model_fields:
                near = did_you_mean(str(key), sorted(cls.model_fields))
                raise fault(f"unknown field; {near}", (str(key),))
        return {key: part for key, part in value.items() if not _is_unset(part)}

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            f"a {type(self).__name__} may hold secrets and cannot be pickled",
            hint="pickle trip.for_publishing(), or load the trip again from its file",
        )


def _is_unset(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


class Vehicle(Record):
    """The car; VIN, plate and owner are never published."""

    brand: Name | None = None
    model: Name | None = None
    powertrain: Powertrain | None = None
    colour: Name | None = None
    vin: Secret | None = None
    plate: Secret | None = None
    owner: Secret | None = None
    """The owner's name."""


class Place(Record):
    """A record that may know where it is."""

    lat: Latitude | None = None
    lon: Longitude | None = None

    @model_validator(mode="after")
    def _paired(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            missing = "lat" if self.lat is None else "lon"
            raise fault(f"{missing} is missing: a place needs both lat and lon")
        return self

    @property
    def position(self) -> Position | None:
        """Latitude and longitude, where known."""
        if self.lat is None or self.lon is None:
            return None
        return (self.lat, self.lon)


class Stop(Place):
    """Where the car stood for a while."""

    kind: StopKind = "other"
    name: Name | None = None
    """What it is called, such as a lake or a hotel."""
    place: Name | None = None
    """The town or region it is in."""
    address: Secret | None = None
    """The exact address; never published."""
    arrival: Moment | None = None
    stay_s: Amount | None = None

    @property
    def is_private(self) -> bool:
        """Whether it tells where somebody lives or works."""
        return self.kind in PRIVATE_KINDS

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        yield "kind", self.kind
        if not self.is_private:
            yield "name", self.name


class Photo(Place):
    """A picture taken on the trip."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=4096)] = Field(
        repr=False
    )
    """A path, relative to the trip file, or an http(s) URL."""
    taken_at: Moment | None = None

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        yield "taken_at", None if self.taken_at is None else self.taken_at.date()


class Figures(Record):
    """What the car measured; whatever is missing is computed where possible."""

    distance_m: Amount | None = None
    duration_s: Amount | None = None
    """Time spent driving."""
    energy_kwh: Amount | None = None
    fuel_l: Amount | None = None
    average_kmh: Speed | None = None
    top_kmh: Speed | None = None
    climb_m: Amount | None = None
    recuperated_kwh: Amount | None = None
    charging_stops: Count | None = None


class Weather(Record):
    """How the weather was on the whole."""

    condition: Condition | None = None
    low_c: Degrees | None = None
    high_c: Degrees | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if (
            self.low_c is not None
            and self.high_c is not None
            and self.low_c > self.high_c
        ):
            raise fault(f"low_c {self.low_c:g} is above high_c {self.high_c:g}")
        return self


def unix(moment: datetime) -> float:
    """Unix seconds to the millisecond, as track times are kept."""
    return round(moment.astimezone(UTC).timestamp(), 3)
