"""HTTP as the scripted server reads and writes it: requests in, replies out."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import parse_qsl, urlsplit

from pydantic import JsonValue

from .threads import keeping_back

_GLANCE = 0.05


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    method: str
    target: str
    """Path and query, as sent."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, as sent."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The decoded query."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> JsonValue:
        """The body's JSON; None where it is empty."""
        parsed: JsonValue = json.loads(self.body) if self.body else None
        return parsed

    def form(self) -> dict[str, tuple[str | None, bytes]]:
        """The parts of a multipart body: name → file name and content."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        parts: dict[str, tuple[str | None, bytes]] = {}
        for part in message_from_bytes(head + self.body).walk():
            name = part.get_param("name", header="content-disposition")
            if isinstance(name, str):
                payload = part.get_payload(decode=True)
                content = payload if isinstance(payload, bytes) else b""
                parts[name] = (part.get_filename(), content)
        return parts


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request is answered; the defaults give the server's own answer.

    A reply with a `status` (or `raw` bytes) stands in for the server's own: the request
    has no effect unless `acts` is set.
    """

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    """Sent as it is in place of an HTTP answer; then the connection is closed."""
    acts: bool = False
    """Do what the request asks for, although the answer is another or gets lost."""
    gate: threading.Event | None = None
    """Act and answer only once this is set."""
    late: threading.Event | None = None
    """Act at once, but answer only once this is set."""
    drips: threading.Event | None = None
    """Send the body byte by byte, a hundred a second, until this is set; then cut."""
    sends: int | None = None
    """So many bytes of the answer's body go out, then the connection is cut; -1 sends
    no byte at all, not even a status line."""
    halts: threading.Event | None = None
    """After those bytes, wait until this is set and send the rest in place of a cut."""
    resets: bool = False
    """Cut with a TCP reset rather than an orderly end."""

    @property
    def needs_own(self) -> bool:
        """Whether the server's own answer is wanted, or what it does for it."""
        stands_in = self.status is not None or self.raw is not None or self.sends == -1
        return self.acts or not stands_in

    @classmethod
    def of_json(cls, value: object, *, status: int = 200) -> Reply:
        """A JSON answer."""
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return cls(status, json.dumps(value).encode(), kind)

    @classmethod
    def lost(cls, *, acts: bool, resets: bool = False) -> Reply:
        """The connection ends without an answer, before or after the server acted."""
        return cls(acts=acts, sends=-1, resets=resets)


def read_request(stream: BinaryIO) -> Request | None:
    """The next request of a connection; None where it ends before one is whole."""
    line = _line(stream)
    if line is None or line.count(" ") < 2:
        return None
    method, target, _ = line.split(" ", 2)
    headers: dict[str, str] = {}
    while (header := _line(stream)) != "":
        if header is None:
            return None
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    length = int(headers.get("content-length", "0"))
    body = stream.read(length) if length else b""
    return Request(method, target, headers, body) if len(body) == length else None


def _line(stream: BinaryIO) -> str | None:
    line = stream.readline(65536)
    return line.decode("latin-1").strip() if line.endswith(b"\n") else None


def encoded(reply: Reply, *, head_only: bool = False) -> tuple[bytes, bytes]:
    """Head and body of a reply that has a status."""
    assert reply.status is not None
    try:
        phrase = HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unheard Of"
    names = {name.lower() for name in reply.headers}
    lines = [f"HTTP/1.1 {reply.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    if not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(reply.body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return head, b"" if head_only else reply.body


def send(
    scripted: Reply,
    own: Reply,
    connection: socket.socket,
    request: Request,
    *,
    closed: Callable[[], bool],
) -> bool:
    """Send what the script says, or the server's own; whether the connection goes on.

    `closed` tells whether the server or the connection ended: then nothing drips, or
    is sent on, any more.
    """
    if scripted.raw is not None:
        connection.sendall(scripted.raw)
        return False
    if scripted.sends == -1:
        cut(connection, resets=scripted.resets)
        return False
    whole = own if scripted.status is None else scripted
    head, body = encoded(whole, head_only=request.method == "HEAD")
    if scripted.drips is not None:
        connection.sendall(head)
        with keeping_back():
            for byte in body:
                if closed() or scripted.drips.wait(0.01):
                    break
                connection.sendall(bytes([byte]))
        return False
    if scripted.sends is None:
        connection.sendall(head + body)
        return True
    connection.sendall(head + body[: scripted.sends])
    if scripted.halts is None:
        cut(connection, resets=scripted.resets)
        return False
    with keeping_back():
        while not scripted.halts.wait(_GLANCE) and not closed():
            pass
    if not closed():
        connection.sendall(body[scripted.sends :])
    return not closed()


def cut(connection: socket.socket, *, resets: bool = False) -> None:
    """End a connection at once, whoever reads or writes on it."""
    try:
        if resets:
            # no lingering: the close that follows in its reader's thread is a reset
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.shutdown(socket.SHUT_RD if resets else socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended already
