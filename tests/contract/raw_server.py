"""A server that answers byte by byte, or not at all."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from comfyclient.errors import (
    ComfyClientError,
)
from comfyclient.testing.http_wire import cut, read_request
from comfyclient.timing import SYSTEM_CLOCK, Clock
from comfyclient.transports.endpoint import Endpoint
from comfyclient.transports.http import ComfyHttp
from comfyclient.transports.watchdog import GLANCE

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"


Script = Callable[["RawServer", socket.socket], None]


class RawServer:
    """A server that does with each connection what a script says, byte by byte."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port = self._listening.getsockname()[1]
        self.stalled = threading.Event()
        """Set by scripts when the client can only wait."""
        self.going = threading.Event()
        """Set by tests to let a stalled script go on; set when the server ends."""

    @property
    def accepted(self) -> int:
        """How many connections came."""
        return len(self._connections)

    def stall(self) -> None:
        """Do nothing, until the test says so."""
        self.stalled.set()
        self.going.wait(20)

    def drip(self, connection: socket.socket, data: bytes) -> None:
        """Send byte after byte, a hundred a second."""
        for byte in data:
            connection.sendall(bytes([byte]))
            if self.going.wait(0.01):
                return
            self.stalled.set()

    def __enter__(self) -> RawServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.going.set()
        cut(self._listening)
        self._listening.close()
        for connection in self._connections:
            cut(connection)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._connections.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._tls is None:
                self._script(self, connection)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                    self._script(self, wrapped)


def asked(connection: socket.socket) -> None:
    """Read a request."""
    with connection.makefile("rb") as stream:
        read_request(stream)


def half_a_body(server: RawServer, connection: socket.socket) -> None:
    """Stop in the middle of the body."""
    asked(connection)
    connection.sendall(HEAD + b"1234")
    server.stall()


@pytest.fixture
def made() -> Iterator[Callable[..., ComfyHttp]]:
    """Makes what is under test; no thread of it outlives the test."""
    found: list[ComfyHttp] = []

    def make(port: int, *, clock: Clock = SYSTEM_CLOCK, **options: Any) -> ComfyHttp:
        scheme = "https" if "tls" in options else "http"
        endpoint = Endpoint("n", f"{scheme}://127.0.0.1:{port}", **options)
        found.append(ComfyHttp(endpoint, clock=clock))
        return found[-1]

    yield make
    for http in found:
        http.close()
    assert watchdogs() == 0


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for calls that block."""
    with ThreadPoolExecutor(300) as pool:
        yield pool


def watchdogs() -> int:
    """How many watchdogs' threads there are."""
    names = [thread.name for thread in threading.enumerate()]
    return sum(name.startswith("comfyclient-watchdog") for name in names)


def glances(count: int = 3) -> None:
    """Give a watchdog that would bite the time to do so."""
    threading.Event().wait(count * GLANCE)


def error_of(future: Future[Any]) -> ComfyClientError:
    """How a call failed, well before any real timeout of ours."""
    error = future.exception(timeout=8)
    assert isinstance(error, ComfyClientError)
    return error
