"""The way to a host, with resolvers, ports and certificates that are not in order."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from comfyclient.checks.base import Diagnosis, Status
from comfyclient.checks.network import SystemNetwork, Way, host_at
from comfyclient.timing import Deadline
from comfyclient.transports.endpoint import Tls

EAS = "cn-shanghai.pai-eas.aliyuncs.com"


class Names(SystemNetwork):
    """A resolver that knows these names only; connections are real, on loopback."""

    def __init__(self, **known: list[str]) -> None:
        self.known = known

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses that the test gave."""
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.known[host]

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        """127.0.0.1 is itself, every other address refuses."""
        if address != "127.0.0.1":
            raise ConnectionRefusedError(111, "Connection refused")
        return super().connect(address, port, seconds)


def asked(way: Way, *steps: str) -> Diagnosis:
    """What the last of some steps found."""
    found = [getattr(way, step)(Deadline(5)) for step in steps]
    return found[-1]


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("http://comfy.example.com", "check the name"),
        (f"http://1234.vpc.{EAS}/api/predict/c", "inside a VPC of cn-shanghai only"),
        (
            "https://oss-cn-shanghai-internal.aliyuncs.com",
            "take https://oss-cn-shanghai.aliyuncs.com",
        ),
    ],
)
def test_a_name_without_an_address_is_told_with_what_it_is(
    url: str, remedy: str
) -> None:
    """An internal one answers in its own network only; others are misspelt."""
    found = asked(Way(host_at(url), network=Names()), "dns")

    assert found.status is Status.FAIL
    assert "Name or service not known" in found.evidence
    assert remedy in (found.remedy or "")


@pytest.mark.parametrize("address", ["10.1.2.3", "100.118.1.1"])
def test_a_private_address_is_told(address: str) -> None:
    """Internal endpoints of OSS are in 100.64.0.0/10."""
    network = Names(**{"a.b": [address]})
    found = asked(Way(host_at("http://a.b"), network=network), "dns")
    assert found.evidence == f"a.b is {address} (private)"


def test_an_internal_address_that_refuses_is_told_as_one() -> None:
    """Its public name resolves everywhere; nobody outside can connect."""
    host = "oss-cn-shanghai-internal.aliyuncs.com"
    network = Names(**{host: ["100.118.1.1"]})
    found = asked(Way(host_at(f"https://{host}"), network=network), "dns", "tcp")

    assert found.status is Status.FAIL
    assert "100.118.1.1:443: Connection refused" in found.evidence
    assert "from outside take https://oss-cn-shanghai.aliyuncs.com" in str(found.remedy)


def test_any_address_of_a_host_will_do() -> None:
    """The first refuses, the second accepts."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://a.b:{server.getsockname()[1]}"
        network = Names(**{"a.b": ["10.0.0.1", "127.0.0.1"]})
        found = asked(Way(host_at(url), network=network), "dns", "tcp")
    assert found.status is Status.OK
    assert found.evidence.startswith("127.0.0.1:")


def test_a_closed_port_is_told() -> None:
    """With the reason of the system."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    found = asked(Way(host_at(url)), "dns", "tcp")
    assert found.status is Status.FAIL
    assert "Connection refused" in found.evidence
    assert "is it running there?" in (found.remedy or "")


def test_a_proxy_is_what_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names one, the host itself need not resolve here."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.corp:3128")
    host = host_at("https://comfy.example.com")
    assert (host.name, host.port, host.https, host.proxied) == (
        "proxy.corp", 3128, True, True,
    )  # fmt: skip
    way = Way(host, network=Names(**{"proxy.corp": ["10.0.0.9"]}))
    assert asked(way, "dns").evidence == "the proxy proxy.corp is 10.0.0.9 (private)"
    assert asked(way, "tls").status is Status.OK


# -- certificates


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A private authority."""
    return trustme.CA()


Serve = Callable[[trustme.LeafCert | None], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Listen with a certificate, or without TLS, for one connection."""
    threads: list[threading.Thread] = []

    def begin(certificate: trustme.LeafCert | None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=answer, args=(server, certificate))
        thread.start()
        threads.append(thread)
        port: int = server.getsockname()[1]
        return port

    def answer(server: socket.socket, certificate: trustme.LeafCert | None) -> None:
        with server, suppress(OSError):
            connection, _ = server.accept()
            with connection:
                if certificate is None:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    return
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                certificate.configure_cert(context)
                with context.wrap_socket(connection, server_side=True) as wire:
                    wire.recv(1)

    yield begin
    for thread in threads:
        thread.join(20)


def in_days(days: float) -> datetime:
    """A moment from now."""
    return datetime.now(UTC) + timedelta(days=days)


def test_a_certificate_is_told_with_its_end(
    authority: trustme.CA, serve: Serve, tmp_path: Path
) -> None:
    """One that ends soon is a warning; the authority is the one that is configured."""
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    for days, status in ((90, Status.OK), (5, Status.WARN)):
        leaf = authority.issue_cert("a.b", not_after=in_days(days + 0.5))
        way = Way(
            host_at(f"https://a.b:{serve(leaf)}"),
            tls=Tls(ca_file=str(file)),
            network=Names(**{"a.b": ["127.0.0.1"]}),
        )
        found = asked(way, "dns", "tls")
        assert found.status is status
        assert f"{days} days from now" in found.evidence


@pytest.mark.parametrize(
    ("name", "ends", "trusted", "words"),
    [
        ("other.b", 90, True, "mismatch"),
        ("a.b", -1, True, "expired"),
        ("a.b", 90, False, "unable to get local issuer certificate"),
        (None, 0, True, "no TLS at a.b"),
    ],
)
def test_a_certificate_that_is_not_accepted_is_told(
    authority: trustme.CA,
    serve: Serve,
    tmp_path: Path,
    name: str | None,
    ends: float,
    trusted: bool,
    words: str,
) -> None:
    """Another name, an end in the past, a foreign authority, no TLS at all."""
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    leaf = None
    if name is not None:
        begins = in_days(ends - 10)
        leaf = authority.issue_cert(name, not_before=begins, not_after=in_days(ends))
    way = Way(
        host_at(f"https://a.b:{serve(leaf)}"),
        tls=Tls(ca_file=str(file) if trusted else None),
        network=Names(**{"a.b": ["127.0.0.1"]}),
    )
    found = asked(way, "dns", "tls")

    assert found.status is Status.FAIL
    assert words in found.evidence
    assert found.remedy


def test_a_certificate_that_is_not_checked_is_a_warning() -> None:
    """And so is a file of an authority that is not there an error."""
    host = host_at("https://127.0.0.1:1")
    way = Way(host, tls=Tls(verify=False))
    assert asked(way, "dns", "tls").status is Status.WARN
    way = Way(host, tls=Tls(ca_file="/none.pem"))
    assert "No such file" in asked(way, "dns", "tls").evidence
