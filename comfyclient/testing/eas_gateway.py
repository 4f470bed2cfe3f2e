"""A stand-in for PAI-EAS on loopback: its gateway before a ComfyUI, its queue service.

    with EasGateway(edition="api", token="secret") as gateway:
        client = …  # transport = "eas-queue", url = gateway.url
        gateway.answer("POST input", Reply(503, b"no healthy upstream"))
        gateway.sink.put(b"[]", {"task_id": "somebody's"})

Known of the real one is what `docs/pai-eas.md` lists; where that says unknown, this
does one plausible thing, and code under test must not lean on it.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import BinaryIO, Literal, Self

from .eas_frames import encoded_frame
from .eas_inference import Inference, Workers, run_on
from .eas_standard import Upstream
from .eas_store import Consumer, QueueStore
from .eas_wire import DEFAULT_GROUP, GROUP, USER, answer, tags_of
from .http_wire import Reply, Request, read_request, send
from .line import Line
from .patience import await_so
from .route_replies import RouteReplies
from .websocket_wire import ServerSocket, handshake

ROUTES = tuple(
    f"{method} {queue}"
    for queue in ("input", "sink")
    for method in ("POST", "GET", "PUT", "DELETE", "WATCH")
)
"""What can be scripted of the API edition; of the standard one, `ANY comfyui`."""
STANDARD = "ANY comfyui"
UNAUTHORISED = b'{"code":"Unauthorized","message":"Invalid token"}'


class EasGateway:
    """One service of PAI-EAS on 127.0.0.1, in threads of its own; a context manager.

    It fronts the ComfyUI at `comfyui`, or an embedded engine of its own; several are
    the standard edition's instances, asked in turn. The API edition runs requests there
    with so many `workers`, or as `inference` says.
    """

    def __init__(
        self,
        *,
        edition: Literal["standard", "api"] = "standard",
        service: str = "comfyui",
        token: str | None = "stand-in-token",
        comfyui: str | Sequence[str] | None = None,
        inference: Inference | None = None,
        workers: int = 1,
        max_payload: int = 8192,
        max_length: int = 100_000,
    ) -> None:
        """Listen; answer once the `with` block begins.

        Args:
            edition: whether a ComfyUI answers behind it, or a queue.
            service: the last part of its path.
            token: the only one that it accepts; None accepts any request.
            comfyui: the address, or addresses, of the ComfyUI behind it; an embedded
                engine of its own where None.
            inference: what becomes of a request of the API edition, in ComfyUI's place.
            workers: how many requests the API edition runs at a time.
            max_payload: bytes that one item of a queue may have.
            max_length: items that one queue may hold.
        """
        self.edition = edition
        self.service = service
        self.token = token
        self.input = QueueStore(service, max_length=max_length, max_payload=max_payload)
        self.sink = QueueStore(
            f"{service}/sink", max_length=max_length, max_payload=max_payload
        )
        self.requests: list[Request] = []
        """Every request, oldest first."""
        self.asked: Counter[str] = Counter()
        """How often each route was asked."""
        self.refuses_websockets = False
        """Whether the standard edition lets no websocket pass."""
        self.on_watch: Callable[[bytes], bytes] = bytes
        """What becomes of the messages of a watch on their way."""
        self._comfyui = comfyui
        self._inference = inference
        self._worker_count = workers
        self._stack = ExitStack()
        self._line = Line(self._serve)
        self._lock = threading.Lock()
        self._replies = RouteReplies([*ROUTES, STANDARD])
        self._watchers: dict[Consumer, ServerSocket] = {}
        self._workers: Workers | None = None
        self._folder: Path | None = None

    # -- where it is

    @property
    def url(self) -> str:
        """The service behind the shared gateway, a dedicated one, or in a VPC."""
        return f"{self.host_url}/api/predict/{self.service}"

    @property
    def debug_url(self) -> str:
        """The service as the console's online debugging calls it."""
        return f"{self.host_url}/predict/{self.service}"

    @property
    def host_url(self) -> str:
        """The service under a host name of its own, without a path."""
        return f"http://127.0.0.1:{self._line.port}"

    @property
    def mount(self) -> Path:
        """The folder that the service mounts: input/, output/ and temp/.

        It is there with the engine of its own only.
        """
        assert self._folder is not None, "the ComfyUI behind it is somebody else's"
        return self._folder

    @property
    def workers(self) -> Workers:
        """The instances of the API edition."""
        assert self._workers is not None, "the standard edition has no queue"
        return self._workers

    # -- what a test scripts

    def answer(self, route: str, *replies: Reply) -> None:
        """Answer the next requests of a route so, then as before."""
        self._replies.answer(route, replies)

    def always(self, route: str, reply: Reply | None) -> None:
        """Answer a route so from now on; None gives its own answers again."""
        self._replies.always(route, reply)

    def cut_watchers(self, *, resets: bool = False) -> int:
        """End every open watch at once; how many."""
        with self._lock:
            ending = list(self._watchers.values())
        for one in ending:
            one.cut(resets=resets)
        return len(ending)

    def cut_connections(self, *, resets: bool = False) -> None:
        """End every connection at once, as gateways do with those that are idle."""
        self._line.cut_all(resets=resets)

    def await_that(self, ready: Callable[[], object], *, timeout: float = 30) -> None:
        """Return once something of the queues is so.

        Raises:
            TimeoutError: it is not after `timeout` seconds.
        """
        await_so(self.sink.condition, ready, timeout=timeout)

    # -- its life

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            urls = self._start_engine(stack)
            self._upstreams = cycle([Upstream(url) for url in urls])
            if self.edition == "api":
                inference = (
                    run_on(urls[0]) if self._inference is None else self._inference
                )
                self._workers = Workers(self.input, self.sink, inference)
                stack.callback(self._workers.close)
                self._workers.start(self._worker_count)
            self._line.open()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection and thread, and the engine of its own."""
        self._replies.close()
        self.cut_watchers()
        self.input.close()
        self.sink.close()
        self._line.close()
        self._stack.close()

    def _start_engine(self, stack: ExitStack) -> list[str]:
        if self._comfyui is not None:
            given = self._comfyui
            urls = [given] if isinstance(given, str) else list(given)
            return [url.rstrip("/") for url in urls]
        if self.edition == "api" and self._inference is not None:
            return []
        from .. import comfy_nodes  # these need the extra `local`
        from ..local.engine import EmbeddedEngine

        engine = EmbeddedEngine(None, node_packs=(comfy_nodes,))
        stack.enter_context(engine)
        self._folder = engine.base_directory
        return [engine.url]

    # -- answering

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            while (request := read_request(stream)) is not None:
                if not self._line.carries(connection):
                    return
                with self._lock:
                    self.requests.append(request)
                if not self._reply(request, connection, stream):
                    return

    def _reply(
        self, request: Request, connection: socket.socket, stream: BinaryIO
    ) -> bool:
        """Answer one request; whether the connection goes on."""
        target = self._target(request)
        if target is None:
            return self._send(
                Reply(404, b"404 page not found"), Reply(), connection, request
            )
        if self.token is not None and request.headers.get("authorization") not in {
            self.token,
            f"Bearer {self.token}",
        }:
            return self._send(Reply(401, UNAUTHORISED), Reply(), connection, request)
        watches = request.headers.get("upgrade", "").lower() == "websocket"
        if self.edition == "standard":
            return self._standard(request, target, connection, stream, watches=watches)
        queue = self._queue(request, target)
        if queue is None:
            body = b'{"detail":"Not Found"}'
            return self._send(Reply(404, body), Reply(), connection, request)
        name = "input" if queue is self.input else "sink"
        scripted = self._scripted(f"{'WATCH' if watches else request.method} {name}")
        if watches:
            self._watch(request, queue, scripted, connection, stream)
            return False
        own = answer(queue, request) if scripted.needs_own else Reply(404)
        return self._send(own, scripted, connection, request)

    def _target(self, request: Request) -> str | None:
        """What is asked of the service: path and query; None where it is another."""
        for prefix in (f"/api/predict/{self.service}", f"/predict/{self.service}"):
            if request.path == prefix or request.path.startswith(prefix + "/"):
                rest = request.target[len(prefix) :]
                return rest if rest.startswith("/") else f"/{rest}"
        if request.path.startswith(("/api/predict/", "/predict/")):
            return None
        return request.target if self.edition == "standard" else None

    def _queue(self, request: Request, target: str) -> QueueStore | None:
        """The queue that a path leads to; of paths, only `api_prompt` takes work."""
        match target.partition("?")[0].rstrip("/"):
            case "/sink":
                return self.sink
            case "":
                return self.input
            case "/api_prompt" if request.method == "POST":
                return self.input
            case _:
                return None

    def _standard(
        self,
        request: Request,
        target: str,
        connection: socket.socket,
        stream: BinaryIO,
        *,
        watches: bool,
    ) -> bool:
        if watches and self.refuses_websockets:
            return self._send(
                Reply(404, b"url not found"), Reply(), connection, request
            )
        scripted = self._scripted(STANDARD)
        if watches and scripted.needs_own:
            next(self._upstreams).tunnel(request, target, connection, stream)
            return False
        own = Reply(404)
        if scripted.needs_own:
            own = next(self._upstreams).ask(request, target)
        return self._send(own, scripted, connection, request)

    def _scripted(self, route: str) -> Reply:
        with self._lock:
            self.asked[route] += 1
        return self._replies.take(route) or Reply()

    def _send(
        self,
        own: Reply,
        scripted: Reply,
        connection: socket.socket,
        request: Request,
    ) -> bool:
        self._replies.wait(scripted.late)
        return send(scripted, own, connection, request, closed=self._replies.closed)

    # -- watching

    def _watch(
        self,
        request: Request,
        queue: QueueStore,
        scripted: Reply,
        connection: socket.socket,
        stream: BinaryIO,
    ) -> None:
        if scripted.status is not None or scripted.raw is not None:
            self._send(Reply(404), scripted, connection, request)
            return
        query = request.query
        if query.get("_watch_") != "true":
            self._send(Reply(400, b"not a watch"), Reply(), connection, request)
            return
        commits = query.get("_auto_commit_") == "true"
        consumer = queue.join(
            request.headers.get(GROUP, DEFAULT_GROUP),
            request.headers.get(USER, "nobody"),
            window=1_000_000 if commits else int(query.get("_window_", "1")),
            index=int(query.get("_index_", "0")),
            tags=tags_of(query),
        )
        connection.sendall(handshake(request))
        wire = ServerSocket(connection, stream, sid=consumer.uid, pongs=lambda: True)
        with self._lock:
            self._watchers[consumer] = wire
        self._line.spawn(self._hand_out, queue, consumer, wire, commits)
        try:
            while wire.read() is not None:
                pass
        finally:
            queue.leave(consumer)
            with self._lock:
                self._watchers.pop(consumer, None)
        wire.answer_close()

    def _hand_out(
        self, queue: QueueStore, consumer: Consumer, wire: ServerSocket, commits: bool
    ) -> None:
        while (frame := queue.take(consumer)) is not None:
            wire.send(self.on_watch(encoded_frame(frame)))
            if commits:
                queue.commit(consumer.group.name, [frame.index])
