"""Brings a whole file home into an open file of ours, and checks it there."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import OutputError
from ..timing import Deadline
from .patience import is_a, patiently
from .reader import ChangedError, Reader
from .refs import About, ByteSpan, Lanes, Opener, OutputRef

_BLOCK = 256 << 10


@dataclass(frozen=True, slots=True)
class Fetched:
    """What arrived."""

    bytes: int
    sha256: str


def fetch(
    opener: Opener,
    ref: OutputRef,
    file: BinaryIO,
    deadline: Deadline,
    *,
    limit: int | None = None,
) -> Fetched:
    """Write a file's content into one that is open for reading and writing.

    Raises:
        OutputMissingError: there is no such file (any more).
        OutputDamagedError: it arrived wrong, again and again.
        OutputError: it is larger than `limit`.
        ComfyClientError: its source gave out.
    """

    def whole() -> Fetched:
        file.seek(0)
        file.truncate()
        reader = Reader(opener, ref, deadline)
        try:
            about = reader.about()
            _limited(0 if about.size is None else about.size, limit, ref)
            target = _Target(file, ref, limit)
            lanes = _lanes_of(about)
            if lanes is not None:
                errand = _Errand(opener, ref, deadline)
                _in_lanes(reader, about, lanes, target, errand)
            else:
                target.take(reader, alone=True)
        finally:
            reader.close()
        return _checked(file, reader.about(), ref)

    return patiently(whole, deadline, worth=is_a(ChangedError))


@dataclass(frozen=True, slots=True)
class _Errand:
    """What is read, from where, until when."""

    opener: Opener
    ref: OutputRef
    deadline: Deadline


class _Target:
    """The file that pieces are put into, from several threads."""

    def __init__(self, file: BinaryIO, ref: OutputRef, limit: int | None) -> None:
        self._file = file
        self._ref = ref
        self._limit = limit
        self._lock = threading.Lock()
        self._stopped = False

    def take(self, pieces: Iterable[tuple[int, bytes]], *, alone: bool = False) -> None:
        """Put pieces where they belong, until they end or all is stopped."""
        for place, chunk in pieces:
            if self._stopped:
                return
            _limited(place + len(chunk), self._limit, self._ref)
            with self._lock:
                self._file.seek(place)
                if alone and place == 0:  # they may begin anew, and be fewer
                    self._file.truncate()
                self._file.write(chunk)

    def stop(self) -> None:
        """Have everybody put in no more."""
        self._stopped = True


def _lanes_of(about: About) -> Lanes | None:
    """The lanes that pay, if any do."""
    lanes = None if about.mark is None else about.lanes
    if lanes is None or about.size is None or about.size < lanes.least:
        return None
    return lanes


def _in_lanes(
    first: Reader, about: About, lanes: Lanes, target: _Target, errand: _Errand
) -> None:
    """Read a file part by part; the first one goes on where it is open."""
    assert about.size is not None, "what has parts has a size"
    first.stop_at(lanes.part)
    rest = [
        Reader(
            errand.opener,
            errand.ref,
            errand.deadline,
            span=ByteSpan(start, min(start + lanes.part, about.size)),
            about=about,
        )
        for start in range(lanes.part, about.size, lanes.part)
    ]
    with ThreadPoolExecutor(
        lanes.at_once, thread_name_prefix="comfyclient-lane"
    ) as pool:
        reading = [pool.submit(target.take, reader) for reader in (first, *rest)]
        try:
            wait(reading, return_when=FIRST_EXCEPTION)
            for lane in reading:
                if lane.done():
                    lane.result()
        finally:
            target.stop()
            pool.shutdown(cancel_futures=True)


def _limited(size: int, limit: int | None, ref: OutputRef) -> None:
    if limit is not None and size > limit:
        raise OutputError(
            f"{ref.filename} is larger than {limit} bytes",
            hint="use save(), which streams to disk, or raise limit=",
        )


def _checked(file: BinaryIO, about: About, ref: OutputRef) -> Fetched:
    """What is in the file now; it must add up to what was said of it."""
    size, digest = 0, hashlib.sha256()
    total = None if about.checksum is None else about.checksum.begin()
    file.seek(0)
    while block := file.read(_BLOCK):
        size += len(block)
        digest.update(block)
        if total is not None:
            total.update(block)
    if about.size is not None and size != about.size:
        raise ChangedError(
            f"{ref.filename}: {size} bytes arrived, {about.size} were announced"
        )
    if total is not None and not total.fits():
        raise ChangedError(f"{ref.filename} arrived with another checksum")
    return Fetched(size, digest.hexdigest())
