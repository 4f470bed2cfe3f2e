"""Reads trip files to JSON documents that know the line of each of their values."""

from __future__ import annotations

import codecs
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pydantic import JsonValue

from ..errors import TripError
from ..jsontext import duplicate, line_of, members
from ..regular_files import open_regular

MAX_BYTES = 32 << 20
"""The default limit for one trip: some 300,000 track points."""
LINES_SUFFIXES = frozenset({".jsonl", ".ndjson"})

FAILURES = ".failures.jsonl"
"""How names of files end that hold what failed of a batch."""


@dataclass(frozen=True, slots=True, repr=False)
class TripDocument:
    """One JSON value of a trip file."""

    value: JsonValue
    text: str
    file: str
    first_line: int
    """The line of the file on which the text begins."""

    def line(self, path: tuple[str | int, ...]) -> int:
        """The line of a value, or of the nearest that is there around it."""
        best, at = 0, len(self.text) - len(self.text.lstrip())
        for member in members(self.text):
            depth = len(member.path)
            if depth > best and member.path == path[:depth]:
                best, at = depth, member.start if member.key is None else member.key
            if best == len(path):
                break
        return self.first_line - 1 + line_of(self.text, at)


@dataclass(frozen=True, slots=True, repr=False)
class Unread:
    """What stands in a document's place where there is none to be had."""

    error: TripError
    line: str = ""
    """Its line as the file has it, where it is one that could be mended; bytes that
    are no text are surrogates, as names of files have them."""


def read_document(path: Path, *, max_bytes: int) -> TripDocument:
    """The one JSON document of a file.

    Raises:
        TripError: it cannot be read, is too large, or is not JSON.
    """
    try:
        with open_regular(path) as file:
            raw = file.read(max_bytes + 1)
            size = os.fstat(file.fileno()).st_size
    except IsADirectoryError as error:
        raise TripError(
            "is a folder, not a file; load_trips reads it", file=str(path)
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if len(raw) > max_bytes:
        raise _too_large(str(path), size, max_bytes=max_bytes)
    return _document(raw, file=str(path), first_line=1)


def read_lines(path: Path, *, max_bytes: int) -> Iterator[TripDocument | Unread]:
    """The documents of a JSON Lines file, one in memory at a time, and what is none.

    Raises:
        TripError: the file cannot be read at all.
    """
    try:
        with open_regular(path) as file:
            yield from _lines(file, str(path), max_bytes=max_bytes)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def count_lines(path: Path) -> int:
    """How many documents, good or bad, a JSON Lines file has.

    Raises:
        TripError: it cannot be read.
    """
    try:
        with open_regular(path) as file:
            return sum(1 for _ in _raw_lines(file, 1 << 20))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def trip_files_in(path: Path) -> list[Path] | None:
    """The trip files of a folder by name, not of its folders; None of a file.

    Batches leave there what failed of them: those files are read by name alone.

    Raises:
        TripError: the folder cannot be read.
    """
    try:
        if not path.is_dir():
            return None
        found = [each for each in path.iterdir() if is_trip_name(each)]
        return sorted(each for each in found if each.is_file())
    except OSError as error:
        raise _unreadable(path, error) from error


def is_trip_name(file: Path) -> bool:
    """Whether a file of that name is read with the others of its folder."""
    read = file.suffix.lower() in {".json", *LINES_SUFFIXES}
    return read and not file.name.endswith(FAILURES)


def _lines(
    file: IO[bytes], name: str, *, max_bytes: int
) -> Iterator[TripDocument | Unread]:
    for number, raw, size in _raw_lines(file, max_bytes):
        if len(raw) > max_bytes:
            yield Unread(_too_large(name, size, max_bytes=max_bytes, line=number))
            continue
        try:
            yield _document(raw, file=name, first_line=number)
        except TripError as error:
            yield Unread(error, raw.decode("utf-8", "surrogateescape"))


def _raw_lines(file: IO[bytes], most: int) -> Iterator[tuple[int, bytes, int]]:
    """Each line that is not empty: its number, its first bytes, and how many it has."""
    number = 0
    while raw := file.readline(most + 2):
        number += 1
        size = len(raw) + _skip_line(file, raw)
        raw = raw.rstrip(b"\r\n")
        if number == 1:
            raw = raw.removeprefix(codecs.BOM_UTF8)
        if raw.strip():
            yield number, raw, size


def _skip_line(file: IO[bytes], raw: bytes) -> int:
    size = 0
    while raw and not raw.endswith(b"\n"):
        raw = file.readline(1 << 20)
        size += len(raw)
    return size


def _document(raw: bytes, *, file: str, first_line: int) -> TripDocument:
    text = _decoded(raw, file=file, first_line=first_line)
    twice: list[str] = []

    def unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            twice.append(next(key for key in counts if counts[key] > 1))
        return found

    try:
        value: JsonValue = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise TripError(
            f"is not JSON: {error.msg} (column {error.colno})",
            file=file,
            line=first_line - 1 + error.lineno,
        ) from None  # the error would carry the whole text
    except RecursionError:
        raise TripError("is nested too deeply", file=file, line=first_line) from None
    except ValueError:  # CPython refuses whole numbers of more than 4,300 digits
        raise TripError(
            "has a number of thousands of digits", file=file, line=first_line
        ) from None
    if twice:
        pair = duplicate(text)
        at = pair[1].key or 0 if pair is not None else 0
        raise TripError(
            "stands there twice in one object; keep one",
            file=file,
            line=first_line - 1 + line_of(text, at),
            field=twice[-1][:80],
        )
    return TripDocument(value, text, file, first_line)


def _decoded(raw: bytes, *, file: str, first_line: int) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TripError(
            f"is not UTF-8: byte 0x{raw[error.start]:02x}; save it as UTF-8",
            file=file,
            line=first_line + raw.count(b"\n", 0, error.start),
        ) from None


def _unreadable(path: Path, error: OSError | ValueError) -> TripError:
    """A path that holds NUL is a ValueError, any other trouble an OSError."""
    said = error.strerror if isinstance(error, OSError) else None
    why = str(error) if said is None else said
    return TripError(f"cannot be read: {why}", file=str(path))


def _too_large(
    file: str, size: int, *, max_bytes: int, line: int | None = None
) -> TripError:
    size_mb, limit_mb = size / 1e6, max_bytes / 1e6
    return TripError(
        f"one trip of {size_mb:.1f} MB is over the limit of {limit_mb:.1f} MB",
        file=file,
        line=line,
        hint="record fewer track points (one per second is plenty), give many trips "
        "as JSON Lines, or raise max_bytes=",
    )
