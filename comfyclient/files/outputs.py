"""Result files: a reference to one on their side, and the file brought home to ours."""

from __future__ import annotations

import filecmp
import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from io import BytesIO
from pathlib import Path, PurePosixPath

from ..errors import ComfyClientError, OutputError, UnsafePathError
from ..timing import SYSTEM_CLOCK, Clock, Deadline, Span
from .fetching import fetch
from .reader import ChangedError, Reader
from .refs import About as About
from .refs import Download as Download
from .refs import Opener as Opener
from .refs import OutputRef as OutputRef

PART_SUFFIX = ".part"
"""Of a file that is being written."""
ABANDONED_AFTER_S = 900
"""Seconds without a byte after which the part of a file is nobody's any more."""
MAX_NAME_BYTES = 200
"""Longer names are shortened: common file systems stop at 255 bytes."""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that is completely written."""

    path: Path
    bytes: int
    sha256: str


@dataclass(slots=True)
class _Way:
    """What is known while a file is fetched."""

    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Homecoming:
    """That an output was fetched, or why it was not."""

    output: Output
    took: Span
    bytes: int | None = None
    error: ComfyClientError | None = None


class Output:
    """One result file: fetched when it is saved or read."""

    def __init__(
        self,
        ref: OutputRef,
        opener: Opener,
        *,
        name: str | None = None,
        on_home: Callable[[Homecoming], None] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.ref = ref
        self._clock = clock
        self.name = name
        """The manifest's name for it, such as `postcard`."""
        self._open = opener
        self._on_home = on_home
        self.saved: SavedFile | None = None
        """What the last `save` wrote."""

    @property
    def filename(self) -> str:
        """The server's name for it, made safe to use as a name here.

        Raises:
            UnsafePathError: nothing of the name could be used safely.
        """
        return safe_name(self.ref.filename)

    def save(
        self,
        target: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        keep_same: bool = False,
        timeout: float = 300,
    ) -> Path:
        """Stream the file to a folder, or to a file name with a suffix.

        The bytes go to a temporary name beside the target and are checked there, by
        size and, where the storage knows it, checksum; only then do they appear under
        the final name. What breaks off is taken up again. An existing file stays: the
        new one gets `-2`, `-3`, … unless `overwrite`, or `keep_same` and it has these
        very bytes: then it is the one. It may take `timeout` seconds; the path is the
        one it was saved under.

        Raises:
            OutputMissingError: there is no such file (any more).
            OutputDamagedError: it arrived wrong, again and again.
            UnsafePathError: the server's name would leave the folder.
            OutputError: the disk refused it.
            TransportError, StorageError: where it is does not answer.
        """
        path = self._target(Path(target))
        with self._homecoming() as way:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                publish = partial(_publish, overwrite=overwrite, keep_same=keep_same)
                saved = self._save(path, self._until(timeout), publish)
            except OSError as error:
                raise OutputError(f"cannot write {path}: {error.strerror}") from error
            self.saved, way.bytes = saved, saved.bytes
        return saved.path

    def read(self, *, timeout: float = 300, limit: int = 1 << 28) -> bytes:
        """The whole file in memory, up to `limit` bytes (256 MiB).

        Raises:
            OutputError: it is larger than `limit`; `save` streams it to disk.
            OutputMissingError, OutputDamagedError: as in `save`.
            TransportError, StorageError: where it is does not answer.
        """
        body = BytesIO()
        with self._homecoming() as way:
            fetch(self._open, self.ref, body, self._until(timeout), limit=limit)
            way.bytes = body.tell()
        return body.getvalue()

    def stream(self, *, timeout: float = 300) -> Iterator[bytes]:
        """The file piece by piece, to be handed on, such as into an HTTP answer.

        What breaks off is taken up again where that is possible. Whether all was right
        is known at the end alone: `save` shows nothing before.

        Raises:
            OutputDamagedError: what came is not right, or broke off for good.
            OutputMissingError: there is no such file (any more).
            TransportError, StorageError: where it is does not answer.
        """
        with self._homecoming() as way:
            for chunk in self._pieces(self._until(timeout)):
                way.bytes = (way.bytes or 0) + len(chunk)
                yield chunk

    def _pieces(self, deadline: Deadline) -> Iterator[bytes]:
        reader = Reader(self._open, self.ref, deadline)
        checksum = reader.about().checksum
        total, expected = None if checksum is None else checksum.begin(), 0
        for place, chunk in reader:
            if place != expected:
                raise ChangedError(f"{self.ref.filename} broke off and began anew")
            expected += len(chunk)
            if total is not None:
                total.update(chunk)
            yield chunk
        if total is not None and not total.fits():
            raise ChangedError(f"{self.ref.filename} arrived with another checksum")

    def _until(self, timeout: float) -> Deadline:
        return Deadline(timeout, clock=self._clock)

    @contextmanager
    def _homecoming(self) -> Iterator[_Way]:
        """Tell how the fetching within ended; who stops midway has not fetched it."""
        begun, way = self._clock.now(), _Way()
        try:
            yield way
        except ComfyClientError as error:
            self._tell(Homecoming(self, self._since(begun), error=error))
            raise
        self._tell(Homecoming(self, self._since(begun), way.bytes))

    def _since(self, begun: datetime) -> Span:
        return Span(begun, self._clock.now())

    def _tell(self, homecoming: Homecoming) -> None:
        if self._on_home is not None:
            self._on_home(homecoming)

    def _target(self, target: Path) -> Path:
        is_file = bool(target.suffix) and not target.is_dir()
        return target if is_file else target / self.filename

    def _save(
        self, path: Path, deadline: Deadline, publish: Callable[[Path, Path], Path]
    ) -> SavedFile:
        clear_abandoned(path.parent)
        mark = f"{secrets.token_hex(4)}{PART_SUFFIX}"
        part = path.with_name(f".{path.name}.{mark}")
        try:
            with part.open("x+b") as file:
                fetched = fetch(self._open, self.ref, file, deadline)
                file.flush()
                os.fsync(file.fileno())
            final = publish(part, path)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
        return SavedFile(final, fetched.bytes, fetched.sha256)

    def __repr__(self) -> str:
        return f"Output({self.name or self.ref.key!r}, {self.ref.filename!r})"


def safe_name(name: str) -> str:
    """The last part of a server's file name, fit to be a file name here.

    Raises:
        UnsafePathError: it is absolute, climbs with `..`, or holds control characters
            or lone surrogates.
    """
    parts = name.replace("\\", "/").split("/")
    bad = any(part in {"", ".", ".."} for part in parts) or any(
        ord(c) < 32 or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in name
    )
    if bad or (os.name == "nt" and any(c in '<>:"|?*' for c in name)):
        raise UnsafePathError(
            f"the server's file name {name[:120]!r} would leave the target folder",
            hint="give save() a file name of your own",
        )
    return _shortened(parts[-1])


def _shortened(name: str) -> str:
    raw = name.encode()
    if len(raw) <= MAX_NAME_BYTES:
        return name
    mark = hashlib.sha256(raw).hexdigest()[:8]
    suffix = PurePosixPath(name).suffix[:16]
    room = MAX_NAME_BYTES - len(suffix.encode()) - 9
    return raw[:room].decode("utf-8", "ignore") + f"-{mark}{suffix}"


@lru_cache(maxsize=256)  # once for each folder: it may hold very many files
def clear_abandoned(folder: Path) -> None:
    """Remove what processes that were killed have left of files, long ago."""
    before = time.time() - ABANDONED_AFTER_S
    for part in folder.glob(f".*.????????{PART_SUFFIX}"):
        with suppress(OSError):  # another process may be at it
            if part.stat().st_mtime < before:
                part.unlink()


def _publish(part: Path, path: Path, *, overwrite: bool, keep_same: bool) -> Path:
    """Give the finished file its name, atomically and without losing another file."""
    if overwrite:
        part.replace(path)
        return path
    number = 1
    while True:
        stem = path.stem if number == 1 else f"{path.stem}-{number}"
        candidate = path.with_name(stem + path.suffix)
        try:
            _rename_new(part, candidate)
        except FileExistsError:
            if keep_same and filecmp.cmp(part, candidate, shallow=False):
                return candidate
            number += 1
        else:
            return candidate


def _rename_new(part: Path, path: Path) -> None:
    """Rename, failing where the name is taken: os.rename would replace it."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links here (FAT, ossfs): claim the name, then replace it
        path.open("xb").close()
        part.replace(path)
