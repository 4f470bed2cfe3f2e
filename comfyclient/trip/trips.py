"""The trip: read from a file, and turned into what may be published."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from pydantic import JsonValue, ValidationError
from pydantic_core import ErrorDetails

from ..errors import TripError
from .files import (
    LINES_SUFFIXES,
    MAX_BYTES,
    TripDocument,
    Unread,
    count_lines,
    read_document,
    read_lines,
    trip_files_in,
)
from .gpx import read_gpx
from .privacy import Redactor
from .published import PublishedTrip
from .publishing import publish
from .recorded import RecordedTrip
from .records import Moment, Record
from .tracks import Track

HOME_RADIUS_M = 500.0

OnError: TypeAlias = Literal["raise"] | Callable[[TripError], None]
_SCHEME = re.compile("[a-z][a-z0-9+.-]*:", re.IGNORECASE)
"""A URL, or a drive of Windows."""
_WEB = re.compile("https?://", re.IGNORECASE)
_SECRET_FIELDS = frozenset({"vin", "plate", "owner", "address"})
_UNQUOTED = frozenset({"model_type", "tuple_type", "string_too_long"})
"""Faults whose value is another thing than was meant, or too long to help."""
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


_BREAK = re.compile(r"[ \t]*[\r\n]+[ \t]*")
"""Between two lines of JSON, which has no such character within a text."""


class Trip(RecordedTrip):
    """What the car recorded; `load_trip` reads it, `for_publishing` makes it safe."""

    def for_publishing(self, home_radius_m: float = HOME_RADIUS_M) -> PublishedTrip:
        """What templates see: no names, no homes, no clock times.

        Raises:
            UsageError: the radius is not a number of metres from 0 to 100 km.
        """
        return publish(self, home_radius_m=home_radius_m)


class _Start(Record):
    """The moment that a GPX file's points are counted from."""

    start: Moment


def load_trip(path: str | PathLike[str], *, max_bytes: int = MAX_BYTES) -> Trip:
    """The one trip of a JSON file.

    Raises:
        TripError: with file, line and field of what is wrong.
    """
    file = Path(path)
    return _trip(
        read_document(file, max_bytes=max_bytes), file.parent, max_bytes=max_bytes
    )


def load_trips(
    path: str | PathLike[str],
    *,
    on_error: OnError = "raise",
    max_bytes: int = MAX_BYTES,
) -> Iterator[Trip]:
    """The trips of a JSON Lines file, a JSON file or a folder of both, one by one.

    Only one trip is in memory at a time. With a function as `on_error` a bad trip is
    told to it and the rest still comes.

    Raises:
        TripError: as `load_trip`, unless `on_error` takes it.
    """
    for document in _documents(Path(path), max_bytes):
        trip = _trip_or_error(document, max_bytes=max_bytes)
        if isinstance(trip, Trip):
            yield trip
        elif on_error == "raise":
            raise trip
        else:
            on_error(trip)


def read_trips(
    path: str | PathLike[str], *, max_bytes: int = MAX_BYTES
) -> Iterator[tuple[str, Trip | TripError]]:
    """The trips that `load_trips` reads, each with its JSON in one line; a bad one as
    its error.

    A line of JSON Lines comes as the file has it, were it no JSON. Only what is too
    large, and a file that cannot be read, has none.
    """
    for document in _documents(Path(path), max_bytes):
        yield _one_line(document), _trip_or_error(document, max_bytes=max_bytes)


def count_trips(path: str | PathLike[str]) -> int:
    """How many trips `read_trips` gives, good or bad.

    Raises:
        TripError: it, or a file of it, cannot be read.
    """
    return sum(
        count_lines(file) if _has_lines(file) else 1 for file in _files_of(Path(path))
    )


def _files_of(path: Path) -> list[Path]:
    files = trip_files_in(path)
    return [path] if files is None else files


def _has_lines(file: Path) -> bool:
    return file.suffix.lower() in LINES_SUFFIXES


def _documents(path: Path, max_bytes: int) -> Iterator[TripDocument | Unread]:
    try:
        files = _files_of(path)
    except TripError as error:
        yield Unread(error)
        return
    for file in files:
        try:
            if _has_lines(file):
                yield from read_lines(file, max_bytes=max_bytes)
            else:
                yield read_document(file, max_bytes=max_bytes)
        except TripError as error:  # the other files are still to be read
            yield Unread(error)


def _one_line(document: TripDocument | Unread) -> str:
    if isinstance(document, Unread):
        return document.line
    return _BREAK.sub(" ", document.text.strip())


def _trip_or_error(
    document: TripDocument | Unread, *, max_bytes: int
) -> Trip | TripError:
    if isinstance(document, Unread):
        return document.error
    try:
        return _trip(document, Path(document.file).parent, max_bytes=max_bytes)
    except TripError as error:
        return error


def _trip(document: TripDocument, folder: Path, *, max_bytes: int) -> Trip:
    value = document.value
    if not isinstance(value, dict):
        raise TripError(
            "holds no trip object; many trips are given one per line as JSON Lines",
            file=document.file,
            line=document.line(()),
        )
    fields: dict[str, JsonValue | Track] = dict(value)
    try:
        fields["track"] = _track(document, folder, max_bytes=max_bytes)
        fields["photos"] = _photos(document, folder)
        return Trip.model_validate(fields)
    except ValidationError as error:
        wrong = _translated(error, document)
    # Out here it has no context: pydantic's own error carries the secrets' values.
    raise wrong


def _track(
    document: TripDocument, folder: Path, *, max_bytes: int
) -> JsonValue | Track:
    """The track as given, or read from the GPX file that it names."""
    value = document.value
    track = value.get("track") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(track, dict) or "gpx" not in track:
        return track
    name = track["gpx"]
    where = ("track", "gpx")
    if len(track) > 1 or not isinstance(name, str):
        why = 'a GPX reference is {"gpx": "file.gpx"} and nothing else'
        raise _fault(document, where, why=why)
    path = _inside(name, folder)
    if path is None:
        raise _fault(
            document,
            where,
            why=f"{name[:120]!r} is not a file in the folder of the trip file",
        )
    start = _Start.model_validate({"start": value.get("start")}).start
    return read_gpx(path, start=start, max_bytes=max_bytes)


def _photos(document: TripDocument, folder: Path) -> JsonValue:
    """The photos, their paths made absolute; none may leave the trip's folder."""
    value = document.value
    photos = value.get("photos") if isinstance(value, dict) else None
    if not isinstance(photos, list):
        return photos
    found: list[JsonValue] = []
    for index, photo in enumerate(photos):
        source = photo.get("source") if isinstance(photo, dict) else None
        if isinstance(photo, dict) and isinstance(source, str) and source.strip():
            if _WEB.match(source) is None:
                path = _inside(source, folder)
                if path is None:
                    where = ("photos", index, "source")
                    why = "is neither an http(s) URL nor a path in the trip's folder"
                    raise _fault(document, where, why=why)
                source = str(path)
            found.append({**photo, "source": source})
        else:
            found.append(photo)
    return found


def _inside(name: str, folder: Path) -> Path | None:
    """The file of that relative name, None where it would leave the folder."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or _SCHEME.match(name) is not None:
        return None
    path = folder / pure
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # too long, a loop of links, not encodable
        return None
    return path if inside else None


def _translated(error: ValidationError, document: TripDocument) -> TripError:
    """The first thing that is wrong, and how many more there are."""
    details = error.errors(include_url=False)
    path, why = _told(details[0], _given_secrets(document.value))
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return _fault(document, path, why=why + more)


def _told(
    detail: ErrorDetails, secrets: Iterable[str]
) -> tuple[tuple[str | int, ...], str]:
    """Where it is wrong, and why; values are quoted without secrets."""
    path = (*detail["loc"], *detail.get("ctx", {}).get("path", ()))
    redactor = Redactor(secrets)
    if detail["type"] == "trip_fault":
        # The words around a quoted value are ours: a short name may stand in them.
        return path, _QUOTED.sub(lambda m: redactor.clean(m[0]), detail["msg"])
    if detail["type"] == "missing":
        return path, "is missing"
    value = detail["input"]
    hidden = detail["type"] in _UNQUOTED or _SECRET_FIELDS.intersection(detail["loc"])
    if hidden or not isinstance(value, str | int | float | bool | None):
        return path, detail["msg"]
    return path, f"{redactor.clean(_short(value))!r}: {detail['msg']}"


def _short(value: object) -> str:
    try:
        return str(value)[:60]
    except ValueError:  # CPython writes no whole number of more than 4,300 digits
        return "a number of thousands of digits"


def _given_secrets(value: object) -> Iterator[str]:
    """The secrets of a trip that may be wrong in any other way."""
    if not isinstance(value, Mapping):
        return
    vehicle, stops = value.get("vehicle"), value.get("stops")
    holders = [vehicle, *(stops if isinstance(stops, list | tuple) else ())]
    for holder in holders:
        if isinstance(holder, Mapping):
            found = (holder.get(name) for name in _SECRET_FIELDS)
            yield from (secret for secret in found if isinstance(secret, str))


def _fault(
    document: TripDocument, path: tuple[str | int, ...], *, why: str
) -> TripError:
    return TripError(
        why,
        file=document.file,
        line=document.line(path),
        field=_shown(path) or None,
    )


def _shown(path: tuple[str | int, ...]) -> str:
    """A path as people write it: `track[12].lat`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    # A key may hold half a surrogate pair, or what steers a terminal.
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in text[:200]
    )


def parse_trip(value: Mapping[str, object]) -> Trip:
    """A trip of a mapping in code, with the errors of a file.

    Raises:
        TripError: with the field of what is wrong.
    """
    try:
        return Trip.model_validate(value)
    except ValidationError as error:
        path, why = _told(error.errors(include_url=False)[0], _given_secrets(value))
        wrong = TripError(why, field=_shown(path) or None)
    raise wrong
