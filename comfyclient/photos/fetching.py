"""Fetches photos of a trip that are addresses: from allowed hosts, and nowhere inside.

The address that is connected to is the one that was checked: a name that means another
one a moment later leads nowhere.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from ..timing import Deadline

FETCH_S = 30.0
MAX_BYTES = 50 << 20
_CHUNK = 256 << 10
_DATA = re.compile(r"data:image/[\w.+-]+(;base64)?,", re.ASCII)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""An address of version 4, whichever, behind one of version 6."""

Resolver = Callable[[str, int], Sequence[str]]


def resolved(host: str, port: int) -> Sequence[str]:
    """The addresses that a name has now."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


def is_outside(address: Address) -> bool:
    """Whether an address is on the internet: not ours, our network's or a cloud's."""
    mapped = getattr(address, "ipv4_mapped", None)
    plain = address if mapped is None else mapped
    through = plain.version == 6 and plain in _NAT64
    return plain.is_global and not plain.is_multicast and not through


class PhotoFetcher:
    """Reads photos from allowed hosts. Holds nothing between two calls."""

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        resolve: Resolver = resolved,
        allows: Callable[[Address], bool] = is_outside,
    ) -> None:
        """Allow these hosts; `*.example.com` are all below that one."""
        self._hosts = [host.lower() for host in hosts]
        self._resolve = resolve
        self._allows = allows

    def __call__(self, source: str) -> bytes:
        """The content of a `data:`, `https:` or `http:` address.

        Raises:
            ValueError: it is not allowed, too large, or not to be had; says why, and
                holds nothing of the address but its host.
        """
        if source.startswith("data:"):
            return _inline(source)
        deadline = Deadline(FETCH_S)
        parts, port = _split(source)
        host = (parts.hostname or "").lower()
        self._check_host(host)
        address = self._address(host, port)
        try:
            return _read(parts, address, port, deadline)
        except (HTTPError, OSError) as error:
            raise ValueError(f"{host} did not give it ({type(error).__name__})") from (
                None
            )

    def _check_host(self, host: str) -> None:
        for known in self._hosts:
            if host == known or (
                known.startswith("*.") and host.endswith(known.removeprefix("*"))
            ):
                return
        allowed = ", ".join(self._hosts) if self._hosts else "none"
        raise ValueError(f"its host {host!r} is not in photos.hosts ({allowed})")

    def _address(self, host: str, port: int) -> Address:
        try:
            found = [ipaddress.ip_address(one) for one in self._resolve(host, port)]
        except (OSError, UnicodeError, ValueError):
            raise ValueError(f"there is no host {host!r}") from None
        for address in found:
            if not self._allows(address):
                raise ValueError(f"{host!r} leads to {address}, which is not outside")
        if not found:
            raise ValueError(f"there is no host {host!r}")
        return found[0]


def _split(source: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(source)
        port = parts.port
    except ValueError:
        raise ValueError("its address cannot be read") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("its address is none of http, https or data")
    if parts.username is not None or not source.isprintable() or " " in source:
        raise ValueError("its address has a user, blanks or control characters in it")
    usual = 443 if parts.scheme == "https" else 80
    return parts, usual if port is None else port


def _read(parts: SplitResult, address: Address, port: int, deadline: Deadline) -> bytes:
    """GET it from this very address."""
    timeout = Timeout(connect=5, read=10)
    host = parts.hostname or ""
    pool: HTTPConnectionPool
    if parts.scheme == "https":
        pool = HTTPSConnectionPool(
            str(address),
            port,
            timeout=timeout,
            server_hostname=host,
            assert_hostname=host,
            ca_certs=DEFAULT_CA_BUNDLE_PATH,
        )
    else:
        pool = HTTPConnectionPool(str(address), port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc, "Accept": "image/*", "Accept-Encoding": "identity"}
    with pool:
        answer = pool.request(
            "GET",
            target,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
        )
        try:
            return _body(answer, host, deadline)
        finally:
            answer.close()


def _body(answer: BaseHTTPResponse, host: str, deadline: Deadline) -> bytes:
    if 300 <= answer.status < 400:
        raise ValueError(f"{host} redirects elsewhere, which is not followed")
    if answer.status != 200:
        raise ValueError(f"{host} answers {answer.status}")
    body = bytearray()
    while piece := answer.read1(_CHUNK):
        body += piece
        if len(body) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB")
        if deadline.passed():
            raise ValueError(f"{host} did not give it within {FETCH_S:g} s")
    return bytes(body)


def _inline(source: str) -> bytes:
    head = _DATA.match(source)
    if head is None:
        raise ValueError("its data: is no picture")
    if len(source) > MAX_BYTES * 4 // 3 + 100:
        raise ValueError(f"it has more than {MAX_BYTES >> 20} MiB")
    body = source[head.end() :]
    try:
        return (
            base64.b64decode(body, validate=True) if head[1] else unquote_to_bytes(body)
        )
    except (binascii.Error, ValueError):
        raise ValueError("its data: is not base64") from None
