"""The ComfyUI transport when servers restart, forget, stall, or are asked for many."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest

from comfyclient.errors import (
    JobLostError,
)
from comfyclient.events import ConnectionLost, NodeStarted, Queued, Started
from comfyclient.jobs.course import Course
from comfyclient.testing.bench import GRAPH, Bench, events_of
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.play import (
    AwaitSocket,
    Deafen,
    Hold,
    ScriptedJob,
    Step,
    usual,
)
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.transports.base import Attempt, Ticket
from comfyclient.transports.comfyui import ComfyUITransport
from comfyclient.transports.endpoint import Endpoint
from comfyclient.transports.listener import Listener
from comfyclient.workflow import Workflow

from ..scenes import BOTH, LONG, advance_until, held


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
        assert listener.await_registered(20)
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
