"""A ComfyUI stand-in whose every answer, frame and fault a test decides.

    with ScriptedServer(version="0.33.0") as server:
        server.answer("POST /prompt", Reply.lost(acts=True))
        server.play(lambda job: [*usual(job)[:4], DropSockets(), *ending(job)])
        ...
        assert server.executions.total() == 1

It speaks the protocol just far enough for a job: what a request or a job does beyond
the script is what ComfyUI of that version does. Nothing in it takes time of its own:
it goes on when the test, or a counted request, says so.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Self
from uuid import uuid4

from packaging.version import Version

from .answers import NOT_FOUND, ROUTES, Answers, match
from .http_wire import Reply, Request, cut, encoded, read_request
from .play import Play, status, usual
from .stage import Stage
from .websocket_wire import ServerSocket, handshake

_GLANCE = 0.05


class ScriptedServer:
    """A ComfyUI stand-in on 127.0.0.1, in threads of its own; a context manager.

    Leaving the `with` block fails with the list of known routes when a request came
    that it does not know.
    """

    def __init__(
        self, *, version: str = "0.33.0", play: Play = usual, prefix: str = ""
    ) -> None:
        self.version = Version(version)
        self.stage = Stage(self.version, play)
        self._answers = Answers(self.stage)
        self.prefix = prefix
        self.pongs = True
        """Whether websockets answer pings."""
        self.requests: list[Request] = []
        """Every request, oldest first."""
        self.unknown: list[Request] = []
        """Requests to routes that it does not have."""
        self.heard: list[str] = []
        """Texts that clients sent over websockets."""
        self.asked: Counter[str] = Counter()
        """How often each route was asked."""
        self._replies: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self._standing: dict[str, Reply] = {}
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closed = False

    # -- what a test reads

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._listening.getsockname()[1]
        return port

    @property
    def executions(self) -> Counter[str]:
        """How often each prompt was executed."""
        return self.stage.executions

    @property
    def files(self) -> dict[tuple[str, str, str], bytes]:
        """Its files by type, subfolder and name."""
        return self.stage.files

    def await_that(self, ready: Callable[[], object], *, timeout: float = 5) -> None:
        """Return once something is so.

        Raises:
            TimeoutError: it is not after `timeout` seconds.
        """
        with self.stage.condition:
            if not self.stage.condition.wait_for(ready, timeout):
                raise TimeoutError("what the test waits for did not happen")

    # -- what a test scripts

    def play(self, play: Play) -> None:
        """What every job from now on does."""
        self.stage.play = play

    def answer(self, route: str, *replies: Reply) -> None:
        """Answer the next requests of a route so, then as before."""
        self._known(route)
        self._replies[route].extend(replies)

    def always(self, route: str, reply: Reply | None) -> None:
        """Answer a route so from now on; None gives its own answers again."""
        self._known(route)
        if reply is None:
            self._standing.pop(route, None)
        else:
            self._standing[route] = reply

    def restart(self) -> None:
        """Forget every job and end every connection."""
        self.stage.restart()
        for connection in list(self._connections):
            cut(connection, resets=True)

    def _known(self, route: str) -> None:
        if route not in ROUTES:
            raise ValueError(f"no route {route!r}; there are {', '.join(ROUTES)}")

    # -- its life

    def __enter__(self) -> Self:
        self.stage.start()
        self._spawn(self._accept)
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
                f"asked for {asked}, but there is only {', '.join(ROUTES)}"
            )

    def close(self) -> None:
        """End every connection and thread."""
        self._closed = True
        self.stage.close()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in list(self._connections):
            cut(connection)
        for thread in self._threads:
            thread.join()

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name="scripted")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(connection)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while (request := read_request(stream)) is not None:
                    if request.headers.get("upgrade", "").lower() == "websocket":
                        self._websocket(request, connection, stream)
                        return
                    if not self._reply(request, connection):
                        return
        except (OSError, ValueError):
            return
        finally:
            self._connections.discard(connection)

    # -- answering

    def _reply(self, request: Request, connection: socket.socket) -> bool:
        """Answer one request; whether the connection goes on."""
        route, arguments = self._route(request)
        scripted = self._scripted(route)
        own = NOT_FOUND
        if route and scripted.needs_own:
            own = self._answers.own(route, request, *arguments)
        self._await(scripted.late)
        if scripted.raw is not None:
            connection.sendall(scripted.raw)
            return False
        whole = own if scripted.status is None else scripted
        head, body = encoded(whole, head_only=request.method == "HEAD")
        if scripted.drips is not None:
            connection.sendall(head)
            for byte in body:
                if self._closed or scripted.drips.wait(0.01):
                    break
                connection.sendall(bytes([byte]))
            return False
        if scripted.sends is None:
            connection.sendall(head + body)
            return True
        if scripted.sends >= 0:
            connection.sendall(head + body[: scripted.sends])
        cut(connection, resets=scripted.resets)
        return False

    def _route(self, request: Request) -> tuple[str, tuple[str, ...]]:
        self._record(request)
        path = request.path
        if path.startswith(self.prefix + "/"):
            path = path[len(self.prefix) :]
            found = match(request, path)
            if found is not None:
                self._count(found[0])
                return found
        self.unknown.append(request)
        return "", ()

    def _record(self, request: Request) -> None:
        with self.stage.condition:
            self.requests.append(request)

    def _count(self, route: str) -> None:
        with self.stage.condition:
            self.asked[route] += 1
            self.stage.condition.notify_all()

    def _scripted(self, route: str) -> Reply:
        waiting = self._replies[route]
        reply = waiting.popleft() if waiting else self._standing.get(route, Reply())
        self._await(reply.gate)
        return reply

    def _await(self, gate: threading.Event | None) -> None:
        while gate is not None and not gate.wait(_GLANCE) and not self._closed:
            pass

    def _websocket(
        self, request: Request, connection: socket.socket, stream: BinaryIO
    ) -> None:
        route, _ = self._route(request)
        scripted = self._scripted(route)
        if scripted.raw is not None or scripted.sends is not None:
            connection.sendall(scripted.raw or b"")
            cut(connection, resets=scripted.resets)
            return
        if scripted.status is not None:
            connection.sendall(b"".join(encoded(scripted)))
            return
        sid = request.query.get("clientId") or uuid4().hex
        connection.sendall(handshake(request))
        connected = ServerSocket(connection, stream, sid=sid, pongs=self.pongs)
        self._attend(connected)

    def _attend(self, connected: ServerSocket) -> None:
        stage = self.stage
        with stage.condition:
            stage.sockets[connected.sid] = connected
            waiting = len(stage.pending) + (stage.running is not None)
            stage.condition.notify_all()
        connected.send(status(waiting, sid=connected.sid))
        while (text := connected.read()) is not None:
            with stage.condition:
                self.heard.append(text)
                stage.condition.notify_all()
        with stage.condition:
            if stage.sockets.get(connected.sid) is connected:
                del stage.sockets[connected.sid]
            stage.condition.notify_all()
