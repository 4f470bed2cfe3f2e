"""Jobs that are cancelled, run out of time, or whose server's worker is dead."""

from __future__ import annotations

import pytest

from comfyclient.errors import JobCancelledError, JobTimeoutError, TransportError
from comfyclient.events import Queued, Started
from comfyclient.jobs.course import Course, JobStatus
from comfyclient.testing.bench import Bench, events_of
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import Hold, Play, usual
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline

from ..scenes import advance_until, held

VERSIONS = ("0.3.40", "0.3.64", "0.9.0", "0.33.0")


class TestCancelling:
    """Exactly this job is dropped or stopped, the way each version allows."""

    @pytest.mark.parametrize("version", VERSIONS)
    def test_one_that_waits(self, bench: Bench, gate, version: str) -> None:
        """A job in the queue vanishes, and the one that runs is left alone."""
        with ScriptedServer(version=version, play=held(gate)) as server:
            transport = bench.transport(server.url)
            running = bench.submit(transport)
            first = bench.ticket
            server.await_that(lambda: server.stage.running is not None)
            waiting = bench.submit(transport)
            waiting.cancel_asked = True
            transport.cancel(bench.ticket, deadline=Deadline(5))
            assert type(bench.end(waiting).error) is JobCancelledError
            assert waiting.status is JobStatus.CANCELLED
            gate.set()
            assert bench.end(running).error is None
            assert server.executions == {first.prompt_id: 1}

    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("websocket", [True, False])
    def test_one_that_runs(self, bench, gate, version, websocket) -> None:
        """A running job is interrupted; the next one is not touched."""
        with ScriptedServer(version=version, play=held(gate)) as server:
            transport = bench.transport(server.url, websocket=websocket)
            running = bench.submit(transport)
            ticket = bench.ticket
            server.await_that(lambda: server.stage.running is not None)
            server.play(usual)
            following = bench.submit(transport)
            running.cancel_asked = True
            transport.cancel(ticket, deadline=Deadline(5))
            assert bench.end(running).error.instance == "bench"
            assert running.status is JobStatus.CANCELLED
            assert bench.end(following).error is None

    def test_another_ones_job_is_left_alone(self, bench: Bench, gate) -> None:
        """On a server whose interrupt hits whoever runs, it is not sent for a job
        that waits or has ended."""
        with ScriptedServer(version="0.3.40") as server:
            transport = bench.transport(server.url)
            done = bench.submit(transport)
            ticket = bench.ticket
            bench.end(done)
            server.play(held(gate))
            with Bench() as other:
                theirs = other.submit(other.transport(server.url))
                server.await_that(lambda: server.stage.running is not None)
                transport.cancel(ticket, deadline=Deadline(5))
                assert server.asked["POST /interrupt"] == 0
                gate.set()
                assert other.end(theirs).error is None

    def test_a_yes_that_was_too_late(self, bench: Bench, gate, server) -> None:
        """The server says yes and the job succeeds all the same: it has succeeded."""
        server.play(held(gate))
        server.stage.interruptible = False
        transport = bench.transport(server.url)
        course = bench.submit(transport)
        server.await_that(lambda: server.stage.running is not None)
        course.cancel_asked = True
        transport.cancel(bench.ticket, deadline=Deadline(5))
        gate.set()
        assert bench.end(course).error is None
        assert course.status is JobStatus.SUCCEEDED

    def test_a_route_that_is_not_there(self, bench: Bench, gate, server) -> None:
        """A gateway without the cancel route: the older way is taken."""
        server.play(held(gate))
        server.always("POST /api/jobs/{id}/cancel", Reply(404))
        transport = bench.transport(server.url)
        course = bench.submit(transport)
        server.await_that(lambda: server.stage.running is not None)
        course.cancel_asked = True
        transport.cancel(bench.ticket, deadline=Deadline(5))
        assert type(bench.end(course).error) is JobCancelledError

    def test_a_server_that_does_not_answer(self, bench: Bench, gate, server) -> None:
        """A cancel that cannot be asked for is an error, and the job goes on."""
        server.play(held(gate))
        transport = bench.transport(server.url)
        course = bench.submit(transport)
        server.always("POST /api/jobs/{id}/cancel", Reply.lost(acts=False))
        with pytest.raises(TransportError):
            transport.cancel(bench.ticket, deadline=Deadline(5))
        gate.set()
        assert bench.end(course).error is None


class TestDeadlines:
    """Nothing waits for ever, and the error says what the job was doing."""

    def test_the_total_time(self, bench: Bench, gate, server) -> None:
        """A job that runs too long ends, with the node it was at."""
        error, _ = over(bench, server, held(gate), total_s=100)
        assert "its total time of 100 s is over" in str(error)
        assert "running node 1 (EmptyImage)" in str(error)
        assert isinstance(error, TimeoutError)

    def test_the_time_in_the_queue(self, bench: Bench, gate, server) -> None:
        """A job that waits too long ends, with its place in the queue."""
        server.play(held(gate))
        with Bench() as other:
            other.submit(other.transport(server.url))
            server.await_that(lambda: server.stage.running is not None)
            error, course = over(bench, server, held(gate), queue_s=50)
        assert "its time in the queue of 50 s is over" in str(error)
        assert "queued behind 1 other" in str(error)
        assert Started() not in events_of(course)

    def test_waiting_is_not_silence(self, bench: Bench, gate, server) -> None:
        """A job that stands still in a queue that answers is not called silent."""
        server.play(held(gate))
        with Bench() as other:
            other.submit(other.transport(server.url))
            server.await_that(lambda: server.stage.running is not None)
            error, course = over(bench, server, held(gate), queue_s=60, silence_s=20)
        assert "in the queue of 60 s" in str(error)
        assert events_of(course).count(Queued(1)) == 1

    def test_running_is_not_silence(self, bench: Bench, gate) -> None:
        """A long node without a word, seen running by polling, is not called silent."""
        with ScriptedServer(version="0.3.64") as server:
            error, _ = over(
                bench,
                server,
                held(gate),
                websocket=False,
                total_s=80,
                silence_s=20,
            )
        assert "its total time of 80 s" in str(error)

    def test_a_server_that_vanished(self, bench: Bench, gate, server) -> None:
        """Nobody answers any more: the silence ends the job, and says why."""
        for route in ("GET /api/jobs/{id}", "GET /queue", "GET /ws"):
            server.always(route, Reply.lost(acts=False))
        error, _ = over(bench, server, held(gate), silence_s=30)
        assert "the time without a sign of life of 30 s is over" in str(error)
        assert "could not be asked" in str(error)

    @pytest.mark.parametrize("websocket", [True, False])
    def test_a_dead_worker(self, bench: Bench, gate, server, websocket) -> None:
        """HTTP answers, the job stands in the queue, and nothing ever runs."""
        error, course = over(
            bench,
            server,
            lambda job: [Hold(gate)],
            websocket=websocket,
            total_s=90,
            silence_s=30,
        )
        assert "its total time of 90 s" in str(error)
        assert course.status is JobStatus.FAILED

    def test_the_end_is_not_slept_through(self, bench: Bench, gate, server) -> None:
        """A job ends at its deadline, not at the next look after it."""
        clock = FakeClock()
        server.play(held(gate))
        course = bench.course(clock=clock, total_s=7.5)
        bench.submit(bench.transport(server.url, clock=clock), course)
        server.await_that(lambda: server.stage.running is not None)
        for _ in range(75):
            clock.await_sleepers(1)
            clock.advance(0.1)
        clock.advance(0.02)
        assert isinstance(course.await_end(Deadline(5)).error, JobTimeoutError)
        assert clock.monotonic() < 8


def over(
    bench: Bench,
    server: ScriptedServer,
    play: Play,
    *,
    websocket: bool = True,
    **limits: float,
) -> tuple[BaseException, Course]:
    """The error of a job whose time is let run out."""
    clock = FakeClock()
    server.play(play)
    settings = {"total_s": 300, "queue_s": 300, "silence_s": 300, **limits}
    course = bench.course(clock=clock, **settings)
    bench.submit(bench.transport(server.url, clock=clock, websocket=websocket), course)
    advance_until(clock, lambda: course.status.final)
    error = course.verdict.error
    assert isinstance(error, JobTimeoutError)
    assert error.job_id == course.job_id
    return error, course
