"""An environment's instances are asked seldom, and no graph is refused by old news."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from comfyclient import comfy_nodes
from comfyclient.errors import (
    BadAnswerError,
    MissingNodeError,
    UnreachableError,
    ValidationError,
)
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.preflight.checking import NOT_ASKED_FOR_S, Checker, take
from comfyclient.preflight.snapshot_cache import SnapshotCache
from comfyclient.testing.bench import Bench
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.offers import offered
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.transports.comfyui import ComfyUITransport
from comfyclient.workflow import Workflow


class Source:
    """A node that a pack brings."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """It takes nothing."""
        return {"required": {}}


@pytest.fixture
def engine() -> Iterator[EmbeddedEngine]:
    """An engine with the package's own nodes."""
    with EmbeddedEngine(None, node_packs=(comfy_nodes,)) as engine:
        yield engine


@pytest.fixture
def transport(bench: Bench, engine: EmbeddedEngine) -> ComfyUITransport:
    """A transport to the engine."""
    return bench.transport(engine.url)


def checker(folder: Path, **options: Any) -> Checker:
    """A new process's check."""
    return Checker("test", SnapshotCache(folder), **options)


def graph(class_type: str) -> Workflow:
    """A graph that saves what a class makes."""
    save = {"images": ["1", 0], "filename_prefix": "x"}
    return Workflow.from_graph(
        {
            "1": {"class_type": class_type, "inputs": {}},
            "2": {"class_type": "SaveImage", "inputs": save},
        }
    )


def refusal(
    known: Checker,
    workflow: Workflow,
    instance: ComfyUITransport,
    *,
    seconds: float = 10,
) -> ValidationError | None:
    """Why the instance would not run the graph."""
    return known.refusal(workflow, instance, deadline=Deadline(seconds))


@pytest.mark.parametrize("version", ["0.3.12", "0.3.64", "0.33.0"])
def test_an_instance_tells_what_it_offers(bench: Bench, version: str) -> None:
    """Its classes, with its version, of every release."""
    with EmbeddedEngine(None, version=version) as engine:
        info = bench.transport(engine.url).object_info(deadline=Deadline(10))

    assert info.version == version
    assert "SaveImage" in info


def test_a_sound_graph_passes(tmp_path: Path, transport: ComfyUITransport) -> None:
    """And its node classes are kept for the next process."""
    sound = Bench().workflow

    assert refusal(checker(tmp_path), sound, transport) is None
    assert len(list(tmp_path.iterdir())) == 1


def test_what_the_instance_would_refuse_is_told(
    tmp_path: Path, transport: ComfyUITransport
) -> None:
    """The error is the one that the server's refusal would be."""
    error = refusal(checker(tmp_path), graph("Nope"), transport)

    assert isinstance(error, MissingNodeError)
    assert error.instance == "bench"
    assert error.issues[0].node_id == "1"


def test_it_may_be_logged_alone(
    tmp_path: Path, transport: ComfyUITransport, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever only wants to be warned has the graph sent."""
    warned = refusal(checker(tmp_path, warns=True), graph("Nope"), transport)

    assert warned is None
    assert "sent all the same" in caplog.text
    assert "no node class Nope" in caplog.text


def test_no_graph_is_refused_by_old_news(tmp_path: Path, bench: Bench) -> None:
    """A pack that was installed meanwhile is seen, before anything is refused."""
    clock = FakeClock()
    cache = SnapshotCache(tmp_path, clock=clock)
    known = Checker("test", cache, clock=clock)
    pack = ModuleType("pack")
    pack.NODE_CLASS_MAPPINGS = {"Source": Source}  # type: ignore[attr-defined]
    with EmbeddedEngine(None) as engine:
        before = refusal(known, graph("Source"), bench.transport(engine.url))
    clock.advance(11)

    with EmbeddedEngine(None, node_packs=(pack,)) as engine:
        after = refusal(known, graph("Source"), bench.transport(engine.url))

    assert before is not None
    assert after is None


def test_a_saved_snapshot_stands_for_the_servers(tmp_path: Path, bench: Bench) -> None:
    """Nobody is asked; the error says by which snapshot."""
    with EmbeddedEngine(None) as engine:
        saved = take(bench.transport(engine.url), deadline=Deadline(10))
    with ScriptedServer() as server:
        transport = bench.transport(server.url)
        by_file = checker(tmp_path, saved=saved)
        sound = refusal(by_file, Bench().workflow, transport)
        error = refusal(by_file, graph("Nope"), transport)
        assert server.asked["GET /object_info"] == 0

    assert sound is None
    assert error is not None
    assert f"by the snapshot of {saved.taken_at:%Y-%m-%d %H:%M}" in str(error)


class TestAnInstanceThatDoesNotTell:
    """What it makes of a graph shows when that is sent."""

    def test_it_is_left_alone(
        self, tmp_path: Path, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is asked once, said once, and asked again after ten minutes."""
        clock = FakeClock()
        known = Checker("test", SnapshotCache(tmp_path, clock=clock), clock=clock)
        with ScriptedServer() as server:
            transport = bench.transport(server.url)
            for _ in range(3):
                assert refusal(known, graph("Nope"), transport) is None
            assert server.asked["GET /object_info"] == 1
            assert caplog.text.count("not checked before sending") == 1

            server.offer(offered("SaveImage"))
            clock.advance(NOT_ASKED_FOR_S + 1)
            assert refusal(known, graph("Nope"), transport) is not None

    def test_a_slow_one_costs_its_patience_alone(
        self, tmp_path: Path, bench: Bench
    ) -> None:
        """Many jobs wait for it once together, not one after the other."""
        known = Checker("test", SnapshotCache(tmp_path))
        with ScriptedServer() as server:
            server.fall_silent("GET /object_info")
            transport = bench.transport(server.url)
            transport.greet(deadline=Deadline(10))
            started = time.monotonic()
            with ThreadPoolExecutor(12) as pool:
                asked = [
                    pool.submit(refusal, known, graph("Nope"), transport, seconds=0.5)
                    for _ in range(12)
                ]
                assert [one.result(30) for one in asked] == [None] * 12

        assert time.monotonic() - started < 12 * 0.5

    def test_one_that_is_not_there(self, tmp_path: Path, bench: Bench) -> None:
        """That is told at once: the next instance is tried."""
        gone = bench.transport("http://127.0.0.1:9", connect_timeout=0.5)

        with pytest.raises(UnreachableError):
            refusal(checker(tmp_path), graph("Nope"), gone)
        with pytest.raises(UnreachableError):
            gone.object_info(deadline=Deadline(2))


def nested(depth: int) -> bytes:
    """A class whose dynamic input holds another one, and so on."""
    inner = '"x"'
    for _ in range(depth):
        required = f'{{"required": {{"z": ["COMFY_DYNAMICCOMBO_V3", {inner}]}}}}'
        inner = f'{{"options": [{{"key": "a", "inputs": {required}}}]}}'
    inputs = f'{{"required": {{"width": ["COMFY_DYNAMICCOMBO_V3", {inner}]}}}}'
    return f'{{"EmptyImage": {{"input": {inputs}}}}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b'{"error": "not allowed", "code": 7}',
        b"\xff\xfe",
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        *map(nested, (100, 150, 400)),
    ],
    ids=lambda body: body[:12].decode("latin-1"),
)
def test_what_cannot_be_followed_keeps_nothing_from_being_sent(
    tmp_path: Path, bench: Bench, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    """Whatever a server or gateway says there: no error of ours, and nothing kept."""
    known = checker(tmp_path)
    with ScriptedServer() as server:
        server.always("GET /object_info", Reply(200, body))
        transport = bench.transport(server.url)
        for _ in range(2):
            assert refusal(known, bench.workflow, transport) is None

    assert caplog.text.count("not checked before sending") == 1
    assert list(tmp_path.iterdir()) == []


class Page(BaseHTTPRequestHandler):
    """A server that is no ComfyUI, but for its version."""

    def do_GET(self) -> None:
        """Answer anything with the same page."""
        status, body = self.server.page  # type: ignore[attr-defined]
        if self.path == "/system_stats":
            status, body = 200, b'{"system": {"comfyui_version": "0.33.0"}}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("page", [(404, b""), (200, b"<html>"), (200, b"[]")])
def test_what_is_no_comfyui_is_told(bench: Bench, page: tuple[int, bytes]) -> None:
    """Whatever stands at the address in its place."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.page = page  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            transport = bench.transport(f"http://127.0.0.1:{server.server_port}")
            with pytest.raises(BadAnswerError, match=r"object_info|node classes"):
                transport.object_info(deadline=Deadline(10))
            transport.close()
        finally:
            server.shutdown()
            thread.join()
