"""Files in a folder of this machine: a NAS, a mounted bucket, the engine's own."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import BinaryIO

from ..errors import (
    ComfyClientError,
    OutputDamagedError,
    StorageAccessError,
    StorageError,
    StorageUnreachableError,
    UnsafePathError,
)
from ..files.outputs import PART_SUFFIX, clear_abandoned
from ..files.refs import WHOLE, About, ByteSpan, Download, OutputRef
from ..regular_files import open_regular
from ..timing import Deadline
from ..workflow import InputFile
from .base import Entry
from .paths import below_root, folder_below, missing, path_of
from .visibility import once_visible

_BLOCK = 1 << 20
_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.ENAMETOOLONG}
"""No such file, or none that could be read: a folder, a pipe."""


class MountStorage:
    """A folder that the services mount too. Implements `Storage`."""

    mounted = True

    def __init__(self, root: Path, *, visible_s: float = 10) -> None:
        """Use a folder; a file that is not seen there yet is waited for."""
        self._root = root
        self._visible_s = visible_s

    @property
    def shown(self) -> str:
        """The folder."""
        return str(self._root)

    @contextmanager
    def open(
        self,
        ref: OutputRef,
        deadline: Deadline,
        *,
        instance: str | None = None,
        span: ByteSpan = WHOLE,
    ) -> Iterator[Download]:
        """Read a file from the span's start on; see `Storage.open`."""
        path = path_of(ref)

        def look() -> BinaryIO:
            try:
                return open_regular(self._inside(path))
            except OSError as error:
                if error.errno in _NO_FILE:
                    raise missing(ref, self.shown) from None
                raise self._trouble(f"read {path}", error) from error

        with once_visible(look, deadline, within_s=self._visible_s) as file:
            yield _Reading(file, path, span, deadline)

    def put_input(
        self, file: InputFile, deadline: Deadline, *, instance: str | None = None
    ) -> str:
        """Put a file into `input/`, unless it is there; see `Storage.put_input`."""
        path = below_root(f"input/{file.name}")
        with self._translated(f"write {path}"):
            if _size(self._inside(path)) != file.size:
                with file.open() as source:
                    self._write(path, source, deadline)
        return file.name

    def put(self, path: str, source: Path | bytes, deadline: Deadline) -> bool:
        """Put any file below the root; see `Storage.put`."""
        path = below_root(path)
        with self._translated(f"write {path}"), _opened(source) as content:
            if _digest(content) == _digest_at(self._inside(path)):
                return False
            content.seek(0)
            self._write(path, content, deadline)
        return True

    def entries(self, under: str, deadline: Deadline) -> Iterator[Entry]:
        """Every file in a folder, links not followed; see `Storage.entries`."""
        folder = folder_below(under)
        with self._translated(f"list {folder}"):
            found = [*self._listed(self._inside(folder) if folder else self._root)]
        yield from found

    def delete(self, paths: Iterable[str], deadline: Deadline) -> None:
        """Delete files, and the folders that are empty then."""
        for path in map(below_root, paths):
            with self._translated(f"delete {path}"):
                file = self._inside(path)
                with suppress(FileNotFoundError):
                    file.unlink()
                self._tidy(file)

    def sign(self, ref: OutputRef, *, seconds: float) -> str:
        """A folder has no URLs."""
        raise StorageError(
            "storage of kind 'mount' cannot sign URLs",
            hint="kind 'oss' can; see [environments.<name>.storage]",
        )

    def close(self) -> None:
        """There is nothing to let go of."""

    # -- inside the root

    def _inside(self, path: str) -> Path:
        """A file below the root, which no link on the way may lead out of.

        Raises:
            UnsafePathError: one does.
            StorageUnreachableError: the root itself is not there.
        """
        if not self._root.is_dir():
            raise StorageUnreachableError(
                f"the folder {self._root} is not there", hint="is it mounted here?"
            )
        file = self._root.joinpath(*path.split("/"))
        if not file.parent.resolve().is_relative_to(self._root.resolve()):
            raise self._led_out(path)
        if file.is_symlink() and not file.resolve().is_relative_to(
            self._root.resolve()
        ):
            raise self._led_out(path)
        return file

    def _led_out(self, path: str) -> UnsafePathError:
        return UnsafePathError(
            f"{path} leads out of {self.shown}: there is a link on its way",
            hint="mount what it leads to, and name that as the root",
        )

    def _write(self, path: str, source: BinaryIO, deadline: Deadline) -> None:
        """Write a file beside its name first: nobody sees a half of it."""
        target = self._inside(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_abandoned(target.parent)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
        try:
            with part.open("xb") as file:
                while block := source.read(_BLOCK):
                    if deadline.passed():
                        raise StorageUnreachableError(
                            f"{path} was not written within {deadline.seconds:g} s"
                        )
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()

    def _listed(self, folder: Path) -> Iterator[Entry]:
        for place, _, names in os.walk(folder):
            for name in sorted(names):
                file = Path(place, name)
                with suppress(FileNotFoundError):  # deleted meanwhile
                    status = file.lstat()
                    yield Entry(
                        path=file.relative_to(self._root).as_posix(),
                        size=status.st_size,
                        modified=datetime.fromtimestamp(status.st_mtime, UTC),
                    )

    def _tidy(self, file: Path) -> None:
        """Remove folders that nothing is in any more, but not those at the root."""
        folder = file.parent
        with suppress(OSError):  # the first one that something is in
            while folder.parent != self._root and folder != self._root:
                folder.rmdir()
                folder = folder.parent

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except ComfyClientError:
            raise
        except OSError as error:
            raise self._trouble(what, error) from error

    def _trouble(self, what: str, error: OSError) -> StorageError:
        words = f"cannot {what} in {self.shown}: {error.strerror}"
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            hint = "let this process read and write there, or mount it for writing"
            return StorageAccessError(words, hint=hint)
        if error.errno in {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN}:
            return StorageUnreachableError(words, hint="is the mount in order?")
        return StorageError(words)


class _Reading:
    """A file of a mount that is being read."""

    def __init__(
        self, file: BinaryIO, path: str, span: ByteSpan, deadline: Deadline
    ) -> None:
        self._file = file
        self._path = path
        self._deadline = deadline
        status = os.fstat(file.fileno())
        mark = f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"
        self.about = About(size=status.st_size, start=span.start, mark=mark)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, block by block."""
        try:
            self._file.seek(self.about.start)
            while block := self._file.read(_BLOCK):
                if self._deadline.passed():
                    raise OutputDamagedError(
                        f"{self._path}: not read within {self._deadline.seconds:g} s"
                    )
                yield block
        except OSError as error:
            raise OutputDamagedError(f"{self._path}: {error.strerror}") from error


def _opened(source: Path | bytes) -> BytesIO | BufferedReader:
    return BytesIO(source) if isinstance(source, bytes) else open_regular(source)


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None


def _digest(file: BytesIO | BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_at(file: Path) -> str | None:
    try:
        with open_regular(file) as content:
            return _digest(content)
    except FileNotFoundError:
        return None
