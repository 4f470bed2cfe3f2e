"""A TCP proxy whose faults a test switches: it stands before any server, real or not.

    with FaultProxy(server.url) as proxy:
        proxy.cut_after(100, to_client=True)   # from the next connection on
        proxy.cut_now(websockets_only=True)    # at once

It knows nothing of HTTP but what tells a websocket: the word in its handshake.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from .http_wire import cut
from .threads import keeping_back

_CHUNK = 65536
_GLANCE = 0.05


@dataclass(frozen=True, slots=True)
class _Faults:
    """What happens to a connection, decided when it is accepted."""

    closes: bool = False
    to_server: int | None = None
    to_client: int | None = None
    resets: bool = False
    garbage: bytes = b""


@dataclass(eq=False, slots=True)
class _Pair:
    """A client's connection and the one to the server behind it."""

    client: socket.socket
    server: socket.socket
    faults: _Faults
    websocket: threading.Event = field(default_factory=threading.Event)

    def cut(self, *, resets: bool) -> None:
        for end in (self.client, self.server):
            with suppress(OSError):
                cut(end, resets=resets)


class FaultProxy:
    """Passes bytes on to a server, until it is told to do something else."""

    def __init__(self, target_url: str) -> None:
        self._target = urlsplit(target_url)
        self._lock = threading.Lock()
        self._faults = _Faults()
        self._flowing = threading.Event()
        self._flowing.set()
        self._pairs: set[_Pair] = set()
        self._threads: list[threading.Thread] = []
        self._listening: socket.socket | None = None
        self._port = 0
        self._closed = False
        self.accepted = 0
        """Connections accepted so far."""

    @property
    def url(self) -> str:
        """The target's URL, with the proxy's address in it."""
        return urlunsplit(self._target._replace(netloc=f"127.0.0.1:{self._port}"))

    # -- faults

    def behave(self) -> None:
        """No more faults, from the next connection on; stalled ones flow again."""
        self._faults = _Faults()
        self._flowing.set()
        if self._listening is None and not self._closed:
            self._listen()

    def refuse(self) -> None:
        """Refuse new connections, until `behave`; open ones go on."""
        self._stop_listening()

    def accept_and_close(self) -> None:
        """Accept new connections and close them without a byte."""
        self._faults = _Faults(closes=True)

    def cut_after(
        self, count: int, *, to_client: bool = True, resets: bool = False
    ) -> None:
        """Cut each new connection after so many bytes in one direction."""
        if to_client:
            self._faults = _Faults(to_client=count, resets=resets)
        else:
            self._faults = _Faults(to_server=count, resets=resets)

    def inject(self, garbage: bytes) -> None:
        """Put these bytes before the server's first ones, on each new connection."""
        self._faults = _Faults(garbage=garbage)

    def stall(self) -> None:
        """Pass no byte on any connection, until `behave`; none is ended."""
        self._flowing.clear()

    def cut_now(self, *, websockets_only: bool = False, resets: bool = False) -> int:
        """Cut open connections at once; how many."""
        with self._lock:
            chosen = [
                pair
                for pair in self._pairs
                if pair.websocket.is_set() or not websockets_only
            ]
        for pair in chosen:
            pair.cut(resets=resets)
        return len(chosen)

    # -- its life

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection and thread."""
        with self._lock:
            self._closed = True
        self._stop_listening()
        self.cut_now()
        while self._threads:
            self._threads.pop().join()

    def _listen(self) -> None:
        # the same port each time: whoever was refused finds it again
        listening = socket.create_server(("127.0.0.1", self._port))
        self._port = listening.getsockname()[1]
        self._listening = listening
        self._spawn(self._accept, listening)

    def _stop_listening(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()

    def _spawn(self, target: object, *arguments: object) -> None:
        assert callable(target)
        thread = threading.Thread(target=target, args=arguments, name="fault-proxy")
        self._threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        while not self._closed:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            self.accepted += 1
            if self._faults.closes:
                client.close()
                continue
            self._spawn(self._carry, client, self._faults)

    def _carry(self, client: socket.socket, faults: _Faults) -> None:
        """Open the way to the server, and pass bytes both ways until one ends."""
        try:
            server = socket.create_connection(self._address, timeout=5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        pair = _Pair(client, server, faults)
        with self._lock:
            self._pairs.add(pair)
            closed = self._closed
        if closed:  # while the way was opened: nobody else ends this one
            pair.cut(resets=False)
        back = threading.Thread(target=self._to_client, args=(pair,))
        back.start()
        self._to_server(pair)
        pair.cut(resets=faults.resets)
        back.join()
        with self._lock:
            self._pairs.discard(pair)
        client.close()
        server.close()

    @property
    def _address(self) -> tuple[str, int]:
        port = self._target.port
        return self._target.hostname or "127.0.0.1", 80 if port is None else port

    def _to_server(self, pair: _Pair) -> None:
        self._pass_on(pair, pair.client, pair.server, limit=pair.faults.to_server)

    def _to_client(self, pair: _Pair) -> None:
        if pair.faults.garbage:
            with suppress(OSError):
                pair.client.sendall(pair.faults.garbage)
        self._pass_on(pair, pair.server, pair.client, limit=pair.faults.to_client)
        pair.cut(resets=pair.faults.resets)

    def _pass_on(
        self,
        pair: _Pair,
        source: socket.socket,
        sink: socket.socket,
        *,
        limit: int | None,
    ) -> None:
        left = limit
        with suppress(OSError):
            while left != 0 and (chunk := source.recv(_CHUNK)):
                if source is pair.client and b"pgrade: websocket" in chunk:
                    pair.websocket.set()
                if not self._flowing.is_set():
                    with keeping_back():
                        while not self._flowing.wait(_GLANCE) and not self._closed:
                            pass
                sent = chunk if left is None else chunk[:left]
                sink.sendall(sent)
                left = None if left is None else left - len(sent)
