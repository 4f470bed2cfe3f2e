"""HTTP to one instance: requests in, bytes or our own errors out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, BinaryIO, NoReturn

import requests
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError, LocationValueError, NewConnectionError

from ..errors import (
    AccessDeniedError,
    BadAnswerError,
    BusyError,
    ClosedError,
    ConfigError,
    OutputDamagedError,
    RedirectError,
    RefusedError,
    ServerFaultError,
    TooLargeError,
    TransportError,
    UnclearAnswerError,
    UnreachableError,
)
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .endpoint import Endpoint
from .session import new_session

_log = logging.getLogger("comfyclient.transports.http")

ANSWER_LIMIT = 256 << 20
"""Bytes of an answer that is read into memory; a history entry holds its graph."""
ERROR_LIMIT = 64 << 10
"""Bytes read of an error page."""
CHUNK = 256 << 10


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, of any status."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Stream:
    """The body of a 200 that is being downloaded."""

    def __init__(self, response: requests.Response, what: str, deadline: Deadline):
        self._response = response
        self._what = what
        self._deadline = deadline

    @property
    def size(self) -> int | None:
        """The announced size; None where the body is encoded or chunked."""
        encoded = self._response.headers.get("Content-Encoding", "identity")
        length = _whole(self._response.headers.get("Content-Length", ""))
        return length if encoded == "identity" else None

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece.

        Raises:
            OutputDamagedError: the connection broke, or the deadline passed.
        """
        if not _has_an_end(self._response.headers):
            raise OutputDamagedError(
                f"{self._what}: the answer does not say where the file ends",
                hint="a proxy before the server cuts its answers, or their headers",
            )
        try:
            for chunk in _pieces(self._response):
                if self._deadline.passed():
                    raise OutputDamagedError(
                        f"{self._what}: not complete after {self._deadline.seconds:g} s"
                    )
                yield chunk
        except (RequestException, HTTPError, OSError) as error:
            raise OutputDamagedError(
                f"{self._what}: the download broke: {_reason(error)}"
            ) from None


class ComfyHttp:
    """A session with one instance. Thread-safe: requests pools the connections."""

    def __init__(self, endpoint: Endpoint, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.endpoint = endpoint
        self._clock = clock
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._closed = False

    def get(
        self,
        path: str,
        *,
        deadline: Deadline,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """GET; any status below 400 or of 404 comes back, the others raise."""
        return self._request("GET", path, deadline=deadline, params=params)

    def post(
        self,
        path: str,
        *,
        deadline: Deadline,
        json: bytes | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, BinaryIO]] | None = None,
        returned: tuple[int, ...] = (),
    ) -> Answer:
        """POST of JSON or a form; statuses in `returned` come back as answers too."""
        headers = {} if json is None else {"Content-Type": "application/json"}
        return self._request(
            "POST",
            path,
            deadline=deadline,
            returned=returned,
            data=form if json is None else json,
            files=files,
            headers=headers,
        )

    def head(
        self, path: str, *, deadline: Deadline, params: Mapping[str, str]
    ) -> Answer:
        """HEAD; the body is empty."""
        return self._request("HEAD", path, deadline=deadline, params=params)

    @contextmanager
    def stream(
        self, path: str, *, deadline: Deadline, params: Mapping[str, str], what: str
    ) -> Iterator[Stream | Answer]:
        """GET a file: a Stream for a 200, an Answer for a 404, errors for the rest."""
        headers = {"Accept-Encoding": "identity"}
        response = self._send(
            "GET", path, deadline=deadline, params=params, headers=headers
        )
        with response:
            if response.status_code == 200:
                yield Stream(response, what, deadline)
            else:
                yield self._answer(response, deadline, returned=())

    def close(self) -> None:
        """Drop the pooled connections."""
        with self._lock:
            self._closed = True
            if self._session is not None:
                self._session.close()

    def _request(
        self,
        method: str,
        path: str,
        *,
        deadline: Deadline,
        returned: tuple[int, ...] = (),
        **arguments: Any,
    ) -> Answer:
        with self._send(method, path, deadline=deadline, **arguments) as response:
            return self._answer(response, deadline, returned=returned)

    def _send(
        self, method: str, path: str, *, deadline: Deadline, **arguments: Any
    ) -> requests.Response:
        remaining = deadline.remaining()
        if remaining <= 0:
            raise UnreachableError(
                f"{method} {path} was not sent: no time was left",
                instance=self.endpoint.name,
            )
        timeout = (
            min(self.endpoint.connect_timeout, remaining),
            min(self.endpoint.read_timeout, remaining),
        )
        try:
            return self._open_session().request(
                method,
                self.endpoint.http_url(path),
                timeout=timeout,
                allow_redirects=False,  # a redirect could carry the token elsewhere
                stream=True,
                **arguments,
            )
        # requests lets some errors of urllib3 through, and those of certificate files
        except (RequestException, HTTPError, OSError, UnicodeError) as error:
            self._translate(error, f"{method} {path}")

    def _open_session(self) -> requests.Session:
        with self._lock:
            if self._closed:
                raise ClosedError(f"instance {self.endpoint.name} was closed")
            if self._session is None:
                self._session = new_session(self.endpoint)
            return self._session

    def _answer(
        self,
        response: requests.Response,
        deadline: Deadline,
        *,
        returned: tuple[int, ...],
    ) -> Answer:
        status = response.status_code
        kept = status < 300 or status == 404 or status in returned
        body = self._body(response, deadline, ANSWER_LIMIT if kept else ERROR_LIMIT)
        _log.debug(
            "%s: %s %s → %d, %d bytes",
            self.endpoint.name,
            response.request.method,
            (response.request.path_url or "").partition("?")[0],
            status,
            len(body),
        )
        if kept:
            return Answer(status, body, response.headers)
        raise self._status_error(response, body)

    def _body(
        self, response: requests.Response, deadline: Deadline, limit: int
    ) -> bytes:
        body = bytearray()
        try:
            for chunk in _pieces(response):
                body += chunk
                if len(body) > limit and limit == ERROR_LIMIT:
                    return bytes(body[:limit])
                if len(body) > limit:
                    raise BadAnswerError(
                        f"the answer is larger than {limit} bytes",
                        instance=self.endpoint.name,
                    )
                if deadline.passed():
                    raise UnclearAnswerError(
                        f"the answer was not complete after {deadline.seconds:g} s",
                        instance=self.endpoint.name,
                    )
        except (RequestException, HTTPError, OSError) as error:
            if limit == ERROR_LIMIT:  # the status has said it already
                return bytes(body)
            raise UnclearAnswerError(
                f"the answer broke off: {_reason(error)}", instance=self.endpoint.name
            ) from None
        return bytes(body)

    def _status_error(self, response: requests.Response, body: bytes) -> TransportError:
        status = response.status_code
        text = f"the server answered {status}{_excerpt(body)}"
        more: dict[str, Any] = {"status": status, "instance": self.endpoint.name}
        if status in {429, 450, 503}:
            return BusyError(text, retry_after=self._retry_after(response), **more)
        if status < 400:
            target = response.headers.get("Location", "nowhere").partition("?")[0]
            return RedirectError(
                f"the server redirects to {target[:200]!r}, which was not followed",
                hint="put the final address into the configuration",
                **more,
            )
        kind, hint = _STATUS.get(
            status, (RefusedError if status < 500 else ServerFaultError, None)
        )
        return kind(text, hint=hint, **more)

    def _retry_after(self, response: requests.Response) -> float | None:
        value = response.headers.get("Retry-After", "").strip()
        seconds = _whole(value)
        if seconds is not None:
            return float(min(seconds, 86_400))
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        return max(0.0, (moment - self._clock.now()).total_seconds())

    def _translate(self, error: Exception, what: str) -> NoReturn:
        """Raise our own error for one of requests' or urllib3's."""
        kind = _kind_of(error)
        text = f"{what}: {_reason(error)}"
        if kind is ConfigError:
            raise ConfigError(
                f"instance {self.endpoint.name}: {text}",
                hint=f"check its url, {self.endpoint.shown}",
            ) from None
        # requests quotes whole URLs: with a query, they may hold a token
        cause = None if self.endpoint.has_secrets_in_url else error
        raise kind(
            text,
            instance=self.endpoint.name,
            hint=f"is {self.endpoint.shown} up, and reachable from here?",
        ) from cause


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


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives: iter_content waits until a piece is full, for ever
    where the bytes only drip."""
    while piece := response.raw.read1(CHUNK, decode_content=True):
        yield piece


def _has_an_end(headers: Mapping[str, str]) -> bool:
    """Whether a body that broke off could be told from a whole one.

    An answer that is cut in its head reads as one with a shorter head.
    """
    chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
    return chunked or _whole(headers.get("Content-Length", "")) is not None


def _whole(text: str) -> int | None:
    """The number a header holds; None where it holds something else."""
    fits = text.isascii() and text.isdigit() and len(text) < 20
    return int(text) if fits else None


def _kind_of(
    error: Exception,
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
    if isinstance(
        error,
        exceptions.ConnectTimeout | exceptions.SSLError | exceptions.ProxyError,
    ):
        return UnreachableError
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, NewConnectionError):
        return UnreachableError
    return UnclearAnswerError


def _reason(error: BaseException) -> str:
    """The innermost cause in words, without the URL that requests would quote."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection within the time allowed"
    if isinstance(error, requests.exceptions.ReadTimeout):
        return "no answer within the time allowed"
    deepest: BaseException = error
    seen: list[BaseException] = []
    while deepest not in seen:
        seen.append(deepest)
        following = deepest.__cause__ or deepest.__context__
        deepest = following if following is not None else deepest
    for cause in reversed(seen):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return type(deepest).__name__


def _excerpt(body: bytes) -> str:
    """The first words of an error body, on one line."""
    words = " ".join(body[:1000].decode("utf-8", "replace").split())[:200]
    return f": {words}" if words else ""
