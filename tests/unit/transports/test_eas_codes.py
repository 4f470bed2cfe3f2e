"""What the gateway of PAI-EAS means, and that a plain server means the usual."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from comfyclient.errors import BusyError, TransportError, UnclearAnswerError
from comfyclient.transports.eas_codes import (
    is_gateway,
    is_page,
    meaning_of,
    no_queue_hint,
    not_found_hint,
)
from comfyclient.transports.http_errors import status_error

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ENVOY = b"upstream connect error or disconnect/reset before headers. reset reason: "
EAS = "http://1.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy"


@pytest.mark.parametrize(
    ("url", "stands"),
    [
        (EAS, True),
        ("https://gw-1-vpc.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy", True),
        ("http://comfy.1.cn-shanghai.pai-eas.aliyuncs.com/", True),
        ("http://10.0.0.1:8080/api/predict/comfy", True),
        ("http://127.0.0.1/predict/comfy/", True),
        ("http://comfy.example.com/", False),
        ("http://comfy.example.com/api/predict", False),
    ],
)
def test_where_a_gateway_stands(url: str, stands: bool) -> None:
    """By its host, or by the path that all of them have."""
    assert is_gateway(url) is stands


@pytest.mark.parametrize("status", [401, 403, 408, 429, 450, 502, 503, 504])
def test_each_code_has_a_hint(status: int) -> None:
    """A gateway's code says what helps; elsewhere it says what it says everywhere."""
    error = status_error(status, b"", headers={}, instance="n", now=NOW, gateway=True)
    plain = status_error(status, b"", headers={}, instance="n", now=NOW)
    assert type(error) is type(plain)
    assert error.hint
    assert error.hint != plain.hint


def test_a_busy_gateway_says_when() -> None:
    """Retry-After counts, as it does elsewhere."""
    error = status_error(
        429, b"", headers={"Retry-After": "7"}, instance="n", now=NOW, gateway=True
    )
    assert error.retry_after == 7


@pytest.mark.parametrize("status", [502, 503])
@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (b"connection termination", UnclearAnswerError),
        (b"remote reset", UnclearAnswerError),
        (b"connection failure", None),
        (b"overflow", None),
    ],
)
def test_envoys_words(
    status: int, reason: bytes, kind: type[TransportError] | None
) -> None:
    """A request that was sent may have been worked on, whoever runs the proxy."""
    meaning = meaning_of(status, ENVOY + reason, gateway=False)
    assert (None if meaning is None else meaning.kind) is kind
    error = status_error(503, ENVOY + reason, headers={}, instance="n", now=NOW)
    assert type(error) is (BusyError if kind is None else kind)


@pytest.mark.parametrize(
    ("url", "body", "words"),
    [
        (EAS, b"url not found\n", "no such service"),
        (EAS, b"404 page not found", "serverless"),
        (EAS, b'{"detail":"Not Found"}', "api_prompt"),
        ("http://comfy.example.com", b"404 page not found", "path prefix"),
    ],
)
def test_where_nobody_is(url: str, body: bytes, words: str) -> None:
    """The words of a 404 tell a wrong address from a wrong edition."""
    assert words in not_found_hint(url, body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"url not found\n", "no such service"),
        (b"404 page not found", "serverless"),
        (b'{"detail": "Not Found"}', "'comfyui'"),
        (b"\n<!DOCTYPE html><html>", "log-in"),
        (b"no data in stream", None),
        (b"", None),
    ],
)
def test_where_no_queue_is(body: bytes, words: str | None) -> None:
    """A queue's own 404 is told from one that says that there is no queue."""
    hint = no_queue_hint(body)
    assert hint is None if words is None else words in str(hint)


@pytest.mark.parametrize(
    ("body", "page"),
    [
        (b"<html>", True),
        (b" \r\n<!doctype HTML>", True),
        (b'<?xml version="1.0"?>', True),
        (b"<htmlish", False),
        (b"42", False),
        (b"", False),
    ],
)
def test_a_page_for_people(body: bytes, *, page: bool) -> None:
    """By how it begins, whatever its type is said to be."""
    assert is_page(body) is page
