"""Statuses and errors of requests, in errors of ours: what cannot have been sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import requests

from comfyclient.errors import (
    AccessDeniedError,
    BusyError,
    RedirectError,
    RefusedError,
    ServerFaultError,
    TooLargeError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.transports.http_errors import kind_of, reason_of, status_error

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, RedirectError),
        (400, RefusedError),
        (401, AccessDeniedError),
        (403, AccessDeniedError),
        (408, UnclearAnswerError),
        (413, TooLargeError),
        (418, RefusedError),
        (429, BusyError),
        (450, BusyError),
        (500, ServerFaultError),
        (502, UnclearAnswerError),
        (503, BusyError),
        (504, UnclearAnswerError),
        (599, ServerFaultError),
    ],
)
def test_each_status_has_its_error(status: int, kind: type[Exception]) -> None:
    """A status says whether the request was refused, may be repeated, or is unclear."""
    error = status_error(status, b"why", headers={}, instance="n", now=NOW)
    assert type(error) is kind
    assert (error.status, error.instance) == (status, "n")


def test_a_redirect_keeps_its_query_to_itself() -> None:
    """The target of a redirect is told without what may be a token."""
    headers = {"Location": "https://elsewhere/login?token=s3cr3t"}
    error = status_error(302, b"", headers=headers, instance="n", now=NOW)
    assert "https://elsewhere/login" in str(error)
    assert "s3cr3t" not in str(error)


@pytest.mark.parametrize(
    ("connecting", "kind", "reason"),
    [
        (True, UnreachableError, "no connection within the time allowed"),
        (False, UnclearAnswerError, "no answer within the time allowed"),
    ],
)
def test_a_timeout_while_connecting_sent_nothing(connecting, kind, reason) -> None:
    """requests calls a TLS handshake that takes too long a read timeout."""
    error = requests.ReadTimeout("x")
    error.__cause__ = TimeoutError("timed out")
    assert kind_of(error, connecting=connecting) is kind
    assert reason_of(error, connecting=connecting) == reason


def test_causes_that_go_in_a_circle_have_an_end() -> None:
    """The innermost cause is looked for once around, not for ever."""
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    assert reason_of(first) == "KeyError"


SOON, LATER = "Fri, 01 May 2026 12:00:30 GMT", "Fri, 01 May 2026 12:01:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "99999999999"}, 86_400),
        ({"Retry-After": "-7"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": LATER}, 60),
        ({"Retry-After": LATER, "Date": SOON}, 30),
        ({"Retry-After": LATER, "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 86_400),
        ({"Retry-After": LATER, "Date": "?"}, 60),
        ({"Retry-After": SOON, "Date": LATER}, 0),
        ({"Retry-After": "Fri, 01 May 99999 12:00:00 GMT"}, None),
    ],
)
def test_how_long_a_busy_server_asks_for(
    headers: dict[str, str], seconds: float | None
) -> None:
    """A date counts from the server's own; no clock that is wrong makes it a year."""
    error = status_error(503, b"", headers=headers, instance="n", now=NOW)
    assert isinstance(error, BusyError)
    assert error.retry_after == seconds


def test_our_own_clock_has_jumped() -> None:
    """Back by years: the server's date is what counts."""
    past, headers = datetime(1970, 1, 1, tzinfo=UTC), {"Date": SOON}
    headers["Retry-After"] = LATER
    error = status_error(503, b"", headers=headers, instance="n", now=past)
    assert isinstance(error, BusyError)
    assert error.retry_after == 30
