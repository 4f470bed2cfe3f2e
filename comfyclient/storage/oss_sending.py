"""Sends content to a bucket: whole, or large ones in parts, several at a time."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import fastcrc
from oss2.models import PartInfo

from ..errors import ComfyClientError, StorageUnreachableError
from ..files.patience import patiently
from ..files.refs import Lanes
from ..timing import Deadline
from .oss_client import OssClient

SENDING = Lanes(at_once=4, part=8 << 20, least=32 << 20)
MOST_PARTS = 9_000
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be sent, and what it adds up to."""

    open: Callable[[], BinaryIO]
    size: int
    crc64: int

    @classmethod
    def of(cls, open_: Callable[[], BinaryIO]) -> Content:
        """Read it once."""
        size = crc = 0
        with open_() as content:
            while block := content.read(_BLOCK):
                size += len(block)
                crc = fastcrc.crc64.xz(block, crc)
        return cls(open_, size, crc)

    @classmethod
    def of_source(cls, source: Path | bytes) -> Content:
        """A file's content, or bytes."""
        if isinstance(source, bytes):
            return cls.of(lambda: io.BytesIO(source))
        return cls.of(lambda: source.open("rb"))


class Sender:
    """Puts content under a key of one bucket."""

    def __init__(self, client: OssClient, lanes: Lanes = SENDING) -> None:
        self._client = client
        self._lanes = lanes

    def send(self, key: str, content: Content, deadline: Deadline, what: str) -> None:
        """Send it; it appears whole, and has arrived as it was.

        Raises:
            ComfyClientError: OSS did not take it.
        """
        if content.size < self._lanes.least:
            patiently(lambda: self._whole(key, content, deadline, what), deadline)
        else:
            self._in_parts(key, content, deadline, what)

    def _whole(self, key: str, content: Content, deadline: Deadline, what: str) -> None:
        with content.open() as stream:
            body = stream.read()
        result = self._client.once(
            lambda bucket: bucket.put_object(key, body, headers=_digest(body)),
            deadline,
            what=what,
            action="oss:PutObject",
            key=key,
        )
        _compare(result.crc, content.crc64, what)

    def _in_parts(
        self, key: str, content: Content, deadline: Deadline, what: str
    ) -> None:
        def ask(request: Callable[[Any], Any]) -> Any:
            return self._client.patient(
                request, deadline, what=what, action="oss:PutObject", key=key
            )

        upload = ask(lambda bucket: bucket.init_multipart_upload(key)).upload_id
        try:
            parts = self._parts(key, upload, content, ask)
            self._complete(key, upload, parts, content, deadline, what)
        except BaseException:
            with suppress(ComfyClientError, KeyError):
                ask(lambda bucket: bucket.abort_multipart_upload(key, upload))
            raise

    def _parts(
        self,
        key: str,
        upload: str,
        content: Content,
        ask: Callable[[Callable[[Any], Any]], Any],
    ) -> list[PartInfo]:
        def send(span: tuple[int, int, int]) -> PartInfo:
            number, start, size = span
            with content.open() as stream:
                stream.seek(start)
                body = stream.read(size)
            result = ask(
                lambda bucket: bucket.upload_part(
                    key, upload, number, body, headers=_digest(body)
                )
            )
            return PartInfo(number, result.etag, size=size)

        lanes = self._lanes
        pool = ThreadPoolExecutor(lanes.at_once, thread_name_prefix="comfyclient-lane")
        with pool:
            try:
                return list(pool.map(send, _spans(content.size, lanes.part)))
            finally:
                pool.shutdown(cancel_futures=True)

    def _complete(
        self,
        key: str,
        upload: str,
        parts: list[PartInfo],
        content: Content,
        deadline: Deadline,
        what: str,
    ) -> None:
        def complete(bucket: Any) -> Any:
            try:
                done = bucket.complete_multipart_upload(key, upload, parts)
                done.resp.read()  # oss2 leaves it, and the connection with it
                return done
            except Exception:
                # an answer that was lost: the upload is done, and known no more
                if _crc_of(bucket, key) == content.crc64:
                    return None
                raise

        result = self._client.patient(
            complete, deadline, what=what, action="oss:PutObject", key=key
        )
        if result is not None:
            _compare(result.crc, content.crc64, what)


def _crc_of(bucket: Any, key: str) -> int | None:
    with suppress(Exception):  # whatever it is: it does not tell that all is well
        found = bucket.head_object(key).headers.get("x-oss-hash-crc64ecma")
        return None if found is None else int(found)
    return None


def _spans(size: int, part: int) -> Iterator[tuple[int, int, int]]:
    part = max(part, -(-size // MOST_PARTS))
    for number, start in enumerate(range(0, size, part), start=1):
        yield number, start, min(part, size - start)


def _digest(body: bytes) -> dict[str, str]:
    """What lets OSS refuse a body that arrives wrong, before it is seen by anybody."""
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return {"Content-MD5": base64.b64encode(digest).decode()}


def _compare(theirs: int | None, ours: int, what: str) -> None:
    if theirs is not None and theirs != ours:
        raise StorageUnreachableError(f"{what}: it arrived with another checksum")
