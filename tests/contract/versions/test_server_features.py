"""What servers say that they can do, when they are asked, and what comes of it."""

from __future__ import annotations

import pytest

from comfyclient.errors import TooLargeError
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing.bench import Bench
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import usual
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.transports.comfyui import RESTARTS_IN, ComfyUITransport
from comfyclient.transports.profile import Held
from comfyclient.workflow import InputFile, Workflow

from .ranges import DENIED, OBSERVED, posted, submit_behind_a_restart


def polling(bench: Bench, server: ScriptedServer) -> ComfyUITransport:
    """A transport that no websocket tells anything."""
    return bench.transport(server.url, websocket=False)


class TestItsFeatures:
    """What a server tells of itself where no websocket is there to tell it."""

    def test_they_are_asked_for_once(self, bench: Bench, server) -> None:
        """However many jobs there are; what was told counts as observed."""
        transport = polling(bench, server)
        for _ in range(3):
            bench.end(bench.submit(transport))
        assert server.asked["GET /features"] == 1
        abilities = transport.probe(deadline=Deadline(5)).abilities
        assert abilities["names_previews"] == OBSERVED
        assert abilities["tells_features"] == OBSERVED
        assert server.asked["GET /features"] == 1

    def test_a_websocket_tells_them_by_itself(self, bench: Bench, server) -> None:
        """No job costs a request for them."""
        transport = bench.transport(server.url)
        bench.end(bench.submit(transport))
        assert server.asked["GET /features"] == 0

    def test_an_old_server_has_none(self, bench: Bench, old) -> None:
        """It answers 404, is not asked again, and is used as its version says."""
        transport = polling(bench, old)
        for _ in range(2):
            assert bench.end(bench.submit(transport)).error is None
        abilities = transport.probe(deadline=Deadline(5)).abilities
        assert old.asked["GET /features"] == 1
        assert abilities["tells_features"] == DENIED
        assert abilities["names_previews"] == Held(False, "version")

    def test_it_is_seen_before_the_version_is_believed(
        self, bench: Bench, server
    ) -> None:
        """A server without a version has what it shows all the same."""
        server.always("GET /system_stats", Reply.of_json({"system": {}}))
        abilities = polling(bench, server).probe(deadline=Deadline(5)).abilities
        assert abilities["names_previews"] == OBSERVED
        assert abilities["jobs_api"] == Held(False, "assumed")

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(500),
            Reply(401),
            Reply(302, b"", {"Location": "/login"}),
            Reply(200, b"<html>"),
            Reply(200, b"[]"),
            Reply(200, b"[" * 100_000),
            Reply(200, b'{"max_upload_size": "many"}'),
            Reply(200, b'{"max_upload_size": NaN}'),
            Reply(200, b'{"max_upload_size": -1, "supports_preview_metadata": "yes"}'),
            Reply.lost(acts=True),
        ],
    )
    def test_odd_answers(self, bench: Bench, server, reply: Reply) -> None:
        """They hinder no job, and claim nothing."""
        server.always("GET /features", reply)
        transport = polling(bench, server)
        assert bench.end(bench.submit(transport)).error is None
        abilities = transport.probe(deadline=Deadline(5)).abilities
        assert abilities["names_previews"] != OBSERVED
        assert transport._dialect.max_body is None

    def test_a_gateway_that_swallows_the_question(
        self, bench: Bench, server, gate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The job is sent in time all the same, and nobody asks again."""
        monkeypatch.setattr("comfyclient.transports.probing.FEATURES_WITHIN_S", 0.1)
        server.always("GET /features", Reply(gate=gate))
        transport = polling(bench, server)
        for _ in range(2):
            assert bench.end(bench.submit(transport)).error is None
        assert server.asked["GET /features"] == 1

    def test_after_a_restart(self, bench: Bench, ranged, server) -> None:
        """Another version is asked for its own."""
        clock = FakeClock()
        transport = ranged(server, clock=clock, websocket=False)
        bench.submit(transport)
        transport.forget(bench.ticket)
        server.restart(version="0.26.0")
        clock.advance(RESTARTS_IN)
        submit_behind_a_restart(bench, transport)
        transport.forget(bench.ticket)
        assert server.asked["GET /features"] == 2

    @pytest.mark.parametrize("size", [1048576, 1048576.0])
    @pytest.mark.parametrize("websocket", [True, False])
    def test_its_limit(self, bench: Bench, server, size: float, websocket) -> None:
        """What is over it is refused before a byte is sent; some say a fraction."""
        told = {"supports_preview_metadata": True, "max_upload_size": size}
        server.always("GET /features", Reply.of_json(told))
        flags = {"type": "feature_flags", "data": told}
        server.play(lambda job: [flags, *usual(job)])
        transport = bench.transport(server.url, websocket=websocket)
        bench.end(bench.submit(transport))
        before = posted(server)
        content = b"\x89PNG" + bytes(1048576)
        file = InputFile("comfyclient/abc.png", "abc", len(content), content)
        with pytest.raises(TooLargeError, match="takes 1,048,576"):
            transport.upload(file, deadline=Deadline(5))
        node = {"class_type": "A", "inputs": {"text": "x" * 1048576}}
        course = bench.course(Workflow.from_graph({"1": node}))
        with pytest.raises(TooLargeError, match="max-upload-size"):
            bench.submit(transport, course)
        assert posted(server) == before


@pytest.mark.parametrize("version", ["0.3.12", "0.3.44", "0.3.45", "0.3.64", "0.33.0"])
def test_the_engine_tells_what_its_version_does(bench: Bench, version: str) -> None:
    """The embedded engine has that address from 0.3.45 on, like a real server."""
    with EmbeddedEngine(version=version) as engine:
        transport = bench.transport(engine.url, websocket=False)
        transport.greet(deadline=Deadline(5))
        held = transport.probe(deadline=Deadline(5)).abilities["tells_features"]
        assert held == (OBSERVED if version > "0.3.44" else DENIED)
        limit = transport._dialect.max_body
        assert limit == (100 << 20 if version > "0.3.44" else None)
