"""Servers of several versions in one environment, and what they show they can do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from comfyclient.client import Client
from comfyclient.config.settings import (
    DeadlineSettings,
    EnvironmentSettings,
    PolicySettings,
    Settings,
)
from comfyclient.errors import (
    JobLostError,
    TooLargeError,
    UnreachableError,
    WrongVersionError,
)
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing.bench import GRAPH, Bench
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import DropSockets, usual
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import SYSTEM_CLOCK, Clock, Deadline
from comfyclient.transports.comfyui import RESTARTS_IN, ComfyUITransport
from comfyclient.transports.endpoint import Endpoint
from comfyclient.transports.profile import Held
from comfyclient.workflow import InputFile, Workflow

from ..scenes import held

WORKFLOW = Workflow.from_graph(GRAPH)
RANGE = ">=0.3.45"
OBSERVED, DENIED = Held(True, "observed"), Held(False, "observed")


@pytest.fixture
def client_of(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Clients of these servers, with a declared range."""
    with ExitStack() as stack:

        def build(*servers: ScriptedServer, **options: object) -> Client:
            environment = EnvironmentSettings(
                instances=[
                    {"name": f"n{i}", "url": server.url, **options}
                    for i, server in enumerate(servers)
                ],
                ledger=f"sqlite:///{tmp_path / 'jobs.db'}",
                comfyui_version=RANGE,
                deadlines=DeadlineSettings(total_s=30, queue_s=30, silence_s=30),
                policies=PolicySettings(resubmit_lost=1),
            )
            settings = Settings(
                default_environment="test", environments={"test": environment}
            )
            return stack.enter_context(Client(settings))

        yield build


@pytest.fixture
def ranged() -> Iterator[Callable[..., ComfyUITransport]]:
    """Transports to these servers, with a declared range."""
    with ExitStack() as stack:

        def build(
            server: ScriptedServer,
            *,
            clock: Clock = SYSTEM_CLOCK,
            websocket: bool = True,
        ) -> ComfyUITransport:
            endpoint = Endpoint("n0", server.url, websocket=websocket)
            transport = ComfyUITransport(endpoint, clock=clock, version_range=RANGE)
            stack.callback(transport.close)
            return transport

        yield build


@pytest.fixture
def old() -> Iterator[ScriptedServer]:
    """A server older than the range."""
    with ScriptedServer(version="0.3.12") as server:
        yield server


def posted(server: ScriptedServer) -> int:
    """How many requests could have changed something there."""
    return sum(request.method == "POST" for request in server.requests)


def submit_behind_a_restart(bench: Bench, transport: ComfyUITransport) -> None:
    """Send a job; a kept connection that the restart ended is met once at most."""
    try:
        bench.submit(transport)
    except UnreachableError:
        bench.submit(transport)


class TestTheDeclaredRange:
    """An environment that declares `comfyui_version`."""

    def test_all_jobs_go_where_they_may(self, client_of, old, server) -> None:
        """Of two instances, the one outside the range is sent nothing."""
        client = client_of(old, server)
        jobs = [client.submit(WORKFLOW) for _ in range(5)]
        assert {job.result().provenance.instance for job in jobs} == {"n1"}
        assert posted(old) == 0
        assert sum(server.executions.values()) == 5

    def test_nowhere_to_go(self, client_of, old) -> None:
        """With no other instance the error says what differs, and nothing was sent."""
        client = client_of(old)
        for _ in range(3):
            with pytest.raises(WrongVersionError) as refused:
                client.submit(WORKFLOW)
        error = refused.value
        assert error.instance == "n0"
        assert "ComfyUI 0.3.12" in error.message
        assert RANGE in error.message
        assert "keeps the id" in error.message
        assert posted(old) == 0

    def test_refusing_hammers_nobody(self, client_of, old, server) -> None:
        """While another instance is busy, the wrong one is not asked every round."""
        server.answer("POST /prompt", *[Reply(503)] * 4)
        client = client_of(old, server)
        assert client.submit(WORKFLOW).result().provenance.instance == "n1"
        assert server.asked["POST /prompt"] == 5
        assert old.asked["GET /system_stats"] <= 2
        assert len(old.requests) <= 2

    def test_asking_is_done_once(self, bench: Bench, ranged, server) -> None:
        """As long as the websocket holds, one look at the version serves every job."""
        transport = ranged(server)
        for _ in range(3):
            bench.end(bench.submit(transport))
        assert server.asked["GET /system_stats"] == 1

    def test_files_are_not_sent_either(self, ranged, old) -> None:
        """An input file is refused before a byte of it is sent."""
        file = InputFile("comfyclient/abc.png", "abc", 4, b"\x89PNG")
        with pytest.raises(WrongVersionError):
            ranged(old).upload(file, deadline=Deadline(5))
        assert posted(old) == 0

    @pytest.mark.parametrize("said", [None, "unknown"])
    def test_no_version(self, client_of, server, said) -> None:
        """A server that says no version is refused, and the error says so."""
        stats = {"system": {"comfyui_version": said}, "devices": []}
        server.always("GET /system_stats", Reply.of_json(stats))
        with pytest.raises(WrongVersionError, match="is not known"):
            client_of(server).submit(WORKFLOW)
        assert posted(server) == 0


class TestARestartAsAnotherVersion:
    """What a declared range does when a server comes back as another one."""

    def test_while_it_idles(self, bench: Bench, ranged, server) -> None:
        """The websocket's end is a hint: the next submit asks, and is refused."""
        transport = ranged(server)
        assert bench.end(bench.submit(transport)).error is None
        server.restart(version="0.3.12")
        soon = Deadline(5)
        while not transport._dialect.doubted:
            assert not soon.passed(), "the end of the websocket was not noticed"
            threading.Event().wait(0.005)
        sent = posted(server)
        with pytest.raises(WrongVersionError):
            submit_behind_a_restart(bench, transport)
        assert posted(server) == sent

    def test_while_a_job_runs(self, client_of, server, gate) -> None:
        """The job was lost, and its error says why it could not be sent again."""
        server.play(held(gate))
        client = client_of(server)
        job = client.submit(WORKFLOW)
        server.await_that(lambda: server.stage.running is not None)
        server.restart(version="0.3.12")
        sent = server.asked["POST /prompt"]
        with pytest.raises(WrongVersionError):
            job.result(timeout=20)
        with pytest.raises(WrongVersionError):
            client.submit(WORKFLOW)
        assert server.asked["POST /prompt"] == sent

    def test_lost_is_told_as_such(self, bench: Bench, ranged, server, gate) -> None:
        """A transport tells of the running job that it was lost, not of versions."""
        server.play(held(gate))
        transport = ranged(server)
        course = bench.submit(transport)
        server.await_that(lambda: server.stage.running is not None)
        server.restart(version="0.3.12")
        assert isinstance(bench.end(course).error, JobLostError)
        with pytest.raises(WrongVersionError):
            submit_behind_a_restart(bench, transport)

    def test_jobs_go_on_elsewhere(self, client_of, server, gate) -> None:
        """A job that was lost so is made again by an instance in the range."""
        server.play(held(gate))
        with ScriptedServer(version="0.26.0") as other:
            client = client_of(server, other)
            job = client.submit(WORKFLOW)
            server.await_that(lambda: server.stage.running is not None)
            server.restart(version="0.3.12")
            assert job.result(timeout=20).provenance.instance == "n1"
            assert client.submit(WORKFLOW).result().provenance.instance == "n1"

    def test_back_in_the_range(self, bench: Bench, ranged, old) -> None:
        """A server that was refused is taken once it comes back as another version."""
        clock = FakeClock()
        transport = ranged(old, clock=clock)
        with pytest.raises(WrongVersionError):
            bench.submit(transport)
        old.restart(version="0.33.0")
        with pytest.raises(WrongVersionError):
            bench.submit(transport)
        clock.advance(RESTARTS_IN)
        submit_behind_a_restart(bench, transport)
        assert old.asked["POST /prompt"] == 1

    def test_without_a_websocket(self, bench: Bench, ranged, server) -> None:
        """Where no socket breaks to tell of it, the version is asked for anew."""
        clock = FakeClock()
        transport = ranged(server, clock=clock, websocket=False)
        bench.submit(transport)
        transport.forget(bench.ticket)
        server.restart(version="0.3.12")
        clock.advance(RESTARTS_IN)
        with pytest.raises(WrongVersionError):
            submit_behind_a_restart(bench, transport)
        assert server.asked["POST /prompt"] == 1

    def test_a_socket_that_came_back(self, bench: Bench, ranged, server) -> None:
        """A websocket that broke and is back makes the version asked for, once."""
        transport = ranged(server)
        server.play(lambda job: [DropSockets(), *usual(job)])
        bench.end(bench.submit(transport))
        server.play(usual)
        for _ in range(3):
            bench.end(bench.submit(transport))
        assert 2 <= server.asked["GET /system_stats"] <= 3


class TestAJobThatIsThere:
    """Jobs of a server that has left the range since."""

    def test_it_is_followed_stopped_and_brought_home(
        self, bench: Bench, ranged, gate, old
    ) -> None:
        """Following, cancelling, finding and fetching need no declared version."""
        old.play(held(gate))
        before = bench.transport(old.url)
        running = bench.submit(before)
        ticket = bench.ticket
        old.await_that(lambda: old.stage.running is not None)
        bench.submit(before)
        transport = ranged(old)
        found = transport.find(bench.ticket.attempt_id, deadline=Deadline(5))
        assert found is not None
        transport.cancel(found, deadline=Deadline(5))
        course = bench.course()
        transport.follow(ticket, course.workflow, course)
        gate.set()
        verdict = bench.end(course)
        assert verdict.error is None
        assert bench.end(running).error is None
        ref = next(iter(verdict.outputs.values())).refs[0]
        with transport.open(ref, Deadline(5)) as download:
            assert b"".join(download.chunks())
        assert not old.stage.pending


class TestWhatIsObserved:
    """Abilities that show at no cost."""

    def test_a_run_on_a_new_server(self, bench: Bench, server) -> None:
        """A run, a search and a look show six abilities; the version tells the rest."""
        told = {"supports_preview_metadata": True}
        flags = {"type": "feature_flags", "data": told}
        server.play(lambda job: [flags, *usual(job)])
        transport = bench.transport(server.url)
        bench.end(bench.submit(transport))
        assert transport.find(bench.ticket.attempt_id, deadline=Deadline(5))
        abilities = transport.probe(deadline=Deadline(5)).abilities
        shown = {name for name, held in abilities.items() if held == OBSERVED}
        assert shown == {
            "takes_ids",
            "tells_success",
            "tells_finished",
            "tells_features",
            "names_previews",
            "jobs_api",
        }
        rest = {held for name, held in abilities.items() if name not in shown}
        assert rest == {Held(True, "version")}

    def test_a_run_on_an_old_server(self, bench: Bench, old) -> None:
        """An id that comes back changed is observed; silence is not."""
        transport = bench.transport(old.url)
        bench.end(bench.submit(transport))
        abilities = transport.probe(deadline=Deadline(5)).abilities
        assert abilities["takes_ids"] == DENIED
        assert abilities["tells_finished"] == Held(False, "version")

    def test_a_gateway_that_passes_fewer_routes(self, bench: Bench, server) -> None:
        """A route that answers 404 is not asked again, whatever the version says."""
        server.always("GET /api/jobs/{id}", Reply(404))
        transport = bench.transport(server.url, websocket=False)
        bench.end(bench.submit(transport))
        asked = server.asked["GET /api/jobs/{id}"]
        bench.end(bench.submit(transport))
        assert server.asked["GET /api/jobs/{id}"] == asked == 1
        assert transport.probe(deadline=Deadline(5)).abilities["jobs_api"] == DENIED

    def test_a_refused_cancel_route(self, bench: Bench, server, gate) -> None:
        """A route that answers 405 is known not to be there; the job stops anyway."""
        server.play(held(gate))
        server.always("POST /api/jobs/{id}/cancel", Reply(405))
        transport = bench.transport(server.url)
        course = bench.submit(transport)
        server.await_that(lambda: server.stage.running is not None)
        course.cancel_asked = True
        transport.cancel(bench.ticket, deadline=Deadline(5))
        gate.set()
        bench.end(course)
        assert transport.probe(deadline=Deadline(5)).abilities["cancel_route"] == DENIED

    def test_a_probe_of_a_silent_server(self, bench: Bench, server) -> None:
        """A server that says no version is held to be able of nothing, as assumed."""
        server.always("GET /system_stats", Reply.of_json({"system": {}}))
        server.always("GET /features", Reply(500))
        probe = bench.transport(server.url).probe(deadline=Deadline(5))
        assert probe.version is None
        assert {*probe.abilities.values()} == {Held(False, "assumed")}


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
