"""Opens websockets to an endpoint, and says in words why one ended."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

import websocket
from websocket import (
    WebSocketBadStatusException,
    WebSocketException,
    WebSocketTimeoutException,
)

from .endpoint import Endpoint

Begun: TypeAlias = Callable[[websocket.WebSocket], None]
"""Is shown a websocket before it connects, so that others can shut it meanwhile."""


def dial(
    endpoint: Endpoint,
    url: str,
    *,
    begun: Begun,
    headers: Mapping[str, str] | None = None,
) -> websocket.WebSocket:
    """A websocket to this address of the endpoint, with its token and certificates."""
    extra = {} if headers is None else headers
    shown = {**endpoint.all_headers(), **extra}
    connection = websocket.WebSocket(
        sslopt=_ssl_options(endpoint),
        skip_utf8_validation=True,  # who reads the frames decodes them
        enable_multithread=True,
        sockopt=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )
    connection.settimeout(endpoint.connect_timeout)
    begun(connection)
    connection.connect(  # type: ignore[no-untyped-call]
        url,
        header=[f"{key}: {value}" for key, value in shown.items()],
        redirect_limit=0,  # a redirect could carry the token elsewhere
        suppress_origin=True,  # a proxy that rewrites Host would make it cross-site
    )
    return connection


def check_accepted(connection: websocket.WebSocket) -> None:
    """Refuse a redirect, which the library takes for an accepted websocket."""
    answer = connection.handshake_response
    status = None if answer is None else answer.status
    if status != 101:
        raise WebSocketBadStatusException("the handshake was redirected", status or 0)


def is_refusal(error: Exception) -> bool:
    """Whether there is no websocket here; a 5xx is a server that is starting."""
    return isinstance(error, WebSocketBadStatusException) and error.status_code < 500


def why(error: Exception) -> str:
    """In words, without the URL or a gateway's page."""
    if isinstance(error, WebSocketBadStatusException):
        return f"the handshake was answered {error.status_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, WebSocketTimeoutException):
        return "no sign of life"
    return type(error).__name__


def hang_up(connection: websocket.WebSocket) -> None:
    """Close cleanly: the server forgets who dialled late else."""
    with suppress(WebSocketException, OSError):
        connection.close(timeout=1)
    with suppress(WebSocketException, OSError):
        connection.shutdown()  # type: ignore[no-untyped-call]


def shut(connection: websocket.WebSocket | None) -> None:
    """Wake the thread that reads it out of its read."""
    wire = None if connection is None else connection.sock
    if wire is not None:  # it may be closing in its own thread meanwhile
        with suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)


def _ssl_options(endpoint: Endpoint) -> dict[str, object]:
    options: dict[str, object] = {}
    if not endpoint.tls.verify:
        options.update(cert_reqs=ssl.CERT_NONE, check_hostname=False)
    if endpoint.tls.ca_file is not None:
        options["ca_certs"] = endpoint.tls.ca_file
    if endpoint.tls.cert_file is not None:
        options["certfile"] = endpoint.tls.cert_file
    if endpoint.tls.key_file is not None:
        options["keyfile"] = endpoint.tls.key_file
    return options
