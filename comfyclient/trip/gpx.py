"""Reads a GPX file's track, without ever expanding an entity."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, NoReturn
from xml.parsers import expat

from pydantic_core import PydanticCustomError

from ..errors import TripError
from ..regular_files import open_regular
from .tracks import Track, track_of


@dataclass(slots=True)
class _Point:
    line: int
    values: dict[str, object] = field(default_factory=dict)


class _Reader:
    """Collects track points while expat walks through the file."""

    def __init__(self, name: str) -> None:
        self.points: list[_Point] = []
        self.breaks: list[int] = []
        self._name = name
        self._point: _Point | None = None
        self._text: list[str] = []
        self.parser = expat.ParserCreate()
        # Else each line end of a file is a call of its own.
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text.append
        # An entity can grow to gigabytes or read a file; no GPX file needs a DTD.
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype

    def fail(self, why: str, *, line: int | None = None) -> NoReturn:
        at = self.parser.CurrentLineNumber if line is None else line
        raise TripError(why, file=self._name, line=at)

    def _refuse_doctype(self, *_: object) -> None:
        self.fail("a GPX file must have no DOCTYPE; take that line out")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._text.clear()
        match _local(tag):
            case "trkseg" if self.points:
                self.breaks.append(len(self.points))
            case "trkpt":
                self._point = _Point(self.parser.CurrentLineNumber)
                for name in ("lat", "lon"):
                    text = attributes.get(name, "")
                    self._point.values[name] = self._number(name, text)

    def _end(self, tag: str) -> None:
        if self._point is None:
            return
        text = "".join(self._text).strip()
        match _local(tag):
            case "trkpt":
                self.points.append(self._point)
                self._point = None
            case "ele":
                self._point.values["altitude_m"] = self._number("ele", text)
            case "time":
                self._point.values["time"] = self._moment(text)
            case "speed":
                metres = self._number("speed", text)
                self._point.values["speed_kmh"] = metres * 3.6
        self._text.clear()

    def _number(self, name: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.fail(f"{name} {text[:40]!r} is not a finite number")
        return value

    def _moment(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"time {text[:40]!r} is not a moment such as 2026-07-18T08:00Z")
        if moment.tzinfo is None:
            self.fail(f"time {text[:40]!r} has no zone; GPX times end in Z")
        return moment


def read_gpx(path: Path, *, start: datetime, max_bytes: int) -> Track:
    """The points of all tracks of a GPX file; each `trkseg` begins anew.

    Raises:
        TripError: with file and line of what is wrong.
    """
    reader = _Reader(str(path))
    try:
        with open_regular(path) as file:
            _feed(reader, file, max_bytes=max_bytes)
    except OSError as error:
        raise TripError(f"cannot be read: {error.strerror}", file=str(path)) from error
    except expat.ExpatError as error:
        raise TripError(
            f"is not well-formed XML: {expat.ErrorString(error.code)}",
            file=str(path),
            line=error.lineno,
        ) from error
    except (LookupError, ValueError) as error:  # of expat's bridge to Python's codecs
        raise TripError(
            f"is in an encoding that cannot be read ({error}); save it as UTF-8",
            file=str(path),
            line=1,
        ) from error
    return _track(reader, path, start=start)


def _feed(reader: _Reader, file: IO[bytes], *, max_bytes: int) -> None:
    size = 0
    parse: Callable[[bytes, bool], object] = reader.parser.Parse
    while chunk := file.read(1 << 16):
        size += len(chunk)
        if size > max_bytes:
            reader.fail(f"is larger than {max_bytes} bytes; thin out its points")
        parse(chunk, False)
    parse(b"", True)


def _track(reader: _Reader, path: Path, *, start: datetime) -> Track:
    try:
        track = track_of([point.values for point in reader.points], start=start)
    except PydanticCustomError as error:
        context = error.context or {}
        index = next(iter(context.get("path", ())), None)
        at = index if isinstance(index, int) else None
        raise TripError(
            str(context.get("why")),
            file=str(path),
            line=None if at is None else reader.points[at].line,
            field="trk" if at is None else f"trkpt[{at}]",
        ) from None
    breaks = {at for at in reader.breaks if 0 < at < len(track)}
    return Track(
        track.positions,
        track.times,
        track.altitudes,
        track.speeds_kmh,
        tuple(sorted(breaks)),
    )


def _local(tag: str) -> str:
    """The name without its namespace prefix, whatever the file calls it."""
    return tag.rpartition(":")[2]
