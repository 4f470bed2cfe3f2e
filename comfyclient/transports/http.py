"""HTTP to one instance: requests in, bytes or our own errors out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

import requests
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from ..errors import (
    BadAnswerError,
    ClosedError,
    ConfigError,
    UnclearAnswerError,
    UnreachableError,
)
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .bodies import Answer, BrokenOffError, Stream
from .connections import serving
from .eas_codes import is_gateway
from .endpoint import Endpoint
from .http_errors import (
    NO_ANSWER,
    NO_CONNECTION,
    kind_of,
    reason_of,
    status_error,
)
from .session import JSON, Session, new_session
from .watchdog import Watch, Watchdog

_log = logging.getLogger("comfyclient.transports.http")

ANSWER_LIMIT = 256 << 20
"""Bytes of an answer that is read into memory; a history entry holds its graph."""
ERROR_LIMIT = 64 << 10
"""Bytes read of an error page."""
CHUNK = 256 << 10


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A request whose answer has begun."""

    response: requests.Response
    watch: Watch
    deadline: Deadline


class ComfyHttp:
    """A session with one instance. Thread-safe: requests pools the connections."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        clock: Clock = SYSTEM_CLOCK,
        watchdog: Watchdog | None = None,
    ) -> None:
        """Make a session; a `watchdog` that it is given is shared, and stays open."""
        self.endpoint = endpoint
        self._clock = clock
        self._lock = threading.Lock()
        self._shares = watchdog is not None
        self._watchdog = Watchdog(endpoint.name) if watchdog is None else watchdog
        self._session: Session | None = None
        self._closed = False

    def get(
        self,
        path: str,
        *,
        deadline: Deadline,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        returned: tuple[int, ...] = (),
    ) -> Answer:
        """GET; statuses below 400, 404 and those in `returned` come back as answers."""
        return self._request(
            "GET",
            path,
            deadline=deadline,
            returned=returned,
            params=params,
            headers=headers,
        )

    def post(
        self,
        path: str,
        *,
        deadline: Deadline,
        json: bytes | None = None,
        form: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, BinaryIO]] | None = None,
        headers: Mapping[str, str] | None = None,
        returned: tuple[int, ...] = (),
    ) -> Answer:
        """POST of JSON or a form; statuses in `returned` come back as answers too."""
        kind = {} if json is None else JSON
        return self._request(
            "POST",
            path,
            deadline=deadline,
            returned=returned,
            data=form if json is None else json,
            files=files,
            headers=kind if headers is None else {**kind, **headers},
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        deadline: Deadline,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """Any request of a protocol that is not ComfyUI's own."""
        return self._request(
            method, path, deadline=deadline, params=params, headers=headers, data=body
        )

    def head(
        self, path: str, *, deadline: Deadline, params: Mapping[str, str]
    ) -> Answer:
        """HEAD; the body is empty."""
        return self._request("HEAD", path, deadline=deadline, params=params)

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        deadline: Deadline,
        params: Mapping[str, str],
        what: str,
        start: int = 0,
    ) -> Iterator[Stream | Answer]:
        """GET a file: a Stream for its bytes, an Answer for a 404, errors for the rest.

        From `start` on, where the server knows of ranges; the stream tells.
        """
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with self._exchange(
            "GET", path, deadline=deadline, params=params, headers=headers
        ) as exchange:
            head = exchange.response
            if head.status_code in {200, 206}:
                yield Stream(what, head.headers, self._pieces(exchange))
            else:
                yield self._answer(exchange, returned=())

    def close(self) -> None:
        """Cut off what is under way, and drop the pooled connections."""
        with self._lock:
            self._closed = True
        if self._shares:
            self._watchdog.cut_off(self)
        else:
            self._watchdog.close()
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
        with self._exchange(method, path, deadline=deadline, **arguments) as exchange:
            return self._answer(exchange, returned=returned)

    @contextmanager
    def _exchange(
        self, method: str, path: str, *, deadline: Deadline, **arguments: Any
    ) -> Iterator[_Exchange]:
        """A request, answered; the body is to be read before the `with` ends."""
        what = f"{method} {path}"
        timeout = self._timeout(what, deadline)
        session = self._open_session()
        with self._watchdog.watch(
            deadline, silence=self.endpoint.read_timeout, owner=self
        ) as watch:
            if self._closed:  # by somebody who did not see this exchange
                raise ClosedError(f"instance {self.endpoint.name} was closed")
            try:
                with serving(watch):
                    response = session.ask(
                        method,
                        self.endpoint.http_url(path),
                        timeout=timeout,
                        **arguments,
                    )
            # requests lets some errors of urllib3 through, and those of certificates
            except (RequestException, HTTPError, OSError, UnicodeError) as error:
                self._translate(error, what, watch)
            with response:
                if watch.cut:  # a head that is cut reads as a shorter one
                    raise self._cut_off(what, watch)
                yield _Exchange(response, watch, deadline)

    def _timeout(self, what: str, deadline: Deadline) -> tuple[float, float]:
        """Real seconds to connect in, and between two bytes."""
        remaining = deadline.remaining()
        if remaining <= 0:
            raise UnreachableError(
                f"{what} was not sent: no time was left", instance=self.endpoint.name
            )
        return (
            min(self.endpoint.connect_timeout, remaining),
            min(self.endpoint.read_timeout, remaining),
        )

    def _open_session(self) -> Session:
        with self._lock:
            if self._closed:
                raise ClosedError(f"instance {self.endpoint.name} was closed")
            if self._session is None:
                self._session = new_session(self.endpoint)
            return self._session

    def _answer(self, exchange: _Exchange, *, returned: tuple[int, ...]) -> Answer:
        response = exchange.response
        status = response.status_code
        kept = status < 300 or status == 404 or status in returned
        body = self._body(exchange, ANSWER_LIMIT if kept else ERROR_LIMIT)
        if status >= 300:  # it ends in messages
            body = self.endpoint.without_secrets(body)
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
        raise status_error(
            status,
            body,
            headers=response.headers,
            instance=self.endpoint.name,
            now=self._clock.now(),
            gateway=is_gateway(self.endpoint.url),
        )

    def _body(self, exchange: _Exchange, limit: int) -> bytes:
        body = bytearray()
        try:
            for piece in self._pieces(exchange):
                body += piece
                if len(body) > limit and limit == ERROR_LIMIT:
                    return bytes(body[:limit])
                if len(body) > limit:
                    raise BadAnswerError(
                        f"the answer is larger than {limit} bytes",
                        instance=self.endpoint.name,
                    )
        except BrokenOffError as error:
            if limit == ERROR_LIMIT:  # the status has said it already
                return bytes(body)
            raise UnclearAnswerError(
                f"the answer broke off: {error}", instance=self.endpoint.name
            ) from None
        return bytes(body)

    def _pieces(self, exchange: _Exchange) -> Iterator[bytes]:
        """The body as it arrives: iter_content waits until a piece is full, for ever
        where the bytes only drip."""
        watch, deadline = exchange.watch, exchange.deadline
        late = f"not complete after {deadline.seconds:g} s"
        while True:
            try:
                with watch:
                    piece = exchange.response.raw.read1(CHUNK, decode_content=True)
            except (RequestException, HTTPError, OSError) as error:
                reason = self._why(late) if watch.cut else reason_of(error)
                raise BrokenOffError(reason) from None
            if watch.cut or (piece and deadline.passed()):
                raise BrokenOffError(self._why(late))
            if not piece:
                return
            yield piece

    def _translate(self, error: Exception, what: str, watch: Watch) -> NoReturn:
        """Raise our own error for one of requests' or urllib3's."""
        # requests quotes whole URLs: with a query, they may hold a token
        cause = None if self.endpoint.has_secrets_in_url else error
        if watch.cut:
            raise self._cut_off(what, watch) from cause
        kind = kind_of(error, connecting=watch.connecting)
        text = f"{what}: {reason_of(error, connecting=watch.connecting)}"
        if issubclass(kind, ConfigError):
            raise ConfigError(
                f"instance {self.endpoint.name}: {text}",
                hint=f"check its url, {self.endpoint.shown}",
            ) from None
        raise self._failure(kind, text) from cause

    def _cut_off(
        self, what: str, watch: Watch
    ) -> UnreachableError | UnclearAnswerError:
        kind = UnreachableError if watch.connecting else UnclearAnswerError
        late = NO_CONNECTION if watch.connecting else NO_ANSWER
        return self._failure(kind, f"{what}: {self._why(late)}")

    def _why(self, late: str) -> str:
        """Why an exchange was cut off."""
        return "the client was closed meanwhile" if self._closed else late

    def _failure(
        self, kind: type[UnreachableError | UnclearAnswerError], text: str
    ) -> UnreachableError | UnclearAnswerError:
        return kind(
            text,
            instance=self.endpoint.name,
            hint=f"is {self.endpoint.shown} up, and reachable from here? "
            "comfyclient doctor looks at each hop",
        )
