"""The way to a host: its name, its port, its certificate."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from ..eas.regions import eas_address, oss_address
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.endpoint import Tls
from .base import Check, Diagnosis, fail, ok, warn

SOON_DAYS = 14
"""A certificate that ends sooner is worth a warning."""


class Network(Protocol):
    """How names are resolved and ports are reached; tests put in their own."""

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host; OSError where it has none."""

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        """A connection; OSError where there is none within so many seconds."""


class SystemNetwork:
    """This machine's own resolver and sockets."""

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a host, each once."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(one[4][0]) for one in found))

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        """A connection."""
        return socket.create_connection((address, port), timeout=seconds)


@dataclass(frozen=True, slots=True)
class Host:
    """One end of the way: where a URL leads, or the proxy before it."""

    url: str
    name: str
    port: int
    https: bool
    proxied: bool = False
    """Whether it is a proxy: certificates are then the business of requests."""


def host_at(url: str) -> Host:
    """Where a URL leads from here: to its host, or to the environment's proxy."""
    proxies = requests.utils.get_environ_proxies(url, no_proxy=None)
    proxy = requests.utils.select_proxy(url, proxies)
    where = urlsplit(url if proxy is None else _with_scheme(proxy))
    default = 443 if where.scheme == "https" else 80
    return Host(
        url=url,
        name=where.hostname or "",
        port=default if where.port is None else where.port,
        https=urlsplit(url).scheme == "https",
        proxied=proxy is not None,
    )


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


class Way:
    """The way to one host, asked step by step."""

    def __init__(
        self,
        host: Host,
        *,
        tls: Tls | None = None,
        network: Network | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._host = host
        self._tls = Tls() if tls is None else tls
        self._network = SystemNetwork() if network is None else network
        self._clock = clock
        self._addresses: list[str] = []

    def checks(self, subject: str, *, needs: Sequence[str] = ()) -> list[Check]:
        """The steps, each needing the one before; the last one's key is what counts."""
        steps: list[tuple[str, Callable[[Deadline], Diagnosis]]] = [
            ("dns", self.dns),
            ("tcp", self.tcp),
        ]
        if self._host.https:
            steps.append(("tls", self.tls))
        found: list[Check] = []
        for kind, run in steps:
            after = (found[-1].key,) if found else tuple(needs)
            found.append(Check(kind, subject, run, needs=after))
        return found

    def dns(self, deadline: Deadline) -> Diagnosis:
        """Whether the host's name resolves."""
        name = self._host.name
        through = "the proxy " if self._host.proxied else ""
        if _literal(name):
            self._addresses = [name]
            return ok(f"{through}{name} is an address itself")
        try:
            self._addresses = self._network.resolve(name, self._host.port)
        except (OSError, UnicodeError) as error:
            return fail(
                f"{through}{name} has no address here: {_said(error)}",
                _inside_only(self._host.url)
                or "check the name, and this machine's DNS",
            )
        if not self._addresses:
            return fail(f"{through}{name} has no address", "check the name")
        shown = ", ".join(self._addresses[:3])
        private = " (private)" if all(map(_private, self._addresses)) else ""
        return ok(f"{through}{name} is {shown}{private}")

    def tcp(self, deadline: Deadline) -> Diagnosis:
        """Whether the port accepts connections, at any of the host's addresses."""
        port, reasons = self._host.port, []
        began = self._clock.monotonic()
        for number, address in enumerate(self._addresses):
            share = deadline.remaining() / (len(self._addresses) - number)
            try:
                self._network.connect(address, port, max(share, 0.001)).close()
            except OSError as error:
                reasons.append(f"{address}:{port}: {_said(error)}")
            else:
                self._addresses.insert(0, address)  # TLS is asked where it answers
                took = (self._clock.monotonic() - began) * 1000
                return ok(f"{address}:{port} accepts connections, after {took:.0f} ms")
        remedy = _inside_only(self._host.url)
        if remedy is None:
            remedy = (
                "is it running there? else allow outbound connections to it, or name "
                "a proxy in HTTPS_PROXY"
            )
        return fail("; ".join(reasons), remedy)

    def tls(self, deadline: Deadline) -> Diagnosis:
        """Whether the certificate is valid, and how long."""
        if self._host.proxied:
            return ok("behind a proxy: the first request shows it")
        if not self._tls.verify:
            return warn(
                "certificates are not checked: tls.verify = false",
                "name the authority in tls.ca_file instead",
            )
        try:
            context = _context(self._tls)
        except OSError as error:
            return fail(f"tls.ca_file or cert_file: {_said(error)}", "check the paths")
        address, port = self._addresses[0], self._host.port
        try:
            with (
                self._network.connect(address, port, deadline.remaining()) as plain,
                context.wrap_socket(plain, server_hostname=self._host.name) as wire,
            ):
                return _valid(wire.getpeercert(), wire.version(), self._clock.now())
        except ssl.SSLCertVerificationError as error:
            return fail(
                f"the certificate is not accepted: {error.verify_message}",
                "name its authority in tls.ca_file; or use the name that it is for",
            )
        except (OSError, ValueError) as error:
            return fail(
                f"no TLS at {self._host.name}:{port}: {_said(error)}",
                "is it an http:// address? does it want a client certificate "
                "(tls.cert_file)?",
            )


def _context(tls: Tls) -> ssl.SSLContext:
    bundle = tls.ca_file
    if bundle is None:
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    if bundle is None:
        bundle = requests.utils.DEFAULT_CA_BUNDLE_PATH
    context = ssl.create_default_context(cafile=bundle)
    if tls.cert_file is not None:
        context.load_cert_chain(tls.cert_file, tls.key_file)
    return context


def _valid(found: Any, protocol: str | None, now: datetime) -> Diagnosis:
    """What a certificate that was accepted says of its end."""
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(found["notAfter"]), UTC)
    days = (ends - now).days
    text = f"{protocol}, valid until {ends:%Y-%m-%d}, {days} days from now"
    if days < SOON_DAYS:
        return warn(text, "have the certificate renewed")
    return ok(text)


def _inside_only(url: str) -> str | None:
    """What to do where an address answers inside its own network only."""
    service, bucket = eas_address(url), oss_address(url)
    if service is not None and service.vpc:
        return (
            f"this address answers inside a VPC of {service.region} only: from outside "
            "take the public one of the service's call information"
        )
    if bucket is not None and bucket.internal:
        return (
            f"this endpoint answers inside {bucket.region} only: from outside take "
            f"https://oss-{bucket.region}.aliyuncs.com"
        )
    return None


def _literal(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _private(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    # 100.64.0.0/10 is what Alibaba Cloud's internal endpoints resolve to
    return found.is_private or found in _SHARED_SPACE


_SHARED_SPACE = ipaddress.ip_network("100.64.0.0/10")


def _said(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer within the time allowed"
    text = getattr(error, "strerror", None)
    return str(error if text is None else text)[:200]
