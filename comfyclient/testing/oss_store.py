"""The objects of the OSS stand-in: files in a folder, which others may have mounted."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from .crc64 import crc64

_BLOCK = 1 << 20
_UPLOADS = ".uploads"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told of an object."""

    size: int
    etag: str
    crc64: int
    modified: datetime

    @property
    def modified_http(self) -> str:
        """As headers have it."""
        return format_datetime(self.modified, usegmt=True)


class ObjectStore:
    """Buckets as folders: a key is a path in one of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._facts: dict[tuple[Path, int, int], Facts] = {}

    def file(self, bucket: str, key: str) -> Path | None:
        """Where an object is, or would be; None for a key that is no path."""
        steps = key.split("/")
        bad = not key or len(key.encode()) > 1023 or "\0" in key
        if bad or any(step in {"", ".", ".."} for step in steps):
            return None
        return self.root.joinpath(bucket, *steps)

    def has_bucket(self, bucket: str) -> bool:
        """Whether there is such a bucket."""
        folder = self.root / bucket
        return bool(bucket) and bucket != _UPLOADS and folder.is_dir()

    def facts(self, file: Path) -> Facts | None:
        """What is told of an object; None where there is none."""
        try:
            status = file.stat()
        except OSError:
            return None
        if not file.is_file():
            return None
        key = (file, status.st_size, status.st_mtime_ns)
        with self._lock:
            known = self._facts.get(key)
        if known is None:
            known = _facts_of(file, datetime.fromtimestamp(status.st_mtime, UTC))
            with self._lock:
                self._facts[key] = known
        return known

    def write(self, file: Path, body: BufferedIOBase | BinaryIO, length: int) -> Facts:
        """Take an object in; it appears when it is whole.

        Raises:
            EOFError: the body ended before its length.
        """
        part = self.root / _UPLOADS / uuid4().hex
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as target:
                left = length
                while left:
                    block = body.read(min(_BLOCK, left))
                    if not block:
                        raise EOFError(f"{left} bytes are missing")
                    target.write(block)
                    left -= len(block)
            return self.take(part, file)
        finally:
            part.unlink(missing_ok=True)

    def take(self, part: Path, file: Path) -> Facts:
        """Give a file that is written its name as an object."""
        file.parent.mkdir(parents=True, exist_ok=True)
        part.replace(file)
        facts = self.facts(file)
        assert facts is not None, "it was just written"
        return facts

    def delete(self, file: Path) -> None:
        """Delete an object; a folder that is empty then is no object."""
        file.unlink(missing_ok=True)

    def keys(self, bucket: str, prefix: str) -> Iterator[str]:
        """The keys with this prefix, in order."""
        folder = self.root / bucket
        found = (
            file.relative_to(folder).as_posix()
            for file in folder.rglob("*")
            if file.is_file()
        )
        yield from sorted(key for key in found if key.startswith(prefix))

    # -- uploads in parts

    def begin(self) -> str:
        """A new upload's id."""
        upload = uuid4().hex
        self._upload(upload).mkdir(parents=True)
        return upload

    def uploading(self, upload: str) -> bool:
        """Whether this upload is under way."""
        return upload.isalnum() and self._upload(upload).is_dir()

    def part(self, upload: str, number: int) -> Path:
        """Where a part of an upload is."""
        return self._upload(upload) / f"{number:05}"

    def join(self, upload: str, numbers: list[int], file: Path) -> Facts:
        """Make an object of parts.

        Raises:
            FileNotFoundError: a part is not there.
        """
        whole = self._upload(upload) / "whole"
        with whole.open("wb") as target:
            for number in numbers:
                with self.part(upload, number).open("rb") as source:
                    shutil.copyfileobj(source, target, _BLOCK)
        facts = self.take(whole, file)
        self.abort(upload)
        return facts

    def abort(self, upload: str) -> None:
        """Forget an upload and its parts."""
        shutil.rmtree(self._upload(upload), ignore_errors=True)

    @property
    def uploads(self) -> int:
        """How many uploads are under way."""
        folder = self.root / _UPLOADS
        found = folder.iterdir() if folder.is_dir() else iter(())
        return sum(one.is_dir() for one in found)

    def _upload(self, upload: str) -> Path:
        return self.root / _UPLOADS / upload


def _facts_of(file: Path, modified: datetime) -> Facts:
    size, crc, digest = 0, 0, hashlib.md5(usedforsecurity=False)
    with file.open("rb") as content:
        while block := content.read(_BLOCK):
            size += len(block)
            crc = crc64(block, crc)
            digest.update(block)
    return Facts(size, f'"{digest.hexdigest().upper()}"', crc, modified)
