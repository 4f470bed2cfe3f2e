"""A stand-in for OSS on loopback: verifies signatures, and fails on demand.

It keeps objects as files: a bucket is a folder of its root. So an engine that has
`<root>/<bucket>/<prefix>` as its base directory works in it as a service with that
prefix mounted does.
"""

from __future__ import annotations

import re
import socket
import struct
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from . import oss_answers
from .oss_answers import Exchange, OssFault
from .oss_signing import OssKey, Refusal, Signed, Verifier
from .oss_store import ObjectStore

KEY = OssKey("LTAIstandin", "stand-in-secret")
"""The key that a stand-in knows unless others are given."""


@dataclass(frozen=True, slots=True)
class OssRequest:
    """One request that arrived."""

    method: str
    bucket: str
    key: str
    operation: str
    """`GetObject`, `PutObject`, … as RAM policies name them."""
    range: str | None
    version: int
    """Of its signature; 0 for none."""


class OssServer:
    """An OSS of one region, with some buckets. A context manager."""

    def __init__(
        self,
        root: Path | None = None,
        *,
        buckets: Iterable[str] = ("nev-aigc",),
        region: str = "cn-shanghai",
        keys: Iterable[OssKey] = (KEY,),
    ) -> None:
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if root is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="oss-stand-in-")
            root = Path(self._temporary.name)
        self.region = region
        self.store = ObjectStore(root)
        for bucket in buckets:
            (root / bucket).mkdir(parents=True, exist_ok=True)
        self._keys = {key.id: key for key in keys}
        self._lock = threading.Lock()
        self._faults: list[tuple[str, re.Pattern[str], OssFault]] = []
        self._denied: list[tuple[str, str]] = []
        self._hidden: dict[str, int] = {}
        self.requests: list[OssRequest] = []
        """Whatever arrived, oldest first."""
        self.clock_offset = timedelta()
        """How far this server's clock is ahead."""
        handler = type("Handler", (_Handler,), {"oss": self})
        self._http = _Listener(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(
            target=self._http.serve_forever,
            kwargs={"poll_interval": 0.02},
            name="oss-stand-in",
            daemon=True,
        )

    @property
    def endpoint(self) -> str:
        """Its address, to be given as the endpoint."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def key(self) -> OssKey:
        """The first of its keys."""
        return next(iter(self._keys.values()))

    def path(self, bucket: str, key: str = "") -> Path:
        """Where an object, or a prefix, is on the disk."""
        return self.store.root.joinpath(bucket, *key.split("/"))

    def now(self) -> datetime:
        """What time it is for this server."""
        return datetime.now(UTC) + self.clock_offset

    # -- how it misbehaves

    def fail(self, operation: str, fault: OssFault, *, key: str = "") -> None:
        """Answer requests of an operation so, whose key has this pattern in it."""
        with self._lock:
            fault.left = fault.times
            self._faults.append((operation, re.compile(key), fault))

    def behave(self) -> None:
        """Answer as OSS does again, and let everybody in."""
        with self._lock:
            self._faults.clear()
            self._denied.clear()
            self._hidden.clear()

    def deny(self, operation: str, prefix: str = "") -> None:
        """Let nobody do this to keys with this prefix: a grant is missing."""
        with self._lock:
            self._denied.append((operation, prefix))

    def hide(self, key: str, *, looks: int) -> None:
        """Show an object only after so many looks: its mount is not so quick."""
        with self._lock:
            self._hidden[key] = looks

    def let_in(self, key: OssKey) -> None:
        """Know another key."""
        self._keys[key.id] = key

    # -- what the handler asks

    def admit(self, signed: Signed, operation: str) -> Refusal | None:
        """Why a request is refused before it is looked at; None where it is not."""
        refusal = Verifier(self._keys, self.region).refusal(signed, self.now())
        if refusal is not None:
            return refusal
        with self._lock:
            denied = list(self._denied)
        for action, prefix in denied:
            if action == operation and signed.key.startswith(prefix):
                message = "You have no right to access this object."
                return Refusal(403, "AccessDenied", message)
        if signed.bucket and not self.store.has_bucket(signed.bucket):
            message = "The specified bucket does not exist."
            return Refusal(404, "NoSuchBucket", message)
        return None

    def fault_of(
        self, operation: str, key: str, span: str | None = None
    ) -> OssFault | None:
        """The fault that is due."""
        with self._lock:
            for action, pattern, fault in self._faults:
                due = action == operation and pattern.search(key)
                if due and fault.concerns(span) and fault.take():
                    return fault
        return None

    def hides(self, key: str) -> bool:
        """Whether an object is not to be seen this time."""
        with self._lock:
            left = self._hidden.get(key, 0)
            self._hidden[key] = max(0, left - 1)
        return left > 0

    def count(self, operation: str) -> int:
        """How many requests of an operation arrived."""
        return sum(one.operation == operation for one in self.requests)

    # -- its life

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop, and cut what is under way."""
        self._http.shutdown()
        self._http.server_close()
        self._http.cut()
        self._thread.join()
        if self._temporary is not None:
            self._temporary.cleanup()


class _Listener(ThreadingHTTPServer):
    """Connections, each with a thread; all of them can be cut."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type) -> None:
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: object) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)  # type: ignore[arg-type]

    def cut(self) -> None:
        for connection in list(self._connections):
            cut(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away in the middle: that is what tests make them do."""


def cut(connection: socket.socket) -> None:
    """End a connection with a reset."""
    linger = struct.pack("ii", 1, 0)
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    oss: OssServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The moment by this server's clock."""
        now = self.oss.now().timestamp() if timestamp is None else timestamp
        return super().date_time_string(now)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""

    def __getattr__(self, name: str) -> Callable[[], None]:
        """`do_GET` and its like are one."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        bucket, _, key = parts.path.lstrip("/").partition("/")
        signed = Signed(
            method=self.command,
            bucket=unquote(bucket),
            key=unquote(key),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        operation = oss_answers.operation_of(signed)
        version = _version_of(signed)
        self.oss.requests.append(
            OssRequest(
                self.command,
                signed.bucket,
                signed.key,
                operation,
                signed.headers.get("range"),
                version,
            )
        )
        exchange = Exchange(self, self.oss.store, signed)
        refusal = self.oss.admit(signed, operation)
        if refusal is not None:
            exchange.refuse(refusal)
            return
        span = signed.headers.get("range")
        fault = self.oss.fault_of(operation, signed.key, span)
        exchange.fault = fault
        if fault is not None and fault.status is not None:
            exchange.refuse(
                Refusal(fault.status, fault.code, fault.message),
                headers=fault.headers,
                endpoint=fault.endpoint,
            )
        elif operation in {"GetObject", "HeadObject"} and self.oss.hides(signed.key):
            exchange.no_such_key()
        else:
            exchange.answer(operation)


def _version_of(signed: Signed) -> int:
    if signed.headers.get("authorization", "").startswith("OSS4"):
        return 4
    if "x-oss-signature" in signed.query:
        return 4
    return int("authorization" in signed.headers or "Signature" in signed.query)
