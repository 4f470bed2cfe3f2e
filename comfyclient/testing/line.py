"""The scripted server's port: it listens, refuses, and listens again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from .http_wire import cut


class Line:
    """A TCP port on 127.0.0.1 and the connections to it, each in a thread of its own.

    It listens from the beginning; connections are served once it is opened.
    """

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._open = False
        self.threads: list[threading.Thread] = []
        """Every thread that served it."""
        self._connections: set[socket.socket] = set()
        self._closed = False

    def open(self) -> None:
        """Accept connections, on the same port as before."""
        with self._lock:
            if self._open or self._closed:
                return
            self._open = True
            self._socket.listen()
            self.spawn(self._accept, self._socket)

    def shut(self) -> None:
        """Refuse new connections; those that are open go on."""
        with self._lock:
            if self._closed:
                return
            self._open = False
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            # bound, but not listening: refused, and nobody else takes the port
            self._socket = socket.socket()
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(("127.0.0.1", self.port))

    def cut_all(self, *, resets: bool = False) -> None:
        """End every connection at once."""
        with self._lock:
            ending = list(self._connections)
            self._connections.clear()
        for connection in ending:
            cut(connection, resets=resets)

    def carries(self, connection: socket.socket) -> bool:
        """Whether it was not cut: what arrives after that may be readable still."""
        with self._lock:
            return connection in self._connections

    def close(self) -> None:
        """End every connection and thread."""
        with self._lock:
            self._closed = True
            self._open = False
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        self.cut_all()
        for thread in self.threads:
            thread.join()

    def spawn(self, target: Callable[..., None], *arguments: object) -> None:
        """Start a thread that ends before the line is closed."""
        thread = threading.Thread(target=target, args=arguments, name="scripted")
        self.threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        while not self._closed:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                if self._socket is not listening or not self._open:
                    connection.close()  # it was shut meanwhile
                    return
                self._connections.add(connection)
                self.spawn(self._attend, connection)

    def _attend(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._serve(connection)
        except (OSError, ValueError):
            return
        finally:
            with self._lock:
                self._connections.discard(connection)
