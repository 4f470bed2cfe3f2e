"""A job whose acceptance was not heard of: asked for before it is sent again."""

from __future__ import annotations

import threading

import pytest

from comfyclient.errors import (
    UnclearAnswerError,
    UnreachableError,
    ValidationError,
)
from comfyclient.jobs.course import JobStatus
from comfyclient.testing.bench import GRAPH, Bench
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.workflow import NamedOutput, Workflow

from ..scenes import advance_until
from .submitting import attempt_of, held_by, refused


class TestALostAnswer:
    """POST /prompt is not idempotent: a lost answer is looked into, never repeated."""

    @pytest.mark.parametrize("version", ["0.3.12", "0.3.40", "0.3.64", "0.33.0"])
    @pytest.mark.parametrize("resets", [True, False])
    def test_accepted(self, bench: Bench, version: str, resets: bool) -> None:
        """The job was taken: it is found by id, or by its mark, and runs once."""
        with ScriptedServer(version=version) as server:
            server.answer("POST /prompt", Reply.lost(acts=True, resets=resets))
            course = bench.run(server.url)
            assert course.status is JobStatus.SUCCEEDED
            assert server.executions == {bench.ticket.prompt_id: 1}
            assert server.asked["POST /prompt"] == 1

    @pytest.mark.parametrize("version", ["0.3.40", "0.33.0"])
    def test_accepted_and_still_waiting(self, bench: Bench, version: str) -> None:
        """The job is found in the queue too, behind another one's."""
        gate = threading.Event()
        with ScriptedServer(version=version) as server:
            server.play(held_by(gate))
            transport = bench.transport(server.url)
            bench.submit(transport)
            server.answer("POST /prompt", Reply.lost(acts=True))
            course = bench.submit(transport)
            gate.set()
            assert bench.end(course).error is None
            assert set(server.executions.values()) == {1}

    @pytest.mark.parametrize("version", ["0.3.40", "0.33.0"])
    @pytest.mark.parametrize("allowed", [True, False])
    def test_a_part_was_accepted(
        self, bench: Bench, version: str, allowed: bool
    ) -> None:
        """A named output that the server dropped is missing in its queue."""
        gate = threading.Event()
        dropped = {"class_type": "SaveNothing", "inputs": {}, "_meta": {"title": "N"}}
        bench.workflow = Workflow.from_graph(
            {**GRAPH, "3": dropped},
            outputs=[NamedOutput("card", "2"), NamedOutput("other", "3")],
        )
        with ScriptedServer(version=version) as server:
            server.play(held_by(gate))
            server.answer("POST /prompt", Reply.lost(acts=True))
            transport = bench.transport(server.url)
            if allowed:
                bench.submit(transport, allow_partial=True)
            else:
                with pytest.raises(ValidationError, match="only a part") as caught:
                    bench.submit(transport)
                (issue,) = caught.value.issues
                assert (issue.node_id, issue.title) == ("3", "N")
                assert "an answer that was lost" in issue.message
            gate.set()
            server.await_that(lambda: server.stage.running is None)
            stopped = set(server.stage.states.values()) <= {"cancelled"}
            assert stopped is not allowed

    @pytest.mark.parametrize("status", [502, 504, 408])
    def test_a_gateway_that_gave_up(self, bench: Bench, server, status: int) -> None:
        """A gateway's timeout says nothing of the job: it is looked for."""
        server.answer("POST /prompt", Reply(status, b"gateway", acts=True))
        assert bench.run(server.url).status is JobStatus.SUCCEEDED
        assert server.executions.total() == 1

    @pytest.mark.parametrize("version", ["0.3.40", "0.33.0"])
    def test_not_accepted(self, bench: Bench, version: str) -> None:
        """The job was not taken: the error says so, and that another may take it."""
        clock = FakeClock()
        with ScriptedServer(version=version) as server:
            server.answer("POST /prompt", Reply.lost(acts=False))
            transport = bench.transport(server.url, websocket=False, clock=clock)
            error = refused(bench, transport, clock)
            assert type(error) is UnreachableError
            assert "did not arrive" in error.message
            assert server.executions.total() == 0

    def test_accepted_late(self, bench: Bench, server) -> None:
        """A job that reaches the server seconds later is still found."""
        clock = FakeClock()
        server.answer("POST /prompt", Reply.lost(acts=False))
        transport = bench.transport(server.url, websocket=False, clock=clock)
        course = bench.course(clock=clock)
        sending = threading.Thread(target=bench.submit, args=(transport, course))
        sending.start()
        server.await_that(lambda: server.asked["GET /api/jobs/{id}"] >= 1)
        asked = next(r for r in server.requests if r.path == "/prompt" and r.body)
        body = asked.json()
        server.stage.take(
            body["prompt_id"],
            body["prompt"],
            number=server.stage.number(),
            extra=body["extra_data"],
            client_id=body["client_id"],
        )
        advance_until(clock, lambda: course.status.final)
        sending.join()
        assert course.status is JobStatus.SUCCEEDED

    def test_nobody_can_be_asked(self, bench: Bench, server) -> None:
        """Where the server cannot be asked either, the error says how to find out."""
        clock = FakeClock()
        server.answer("POST /prompt", Reply.lost(acts=True))
        server.always("GET /api/jobs/{id}", Reply.lost(acts=False))
        server.always("GET /queue", Reply.lost(acts=False))
        transport = bench.transport(server.url, websocket=False, clock=clock)
        error = refused(bench, transport, clock)
        assert type(error) is UnclearAnswerError
        assert "before sending" in error.hint
        assert server.asked["POST /prompt"] == 1

    def test_a_lost_greeting_is_not_unclear(self, bench: Bench, server) -> None:
        """A connection that breaks before anything was sent leaves nothing open."""
        server.answer("GET /system_stats", Reply.lost(acts=False, resets=True))
        with pytest.raises(UnreachableError):
            bench.submit(bench.transport(server.url))
        assert server.asked["POST /prompt"] == 0

    def test_no_time_is_left(self, bench: Bench, server) -> None:
        """With the deadline passed, nothing is sent at all."""
        with pytest.raises(UnreachableError, match="no time"):
            bench.transport(server.url).submit(
                attempt_of(bench), bench.course(), deadline=Deadline(0)
            )
        assert server.requests == []
