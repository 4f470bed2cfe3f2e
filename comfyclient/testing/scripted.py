"""A ComfyUI stand-in whose every answer, frame and fault a test decides.

    with ScriptedServer(version="0.33.0") as server:
        server.follow_script(Script.loses_answer(acts=True) | Script.restarts_after(4))
        server.play(lambda job: [*usual(job)[:4], DropSockets(), *ending(job)])
        server.answer("GET /queue", Reply(503))
        ...
        assert server.accounts.by_job() == {job.id: 1}

It speaks the protocol just far enough for a job: what a request or a job does beyond
the script is what ComfyUI of that version does. Nothing in it takes time of its own:
it goes on when the test, a counted request, or the clock it was given says so.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from types import TracebackType
from typing import BinaryIO, Self
from uuid import uuid4

from packaging.version import Version
from pydantic import JsonValue

from ..timing import SYSTEM_CLOCK, Clock
from .accounts import Accounts
from .answers import NOT_FOUND, ROUTES, Answers, match
from .http_wire import Reply, Request, cut, encoded, read_request, send
from .line import Line
from .patience import await_so
from .pictures import FileKey
from .play import Cue, KillWorker, Play, Restart, Silence, Stop, status, usual
from .route_replies import RouteReplies
from .script import Script
from .stage import Stage
from .threads import keeping_back
from .websocket_wire import ServerSocket, handshake
from .worker import Worker

_GLANCE = 0.05
_SUBMIT = "POST /prompt"


class ScriptedServer:
    """A ComfyUI stand-in on 127.0.0.1, in threads of its own; a context manager.

    Leaving the `with` block fails with the list of known routes when a request came
    that it does not know.
    """

    def __init__(
        self,
        *,
        version: str = "0.33.0",
        play: Play = usual,
        prefix: str = "",
        script: Script | Iterable[Script] | None = None,
        offers: Mapping[str, JsonValue] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._line = Line(self._serve)
        self._threads = self._line.threads
        self.stage = Stage(Version(version), play, line=self._line, clock=clock)
        self.stage.offers = offers
        self._worker = Worker(self.stage)
        self._answers = Answers(self.stage)
        self._script = Script.usual() if script is None else Script.of(script)
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
        self._replies = RouteReplies(ROUTES)

    # -- what a test reads

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._line.port

    @property
    def version(self) -> Version:
        """The version it plays."""
        return self.stage.version

    @property
    def executions(self) -> Counter[str]:
        """How often each prompt was executed."""
        return self.stage.executions

    @property
    def accounts(self) -> Accounts:
        """Every execution, which can be counted per prompt, attempt and job."""
        return self.stage.accounts

    @property
    def freed(self) -> list[Mapping[str, JsonValue]]:
        """What was asked of `/free`."""
        return self.stage.freed

    @property
    def files(self) -> dict[FileKey, bytes]:
        """Its files by type, subfolder and name."""
        return self.stage.files

    def await_that(self, ready: Callable[[], object], *, timeout: float = 20) -> None:
        """Return once something is so.

        Raises:
            TimeoutError: it is not after `timeout` seconds.
        """
        await_so(self.stage.condition, ready, timeout=timeout)

    # -- what a test scripts

    def follow_script(self, script: Script | Iterable[Script]) -> None:
        """What becomes of the jobs that are sent from now on, one after the other."""
        with self.stage.condition:
            self._script = Script.of(script)

    def play(self, play: Play) -> None:
        """What every job from now on does, as far as the script lets it."""
        self.stage.play = play

    def answer(self, route: str, *replies: Reply) -> None:
        """Answer the next requests of a route so, then as before.

        A job that is sent meanwhile uses up nothing of the script.
        """
        self._replies.answer(route, replies)

    def always(self, route: str, reply: Reply | None) -> None:
        """Answer a route so from now on; None gives its own answers again."""
        self._replies.always(route, reply)

    def restart(self, *, version: str | None = None) -> None:
        """Forget every job and temp file and end every connection, as a new process.

        It may come back as another version.
        """
        self.stage.act(Restart(version))

    def stop(self, *, remembers: bool = False) -> None:
        """End every connection and refuse new ones, until `start_again`.

        It forgets what a restart forgets, or `remembers`: then only the way to it is
        gone, and its jobs go on.
        """
        self.stage.act(Stop(remembers=remembers))

    def start_again(self) -> None:
        """Accept connections again, on the same port."""
        self._line.open()

    def fall_silent(self, route: str | None = None) -> None:
        """Take connections and requests, but answer nothing until `speak`."""
        if route is not None:
            self._replies.check(route)
        self.stage.act(Silence(route))

    def speak(self, route: str | None = None) -> None:
        """Answer again, also what was asked meanwhile."""
        self.stage.speak(route)

    def kill_worker(self) -> None:
        """Run no job any more until a restart, while HTTP goes on."""
        self.stage.act(KillWorker())

    def offer(self, classes: Mapping[str, JsonValue] | None) -> None:
        """What `GET /object_info` tells from now on; None: nothing is told, by 404.

        It takes any graph all the same: what is refused is for the client to find out
        before it sends, or for `answer`.
        """
        self.stage.offers = classes

    # -- its life

    def __enter__(self) -> Self:
        self._worker.start()
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
                f"asked for {asked}, but there is only {', '.join(ROUTES)}"
            )

    def close(self) -> None:
        """End every connection and thread."""
        self._replies.close()
        self.stage.close()
        self._worker.join()
        self._line.close()

    # -- answering

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (request := read_request(stream)) is not None:
                if not self._line.carries(connection):
                    return
                if request.headers.get("upgrade", "").lower() == "websocket":
                    self._websocket(request, connection, stream)
                    return
                if not self._reply(request, connection):
                    return

    def _reply(self, request: Request, connection: socket.socket) -> bool:
        """Answer one request; whether the connection goes on."""
        life = self.stage.life
        route, arguments = self._route(request)
        scripted, cue = self._scripted(route)

        def over() -> bool:
            return self._replies.closed() or not self._line.carries(connection)

        try:
            if self._mute(route, life):
                return False
            own = NOT_FOUND
            if route and scripted.needs_own:
                own = self._answers.own(route, request, *arguments, *cue)
            self._replies.wait(scripted.late)
            return send(scripted, own, connection, request, closed=over)
        finally:
            for one in cue:
                one.answered.set()

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

    def _scripted(self, route: str) -> tuple[Reply, tuple[Cue, ...]]:
        """How a request is answered, and what the script makes of a job in it."""
        reply = self._replies.take(route)
        if reply is not None:
            return reply, ()
        if route != _SUBMIT:
            return Reply(), ()
        with self.stage.condition:
            turn, self._script = self._script.next_turn()
        for step in turn.before():
            self.stage.act(step)
        return turn.reply(), (Cue(turn.arranged),)

    def _mute(self, route: str, life: int) -> bool:
        """Whether nobody will answer: wait out a silence, look for a restart."""
        stage = self.stage
        kept = keeping_back() if stage.silent(route) else nullcontext()
        with kept, stage.condition:
            while stage.silent(route) and stage.life == life and not stage.closed:
                stage.condition.wait(_GLANCE)
        return stage.life != life or stage.closed

    def _websocket(
        self, request: Request, connection: socket.socket, stream: BinaryIO
    ) -> None:
        life = self.stage.life
        route, _ = self._route(request)
        scripted, _ = self._scripted(route)
        if self._mute(route, life):
            return
        if scripted.raw is not None or scripted.sends is not None:
            connection.sendall(scripted.raw or b"")
            cut(connection, resets=scripted.resets)
            return
        if scripted.status is not None:
            connection.sendall(b"".join(encoded(scripted)))
            return
        sid = request.query.get("clientId") or uuid4().hex
        connection.sendall(handshake(request))
        connected = ServerSocket(connection, stream, sid=sid, pongs=self._ponging)
        self._attend(connected)

    def _ponging(self) -> bool:
        return self.pongs and not self.stage.silent()

    def _attend(self, connected: ServerSocket) -> None:
        stage = self.stage
        with stage.condition:
            stage.sockets.register(connected)
            waiting = len(stage.pending) + (stage.running is not None)
            stage.condition.notify_all()
        connected.send(status(waiting, sid=connected.sid))
        while (text := connected.read()) is not None:
            with stage.condition:
                self.heard.append(text)
                stage.condition.notify_all()
        with stage.condition:
            stage.sockets.notice_end(connected)
            stage.condition.notify_all()
        connected.answer_close()
