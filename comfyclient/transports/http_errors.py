"""What a status, or an error of requests, means in errors of ours. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError, LocationValueError, NewConnectionError

from ..errors import (
    AccessDeniedError,
    BusyError,
    ConfigError,
    RedirectError,
    RefusedError,
    ServerFaultError,
    TooLargeError,
    TransportError,
    UnclearAnswerError,
    UnreachableError,
)
from .eas_codes import meaning_of

NO_CONNECTION = "no connection within the time allowed"
_LONGEST_WAIT_S = 86_400.0
NO_ANSWER = "no answer within the time allowed"
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(\d{1,19}|\*)", re.ASCII)

_STATUS: dict[int, tuple[type[TransportError], str | None]] = {
    401: (AccessDeniedError, "check the instance's token"),
    403: (
        AccessDeniedError,
        "check the token; a proxy that rewrites Host but keeps Origin causes this too",
    ),
    408: (UnclearAnswerError, None),
    413: (TooLargeError, "the server's limit is --max-upload-size (100 MB unless set)"),
    502: (UnclearAnswerError, None),
    504: (UnclearAnswerError, None),
}


def status_error(
    status: int,
    body: bytes,
    *,
    headers: Mapping[str, str],
    instance: str,
    now: datetime,
    gateway: bool = False,
) -> TransportError:
    """What an answer with this status says; `gateway`: one of PAI-EAS may give it."""
    text = f"the server answered {status}{_excerpt(body)}"
    more: dict[str, Any] = {"status": status, "instance": instance}
    meaning = meaning_of(status, body, gateway=gateway)
    busy = meaning is None or meaning.kind is BusyError
    if status in {429, 450, 503} and busy:
        wait = _retry_after(headers, now)
        hint = None if meaning is None else meaning.hint
        return BusyError(text, retry_after=wait, hint=hint, **more)
    if meaning is not None:
        return meaning.kind(text, hint=meaning.hint, **more)
    if status < 400:
        target = headers.get("Location", "nowhere").partition("?")[0]
        return RedirectError(
            f"the server redirects to {target[:200]!r}, which was not followed",
            hint="put the final address into the configuration",
            **more,
        )
    kind, hint = _STATUS.get(
        status, (RefusedError if status < 500 else ServerFaultError, None)
    )
    return kind(text, hint=hint, **more)


def kind_of(
    error: Exception, *, connecting: bool
) -> type[UnreachableError | UnclearAnswerError | ConfigError]:
    """Whether the server may have acted on the request.

    It cannot have when no connection came about; a connection that was reset, or an
    answer that did not come in time, leaves it open.
    """
    exceptions = requests.exceptions
    if isinstance(
        error,
        exceptions.InvalidURL
        | exceptions.MissingSchema
        | exceptions.InvalidSchema
        | exceptions.InvalidHeader
        | exceptions.UnrewindableBodyError
        | LocationValueError
        | UnicodeError,
    ) or not isinstance(error, RequestException | HTTPError):
        return ConfigError
    if connecting or isinstance(
        error,
        exceptions.ConnectTimeout | exceptions.SSLError | exceptions.ProxyError,
    ):
        return UnreachableError
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, NewConnectionError):
        return UnreachableError
    return UnclearAnswerError


def reason_of(error: BaseException, *, connecting: bool = False) -> str:
    """The innermost cause in words, without the URL that requests would quote."""
    causes = _causes(error)
    if connecting and isinstance(causes[-1], TimeoutError):
        return NO_CONNECTION
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return NO_CONNECTION
    if isinstance(error, requests.exceptions.ReadTimeout):
        return NO_ANSWER
    for cause in reversed(causes):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    late = isinstance(causes[-1], TimeoutError)
    return NO_ANSWER if late else type(causes[-1]).__name__


def whole(text: str) -> int | None:
    """The number a header holds; None where it holds something else."""
    fits = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if fits else None


def content_range(text: str) -> tuple[int, int | None] | None:
    """Where a part begins, and the size of the whole; None where it is no part."""
    found = _CONTENT_RANGE.fullmatch(text.strip())
    return None if found is None else (int(found[1]), whole(found[2]))


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what it came from, the innermost last."""
    found: list[BaseException] = []
    deeper: BaseException | None = error
    while deeper is not None and deeper not in found:
        found.append(deeper)
        deeper = deeper.__cause__ or deeper.__context__
    return found


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the moment that is named: by the server's clock, if it tells it."""
    value = headers.get("Retry-After", "").strip()
    number, moment = whole(value), _moment(value)
    if number is not None:
        seconds = float(number)
    elif moment is not None:
        told = _moment(headers.get("Date", ""))
        seconds = (moment - (now if told is None else told)).total_seconds()
    else:
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, OverflowError):
        return None
    return None if moment.tzinfo is None else moment


def _excerpt(body: bytes) -> str:
    """The first words of an error body, on one line."""
    words = " ".join(body[:1000].decode("utf-8", "replace").split())[:200]
    return f": {words}" if words else ""
