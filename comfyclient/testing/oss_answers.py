"""What the OSS stand-in answers: objects, parts, listings, errors, as XML and bytes."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import uuid4
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from .oss_signing import Refusal, Signed
from .oss_store import Facts, ObjectStore

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_BLOCK = 256 << 10


@dataclass(slots=True)
class OssFault:
    """How some requests are answered wrongly."""

    status: int | None = None
    """An error in place of the answer."""
    code: str = "InternalError"
    message: str = "We encountered an internal error. Please try again."
    headers: Mapping[str, str] = field(default_factory=dict)
    endpoint: str | None = None
    """Told as where the bucket really is."""
    cuts_at: int | None = None
    """The connection is cut before this byte of the whole object."""
    flips: int | None = None
    """This byte of the object arrives wrong."""
    shortens: int = 0
    """So many bytes are missing at its end, and the headers say nothing of it."""
    times: int | None = 1
    """None: for ever."""
    left: int | None = field(default=1, repr=False)

    def concerns(self, span: str | None) -> bool:
        """Whether the byte that it is about is among those that are asked for."""
        at = self.flips if self.flips is not None else self.cuts_at
        found = None if span is None else _RANGE.fullmatch(span)
        if at is None or found is None or not found[1]:
            return True
        return int(found[1]) <= at and (not found[2] or at <= int(found[2]))

    def take(self) -> bool:
        """Whether it strikes once more."""
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0


def operation_of(signed: Signed) -> str:
    """What a request asks for, in the words of RAM policies."""
    query, method = signed.query, signed.method
    if not signed.key:
        if method == "POST" and "delete" in query:
            return "DeleteMultipleObjects"
        return "ListObjects" if method == "GET" else "Unknown"
    if "uploadId" in query:
        return {
            "PUT": "UploadPart",
            "POST": "CompleteMultipartUpload",
            "DELETE": "AbortMultipartUpload",
        }.get(method, "Unknown")
    if "uploads" in query and method == "POST":
        return "InitiateMultipartUpload"
    if method == "PUT" and "x-oss-copy-source" in signed.headers:
        return "CopyObject"
    known = {"GET", "HEAD", "PUT", "DELETE"}
    return f"{method.capitalize()}Object" if method in known else "Unknown"


class Exchange:
    """One request and its answer."""

    def __init__(
        self, handler: BaseHTTPRequestHandler, store: ObjectStore, signed: Signed
    ) -> None:
        self._handler = handler
        self._store = store
        self._signed = signed
        self._length = int(signed.headers.get("content-length", "0"))
        self._unread = self._length
        self.fault: OssFault | None = None

    def answer(self, operation: str) -> None:
        """Do what is asked for."""
        steps = {
            "GetObject": self._get,
            "HeadObject": self._get,
            "PutObject": self._put,
            "DeleteObject": self._delete,
            "CopyObject": self._copy,
            "ListObjects": self._list,
            "DeleteMultipleObjects": self._delete_many,
            "InitiateMultipartUpload": self._begin,
            "UploadPart": self._part,
            "CompleteMultipartUpload": self._complete,
            "AbortMultipartUpload": self._abort,
        }
        step = steps.get(operation)
        if step is None:
            self.refuse(
                Refusal(400, "NotImplemented", "The stand-in does not know it.")
            )
        else:
            step()

    def refuse(
        self,
        refusal: Refusal,
        *,
        headers: Mapping[str, str] | None = None,
        endpoint: str | None = None,
    ) -> None:
        """Answer with an error."""
        self._drain()
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<Error>'
            f"<Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>"
            f"<RequestId>{uuid4().hex[:24].upper()}</RequestId>"
            f"<HostId>{escape(self._signed.bucket)}.oss</HostId>"
        )
        body += f"<Endpoint>{endpoint}</Endpoint>" if endpoint else ""
        body += "</Error>"
        self._send(refusal.status, body.encode(), {} if headers is None else headers)

    def _drain(self) -> None:
        """Read what was sent and is not wanted: the connection goes on."""
        while self._unread:
            block = self._handler.rfile.read(min(_BLOCK, self._unread))
            if not block:
                self._handler.close_connection = True
                return
            self._unread -= len(block)

    def no_such_key(self) -> None:
        """There is no such object."""
        self.refuse(Refusal(404, "NoSuchKey", "The specified key does not exist."))

    # -- objects

    def _file(self) -> Path | None:
        return self._store.file(self._signed.bucket, self._signed.key)

    def _get(self) -> None:
        file = self._file()
        facts = None if file is None else self._store.facts(file)
        if file is None or facts is None:
            self.no_such_key()
            return
        wanted = self._signed.headers.get("if-match")
        if wanted is not None and wanted != facts.etag:
            message = "At least one of the pre-conditions you specified did not hold."
            self.refuse(Refusal(412, "PreconditionFailed", message))
            return
        start, stop = _span(self._signed.headers.get("range"), facts.size)
        partial = (start, stop) != (0, facts.size)
        headers = _headers_of(facts) | {"Content-Length": str(stop - start)}
        if partial:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{facts.size}"
        self._head(206 if partial else 200, headers)
        if self._signed.method == "GET":
            self._body(file, start, stop)

    def _body(self, file: Path, start: int, stop: int) -> None:
        fault = self.fault
        end = stop if fault is None else max(start, stop - fault.shortens)
        if fault is not None and fault.cuts_at is not None:
            end = min(end, max(start, fault.cuts_at))
        with file.open("rb") as content:
            content.seek(start)
            at = start
            while at < end:
                block = content.read(min(_BLOCK, end - at))
                if fault is not None and fault.flips is not None:
                    block = _flipped(block, fault.flips - at)
                self._handler.wfile.write(block)
                at += len(block)
        if end < stop:
            self._handler.close_connection = True

    def _put(self) -> None:
        file = self._file()
        if file is None:
            self.refuse(Refusal(400, "InvalidObjectName", "The key is no path."))
            return
        forbids = self._signed.headers.get("x-oss-forbid-overwrite") == "true"
        if forbids and self._store.facts(file) is not None:
            message = (
                "The object you specified already exists and can not be overwritten."
            )
            self.refuse(Refusal(409, "FileAlreadyExists", message))
            return
        self._stored(file)

    def _stored(self, file: Path) -> None:
        self._unread = 0
        try:
            facts = self._store.write(file, self._handler.rfile, self._length)
        except EOFError:
            self._handler.close_connection = True
            return
        headers = _headers_of(facts)
        told = self._signed.headers.get("content-md5")
        if told is not None and base64.b64decode(told).hex().upper() not in facts.etag:
            self._store.delete(file)
            self.refuse(Refusal(400, "InvalidDigest", "The Content-MD5 is invalid."))
            return
        if self.fault is not None and self.fault.flips is not None:
            headers["x-oss-hash-crc64ecma"] = str(facts.crc64 ^ 1)
        self._send(200, b"", headers)

    def _delete(self) -> None:
        file = self._file()
        if file is not None:
            self._store.delete(file)
        self._send(204, b"", {})

    def _copy(self) -> None:
        source = unquote(self._signed.headers["x-oss-copy-source"]).lstrip("/")
        bucket, _, key = source.partition("/")
        old, new = self._store.file(bucket, key), self._file()
        if old is None or new is None or self._store.facts(old) is None:
            self.no_such_key()
            return
        with old.open("rb") as content:
            facts = self._store.write(new, content, old.stat().st_size)
        self._xml(
            "CopyObjectResult",
            f"<LastModified>{_iso(facts)}</LastModified><ETag>{facts.etag}</ETag>",
        )

    def _read(self) -> bytes:
        self._unread = 0
        return self._handler.rfile.read(self._length)

    # -- parts

    def _begin(self) -> None:
        signed = self._signed
        self._xml(
            "InitiateMultipartUploadResult",
            f"<Bucket>{signed.bucket}</Bucket><Key>{escape(signed.key)}</Key>"
            f"<UploadId>{self._store.begin()}</UploadId>",
        )

    def _part(self) -> None:
        upload, number = (
            self._signed.query["uploadId"],
            self._signed.query["partNumber"],
        )
        if self._store.uploading(upload):
            self._stored(self._store.part(upload, int(number)))
        else:
            self._no_upload()

    def _complete(self) -> None:
        file, upload = self._file(), self._signed.query["uploadId"]
        if file is None or not self._store.uploading(upload):
            self._no_upload()
            return
        wanted = ElementTree.fromstring(self._read())
        numbers = [int(number.text or 0) for number in wanted.iter("PartNumber")]
        try:
            facts = self._store.join(upload, numbers, file)
        except FileNotFoundError:
            self.refuse(Refusal(400, "InvalidPart", "A part could not be found."))
            return
        crc = facts.crc64
        if self.fault is not None and self.fault.flips is not None:
            crc ^= 1
        self._xml(
            "CompleteMultipartUploadResult",
            f"<Bucket>{self._signed.bucket}</Bucket>"
            f"<Key>{escape(self._signed.key)}</Key><ETag>{facts.etag}</ETag>",
            headers={"x-oss-hash-crc64ecma": str(crc), "ETag": facts.etag},
        )

    def _abort(self) -> None:
        self._store.abort(self._signed.query["uploadId"])
        self._send(204, b"", {})

    def _no_upload(self) -> None:
        message = "The specified upload does not exist."
        self.refuse(Refusal(404, "NoSuchUpload", message))

    # -- many objects

    def _list(self) -> None:
        query, bucket = self._signed.query, self._signed.bucket
        prefix = query.get("prefix", "")
        most = int(query.get("max-keys", "100"))
        after = query.get("continuation-token") or query.get("start-after", "")
        keys = [key for key in self._store.keys(bucket, prefix) if key > after]
        page = keys[:most]
        more = len(keys) > most
        contents = "".join(self._entry(key) for key in page)
        last = quote(page[-1]) if page else ""
        token = f"<NextContinuationToken>{last}</NextContinuationToken>"
        self._xml(
            "ListBucketResult",
            f"<Name>{bucket}</Name><Prefix>{quote(prefix)}</Prefix>"
            f"<MaxKeys>{most}</MaxKeys><EncodingType>url</EncodingType>"
            f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
            f"<KeyCount>{len(page)}</KeyCount>{contents}{token if more else ''}",
        )

    def _entry(self, key: str) -> str:
        file = self._store.file(self._signed.bucket, key)
        facts = None if file is None else self._store.facts(file)
        if facts is None:
            return ""
        return (
            f"<Contents><Key>{quote(key)}</Key><LastModified>{_iso(facts)}</LastModified>"
            f"<ETag>{facts.etag}</ETag><Type>Normal</Type><Size>{facts.size}</Size>"
            "<StorageClass>Standard</StorageClass></Contents>"
        )

    def _delete_many(self) -> None:
        wanted = ElementTree.fromstring(self._read())
        keys = [key.text or "" for key in wanted.iter("Key")]
        if not 0 < len(keys) <= 1000:
            self.refuse(Refusal(400, "MalformedXML", "From 1 to 1000 keys."))
            return
        for key in keys:
            file = self._store.file(self._signed.bucket, key)
            if file is not None:
                self._store.delete(file)
        told = "".join(f"<Deleted><Key>{quote(key)}</Key></Deleted>" for key in keys)
        self._xml("DeleteResult", f"<EncodingType>url</EncodingType>{told}")

    # -- how it is sent

    def _xml(
        self, name: str, inner: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}>{inner}</{name}>'
        kind = {"Content-Type": "application/xml"}
        self._send(200, body.encode(), kind if headers is None else {**kind, **headers})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._head(status, {"Content-Length": str(len(body)), **headers})
        if self._signed.method != "HEAD":
            self._handler.wfile.write(body)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        handler = self._handler
        handler.send_response(status)
        handler.send_header("x-oss-request-id", uuid4().hex[:24].upper())
        for name, value in headers.items():
            handler.send_header(name, value)
        if handler.close_connection:
            handler.send_header("Connection", "close")
        handler.end_headers()


def _headers_of(facts: Facts) -> dict[str, str]:
    return {
        "ETag": facts.etag,
        "Last-Modified": facts.modified_http,
        "Accept-Ranges": "bytes",
        "x-oss-object-type": "Normal",
        "x-oss-hash-crc64ecma": str(facts.crc64),
    }


def _span(text: str | None, size: int) -> tuple[int, int]:
    """The bytes that a range asks for; OSS sends all where it makes no sense."""
    found = None if text is None else _RANGE.fullmatch(text)
    if found is None or found.groups() == ("", ""):
        return 0, size
    if not found[1]:
        return max(0, size - int(found[2])), size
    start, last = int(found[1]), int(found[2]) if found[2] else size - 1
    return (start, min(last + 1, size)) if start <= last and start < size else (0, size)


def _flipped(block: bytes, at: int) -> bytes:
    if not 0 <= at < len(block):
        return block
    return block[:at] + bytes((block[at] ^ 0x20,)) + block[at + 1 :]


def _iso(facts: Facts) -> str:
    return facts.modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")
