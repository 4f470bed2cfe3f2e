"""An environment's instances are asked seldom, and no graph is refused by old news."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from comfyclient import comfy_nodes
from comfyclient.checking import Checker
from comfyclient.errors import (
    BadAnswerError,
    MissingNodeError,
    UnreachableError,
    ValidationError,
)
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.snapshot_cache import SnapshotCache
from comfyclient.testing.bench import Bench
from comfyclient.testing.clock import FakeClock
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


def checker(folder: Path) -> Checker:
    """A new process's check."""
    return Checker("test", SnapshotCache(folder))


def graph(class_type: str) -> Workflow:
    """A graph that saves what a class makes."""
    save = {"images": ["1", 0], "filename_prefix": "x"}
    return Workflow.from_graph(
        {
            "1": {"class_type": class_type, "inputs": {}},
            "2": {"class_type": "SaveImage", "inputs": save},
        }
    )


@pytest.mark.parametrize("version", ["0.3.12", "0.3.64", "0.33.0"])
def test_an_instance_tells_what_it_offers(bench: Bench, version: str) -> None:
    """Its classes, with its version, of every release."""
    with EmbeddedEngine(None, version=version) as engine:
        info = bench.transport(engine.url).object_info(deadline=Deadline(10))

    assert info.version == version
    assert "SaveImage" in info


def test_a_sound_graph_passes(tmp_path: Path, transport: ComfyUITransport) -> None:
    """And its node classes are kept for the next process."""
    bench_graph = Bench().workflow

    checker(tmp_path).require(bench_graph, transport, deadline=Deadline(10))

    assert len(list(tmp_path.iterdir())) == 1


def test_what_the_instance_would_refuse_is_not_sent(
    tmp_path: Path, transport: ComfyUITransport
) -> None:
    """The error is the one that the server's refusal would be."""
    with pytest.raises(MissingNodeError) as caught:
        checker(tmp_path).require(graph("Nope"), transport, deadline=Deadline(10))

    assert caught.value.instance == "bench"
    assert caught.value.issues[0].node_id == "1"
    assert isinstance(caught.value, ValidationError)


def test_no_graph_is_refused_by_old_news(tmp_path: Path, bench: Bench) -> None:
    """A pack that was installed meanwhile is seen, before anything is refused."""
    clock = FakeClock()
    known = Checker("test", SnapshotCache(tmp_path, clock=clock), clock=clock)
    pack = ModuleType("pack")
    pack.NODE_CLASS_MAPPINGS = {"Source": Source}  # type: ignore[attr-defined]
    with EmbeddedEngine(None) as engine:
        known.snapshot(bench.transport(engine.url), deadline=Deadline(10))
    clock.advance(11)

    with EmbeddedEngine(None, node_packs=(pack,)) as engine:
        transport = bench.transport(engine.url)
        before = known.snapshot(transport, deadline=Deadline(10)).info
        known.require(graph("Source"), transport, deadline=Deadline(10))
        after = known.snapshot(transport, deadline=Deadline(10)).info

    assert "Source" not in before
    assert "Source" in after


def test_an_instance_that_does_not_tell_is_not_in_the_way(
    tmp_path: Path, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """What it makes of the graph shows when that is sent."""
    gone = bench.transport("http://127.0.0.1:9", connect_timeout=0.5)

    with caplog.at_level(logging.WARNING):
        checker(tmp_path).require(graph("Nope"), gone, deadline=Deadline(2))

    assert "not checked before sending" in caplog.text
    with pytest.raises(UnreachableError):
        checker(tmp_path).check(graph("Nope"), gone, deadline=Deadline(2))
    with pytest.raises(UnreachableError):
        gone.object_info(deadline=Deadline(2))


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
