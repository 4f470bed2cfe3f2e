"""A stand-in for DashScope whose every answer and fault a test decides.

    with DashScopeServer() as server:
        server.text(Says('{"title": "…"}'), Refuses("Throttling.RateQuota"))
        server.picture(Paints(running=3, failed={2: "DataInspectionFailed"}))
        server.answer("task", Reply(502, b"<html>Bad Gateway</html>"))
        ...                                  # base address: server.url, key: server.key

It speaks the HTTP protocol of the models (text, vision, pictures at once and as tasks)
and hosts the pictures under signed addresses, so that the `dashscope` SDK, or any other
client, can be pointed at it. It checks what the service checks: the key, the model and
its route, the header for tasks, sizes and numbers, and the limits that it was given.
Whatever it is not told, it answers as a model that does as it is asked.
"""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from pydantic import JsonValue

from ..timing import SYSTEM_CLOCK, Clock
from .dashscope_answers import ROUTES, Bill, DashScopeAnswers
from .dashscope_catalogue import Kind
from .dashscope_play import Turn
from .http_wire import Reply, Request, encoded, read_request, send
from .line import Line
from .route_replies import RouteReplies

_BASE = "/api/v1"
_PATTERNS = {
    name: re.compile(re.escape(route).replace(r"\{id\}", "([^/]+)").replace(
        r"\{file\}", "(.+)"
    ))
    for name, route in ROUTES.items()
}  # fmt: skip
_NOT_FOUND = Reply.of_json(
    {"code": "InvalidParameter", "message": "url error, please check url！"}, status=400
)


class DashScopeServer:
    """A DashScope stand-in on 127.0.0.1, in threads of its own; a context manager.

    Leaving the `with` block fails with the list of known routes when a request came
    that it does not know.
    """

    def __init__(
        self,
        *,
        key: str = "sk-stand-in-0123456789abcdef",
        limits: Mapping[str, tuple[float, int]] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Listen; answer once the `with` block begins.

        Args:
            key: the only key that it accepts.
            limits: per model, how many requests a second and tasks at a time it takes.
            clock: by which rates are counted and results expire (after 24 h).
        """
        self.key = key
        self._line = Line(self._serve)
        self._condition = threading.Condition()
        self._answers = DashScopeAnswers(
            f"http://127.0.0.1:{self._line.port}",
            key=key,
            clock=clock,
            limits={} if limits is None else limits,
        )
        self.requests: list[Request] = []
        """Every request, oldest first."""
        self.unknown: list[Request] = []
        """Requests to routes that it does not have."""
        self.asked: Counter[str] = Counter()
        """How often each route was asked, by its short name."""
        self._replies = RouteReplies(ROUTES)

    # -- what a test reads

    @property
    def url(self) -> str:
        """The base address, such as an SDK takes it."""
        return f"http://127.0.0.1:{self._line.port}{_BASE}"

    @property
    def host(self) -> str:
        """Host and port of the results' addresses."""
        return f"127.0.0.1:{self._line.port}"

    @property
    def bill(self) -> Bill:
        """What was used: tokens, pictures, and requests by model."""
        return self._answers.bill

    def bodies(self, route: str) -> list[Mapping[str, JsonValue]]:
        """The JSON bodies that a route was sent, oldest first."""
        found: list[Mapping[str, JsonValue]] = []
        with self._condition:
            requests = list(self.requests)
        for request in requests:
            matched = _match(request)
            body = request.json() if matched and matched[0] == route else None
            if isinstance(body, dict):
                found.append(body)
        return found

    # -- what a test scripts

    def text(self, *turns: Turn) -> None:
        """What becomes of the next requests to text models, then all as usual."""
        self._answers.turns["text"].extend(turns)

    def vision(self, *turns: Turn) -> None:
        """Likewise for vision models."""
        self._answers.turns["vision"].extend(turns)

    def picture(self, *turns: Turn) -> None:
        """Likewise for image models, whether they are asked for a task or not."""
        self._answers.turns["picture"].extend(turns)

    def always(self, kind: Kind, turn: Turn | None) -> None:
        """What becomes of every request to models of a kind; None is as usual."""
        if turn is None:
            self._answers.standing.pop(kind, None)
        else:
            self._answers.standing[kind] = turn

    def answer(self, route: str, *replies: Reply) -> None:
        """Answer the next requests of a route so, whoever is asked for."""
        self._replies.answer(route, replies)

    # -- its life

    def __enter__(self) -> Self:
        self._line.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if self.unknown and kind is None:
            asked = ", ".join(f"{r.method} {r.path}" for r in self.unknown)
            raise AssertionError(
                f"asked for {asked}, but there is only {', '.join(ROUTES.values())}"
            )

    def stop(self) -> None:
        """End every connection and refuse new ones, until `start_again`."""
        self._line.shut()
        self._line.cut_all()

    def start_again(self) -> None:
        """Accept connections again, on the same port."""
        self._line.open()

    def close(self) -> None:
        """End every connection and thread."""
        self._replies.close()
        self._line.close()

    # -- answering

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (request := read_request(stream)) is not None:
                if not self._line.carries(connection):
                    return
                if not self._reply(request, connection):
                    return

    def _reply(self, request: Request, connection: socket.socket) -> bool:
        """Answer one request; whether the connection goes on."""
        matched = _match(request)
        with self._condition:
            self.requests.append(request)
            if matched is None:
                self.unknown.append(request)
            else:
                self.asked[matched[0]] += 1
            self._condition.notify_all()
        if matched is None:
            connection.sendall(b"".join(encoded(_NOT_FOUND)))
            return True
        route, ids = matched
        scripted = self._replies.take(route) or Reply()
        own = _NOT_FOUND
        if scripted.needs_own:
            own = self._answers.answer(route, request, *ids)
        if any(way is not None for way in (own.raw, own.sends, own.late, own.drips)):
            scripted = own  # a turn that says how its answer travels
        self._replies.wait(scripted.late)
        return send(scripted, own, connection, request, closed=self._replies.closed)

    def await_that(self, asked: str, times: int = 1, *, timeout: float = 20) -> None:
        """Return once a route was asked so often.

        Raises:
            TimeoutError: it was not after `timeout` seconds.
        """
        with self._condition:
            enough = self._condition.wait_for(
                lambda: self.asked[asked] >= times, timeout
            )
        if not enough:
            raise TimeoutError(f"the route {asked!r} was not asked {times} times")


def _match(request: Request) -> tuple[str, tuple[str, ...]] | None:
    """The short name of a request's route, and what its path names."""
    path = request.path.removeprefix(_BASE)
    if path == request.path and not path.startswith("/results/"):
        return None
    for name, pattern in _PATTERNS.items():
        found = pattern.fullmatch(f"{request.method} {path}")
        if found:
            return name, found.groups()
    return None
