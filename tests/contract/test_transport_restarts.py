"""Servers that restart, clear their history, or whose worker dies, under a job."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from comfyclient.errors import (
    DeadWorkerError,
    ExecutionError,
    JobInterruptedError,
    JobLostError,
    UnreachableError,
)
from comfyclient.jobs.course import Course, JobStatus
from comfyclient.testing.bench import Bench
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import (
    AwaitSocket,
    DropSockets,
    ForgetHistory,
    Play,
    ScriptedJob,
    Step,
    failing,
    interrupted,
    usual,
)
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline

from ..scenes import BOTH, LONG, advance_until, held


def forgotten(steps: Callable[[ScriptedJob], list[Step]]) -> Play:
    """A history that is cleared in the very moment in which a job is stored."""

    def play(job: ScriptedJob) -> list[Step]:
        found: list[Step] = []
        for step in steps(job):
            stores = type(step).__name__ == "Store"
            found += [step, ForgetHistory()] if stores else [step]
        return found

    return play


class TestARestart:
    """A server that restarted has lost its jobs: that is noticed, and named."""

    @BOTH
    @pytest.mark.parametrize("count", [2, 5])
    def test_a_counter_that_fell(self, bench, gate, server, websocket, count) -> None:
        """The next prompt's number tells it: no job's due time is waited for."""
        clock = FakeClock()
        server.play(held(gate))
        transport = bench.transport(server.url, websocket=websocket, clock=clock)
        lost = [
            bench.submit(transport, bench.course(clock=clock, **LONG))
            for _ in range(count)
        ]
        server.await_that(lambda: server.stage.running is not None)
        server.play(usual)
        server.restart()
        course, at_once = self._sent(bench, transport, clock)
        began = clock.monotonic()
        advance_until(clock, lambda: all(c.status.final for c in lost), step=0.05)
        assert clock.monotonic() - began < 2
        for error in [one.verdict.error for one in lost]:
            assert type(error) is JobLostError
            # where time passed before it was taken, a look may have been faster
            told = f"its counter fell from {count - 1} to 0" in error.message
            assert told or not at_once
            assert error.instance == "bench"
        advance_until(clock, lambda: course.status.final, step=0.05)
        assert course.verdict.error is None

    def _sent(self, bench, transport, clock) -> tuple[Course, bool]:
        """Another job, and whether it was taken while time stood still: a connection
        that dies with its server at that very moment takes longer."""
        course = bench.course(clock=clock, **LONG)

        def submit() -> None:
            try:
                bench.submit(transport, course)
            except UnreachableError:  # it did not arrive, and that is certain
                bench.submit(transport, course)

        sending = threading.Thread(target=submit)
        sending.start()
        sending.join(2)
        at_once = not sending.is_alive()
        clock.pump(lambda: not sending.is_alive())
        return course, at_once

    @BOTH
    def test_a_server_that_was_away(self, bench, gate, server, websocket) -> None:
        """One that refused connections and knows nothing afterwards has restarted."""
        server.play(held(gate))
        transport = bench.transport(server.url, websocket=websocket)
        course = bench.submit(transport)
        server.await_that(lambda: server.stage.running is not None)
        server.stop()
        threading.Event().wait(0.4)
        server.start_again()
        error = bench.end(course).error
        assert type(error) is JobLostError
        assert "the server restarted" in error.message

    def test_a_network_that_was_away(self, bench: Bench, gate, server) -> None:
        """A server that could not be reached and kept its jobs has lost nothing."""
        server.play(held(gate))
        course = bench.submit(bench.transport(server.url))
        server.await_that(lambda: server.stage.running is not None)
        server.stop(remembers=True)
        threading.Event().wait(0.4)
        server.start_again()
        gate.set()
        assert bench.end(course).error is None
        assert server.executions.total() == 1

    def test_back_as_an_older_version(self, bench: Bench, gate, server) -> None:
        """What a newer version could do is not asked of the older one in its place."""
        server.play(held(gate))
        transport = bench.transport(server.url)
        lost = bench.submit(transport)
        server.await_that(lambda: server.stage.running is not None)
        server.restart(version="0.3.40")
        theirs = Bench()
        with theirs:
            other = theirs.submit(theirs.transport(server.url))
            server.await_that(lambda: server.stage.running is not None)
            waiting = bench.submit(transport)
            waiting.cancel_asked = True
            transport.cancel(bench.ticket, deadline=Deadline(5))
            bench.end(waiting)
            gate.set()
            assert theirs.end(other).error is None
        assert waiting.status is JobStatus.CANCELLED
        assert server.asked["POST /interrupt"] == 0
        assert isinstance(bench.end(lost).error, JobLostError)

    def test_answers_out_of_order(self, bench: Bench, gate, server) -> None:
        """Numbers of prompts that are sent at once in any order hint at nothing."""
        server.play(held(gate))
        transport = bench.transport(server.url)
        late = threading.Event()
        server.answer("POST /prompt", Reply(late=late))
        courses = [bench.course(), bench.course()]
        sending = threading.Thread(target=bench.submit, args=(transport, courses[0]))
        sending.start()
        server.await_that(lambda: server.stage.running is not None)
        bench.submit(transport, courses[1])
        late.set()
        sending.join()
        assert not transport._dialect.doubted
        gate.set()
        assert all(bench.end(course).error is None for course in courses)


class TestAHistoryThatIsCleared:
    """Somebody clears the history right after the end: the job is not lost."""

    def test_a_success(self, bench: Bench, server) -> None:
        """What the websocket told of end and outputs is believed then."""
        server.play(forgotten(usual))
        verdict = bench.end(bench.submit(bench.transport(server.url)))
        assert verdict.error is None
        assert verdict.outputs["2"].refs[0].filename == "scripted_00001_.png"
        assert server.executions.total() == 1

    def test_a_failure(self, bench: Bench, server) -> None:
        """The error that the websocket told is the job's."""
        server.play(forgotten(lambda job: failing(job, "2", exception_message="no")))
        error = bench.end(bench.submit(bench.transport(server.url))).error
        assert type(error) is ExecutionError
        assert error.node_id == "2"
        assert error.title == "Save it"

    def test_an_interruption(self, bench: Bench, server) -> None:
        """Somebody stopped it, and then cleared the history."""
        server.play(forgotten(lambda job: [*usual(job)[:4], *interrupted(job)]))
        error = bench.end(bench.submit(bench.transport(server.url))).error
        assert type(error) is JobInterruptedError

    def test_without_a_websocket(self, bench: Bench, server) -> None:
        """Nobody told of the end: the job counts as lost."""
        server.play(forgotten(usual))
        course = bench.submit(bench.transport(server.url, websocket=False))
        assert type(bench.end(course).error) is JobLostError

    def test_after_a_break(self, bench: Bench, server) -> None:
        """Outputs may have been missed in a break: success without them is none."""

        def play(job: ScriptedJob) -> list[Step]:
            steps = usual(job)
            shown = next(
                i
                for i, step in enumerate(steps)
                if isinstance(step, dict) and step["type"] == "executed"
            )
            broken = [DropSockets(), AwaitSocket()]
            return [*steps[:shown], *broken, *steps[shown + 1 :]]

        server.play(forgotten(play))
        error = bench.end(bench.submit(bench.transport(server.url))).error
        assert type(error) is JobLostError
        assert "succeeded" in error.message


class TestADeadWorker:
    """The server answers, and runs nothing any more."""

    @BOTH
    @pytest.mark.parametrize("version", ["0.3.40", "0.33.0"])
    def test_it_is_noticed(self, bench: Bench, version: str, websocket: bool) -> None:
        """Jobs that wait there are taken out of the queue, and end with its name."""
        clock = FakeClock()
        with ScriptedServer(version=version) as server:
            transport = bench.transport(server.url, clock=clock, websocket=websocket)
            server.kill_worker()
            courses = [
                bench.submit(transport, bench.course(clock=clock, **LONG))
                for _ in range(3)
            ]
            advance_until(clock, lambda: all(c.status.final for c in courses))
            assert server.stage.pending == []
            assert server.executions.total() == 0
        for course in courses:
            error = course.verdict.error
            assert type(error) is DeadWorkerError
            assert "restart that ComfyUI" in error.hint
        assert 20 <= clock.monotonic() < 90

    def test_one_job_is_enough(self, bench: Bench, server) -> None:
        """A single job that waits, asked for by its id, shows it too."""
        clock = FakeClock()
        server.kill_worker()
        transport = bench.transport(server.url, clock=clock)
        course = bench.submit(transport, bench.course(clock=clock, **LONG))
        advance_until(clock, lambda: course.status.final)
        assert type(course.verdict.error) is DeadWorkerError

    def test_a_busy_worker_is_not_dead(self, bench: Bench, gate, server) -> None:
        """A node that takes a quarter of an hour keeps the others waiting."""
        clock = FakeClock()
        server.play(held(gate))
        transport = bench.transport(server.url, clock=clock)
        courses = [
            bench.submit(transport, bench.course(clock=clock, **LONG)) for _ in range(3)
        ]
        server.await_that(lambda: server.stage.running is not None)
        advance_until(clock, lambda: clock.monotonic() > 800, step=5.0)
        gate.set()
        advance_until(clock, lambda: all(c.status.final for c in courses), step=0.2)
        assert [c.verdict.error for c in courses] == [None] * 3

    def test_a_deletion_that_fails(self, bench: Bench, server) -> None:
        """A job that cannot be taken out of the queue is followed on."""
        clock = FakeClock()
        server.kill_worker()
        server.always("POST /queue", Reply(500))
        transport = bench.transport(server.url, clock=clock)
        course = bench.submit(transport, bench.course(clock=clock, **LONG))
        advance_until(clock, lambda: server.asked["POST /queue"] > 2)
        assert not course.status.final
        server.always("POST /queue", None)
        advance_until(clock, lambda: course.status.final)
        assert type(course.verdict.error) is DeadWorkerError
