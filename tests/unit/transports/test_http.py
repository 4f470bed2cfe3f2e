"""HTTP to one instance: canned answers become answers, or errors of our tree."""

from __future__ import annotations

import inspect
import re
from datetime import timedelta
from email.utils import format_datetime

import pytest
import requests
import responses
import urllib3.exceptions
from pydantic import SecretStr

from comfyclient.errors import (
    BadAnswerError,
    BusyError,
    ClosedError,
    ComfyClientError,
    ConfigError,
    TransportError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import Deadline
from comfyclient.transports import http as module
from comfyclient.transports.bodies import Stream
from comfyclient.transports.endpoint import Endpoint, Tls
from comfyclient.transports.http import ComfyHttp
from comfyclient.transports.session import JSON, new_session

URL = "http://127.0.0.1:8188"


@pytest.fixture
def http():
    """HTTP to an address where `responses` answers."""
    found = ComfyHttp(Endpoint("n", URL, token=SecretStr("s3cr3t")))
    yield found
    found.close()


def raised_by(*modules: object) -> list[type[Exception]]:
    """Every exception class of these modules that can be made from a text."""
    found = []
    for where in modules:
        for _, kind in inspect.getmembers(where, inspect.isclass):
            if issubclass(
                kind, requests.RequestException | urllib3.exceptions.HTTPError
            ):
                try:
                    kind("text")
                except TypeError:
                    continue
                found.append(kind)
    return found


@responses.activate
@pytest.mark.parametrize(
    "kind",
    [
        *raised_by(requests.exceptions, urllib3.exceptions),
        OSError,
        UnicodeError,
        ConnectionResetError,
    ],
)
def test_no_foreign_exception_escapes(http: ComfyHttp, kind: type[Exception]) -> None:
    """Whatever requests or urllib3 raise becomes an error of ours."""
    responses.get(f"{URL}/queue", body=kind("text"))
    with pytest.raises(ComfyClientError) as caught:
        http.get("/queue", deadline=Deadline(5))
    assert "s3cr3t" not in str(caught.value)
    assert isinstance(caught.value, TransportError | ConfigError)


@responses.activate
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (requests.ConnectTimeout("x"), UnreachableError),
        (requests.exceptions.SSLError("x"), UnreachableError),
        (requests.exceptions.ProxyError("x"), UnreachableError),
        (requests.ReadTimeout("x"), UnclearAnswerError),
        (requests.ConnectionError("reset"), UnclearAnswerError),
        (requests.exceptions.ChunkedEncodingError("x"), UnclearAnswerError),
    ],
)
def test_only_what_was_not_sent_is_unreachable(http, error, kind) -> None:
    """A request that may have arrived is unclear; one that cannot have is not."""
    responses.post(f"{URL}/prompt", body=error)
    with pytest.raises(kind) as caught:
        http.post("/prompt", json=b"{}", deadline=Deadline(5))
    assert type(caught.value) is kind


@responses.activate
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("999999999", 86_400),
        ("9" * 5000, None),
        ("²", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Fri, 01 May 2026 12:00:30 GMT", 30),
        ("Fri, 01 May 2020 12:00:30 GMT", 0),
        ("Fri, 01 May 2026 12:00:30", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    """Retry-After is read as seconds or as a date; anything else is none."""
    http = ComfyHttp(Endpoint("n", URL), clock=FakeClock())
    responses.get(f"{URL}/queue", status=503, headers={"Retry-After": header})
    with pytest.raises(BusyError) as caught:
        http.get("/queue", deadline=Deadline(5))
    assert caught.value.retry_after == seconds
    http.close()


def test_the_clock_of_retry_after_is_the_given_one() -> None:
    """A date is measured against the injected clock."""
    clock = FakeClock()
    late = format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)
    http = ComfyHttp(Endpoint("n", URL), clock=clock)
    with responses.RequestsMock() as mock:
        mock.get(f"{URL}/queue", status=429, headers={"Retry-After": late})
        with pytest.raises(BusyError) as caught:
            http.get("/queue", deadline=Deadline(5))
    assert caught.value.retry_after == 90
    http.close()


@pytest.mark.parametrize(
    ("length", "size"),
    [("5", 5), ("", None), ("²", None), ("-1", None), ("9" * 5000, None), ("x", None)],
)
def test_the_announced_size(length: str, size: int | None) -> None:
    """Only a plain number counts as the announced size of a download."""
    headers = {"Content-Length": length}
    assert Stream("x", headers, iter(())).size == size
    assert Stream("x", headers | {"Content-Encoding": "gzip"}, iter(())).size is None


@responses.activate
@pytest.mark.parametrize("url", [URL, "https://a.example:8443/a/b-c", f"{URL}/%41"])
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("GET", {}),
        ("GET", {"params": None, "headers": None}),
        ("GET", {"params": {"a": "b c"}}),
        ("POST", {"data": b'{"a":"\xc3\xa9"}', "headers": JSON}),
        ("POST", {"data": b"", "headers": JSON}),
        ("POST", {"data": {"a": "b"}, "headers": {}}),
        ("DELETE", {}),
    ],
)
def test_the_short_way_sends_what_requests_would(
    url: str, method: str, arguments: dict[str, object]
) -> None:
    """A request that is made without requests' own preparation is the same one."""
    url = f"{url}/prompt/0f-1_2"
    responses.add(method, re.compile(".*"))
    session = new_session(Endpoint("n", url, token=SecretStr("s3cr3t")))
    session.ask(method, url, timeout=(1, 1), **arguments)
    session.request(method, url, **arguments)
    ours, theirs = (call.request for call in responses.calls)
    assert (ours.method, ours.url, ours.body) == (method, theirs.url, theirs.body)
    assert list(ours.headers.items()) == list(theirs.headers.items())
    session.close()


@responses.activate
def test_a_cookie_is_sent_back(http: ComfyHttp) -> None:
    """What a gateway sets, to know us again, it is shown with the next request."""
    responses.get(f"{URL}/queue", headers={"Set-Cookie": "route=7; Path=/"})
    for _ in range(2):
        http.get("/queue", deadline=Deadline(5))
    first, second = (call.request for call in responses.calls)
    assert "Cookie" not in first.headers
    assert second.headers["Cookie"] == "route=7"


@responses.activate
def test_an_error_page_is_quoted_in_one_short_line(http: ComfyHttp) -> None:
    """Of an error page its first words are told, on one line."""
    responses.get(f"{URL}/queue", status=500, body=b"a\n\n  b\xff" + b"c" * 10**6)
    with pytest.raises(TransportError) as caught:
        http.get("/queue", deadline=Deadline(5))
    assert "a b" in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


@responses.activate
def test_an_error_page_has_a_limit(http: ComfyHttp) -> None:
    """Of a large error page no more than its beginning is read."""
    body = b"x" * (module.ERROR_LIMIT + 10)
    responses.get(f"{URL}/queue", status=500, body=body)
    with pytest.raises(TransportError):
        http.get("/queue", deadline=Deadline(5))


@responses.activate
@pytest.mark.parametrize("status", [200, 201, 404])
def test_what_comes_back(http: ComfyHttp, status: int) -> None:
    """Success and 404 are answers; the caller knows what a missing thing means."""
    responses.get(f"{URL}/history/x", status=status, body=b"{}")
    answer = http.get("/history/x", deadline=Deadline(5))
    assert (answer.status, answer.body) == (status, b"{}")


@responses.activate
def test_a_status_may_be_wanted(http: ComfyHttp) -> None:
    """A caller that understands a 400 gets it."""
    responses.post(f"{URL}/prompt", status=400, body=b"why")
    answer = http.post("/prompt", json=b"{}", returned=(400,), deadline=Deadline(5))
    assert answer.body == b"why"


def test_no_time_nothing_sent(http: ComfyHttp) -> None:
    """With no time left, no request is made."""
    with responses.RequestsMock(), pytest.raises(UnreachableError, match="no time"):
        http.get("/queue", deadline=Deadline(0))


def test_closed(http: ComfyHttp) -> None:
    """A closed session says so, before and after its first use."""
    http.close()
    with pytest.raises(ClosedError, match="n was closed"):
        http.get("/queue", deadline=Deadline(5))


@pytest.mark.parametrize("tls", [Tls(ca_file="/no/such"), Tls(cert_file="/no/such")])
def test_a_certificate_that_is_not_there(tls: Tls) -> None:
    """A certificate file that is missing is a mistake of the configuration."""
    http = ComfyHttp(Endpoint("n", "https://127.0.0.1:1", tls=tls))
    with pytest.raises(ConfigError, match="instance n"):
        http.get("/queue", deadline=Deadline(5))
    http.close()


def test_a_host_that_cannot_be() -> None:
    """A host name that no resolver takes is an error of ours."""
    http = ComfyHttp(Endpoint("n", f"http://{'a' * 70}.example"))
    with pytest.raises(ComfyClientError):
        http.get("/queue", deadline=Deadline(5))
    http.close()


@responses.activate
def test_netrc_does_not_replace_the_token(http, monkeypatch, tmp_path) -> None:
    """A password in the user's netrc never goes in the token's place."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password other")
    monkeypatch.setenv("NETRC", str(netrc))
    responses.get(f"{URL}/queue", body=b"{}")
    http.get("/queue", deadline=Deadline(5))
    assert responses.calls[0].request.headers["Authorization"] == "s3cr3t"


def test_bad_answers_may_be_better_elsewhere() -> None:
    """What an answer's class promises is what the router reads."""
    assert BadAnswerError("x").retryable
    assert not ConfigError("x").retryable
