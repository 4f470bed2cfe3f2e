"""What a test wants answered on each route of a stand-in, in its own answer's place."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterable

from .http_wire import Reply
from .threads import keeping_back

_GLANCE = 0.05


class RouteReplies:
    """The next replies of each route, and those that stand; until it is closed."""

    def __init__(self, routes: Iterable[str]) -> None:
        self._routes = tuple(routes)
        self._next: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self._standing: dict[str, Reply] = {}
        self._closed = False

    def answer(self, route: str, replies: Iterable[Reply]) -> None:
        """Answer the next requests of a route so.

        Raises:
            ValueError: there is no such route.
        """
        self.check(route)
        self._next[route].extend(replies)

    def always(self, route: str, reply: Reply | None) -> None:
        """Answer a route so from now on; None ends that.

        Raises:
            ValueError: there is no such route.
        """
        self.check(route)
        if reply is None:
            self._standing.pop(route, None)
        else:
            self._standing[route] = reply

    def check(self, route: str) -> None:
        """Refuse a route that there is not.

        Raises:
            ValueError: there is no such route.
        """
        if route not in self._routes:
            raise ValueError(f"no route {route!r}; there are {', '.join(self._routes)}")

    def take(self, route: str) -> Reply | None:
        """The reply to a request, once its gate is open; None where none is wanted."""
        waiting = self._next[route]
        reply = waiting.popleft() if waiting else self._standing.get(route)
        if reply is not None:
            self.wait(reply.gate)
        return reply

    def wait(self, gate: threading.Event | None) -> None:
        """Wait until a gate is open, or this is closed."""
        if gate is None or gate.is_set():
            return
        with keeping_back():
            while not gate.wait(_GLANCE) and not self._closed:
                pass

    def close(self) -> None:
        """Wait for no gate any more."""
        self._closed = True

    def closed(self) -> bool:
        """Whether nobody is answered any more."""
        return self._closed
