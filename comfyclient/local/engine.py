"""The embedded engine's life: folders, threads, start and end.

What a ComfyUI server has and this has not: models and samplers; lazy inputs
(`check_lazy_status`: every linked input is computed); classes written in the second
node schema (`comfy_api`); the front end with its settings and user data; assets.
Where the real server would break, this does not: two prompts of one number and id do
not stop the queue, and a ui value that JSON cannot hold fails its prompt alone.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Self

from aiohttp import web

from ..errors import ClosedError, EngineError
from ..timing import Deadline
from .context import Surroundings, entered
from .executor import Executor
from .folders import Folders
from .interruption import Interruption
from .node_table import NodeTable
from .nodes import core_classes
from .parts import Options, Parts, features_of
from .prompt_queue import PromptQueue
from .server import build_app
from .socket_hub import SocketHub
from .stand_ins import STAND_INS
from .versions import NEWEST, behaviour_of
from .worker import Worker

_LOGGER = logging.getLogger("comfyclient.local")

_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


class EmbeddedEngine:
    """A ComfyUI-compatible server inside this process, on the CPU, without models."""

    def __init__(
        self,
        base_directory: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        version: str = NEWEST,
        node_packs: Sequence[ModuleType | Path] = (),
        node_classes: Mapping[str, type] | None = None,
        cors_origin: str | None = None,
        max_body_bytes: int = Options().max_body_bytes,
    ) -> None:
        self._given_directory = base_directory
        self._host = host
        self._port = port
        self._version = version
        self._node_packs = node_packs
        self._node_classes = {} if node_classes is None else dict(node_classes)
        self._options = Options(max_body_bytes, cors_origin)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._base: Path | None = None
        self._parts: Parts | None = None
        self._url: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._threads: list[threading.Thread] = []
        self._closing = threading.Lock()
        self._closed = threading.Event()
        self._stands_in = False

    @property
    def url(self) -> str:
        """The server's address.

        Raises:
            ClosedError: the engine has not been started.
        """
        if self._url is None:
            raise ClosedError("the engine was not started; use it in a with block")
        return self._url

    @property
    def base_directory(self) -> Path:
        """The folder with input/, output/ and temp/.

        Raises:
            ClosedError: the engine has not been started.
        """
        if self._base is None:
            raise ClosedError("the engine was not started; use it in a with block")
        return self._base

    def start(self) -> Self:
        """Start the server and the worker.

        Raises:
            EngineError: the port is taken, a pack is broken, a folder is not writable.
            ClosedError: it was started before.
        """
        if self._threads or self._closed.is_set():
            raise ClosedError("an engine starts once; make another one")
        if not _LOGGER.handlers:
            _LOGGER.addHandler(logging.NullHandler())
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        behaviour = behaviour_of(self._version)
        folders = self._prepared_folders()
        STAND_INS.install()
        self._stands_in = True
        nodes = NodeTable()
        with entered(Surroundings(folders)):
            core_classes(nodes, behaviour=behaviour)
            nodes.add_packs(self._node_packs)
        nodes.add(self._node_classes, module="custom_nodes.given")
        features = features_of(behaviour, self._options)
        hub = SocketHub(behaviour=behaviour, features=features)
        interruption = Interruption()

        def changed() -> None:
            hub.post("status", {"status": parts.queue_status()}, sid=None)

        queue = PromptQueue(on_change=changed, interrupt=interruption.set)
        parts = Parts(
            behaviour, self._options, folders, nodes, queue, hub, interruption, features
        )
        self._parts = parts
        executor = Executor(
            nodes=nodes,
            behaviour=behaviour,
            folders=folders,
            hub=hub,
            interruption=interruption,
        )
        worker = Worker(queue=queue, executor=executor, hub=hub, behaviour=behaviour)
        self._start_threads(parts, worker)

    def _prepared_folders(self) -> Folders:
        if self._given_directory is None:
            self._temporary = tempfile.TemporaryDirectory(
                prefix="comfyclient-engine-", ignore_cleanup_errors=True
            )
            base = Path(self._temporary.name)
        else:
            base = self._given_directory.absolute()
        folders = Folders(base)
        try:
            folders.prepare()
        except OSError as error:
            raise EngineError(
                f"base directory {base} cannot be used: {error}; name a writable one"
            ) from error
        self._base = base
        return folders

    def _start_threads(self, parts: Parts, worker: Worker) -> None:
        ready: Future[str] = Future()
        serving = threading.Thread(
            target=self._serve, args=(parts, ready), name="comfyclient-engine-server"
        )
        working = threading.Thread(target=worker.run, name="comfyclient-engine-worker")
        for thread in (serving, working):
            # A node that never ends must not keep the process alive.
            thread.daemon = True
            thread.start()
            self._threads.append(thread)
        try:
            self._url = ready.result(_START_SECONDS)
        except TimeoutError:
            raise EngineError(
                f"the engine did not start within {_START_SECONDS:g} s"
            ) from None

    def _serve(self, parts: Parts, ready: Future[str]) -> None:
        try:
            asyncio.run(self._serve_until_stopped(parts, ready))
        except Exception as error:
            if not ready.done():
                ready.set_exception(self._start_error(error))
            else:
                _LOGGER.exception("the engine's server died")
        finally:
            self._closed.set()

    async def _serve_until_stopped(self, parts: Parts, ready: Future[str]) -> None:
        runner = web.AppRunner(
            build_app(parts), access_log=None, logger=_LOGGER, shutdown_timeout=0.1
        )
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
            parts.hub.start()
            port = runner.addresses[0][1]
            shown = f"[{self._host}]" if ":" in self._host else self._host
            ready.set_result(f"http://{shown}:{port}")
            await self._stop.wait()
        finally:
            await parts.hub.stop()
            await runner.cleanup()

    def _start_error(self, error: Exception) -> EngineError:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            return EngineError(
                f"port {self._port} of {self._host} is in use; "
                "choose another one, or 0 for any free one"
            )
        if isinstance(error, OSError | OverflowError):
            return EngineError(
                f"cannot listen on {self._host} port {self._port}: {error}"
            )
        return EngineError(f"the engine failed to start: {error}")

    def wait(self, timeout: float) -> bool:
        """Wait until the engine has ended; False if it still runs after the time."""
        return self._closed.wait(timeout)

    def close(self) -> None:
        """End it like a killed server: running jobs are lost, sockets drop."""
        with self._closing:
            if self._parts is not None:
                self._parts.interruption.set_for_good()
                self._parts.queue.close()
            if self._loop is not None and self._stop is not None:
                with suppress(RuntimeError):  # the loop has ended by itself
                    self._loop.call_soon_threadsafe(self._stop.set)
            deadline = Deadline(_STOP_SECONDS)
            for thread in self._threads:
                if thread is not threading.current_thread():
                    thread.join(deadline.remaining())
                if thread.is_alive():
                    _LOGGER.warning("%s is left behind: it is busy", thread.name)
            if self._stands_in:
                STAND_INS.remove()
                self._stands_in = False
            self._parts = None
            self._threads.clear()
            self._closed.set()
            if self._temporary is not None:
                self._temporary.cleanup()
                self._temporary = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else self._url or "not started"
        return f"EmbeddedEngine({state}, version {self._version})"
