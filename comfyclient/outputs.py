"""Result files: a reference to one on their side, and the file brought home to ours."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from pydantic import JsonValue

from .errors import OutputDamagedError, OutputError, UnsafePathError
from .timing import Deadline

MAX_NAME_BYTES = 200
"""Longer names are shortened: common file systems stop at 255 bytes."""


@dataclass(frozen=True, slots=True)
class OutputRef:
    """A file on the server's side, as its result named it."""

    node_id: str
    """The node of the submitted graph that made it."""
    key: str
    """The list it stood in: `images`, `gifs`, `audio`, `3d`, …"""
    filename: str
    subfolder: str = ""
    type: str = "output"
    """`output`, `temp` or `input`: the server's folder."""
    extra: Mapping[str, JsonValue] = field(
        default_factory=dict, compare=False, repr=False
    )
    """Whatever else the node said of the file."""


class Download(Protocol):
    """An open stream from an instance or a storage."""

    @property
    def size(self) -> int | None:
        """The announced size in bytes, where announced."""

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece; raises OutputDamagedError when it breaks."""


Opener = Callable[[OutputRef, Deadline], AbstractContextManager[Download]]


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that is completely written."""

    path: Path
    bytes: int
    sha256: str


class Output:
    """One result file: fetched when it is saved or read."""

    def __init__(
        self,
        ref: OutputRef,
        opener: Opener,
        *,
        name: str | None = None,
        on_home: Callable[[Output], None] | None = None,
    ) -> None:
        self.ref = ref
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
        timeout: float = 300,
    ) -> Path:
        """Stream the file to a folder, or to a file name with a suffix.

        The bytes go to a temporary name beside the target, are counted against the
        announced size, and only then appear under the final name. An existing file
        stays: the new one gets `-2`, `-3`, … unless `overwrite`.

        Raises:
            OutputMissingError: the server has no such file (any more).
            OutputDamagedError: the stream broke or had another size.
            UnsafePathError: the server's name would leave the folder.
            OutputError: the disk refused it.
        """
        path = self._target(Path(target))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.saved = self._save(path, Deadline(timeout), overwrite=overwrite)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        self._came_home()
        return self.saved.path

    def read(self, *, timeout: float = 300, limit: int = 1 << 28) -> bytes:
        """The whole file in memory, up to `limit` bytes (256 MiB).

        Raises:
            OutputError: it is larger than `limit`; `save` streams it to disk.
        """
        body = bytearray()
        with self._open(self.ref, Deadline(timeout)) as download:
            for chunk in _counted(download, self.ref):
                body += chunk
                if len(body) > limit:
                    raise OutputError(
                        f"{self.ref.filename} is larger than {limit} bytes",
                        hint="use save(), which streams to disk, or raise limit=",
                    )
        self._came_home()
        return bytes(body)

    def _came_home(self) -> None:
        if self._on_home is not None:
            self._on_home(self)

    def _target(self, target: Path) -> Path:
        is_file = bool(target.suffix) and not target.is_dir()
        return target if is_file else target / self.filename

    def _save(self, path: Path, deadline: Deadline, *, overwrite: bool) -> SavedFile:
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            size, digest = self._stream(partial, deadline)
            final = _publish(partial, path, overwrite=overwrite)
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()
        return SavedFile(final, size, digest)

    def _stream(self, partial: Path, deadline: Deadline) -> tuple[int, str]:
        size, digest = 0, hashlib.sha256()
        with partial.open("xb") as file, self._open(self.ref, deadline) as download:
            for chunk in _counted(download, self.ref):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        return size, digest.hexdigest()

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


def _counted(download: Download, ref: OutputRef) -> Iterator[bytes]:
    """The body, refused at its end when it is not as long as announced."""
    seen = 0
    for chunk in download.chunks():
        seen += len(chunk)
        yield chunk
    if download.size is not None and seen != download.size:
        raise OutputDamagedError(
            f"{ref.filename}: {seen} bytes arrived, {download.size} were announced"
        )


def _publish(partial: Path, path: Path, *, overwrite: bool) -> Path:
    """Give the finished file its name, atomically and without losing another file."""
    if overwrite:
        partial.replace(path)
        return path
    number = 1
    while True:
        stem = path.stem if number == 1 else f"{path.stem}-{number}"
        candidate = path.with_name(stem + path.suffix)
        try:
            _rename_new(partial, candidate)
        except FileExistsError:
            number += 1
        else:
            return candidate


def _rename_new(partial: Path, path: Path) -> None:
    """Rename, failing where the name is taken: os.rename would replace it."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # no hard links here (FAT, ossfs): claim the name, then replace it
        path.open("xb").close()
        partial.replace(path)
