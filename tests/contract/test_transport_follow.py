"""The ComfyUI transport when servers restart, forget, stall, or are asked for many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import uuid4

import pytest

from comfyclient.errors import (
    DeadWorkerError,
    ExecutionError,
    JobInterruptedError,
    JobLostError,
    UnreachableError,
)
from comfyclient.events import ConnectionLost, NodeStarted, Queued, Started
from comfyclient.jobs.course import Course, JobStatus
from comfyclient.testing.bench import GRAPH, Bench, events_of
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import (
    AwaitSocket,
    Deafen,
    DropSockets,
    ForgetHistory,
    Hold,
    Play,
    ScriptedJob,
    Step,
    failing,
    interrupted,
    usual,
)
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.transports.base import Attempt, Ticket
from comfyclient.transports.comfyui import ComfyUITransport
from comfyclient.transports.endpoint import Endpoint
from comfyclient.transports.listener import Listener
from comfyclient.workflow import Workflow

from ..scenes import advance_until, held

LONG = {"total_s": 900, "queue_s": 900, "silence_s": 900}
BOTH = pytest.mark.parametrize("websocket", [True, False], ids=["websocket", "polling"])


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


class TestAnotherProcessesJob:
    """A job that somebody else sent is followed by polling alone."""

    @pytest.mark.parametrize("version", ["0.3.40", "0.33.0"])
    def test_it_is_followed(self, bench: Bench, gate, version: str) -> None:
        """It is found, told of as far as polling can, and its end is its end."""
        first = threading.Event()
        with (
            ScriptedServer(version=version, play=held(first)) as server,
            Bench() as old,
        ):
            old.submit(old.transport(server.url))
            server.await_that(lambda: server.stage.running is not None)
            server.play(held(gate))
            attempt = Attempt(str(uuid4()), bench.workflow)
            sent = old.transport(server.url).submit(
                attempt, old.course(), deadline=Deadline(5)
            )
            transport = bench.transport(server.url)
            ticket = transport.find(attempt.attempt_id, deadline=Deadline(9))
            assert ticket == sent
            course = bench.course()
            transport.follow(ticket, course.workflow, course)
            index, event = 0, None
            while event != Started():
                index, event = course.event_after(index, Deadline(5))
                if event == Queued(1):
                    first.set()
            gate.set()
            assert bench.end(course).error is None
            dialled = [r.query["clientId"] for r in server.requests if r.path == "/ws"]
        assert transport.client_id not in dialled
        assert not any(isinstance(e, NodeStarted) for e in events_of(course))

    def test_the_owner_hears_on(self, bench: Bench, gate, server) -> None:
        """Who follows it takes nothing from a living owner's websocket."""
        server.play(held(gate))
        course = bench.submit(bench.transport(server.url))
        with Bench() as other:
            twin = other.course()
            other.transport(server.url).follow(bench.ticket, twin.workflow, twin)
            gate.set()
            assert other.end(twin).error is None
            assert bench.end(course).error is None
        assert NodeStarted("2") in events_of(course)
        assert ConnectionLost not in {type(e) for e in events_of(course)}

    def test_it_is_asked_for_often(self, bench: Bench, gate, server) -> None:
        """A websocket that works for our jobs says nothing of this one."""
        clock = FakeClock()
        server.play(held(gate))
        transport = bench.transport(server.url, clock=clock)
        ours = bench.submit(transport, bench.course(clock=clock, **LONG))
        ticket = Ticket("bench", "x", bench.ticket.prompt_id, "somebody else's")
        transport.forget(bench.ticket)
        course = bench.course(clock=clock, **LONG)
        transport.follow(ticket, course.workflow, course)
        advance_until(clock, lambda: clock.monotonic() > 100, step=0.5)
        before = server.asked.total()
        advance_until(clock, lambda: clock.monotonic() > 160, step=0.5)
        assert server.asked.total() - before > 20
        assert server.asked["GET /ws"] <= 2  # it is not taken for deaf
        assert not ours.status.final


class TestDeafness:
    """A socket that is open, and hears nothing."""

    def test_a_deaf_socket_is_cured(self, bench: Bench, gate, server) -> None:
        """The server forgot it while a job runs: progress comes back."""
        clock = FakeClock()

        def play(job: ScriptedJob) -> list[Step]:
            steps = usual(job)
            return [*steps[:4], Deafen(), AwaitSocket(), Hold(gate), *steps[4:]]

        server.play(play)
        transport = bench.transport(server.url, clock=clock)
        course = bench.submit(transport, bench.course(clock=clock, **LONG))
        advance_until(clock, lambda: server.asked["GET /ws"] > 1)
        assert 20 <= clock.monotonic() < 60
        server.await_that(lambda: server.stage.sockets)
        gate.set()
        advance_until(clock, lambda: course.status.final, step=0.1)
        assert course.verdict.error is None
        assert NodeStarted("2") in events_of(course)

    def test_a_dead_connection_is_ended(self, server) -> None:
        """A server that answers no ping is taken for gone, and dialled anew."""
        server.pongs = False
        links: list[str | None] = []
        listener = Listener(
            Endpoint("n", server.url),
            "me",
            on_signal=lambda signal: None,
            on_link=links.append,
            ping_every=0.05,
        )
        listener.want(True)
        try:
            server.await_that(lambda: server.asked["GET /ws"] > 1)
        finally:
            listener.close()
        assert links[:2] == [None, "no sign of life"]

    def test_whoever_cannot_take_a_message_is_dialled_anew_for(
        self, server, caplog
    ) -> None:
        """A fault in taking one message ends that connection, not the listening."""
        taken: list[object] = []

        def take(signal: object) -> None:
            taken.append(signal)
            if len(taken) == 1:
                raise RuntimeError("a fault of ours")

        listener = Listener(
            Endpoint("n", server.url),
            "me",
            on_signal=take,
            on_link=lambda reason: None,
        )
        listener.want(True)
        try:
            server.await_that(lambda: server.asked["GET /ws"] > 1 and len(taken) > 1)
        finally:
            listener.close()
        assert "a fault of ours" in caplog.text

    def test_a_silent_connection_that_lives_is_kept(self, server) -> None:
        """As long as pings are answered, silence is no reason to dial anew."""
        links: list[str | None] = []
        listener = Listener(
            Endpoint("n", server.url),
            "me",
            on_signal=lambda signal: None,
            on_link=links.append,
            ping_every=0.02,
        )
        listener.want(True)
        assert listener.await_registered(5)
        threading.Event().wait(0.3)
        assert server.asked["GET /ws"] == 1
        listener.close()
        assert links == [None]


class TestManyJobs:
    """Requests stay few, however many jobs are followed."""

    @BOTH
    def test_a_minute_of_a_thousand(self, bench, gate, server, websocket) -> None:
        """One look at the queue serves all of them."""
        clock = FakeClock()
        server.play(held(gate))
        transport = bench.transport(server.url, clock=clock, websocket=websocket)
        courses = thousand(bench, transport, server, clock)
        advance_until(clock, lambda: clock.monotonic() > 10)
        before = server.asked.copy()
        advance_until(clock, lambda: clock.monotonic() > 70)
        asked = server.asked - before
        assert set(asked) <= {"GET /queue", "GET /ws"}
        assert asked["GET /ws"] < 5  # dialled anew: the one that runs says nothing
        assert 5 <= asked["GET /queue"] <= (40 if websocket else 130)
        assert not any(course.status.final for course in courses)

    def test_a_thousand_are_lost_at_once(self, bench: Bench, gate, server) -> None:
        """After a restart each job costs a handful of questions, and all are told."""
        clock = FakeClock()
        server.play(held(gate))
        transport = bench.transport(server.url, clock=clock, websocket=False)
        courses = thousand(bench, transport, server, clock, count=200)
        server.restart()
        before = server.asked.copy()
        advance_until(clock, lambda: all(c.status.final for c in courses), step=0.25)
        asked = server.asked - before
        assert {type(c.verdict.error) for c in courses} == {JobLostError}
        assert asked["GET /history/{id}"] == 3 * 200
        assert asked["GET /queue"] < 20


def thousand(
    bench: Bench,
    transport: ComfyUITransport,
    server: ScriptedServer,
    clock: FakeClock,
    *,
    count: int = 1000,
) -> list[Course]:
    """Many jobs that are followed, the first of which runs."""
    workflow = Workflow.from_graph(GRAPH)
    course = bench.course(workflow, clock=clock, **LONG)
    courses = [bench.submit(transport, course)]
    server.await_that(lambda: server.stage.running is not None)
    for number in range(1, count):
        prompt_id = str(uuid4())
        server.stage.take(
            prompt_id,
            {"1": {}},
            number=number,
            extra={},
            client_id=transport.client_id,
        )
        ticket = Ticket("bench", prompt_id, prompt_id, transport.client_id)
        course = bench.course(workflow, clock=clock, **LONG)
        transport.follow(ticket, workflow, course)
        courses.append(course)
    return courses
