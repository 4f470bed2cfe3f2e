"""Servers of several versions in one environment, and what they show they can do."""

from __future__ import annotations

import threading

import pytest

from comfyclient.errors import JobLostError, WrongVersionError
from comfyclient.testing.bench import Bench
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import DropSockets, usual
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.transports.comfyui import RESTARTS_IN
from comfyclient.transports.profile import Held
from comfyclient.workflow import InputFile

from ...scenes import held
from ..clients import WORKFLOW
from .ranges import DENIED, OBSERVED, RANGE, posted, submit_behind_a_restart


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
