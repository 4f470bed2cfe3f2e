"""Reads the nodes' inputs; what is wrong is named with its value and remedy. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .packed import PREFIX, unpacked

_MOST_POINTS = 1_000_000
_MOST_STOPS = 500


@dataclass(frozen=True)
class Stop:
    """One place of the trip, as the map shows it."""

    text: str
    lat: float
    lon: float
    kind: str


@dataclass(frozen=True)
class Figure:
    """One number of the trip with its name and unit."""

    label: str
    value: str
    unit: str


def shown(value: object) -> str:
    """A value shortened for an error message."""
    text = value if isinstance(value, str) else repr(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")


def bad(name: str, *, value: object, why: str, remedy: str) -> ValueError:
    """The error for an input, in the one form that all nodes use."""
    return ValueError(f"{name}: {why} (got {shown(value)}); {remedy}")


def json_list(name: str, text: Any) -> list[Any]:
    """A JSON list from a STRING input, perhaps packed; "" is an empty list.

    Raises:
        ValueError: not text, not JSON, or not a list.
    """
    remedy = "give a JSON list, [] for none"
    if not isinstance(text, str):
        raise bad(name, value=text, why="not text", remedy=remedy)
    if not text.strip():
        return []
    try:
        value = unpacked(text) if text.startswith(PREFIX) else json.loads(text)
    except (ValueError, RecursionError) as error:
        why = f"not JSON: {error}"
        raise bad(name, value=text, why=why, remedy=remedy) from error
    if not isinstance(value, list):
        raise bad(name, value=text, why="not a list", remedy=remedy)
    return value


def number(name: str, value: Any, *, low: float, high: float) -> float:
    """A finite number in a range.

    Raises:
        ValueError: not a number, not finite or outside the range.
    """
    remedy = f"give a number from {low:g} to {high:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise bad(name, value=value, why="not a number", remedy=remedy)
    if isinstance(value, float) and not math.isfinite(value):
        raise bad(name, value=value, why="not finite", remedy=remedy)
    if not low <= value <= high:
        raise bad(name, value=value, why="out of range", remedy=remedy)
    return float(value)


def whole(name: str, value: Any, *, low: int, high: int) -> int:
    """A whole number in a range.

    Raises:
        ValueError: not a whole number or outside the range.
    """
    remedy = f"give a whole number from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise bad(name, value=value, why="not a number", remedy=remedy)
    if isinstance(value, float) and not value.is_integer():
        raise bad(name, value=value, why="not a whole number", remedy=remedy)
    if not low <= value <= high:
        raise bad(name, value=value, why="out of range", remedy=remedy)
    return int(value)


def choice(name: str, value: Any, *, among: list[str]) -> str:
    """One of the allowed words.

    Raises:
        ValueError: another word.
    """
    if value not in among:
        remedy = f"give one of {', '.join(among)}"
        raise bad(name, value=value, why="not known", remedy=remedy)
    return str(value)


def text(name: str, value: Any) -> str:
    """A string.

    Raises:
        ValueError: not a string.
    """
    if not isinstance(value, str):
        raise bad(name, value=value, why="not text", remedy="give a string")
    return value


def read_profile(name: str, value: Any) -> list[float]:
    """The altitudes along the way, in metres.

    Raises:
        ValueError: not a JSON list of numbers between -500 and 9000.
    """
    items = json_list(name, value)
    return [
        number(f"{name}[{i}]", item, low=-500, high=9000)
        for i, item in enumerate(items)
        if item is not None
    ]


def read_track(name: str, value: Any) -> list[NDArray[np.float64]]:
    """The segments of a track, each an array of lat, lon, altitude, speed.

    What was not recorded is NaN.

    Raises:
        ValueError: not a JSON list of segments of points, or an impossible point.
    """
    segments = json_list(name, value)
    total = sum(len(part) for part in segments if isinstance(part, list))
    if total > _MOST_POINTS:
        why = f"{total} points, more than {_MOST_POINTS}"
        raise bad(name, value="…", why=why, remedy="simplify the track first")
    rows = [_segment(f"{name}[{i}]", part) for i, part in enumerate(segments)]
    return [row for row in rows if len(row)]


def _segment(name: str, part: Any) -> NDArray[np.float64]:
    remedy = "give a list of [lat, lon, altitude or null, speed or null]"
    if not isinstance(part, list):
        raise bad(name, value=part, why="not a list of points", remedy=remedy)
    at_once = _table(part)
    if at_once is not None:
        return at_once
    rows = np.full((len(part), 4), np.nan)
    for i, point in enumerate(part):
        if not isinstance(point, list) or not 2 <= len(point) <= 4:
            raise bad(f"{name}[{i}]", value=point, why="not a point", remedy=remedy)
        rows[i, : len(point)] = _coordinates(f"{name}[{i}]", point)
    return rows


def _table(part: list[Any]) -> NDArray[np.float64] | None:
    """A faultless segment of full points, read fast; None for any other."""
    if not all(type(point) is list and len(point) == 4 for point in part):
        return None
    cells = [cell for point in part for cell in point]
    if not set(map(type, cells)) <= {int, float, type(None)}:
        return None
    try:
        rows = np.array(cells, np.float64).reshape(-1, 4)
    except OverflowError:
        return None
    holes = cells.count(None)
    if int(np.isnan(rows).sum()) != holes or np.isnan(rows[:, :2]).any():
        return None
    low = np.array([limit[1] for limit in _LIMITS])
    high = np.array([limit[2] for limit in _LIMITS])
    return None if ((rows < low) | (rows > high)).any() else rows


_LIMITS = (
    ("lat", -90.0, 90.0),
    ("lon", -180.0, 180.0),
    ("altitude", -12_000.0, 60_000.0),
    ("speed", 0.0, 2_000.0),
)


def _coordinates(name: str, point: list[Any]) -> list[float]:
    values = []
    for item, (part, low, high) in zip(point, _LIMITS, strict=False):
        if item is None and part in {"altitude", "speed"}:
            values.append(math.nan)
        else:
            values.append(number(f"{name} {part}", item, low=low, high=high))
    return values


def read_stops(name: str, value: Any) -> list[Stop]:
    """The stops of the trip.

    Raises:
        ValueError: not a JSON list of objects with name, lat and lon.
    """
    items = json_list(name, value)
    if len(items) > _MOST_STOPS:
        why = f"{len(items)} stops, more than {_MOST_STOPS}"
        raise bad(name, value="…", why=why, remedy="give the ones that matter")
    return [_stop(f"{name}[{i}]", item) for i, item in enumerate(items)]


def _stop(name: str, item: Any) -> Stop:
    if not isinstance(item, dict):
        remedy = 'give {"name", "lat", "lon", "kind"}'
        raise bad(name, value=item, why="not an object", remedy=remedy)
    label = item.get("label")
    shown_text = item.get("name") if label is None else label
    kind = item.get("kind")
    return Stop(
        text=text(f"{name}.name", "" if shown_text is None else shown_text),
        lat=number(f"{name}.lat", item.get("lat"), low=-90, high=90),
        lon=number(f"{name}.lon", item.get("lon"), low=-180, high=180),
        kind=text(f"{name}.kind", "" if kind is None else kind),
    )


def read_lines(name: str, value: Any) -> list[str]:
    """Lines of text.

    Raises:
        ValueError: not a JSON list of strings.
    """
    items = json_list(name, value)
    return [text(f"{name}[{i}]", item) for i, item in enumerate(items)]


def read_figures(name: str, value: Any) -> list[Figure]:
    """The numbers of the trip.

    Raises:
        ValueError: not a JSON list of objects with label, value and unit.
    """
    items = json_list(name, value)
    return [_figure(f"{name}[{i}]", item) for i, item in enumerate(items)]


def _figure(name: str, item: Any) -> Figure:
    if not isinstance(item, dict):
        remedy = 'give {"label", "value", "unit"}'
        raise bad(name, value=item, why="not an object", remedy=remedy)
    parts = {key: item.get(key) for key in ("label", "value", "unit")}
    words = {
        key: "" if part is None else str(part)
        for key, part in parts.items()
        if part is None or isinstance(part, (str, int, float))
    }
    for key in parts:
        if key not in words:
            remedy = "give a string or a number"
            raise bad(f"{name}.{key}", value=parts[key], why="not text", remedy=remedy)
    return Figure(**words)


def verdict(check: Any, *args: Any) -> str | None:
    """What is wrong with a constant, for VALIDATE_INPUTS; None where nothing is."""
    if args[-1] is None:
        return None
    try:
        check(*args)
    except ValueError as error:
        return str(error)
    return None
