"""Speaks HTTP with DashScope, within limits of time and size; no error has the key."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from requests import PreparedRequest

from .account import ADDRESS_VARIABLE, Account
from .host import away, pause
from .refusals import DashScopeError, may_repeat, refused

POLL_VARIABLE = "COMFYCLIENT_DASHSCOPE_POLL_S"
"""The longest time between two looks at a task."""

_LARGEST_ANSWER = 8 << 20
_CONNECT_S = 10.0
_MOST_TRIES = 4
_LONGEST_PAUSE_S = 30.0


class Service:
    """DashScope, asked by one node within one time limit."""

    def __init__(self, account: Account, *, timeout_s: float) -> None:
        self._account = account
        self._ends = time.monotonic() + timeout_s
        self._timeout_s = timeout_s

    @property
    def account(self) -> Account:
        """The account that asks."""
        return self._account

    @property
    def left_s(self) -> float:
        """The time that is left.

        Raises:
            DashScopeError: there is none.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise DashScopeError(
                f"timeout_s: DashScope was not done after {self._timeout_s:g} s; give "
                "more time, or try again later"
            )
        return left

    def post(
        self, route: str, body: Mapping[str, Any], *, task: bool = False
    ) -> Mapping[str, Any]:
        """What the service answers to a request; asked again where it says so.

        A request whose answer was lost is not sent again: it may have been served, and
        is paid for. A task that nobody waits for any more is given up.

        Raises:
            DashScopeError: it refused, failed, or its answer was lost.
        """
        headers = {"X-DashScope-Async": "enable"} if task else {}
        for attempt in range(1, _MOST_TRIES + 1):
            answer = self._send("POST", route, body=body, headers=headers)
            refusal = self._refusal(answer)
            if refusal is None:
                return self._json(answer)
            if attempt == _MOST_TRIES or not may_repeat(refusal.code):
                raise refusal
            pause(min(_retry_after(answer, attempt), self.left_s))
        raise AssertionError("the last attempt returns or raises")

    def look(self, task_id: str) -> Mapping[str, Any]:
        """What the service says of a task; asked again until the time is over.

        Raises:
            DashScopeError: it refuses to say, or the time is over.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._send("GET", f"/tasks/{task_id}")
            except DashScopeError as lost:
                if lost.code != "lost":
                    raise
                pause(self.poll_s(attempt))
                continue
            refusal = self._refusal(answer)
            if refusal is None:
                return self._json(answer)
            if answer.status < 500 and not may_repeat(refusal.code):
                raise refusal
            pause(min(_retry_after(answer, attempt), self.left_s))

    def cancel(self, task_id: str) -> None:
        """Give a task up; the service lets go of it only while it waits."""
        try:
            _exchange(self._account, "POST", f"/tasks/{task_id}/cancel", timeout_s=3.0)
        except (requests.RequestException, DashScopeError):
            return

    def _give_up(self, order: _Answer) -> None:
        """Cancel the task of an order whose answer came after an interrupt."""
        task_id = task_of(order.json())
        if task_id is not None:
            self.cancel(task_id)

    def poll_s(self, looks: int) -> float:
        """How long to wait before the next look at a task: longer each time."""
        try:
            longest = float(os.environ.get(POLL_VARIABLE, "10"))
        except ValueError as error:
            raise ValueError(f"{POLL_VARIABLE}: is no number of seconds") from error
        return min(max(0.0, longest), 1.5**looks, self.left_s)

    def _send(
        self,
        method: str,
        route: str,
        *,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> _Answer:
        left = self.left_s

        def call() -> _Answer:
            return _exchange(
                self._account,
                method,
                route,
                body=body,
                headers=headers,
                timeout_s=left,
            )

        try:
            return away(call, forsaken=self._give_up if headers else None)
        except requests.ConnectTimeout as error:
            raise self._unreached("did not answer the call", error) from error
        except requests.RequestException as error:
            if _never_sent(error):
                raise self._unreached("cannot be reached", error) from error
            kind = type(error).__name__
            raise DashScopeError(
                f"the answer of {self._account.host} was lost ({kind}); look whether "
                "the request was served and billed before sending it again",
                code="lost",
            ) from None

    def _unreached(self, what: str, error: Exception) -> DashScopeError:
        code = "lost" if isinstance(error, requests.RequestException) else ""
        return DashScopeError(
            f"{self._account.host} {what} ({type(error).__name__}); a service in a VPC "
            f"needs a NAT gateway to reach it: check network and {ADDRESS_VARIABLE}",
            code=code,
        )

    def _json(self, answer: _Answer) -> Mapping[str, Any]:
        found = answer.json()
        if not isinstance(found, dict):
            raise DashScopeError(
                f"{self._account.host} answered {answer.status} with what is no JSON "
                f"object; check {ADDRESS_VARIABLE}"
            )
        return found

    def _refusal(self, answer: _Answer) -> DashScopeError | None:
        """The error that an answer is; a success may carry one, too."""
        found = answer.json()
        said = found if isinstance(found, dict) else {}
        code, request_id = _short(said.get("code")), _short(said.get("request_id"))
        if answer.status == 200 and not code:
            return None
        return refused(
            code or f"HTTP {answer.status}",
            said.get("message"),
            request_id=request_id,
            key=self._account.key,
        )


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def task_of(answer: Any) -> str | None:
    """The task that an answer to an order names."""
    output = answer.get("output") if isinstance(answer, dict) else None
    task_id = output.get("task_id") if isinstance(output, dict) else None
    if not isinstance(task_id, str) or not task_id.replace("-", "").isalnum():
        return None
    return task_id


def _never_sent(error: Exception) -> bool:
    """Whether a request failed before its first byte was on the way."""
    text = repr(error)
    return "NewConnectionError" in text or "NameResolutionError" in text


def _retry_after(answer: _Answer, attempt: int) -> float:
    asked = answer.retry_after
    wait = (
        float(asked) if asked.isdecimal() and len(asked) < 6 else 2.0 ** (attempt - 1)
    )
    return min(wait, _LONGEST_PAUSE_S)


def _exchange(
    account: Account,
    method: str,
    route: str,
    *,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float,
) -> _Answer:
    """One request and its answer, read within limits of size and time."""
    ends = time.monotonic() + timeout_s
    with requests.Session() as session:
        session.auth = _bearer(account.key)  # else netrc would put its own there
        with session.request(
            method,
            account.address + route,
            json=body,
            headers=dict(headers or {}),
            timeout=(min(_CONNECT_S, timeout_s), timeout_s),
            allow_redirects=False,
            stream=True,
        ) as response:
            endless = f"{account.host} answered without an end"
            content = body_of(
                response, ends=ends, most=_LARGEST_ANSWER, too_large=endless
            )
            again = response.headers.get("Retry-After", "")
            return _Answer(response.status_code, content, again)


def body_of(
    response: requests.Response, *, ends: float, most: int, too_large: str
) -> bytes:
    """The body of an answer, read within limits of size and time.

    Raises:
        DashScopeError: it is `too_large`, in these words.
        ReadTimeout: it has not come whole in time.
    """
    content = bytearray()
    for chunk in response.iter_content(65536):
        content += chunk
        if len(content) > most:
            raise DashScopeError(too_large)
        if time.monotonic() > ends:
            raise requests.ReadTimeout("the answer came too slowly")
    return bytes(content)


def _bearer(key: str) -> Any:
    def sign(request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {key}"
        return request

    return sign


def _short(value: Any) -> str:
    return value[:100] if isinstance(value, str) and value.isprintable() else ""
