"""One websocket in one thread: dialled, listened to, and dialled anew until closed."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from typing import Protocol

import websocket
from websocket import ABNF, WebSocketException, WebSocketTimeoutException

from ..logs import InstanceLog
from ..timing import Clock
from .dialling import Begun, check_accepted, hang_up, is_refusal, shut, why
from .late_thread import LateThread

PING_EVERY = 15.0
"""Seconds without a frame before a ping; servers never ping, gateways cut the idle."""
PONG_WITHIN = 15.0
"""Seconds for any frame to come after it; then the connection counts as dead."""
FIRST_BACKOFF, LAST_BACKOFF = 0.2, 5.0
REFUSED_BACKOFF = 60.0
"""Seconds until a server or gateway that refused the handshake is tried again."""


class Ears(Protocol):
    """Whoever a line is kept for; called in the line's thread alone."""

    def await_wanted(self) -> bool:
        """Wait until there is something to listen for; False ends the line."""

    def dial(self, begun: Begun) -> websocket.WebSocket:
        """Open a websocket, shown to `begun`; what it raises is told to `no_way`."""

    def greet(self, connection: websocket.WebSocket) -> None:
        """Say what comes first on a websocket that was accepted."""

    def hear(self, opcode: int, content: bytes) -> None:
        """Take one frame of text or bytes; it must return at once."""

    def no_way(self, error: Exception) -> None:
        """Take it that dialling failed."""

    def lost(self, reason: str) -> bool:
        """Take it that the websocket ended, and say whether it had been of use."""


class SocketLine:
    """The thread of one websocket, and what it does between two of them."""

    def __init__(
        self,
        ears: Ears,
        name: str,
        *,
        log: InstanceLog,
        clock: Clock,
        ping_every: float = PING_EVERY,
    ) -> None:
        self._ears = ears
        self._log = log
        self._clock = clock
        self.ping_every = ping_every
        self._thread = LateThread(f"listener-{name}", self._run)
        self._socket: websocket.WebSocket | None = None
        self.condition = threading.Condition()
        """Notified when it is closed; its owner may guard more by it."""
        self.closed = False

    def start(self) -> None:
        """Begin, unless that was done."""
        self._thread.begin()

    def drop(self) -> None:
        """End the connection that there is; it is dialled anew."""
        shut(self._socket)

    def close(self) -> None:
        """End the thread and the connection."""
        with self.condition:
            self.closed = True
            self.condition.notify_all()
        shut(self._socket)
        self._thread.end(10)

    def _run(self) -> None:
        backoff = FIRST_BACKOFF
        while self._ears.await_wanted():
            try:
                connection = self._connected()
            except Exception as error:  # noqa: BLE001  hostile headers raise anything
                self._ears.no_way(error)
                self._pause(REFUSED_BACKOFF if is_refusal(error) else backoff)
            else:
                if self._ears.lost(self._heard_out(connection)):
                    backoff = FIRST_BACKOFF
                self._pause(backoff)
            backoff = min(backoff * 2, LAST_BACKOFF)

    def _connected(self) -> websocket.WebSocket:
        connection = self._ears.dial(self._dialling)
        try:
            check_accepted(connection)
            self._ears.greet(connection)
        except BaseException:
            self._hang_up(connection)
            raise
        return connection

    def _dialling(self, connection: websocket.WebSocket) -> None:
        """Whoever closes the line need not wait until a handshake is given up."""
        self._socket = connection

    def _heard_out(self, connection: websocket.WebSocket) -> str:
        """Hand on frames until the connection ends or is given up; why it did."""
        try:
            for opcode, content in self._frames(connection):
                self._ears.hear(opcode, content)
        except (WebSocketException, OSError, ValueError) as error:
            return why(error)
        except Exception:  # noqa: BLE001  one frame's bug must not end the line
            self._log.exception("while taking a message")
            return "a message could not be taken"
        finally:
            self._hang_up(connection)
        return "closed by the server"

    def _frames(self, connection: websocket.WebSocket) -> Iterator[tuple[int, bytes]]:
        connection.settimeout(self.ping_every)
        pinged = False
        while not self.closed:
            try:
                opcode, content = connection.recv_data(control_frame=True)
            except WebSocketTimeoutException:
                if pinged:
                    raise
                connection.ping()
                connection.settimeout(min(PONG_WITHIN, self.ping_every))
                pinged = True
                continue
            if pinged:
                connection.settimeout(self.ping_every)
                pinged = False
            if opcode == ABNF.OPCODE_CLOSE:
                return
            if opcode in {ABNF.OPCODE_TEXT, ABNF.OPCODE_BINARY}:
                yield opcode, content

    def _hang_up(self, connection: websocket.WebSocket) -> None:
        """Close before a new dial, or the server forgets our client id with it."""
        self._socket = None
        hang_up(connection)

    def _pause(self, seconds: float) -> None:
        end = self._clock.monotonic() + seconds * random.uniform(0.5, 1.0)
        with self.condition:
            while not self.closed and (left := end - self._clock.monotonic()) > 0:
                self._clock.wait(self.condition, left)
