"""A websocket as the scripted server speaks it: one connection, frames in and out."""

from __future__ import annotations

import base64
import hashlib
import json
import select
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from pydantic import JsonValue

from .http_wire import Request, cut

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def handshake(request: Request) -> bytes:
    """The answer that accepts a websocket."""
    key = request.headers["sec-websocket-key"].encode() + _GUID
    accept = base64.b64encode(hashlib.sha1(key).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode()


class ServerSocket:
    """The server's end of one websocket."""

    def __init__(
        self,
        connection: socket.socket,
        stream: BinaryIO,
        *,
        sid: str,
        pongs: Callable[[], bool],
    ) -> None:
        self.sid = sid
        self.noticed = False
        """The server has seen its end."""
        self._connection = connection
        self._stream = stream
        self._pongs = pongs
        self._lock = threading.Lock()
        self._farewell: bytes | None = None

    @property
    def ended(self) -> bool:
        """Whether the client's end of it has arrived here."""
        try:
            readable, _, _ = select.select([self._connection], [], [], 0)
            return bool(readable) and not self._connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):  # it is closed here too
            return True

    def send(self, frame: JsonValue | bytes) -> None:
        """Send bytes as a binary frame, a string as text, anything else as JSON."""
        if isinstance(frame, bytes):
            self._write(BINARY, frame)
        else:
            text = frame if isinstance(frame, str) else json.dumps(frame)
            self._write(TEXT, text.encode("utf-8", "surrogatepass"))

    def send_raw(self, content: bytes) -> None:
        """Send bytes that need not be a frame."""
        with self._lock, suppress(OSError):
            self._connection.sendall(content)

    def cut(self, *, resets: bool = False) -> None:
        """End the connection without a close frame."""
        cut(self._connection, resets=resets)

    def close(self, code: int = 1001) -> None:
        """End the connection with a close frame."""
        self._write(CLOSE, struct.pack(">H", code))
        cut(self._connection)

    def answer_close(self) -> None:
        """Give back the client's close frame, if it sent one."""
        if self._farewell is not None:
            self._write(CLOSE, self._farewell)

    def read(self) -> str | None:
        """The next text that the client sends; None once it is gone."""
        while True:
            try:
                opcode, payload = self._read_frame()
            except (OSError, EOFError, ValueError):
                return None
            if opcode == CLOSE:
                self._farewell = payload
                return None
            if opcode == PING and self._pongs():
                self._write(PONG, payload)
            if opcode == TEXT:
                return payload.decode("utf-8", "replace")

    def _read_frame(self) -> tuple[int, bytes]:
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._exactly(8))
        mask = self._exactly(4) if second & 0x80 else b"\0\0\0\0"
        body = self._exactly(length)
        return first & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(body))

    def _exactly(self, count: int) -> bytes:
        found = self._stream.read(count)
        if len(found) < count:
            raise EOFError
        return found

    def _write(self, opcode: int, payload: bytes) -> None:
        head = bytes([0x80 | opcode])
        if len(payload) < 126:
            head += bytes([len(payload)])
        elif len(payload) < 1 << 16:
            head += b"\x7e" + struct.pack(">H", len(payload))
        else:
            head += b"\x7f" + struct.pack(">Q", len(payload))
        self.send_raw(head + payload)
