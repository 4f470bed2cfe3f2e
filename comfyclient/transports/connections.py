"""Connections of urllib3 that hand their sockets to the watch of their exchange."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection
from urllib3.response import HTTPResponse

from .watchdog import Watch

PIECE = 256 << 10
"""Bytes that are sent at once: each piece may take as long as an answer's next byte."""

IDLE_AT_MOST = 50.0
"""Seconds that a pooled connection may have been idle and still be used.

Gateways drop idle ones without a word: a shared gateway of PAI-EAS was seen to do so
after 180 s, a load balancer commonly does after 60 s. A request on such a connection is
lost, and whether it arrived is unclear.
"""

_serving: ContextVar[Watch] = ContextVar("comfyclient-watch")


@contextmanager
def serving(watch: Watch) -> Iterator[None]:
    """Inside, connections that are taken from a pool serve this exchange."""
    token = _serving.set(watch)
    try:
        yield
    finally:
        _serving.reset(token)


def keep_watched(manager: PoolManager) -> None:
    """Let every pool that this manager makes, http or https, have such connections."""
    manager.pool_classes_by_scheme = {
        scheme: _watched(pool)
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


class _Connection(HTTPConnection):
    """A connection that serves one watched exchange after the other."""

    watch: Watch
    idle_since: float = 0.0
    handle: socket.socket | None = None
    """The socket once more: TLS takes the first one over into another object, and the
    number of one that was closed may be somebody else's by now."""

    def connect(self) -> None:
        self.watch.connecting = True
        super().connect()
        self.watch.connecting = False

    def _new_conn(self) -> socket.socket:
        wire = super()._new_conn()
        try:
            self.handle = socket.fromfd(wire.fileno(), wire.family, wire.type)
        except OSError:
            wire.close()
            raise
        self.watch.hold(self.handle)  # from here on: before a tunnel, before TLS
        return wire

    def close(self) -> None:
        super().close()
        if self.handle is not None:
            self.watch.inherit(self.handle)  # the answer may still be read
            self.handle = None

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if self.watch.connecting or not isinstance(data, bytes):
            super().send(data)
            return
        self.sock.settimeout(self.watch.silence)  # it was the time to connect
        whole = memoryview(data)
        for start in range(0, len(whole), PIECE):
            with self.watch:
                super().send(whole[start : start + PIECE])

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
        with self.watch:
            return super().getresponse()


class _Pool(HTTPConnectionPool):
    """A pool whose connections are watched while they are out of it."""

    def _get_conn(self, timeout: float | None = None) -> _Connection:
        connection = super()._get_conn(timeout)
        assert isinstance(connection, _Connection)
        idle = time.monotonic() - connection.idle_since
        if connection.handle is not None and idle > IDLE_AT_MOST:
            connection.close()  # it is made anew when it is used
        connection.watch = _serving.get()
        if connection.handle is not None:
            connection.watch.hold(connection.handle)
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            # whoever takes it next must not be cut in our place; if we were, the pool
            # finds the connection dropped when it is asked for it
            conn.watch.release()
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)


def _watched(pool: type[Any]) -> type[Any]:
    """The class of pools, and within it that of connections, with a watch on them."""
    connection = type("Connection", (_Connection, pool.ConnectionCls), {})
    return type("Pool", (_Pool, pool), {"ConnectionCls": connection})
