"""The standard edition of the EAS stand-in: a gateway before a ComfyUI."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import BinaryIO
from urllib.parse import urlsplit

from .http_wire import Reply, Request, cut

_OWN_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_NOT_FOR_COMFYUI = _OWN_HOP | {"authorization", "accept-encoding"}  # Host stays


class Upstream:
    """The ComfyUI behind a gateway."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or "127.0.0.1"
        self._port = 80 if parts.port is None else parts.port
        self._prefix = parts.path.rstrip("/")

    def ask(self, request: Request, target: str) -> Reply:
        """Pass a request on; what the ComfyUI answered."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            connection.request(
                request.method,
                self._prefix + target,
                body=request.body or None,
                headers=_passed(request.headers, _NOT_FOR_COMFYUI),
            )
            answer = connection.getresponse()
            body = answer.read()
        except OSError:
            return Reply(503, b"no healthy upstream", {"Content-Type": "text/plain"})
        finally:
            connection.close()
        return Reply(answer.status, body, _passed(dict(answer.headers), _OWN_HOP))

    def tunnel(
        self, request: Request, target: str, client: socket.socket, stream: BinaryIO
    ) -> None:
        """Pass a websocket's bytes both ways until one side ends."""
        try:
            server = socket.create_connection((self._host, self._port), timeout=10)
        except OSError:
            client.sendall(
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
            )
            return
        server.settimeout(None)
        kept = _passed(request.headers, {"authorization"})
        lines = [f"GET {self._prefix}{target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in kept.items()]
        server.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        back = threading.Thread(
            target=_copy, args=(server, client), name="scripted-tunnel"
        )
        back.start()
        with suppress(OSError):
            while piece := stream.read1(65536):  # type: ignore[attr-defined]
                server.sendall(piece)
        cut(server)
        back.join()
        server.close()


def _passed(headers: Mapping[str, str], without: set[str]) -> dict[str, str]:
    return {k: v for k, v in headers.items() if k.lower() not in without}


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    cut(target)
