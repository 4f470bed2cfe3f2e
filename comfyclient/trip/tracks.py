"""A GPS track: its record in columns, and how it is read from JSON values. Pure.

Columns instead of a point object each: 50,000 points take megabytes, not hundreds.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pydantic import JsonValue
from pydantic_core import PydanticCustomError

from .geography import Position

COLUMNS = ("lat", "lon", "time", "time_s", "altitude_m", "speed_kmh")
_LIMITS: Mapping[str, tuple[float, float]] = {
    "lat": (-90, 90),
    "lon": (-180, 180),
    "time_s": (-86_400, 366 * 86_400),
    "altitude_m": (-500, 9000),
    "speed_kmh": (0, 500),
}

Path: TypeAlias = tuple[str | int, ...]
_PathOf: TypeAlias = Callable[[int, str], Path]


@dataclass(frozen=True, slots=True, repr=False)
class Track:
    """Where the car was: at least two points, columns of one length each."""

    positions: tuple[Position, ...]
    times: tuple[float, ...] | None = None
    """Unix seconds, never falling; None where no point has a time."""
    altitudes: tuple[float | None, ...] | None = None
    speeds_kmh: tuple[float | None, ...] | None = None
    breaks: tuple[int, ...] = ()
    """Points that begin a new segment, where the recording says so."""

    def known_altitudes(self) -> list[float]:
        """The altitudes in order, without the points that have none."""
        if self.altitudes is None:
            return []
        return [altitude for altitude in self.altitudes if altitude is not None]

    def __len__(self) -> int:
        return len(self.positions)

    def __repr__(self) -> str:
        return f"Track({len(self)} points)"


def fault(message: str, path: Path = ()) -> PydanticCustomError:
    """An error about one value inside a field, with its path below that field."""
    return PydanticCustomError("trip_fault", "{why}", {"why": message, "path": path})


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown name: the nearest, or all there are."""
    near = difflib.get_close_matches(name[:80], known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def track_of(value: object, *, start: datetime) -> Track:
    """The track of a JSON value: a list of objects, or `columns` and `rows`.

    Raises:
        PydanticCustomError: with the path of the value that is wrong.
    """
    if isinstance(value, Track):
        return value
    if isinstance(value, list | tuple):
        return _from_objects(value, start)
    if not isinstance(value, Mapping):
        raise fault("is neither a list of points nor an object with columns and rows")
    if "gpx" in value:
        raise fault("a GPX reference can be followed only from a trip file: load_trip")
    return _from_rows(value, start)


def as_json(track: Track, *, start: datetime) -> dict[str, JsonValue]:
    """The compact form that `track_of` reads back."""
    zero = start.timestamp()
    lats, lons = zip(*track.positions, strict=True)
    columns: dict[str, Sequence[float | None]] = {"lat": lats, "lon": lons}
    if track.times is not None:
        columns["time_s"] = [round(at - zero, 3) for at in track.times]
    if track.altitudes is not None:
        columns["altitude_m"] = track.altitudes
    if track.speeds_kmh is not None:
        columns["speed_kmh"] = track.speeds_kmh
    rows: list[JsonValue] = [list(row) for row in zip(*columns.values(), strict=True)]
    names: list[JsonValue] = list(columns)
    return {"columns": names, "rows": rows, "breaks": list(track.breaks)}


def check_order(times: Sequence[float], *, path_of: _PathOf) -> None:
    """Refuse times that fall; equal ones happen at a receiver's one-second steps."""
    for index in range(1, len(times)):
        if times[index] < times[index - 1]:
            back = times[index - 1] - times[index]
            raise fault(
                f"time runs backwards: {back:g} s before the point above it; "
                "sort the points by time",
                path_of(index, "time"),
            )


def check_count(count: int) -> None:
    """Refuse a track that is no line."""
    if count < 2:
        raise fault(
            f"a track of {count} point{'s' * (count != 1)} is no route: give at least "
            "2, or leave track out where nothing was recorded"
        )


def _from_objects(points: Sequence[object], start: datetime) -> Track:
    check_count(len(points))
    known = frozenset(COLUMNS)
    rows = []
    used: set[str] = set()
    for index, point in enumerate(points):
        if not isinstance(point, Mapping):
            raise fault("is not an object such as {lat, lon, time}", (index,))
        if not point.keys() <= known:
            name = str(next(key for key in point if key not in known))
            why = f"unknown field; {did_you_mean(name, COLUMNS)}"
            raise fault(why, (index, name))
        used.update(point)
        rows.append([point.get(name) for name in COLUMNS])
    columns = {
        name: [row[at] for row in rows]
        for at, name in enumerate(COLUMNS)
        if name in used
    }
    return _assembled(columns, start, path_of=lambda index, name: (index, name))


def _from_rows(value: Mapping[str, object], start: datetime) -> Track:
    parts = ("columns", "rows", "breaks")
    for key in value:
        if key not in parts:
            raise fault(f"unknown field; {did_you_mean(str(key), parts)}", (str(key),))
    names, rows = value.get("columns"), value.get("rows")
    _check_columns(names)
    if not isinstance(names, list | tuple) or not isinstance(rows, list | tuple):
        raise fault("rows is not a list of rows", ("rows",))
    check_count(len(rows))
    for index, row in enumerate(rows):
        if not isinstance(row, list | tuple) or len(row) != len(names):
            raise fault(
                f"is not a row of {len(names)} values, one per column", ("rows", index)
            )
    places = {name: at for at, name in enumerate(names)}
    columns = {name: [row[at] for row in rows] for name, at in places.items()}

    def path_of(index: int, name: str) -> Path:
        column = name if name in places else "time_s"
        return ("rows", index, places.get(column, 0))

    breaks = _breaks(value.get("breaks"), len(rows))
    return _assembled(columns, start, path_of=path_of, breaks=breaks)


def _check_columns(names: object) -> None:
    if not isinstance(names, list | tuple):
        raise fault("columns is not a list of column names", ("columns",))
    for at, name in enumerate(names):
        if name not in COLUMNS:
            shown = str(name)[:40]
            why = f"unknown column {shown!r}; {did_you_mean(shown, COLUMNS)}"
            raise fault(why, ("columns", at))
        if name in names[:at]:
            raise fault(f"column {name!r} stands there twice", ("columns", at))


def _breaks(value: object, count: int) -> tuple[int, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise fault("breaks is not a list of row numbers", ("breaks",))
    for at, index in enumerate(value):
        if type(index) is not int or not 0 < index < count:
            why = f"{index!r:.40} is not a row from 1 to {count - 1}"
            raise fault(why, ("breaks", at))
    return tuple(sorted(set(value)))


def _assembled(
    columns: Mapping[str, Sequence[object]],
    start: datetime,
    *,
    path_of: _PathOf,
    breaks: tuple[int, ...] = (),
) -> Track:
    for name in ("lat", "lon"):
        if name not in columns:
            raise fault(f"no point has {name}", path_of(0, name)[:-1])
    lats = _required(columns["lat"], "lat", path_of=path_of)
    lons = _required(columns["lon"], "lon", path_of=path_of)
    positions = tuple(zip(lats, lons, strict=True))
    if (0.0, 0.0) in positions:
        raise fault(
            "0, 0 is what a receiver without a fix reports; leave such points out",
            path_of(positions.index((0.0, 0.0)), "lat"),
        )
    times = _times(columns, start, path_of=path_of)
    if times is not None:
        check_order(times, path_of=path_of)
    return Track(
        positions,
        times,
        _optional(columns, "altitude_m", path_of=path_of),
        _optional(columns, "speed_kmh", path_of=path_of),
        breaks,
    )


def _required(
    values: Sequence[object], name: str, *, path_of: _PathOf
) -> tuple[float, ...]:
    result = []
    for index, value in enumerate(values):
        if value is None:
            raise fault(f"{name} is missing", path_of(index, name))
        result.append(number_of(value, name, path=path_of, index=index))
    return tuple(result)


def _optional(
    columns: Mapping[str, Sequence[object]], name: str, *, path_of: _PathOf
) -> tuple[float | None, ...] | None:
    values = columns.get(name)
    if values is None or all(value is None for value in values):
        return None
    return tuple(
        None if value is None else number_of(value, name, path=path_of, index=index)
        for index, value in enumerate(values)
    )


def number_of(value: object, name: str, *, path: _PathOf, index: int) -> float:
    """One number of a column, finite and possible."""
    low, high = _LIMITS[name]
    kind = type(value)
    if (kind is float or kind is int) and low <= value <= high:  # type: ignore[operator]
        return float(value)  # type: ignore[arg-type]
    if isinstance(value, float) and not math.isfinite(value):
        why = f"{name} is {value}: not a number that JSON has; leave the point out"
    elif kind is float or kind is int:
        shown = f"{value:.10g}" if kind is float else str(value)[:24]
        why = f"{name} {shown} is impossible: it lies in {low:g} to {high:g}"
    else:
        why = f"{name} is not a number but {str(value)[:40]!r}"
    raise fault(why, path(index, name))


def _times(
    columns: Mapping[str, Sequence[object]], start: datetime, *, path_of: _PathOf
) -> tuple[float, ...] | None:
    given = [name for name in ("time", "time_s") if name in columns]
    given = [n for n in given if any(value is not None for value in columns[n])]
    if not given:
        return None
    if len(given) == 2:
        raise fault("has both time and time_s; give one", path_of(0, "time"))
    name, values = given[0], columns[given[0]]
    if None in values:
        raise fault(
            f"{name} is missing here but given elsewhere; give all points one, or none",
            path_of(values.index(None), name),
        )
    if name == "time":
        return tuple(_moment(v, i, path_of=path_of) for i, v in enumerate(values))
    zero = start.timestamp()
    return tuple(round(zero + s, 3) for s in _required(values, name, path_of=path_of))


def _moment(value: object, index: int, *, path_of: _PathOf) -> float:
    try:
        moment = (
            value if isinstance(value, datetime) else datetime.fromisoformat(value)  # type: ignore[arg-type]
        )
        if moment.tzinfo is not None:
            return round(moment.timestamp(), 3)
    except (TypeError, ValueError, OverflowError):
        why = f"time {str(value)[:40]!r} is not a moment such as "
    else:
        why = f"time {str(value)[:40]!r} has no zone; write it like "
    raise fault(why + "2026-07-18T08:00:00+08:00", path_of(index, "time"))
