"""Files in a bucket of OSS, below the prefix that the services mount."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import methodcaller
from pathlib import Path
from typing import Any

import fastcrc
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from ..errors import OutputDamagedError, StorageError
from ..files.refs import WHOLE, About, ByteSpan, Download, Lanes, OutputRef
from ..timing import Deadline
from ..workflow import InputFile
from .base import Entry
from .oss_client import OssClient
from .oss_sending import SENDING, Content, Sender
from .paths import below_root, folder_below, missing, path_of
from .visibility import once_visible

CHUNK = 128 << 10
"""Bytes read at a time: four lanes of larger ones outgrow a few MB of memory."""
READING = Lanes(at_once=4, part=16 << 20, least=64 << 20)
PAGE = 1000
"""Objects that are listed, or deleted, at a time."""
LONGEST_S = 7 * 86_400
"""Seconds that a URL of signature version 4 may be good for."""


class OssStorage:
    """A prefix of a bucket's names. Implements `Storage`."""

    mounted = True

    def __init__(
        self,
        client: OssClient,
        *,
        prefix: str = "",
        visible_s: float = 10,
        reading: Lanes = READING,
        sending: Lanes = SENDING,
    ) -> None:
        """Use the objects below a prefix; one that is not there yet is waited for.

        `reading` and `sending` say how large ones travel.
        """
        self._client = client
        self._prefix = folder_below(prefix.strip("/"))
        self._visible_s = visible_s
        self._reading = reading
        self._sender = Sender(client, sending)

    @property
    def shown(self) -> str:
        """Bucket and prefix."""
        return f"oss://{self._client.bucket}/{self._prefix}"

    @contextmanager
    def open(
        self,
        ref: OutputRef,
        deadline: Deadline,
        *,
        instance: str | None = None,
        span: ByteSpan = WHOLE,
    ) -> Iterator[Download]:
        """Stream an object from the span's start on; see `Storage.open`."""
        path = path_of(ref)
        key = self._prefix + path
        last = None if span.stop is None else span.stop - 1
        wanted = None if span == WHOLE else (span.start, last)

        def look() -> Any:
            try:
                return self._client.once(
                    lambda bucket: bucket.get_object(key, byte_range=wanted),
                    deadline,
                    what=f"read {path}",
                    action="oss:GetObject",
                    key=key,
                )
            except KeyError:
                raise missing(ref, self.shown) from None

        found = once_visible(look, deadline, within_s=self._visible_s)
        try:
            yield _Body(found, path, deadline, self._reading)
        finally:
            found.close()

    def put_input(
        self, file: InputFile, deadline: Deadline, *, instance: str | None = None
    ) -> str:
        """Put a file into `input/`, unless it is there; see `Storage.put_input`."""
        path = below_root(f"input/{file.name}")
        head = self._head(path, deadline)
        if head is None or head.content_length != file.size:
            self._send(path, Content.of(file.open), deadline)
        return file.name

    def put(self, path: str, source: Path | bytes, deadline: Deadline) -> bool:
        """Put any file below the prefix; see `Storage.put`."""
        path = below_root(path)
        try:
            content = Content.of_source(source)
        except OSError as error:
            raise StorageError(f"cannot read {source!r}: {error.strerror}") from error
        head = self._head(path, deadline)
        if head is not None and _sum_of(head) == content.crc64:
            return False
        self._send(path, content, deadline)
        return True

    def entries(self, under: str, deadline: Deadline) -> Iterator[Entry]:
        """Every object in a folder, page by page; see `Storage.entries`."""
        folder = self._prefix + folder_below(under)
        return self._listed(folder, deadline)

    def delete(self, paths: Iterable[str], deadline: Deadline) -> None:
        """Delete objects, many at a time."""
        keys = [self._prefix + path for path in map(below_root, paths)]
        for start in range(0, len(keys), PAGE):
            page = keys[start : start + PAGE]
            self._client.patient(
                methodcaller("batch_delete_objects", page),
                deadline,
                what=f"delete {page[0].removeprefix(self._prefix)}",
                action="oss:DeleteObject",
                key=page[0],
            )

    def sign(self, ref: OutputRef, *, seconds: float) -> str:
        """A URL to read an object with, for so long; see `Storage.sign`.

        It names the public endpoint, and keeps the slashes of the key.

        Raises:
            StorageError: the URL, or the key that signs it, does not last so long.
        """
        key = self._prefix + path_of(ref)
        whole = int(seconds)
        if not 0 < whole <= LONGEST_S:
            raise StorageError(
                f"a URL is signed for 1 to {LONGEST_S} seconds, not {seconds:g}"
            )
        expires = self._client.keyring.current().expires_at
        if expires is not None:
            left = (expires - self._client.clock.now()).total_seconds()
            if whole > left:
                raise StorageError(
                    f"the credentials are good for {left:.0f} s, and a URL that they "
                    f"sign for no longer; {whole} s were asked for",
                    hint="sign for less, or with an access key that lasts",
                )
        return self._client.signed(key, seconds=whole)

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    def _head(self, path: str, deadline: Deadline) -> Any:
        key = self._prefix + path
        try:
            return self._client.patient(
                lambda bucket: bucket.head_object(key),
                deadline,
                what=f"look for {path}",
                action="oss:GetObject",
                key=key,
            )
        except KeyError:
            return None

    def _send(self, path: str, content: Content, deadline: Deadline) -> None:
        self._sender.send(self._prefix + path, content, deadline, f"write {path}")

    def _listed(self, folder: str, deadline: Deadline) -> Iterator[Entry]:
        token = ""
        while True:
            page = self._client.patient(
                methodcaller(
                    "list_objects_v2",
                    folder,
                    continuation_token=token,
                    max_keys=PAGE,
                ),
                deadline,
                what=f"list {folder.removeprefix(self._prefix) or 'files'}",
                action="oss:ListObjects",
                key=folder,
            )
            for one in page.object_list:
                if not one.key.endswith("/"):  # what consoles make for a folder
                    yield Entry(
                        path=one.key.removeprefix(self._prefix),
                        size=one.size,
                        modified=datetime.fromtimestamp(one.last_modified, UTC),
                    )
            if not page.is_truncated:
                return
            token = page.next_continuation_token


class _Body:
    """An object that is being read."""

    def __init__(self, found: Any, path: str, deadline: Deadline, lanes: Lanes) -> None:
        self._response = found.resp.response
        self._path = path
        self._deadline = deadline
        start, size = 0, found.content_length
        if found.content_range is not None:
            start, _, size = _range_of(found.content_range)
        total = found.server_crc
        self.about = About(
            size=size,
            start=start,
            mark=found.etag,
            checksum=None if total is None else Crc64(total),
            lanes=lanes,
        )

    def chunks(self) -> Iterator[bytes]:
        """The body, as it arrives."""
        while True:
            try:
                piece = self._response.raw.read1(CHUNK)
            except (RequestException, HTTPError, OSError) as error:
                raise OutputDamagedError(
                    f"{self._path}: the download broke off ({type(error).__name__})"
                ) from None
            if not piece:
                return
            if self._deadline.passed():
                raise OutputDamagedError(
                    f"{self._path}: not complete after {self._deadline.seconds:g} s"
                )
            yield piece


@dataclass(frozen=True, slots=True)
class Crc64:
    """The checksum that OSS keeps of an object: CRC-64/XZ, as a number."""

    total: int

    def begin(self) -> _Sum:
        """A sum of no bytes yet."""
        return _Sum(self.total)


class _Sum:
    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._now = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes in."""
        self._now = fastcrc.crc64.xz(data, self._now)

    def fits(self) -> bool:
        """Whether it is what OSS said."""
        return self._now == self._wanted


def _range_of(text: str) -> tuple[int, int, int | None]:
    """`bytes 5-9/10` in numbers."""
    span, _, size = text.removeprefix("bytes ").partition("/")
    start, _, last = span.partition("-")
    return int(start), int(last), int(size) if size.isdigit() else None


def _sum_of(head: Any) -> int | None:
    text = head.headers.get("x-oss-hash-crc64ecma", "")
    return int(text) if text.isdigit() else None
