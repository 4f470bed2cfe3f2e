"""The ComfyUI transport when its websocket works, breaks, is late, or never opens."""

from __future__ import annotations

import json
import struct
import threading

import pytest

from comfyclient.events import (
    ConnectionLost,
    ConnectionRestored,
    Finished,
    NodeOutput,
    NodesCached,
    NodeStarted,
    NodeText,
    Preview,
    Progress,
    Queued,
    Started,
)
from comfyclient.jobs.course import JobStatus
from comfyclient.testing.bench import Bench, events_of
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import (
    AwaitLooks,
    AwaitSocket,
    Broadcast,
    DropSockets,
    Hold,
    Restart,
    ScriptedJob,
    Step,
    Store,
    usual,
)
from comfyclient.testing.scripted import ScriptedServer

from ..scenes import advance_until, kinds

VERSIONS = ("0.3.12", "0.3.40", "0.3.64", "0.9.0", "0.33.0")
FRAMES = 14
"""Steps of the usual course of the bench's graph on the newest version."""


class TestAJobThatSucceeds:
    """The way of a job on which nothing goes wrong."""

    @pytest.mark.parametrize("version", VERSIONS)
    def test_it_ends_with_its_output(self, bench: Bench, version: str) -> None:
        """On every version a graph is executed once and its picture is told."""
        with ScriptedServer(version=version) as server:
            course = bench.run(server.url)
        assert course.status is JobStatus.SUCCEEDED
        ref = course.verdict.outputs["2"].refs[0]
        assert (ref.filename, ref.type) == ("scripted_00001_.png", "output")
        assert server.executions == {bench.ticket.prompt_id: 1}

    def test_its_events_tell_its_way(self, bench: Bench, server) -> None:
        """Events come in the order of the work, and the last one is the end."""
        events = events_of(bench.run(server.url))
        told = [type(e) for e in events if not isinstance(e, Progress)]
        assert told[:3] == [Queued, Started, NodesCached]
        assert [e.node_id for e in events if isinstance(e, NodeStarted)] == ["1", "2"]
        assert sum(isinstance(e, NodeOutput) for e in events) == 1
        assert events[-1] == Finished(None)

    def test_its_progress_rises_to_one(self, bench: Bench, server) -> None:
        """Progress never falls, and ends at 1."""
        events = events_of(bench.run(server.url))
        told = [e.fraction for e in events if isinstance(e, Progress)]
        assert told == sorted(told)
        assert told[-1] == 1.0

    def test_a_cached_rerun_has_its_output(self, bench: Bench, server) -> None:
        """A graph that the server has cached starts no node and gives the old file."""
        transport = bench.transport(server.url)
        first = bench.submit(transport)
        bench.end(first)
        again = bench.submit(transport)
        verdict = bench.end(again)
        assert verdict.outputs["2"].refs == first.verdict.outputs["2"].refs
        assert NodesCached(("1", "2")) in events_of(again)
        assert not any(isinstance(e, NodeStarted) for e in events_of(again))
        assert again.progress == 1.0

    def test_flags_are_announced_first(self, bench: Bench, server) -> None:
        """The first message on a socket asks for previews that name their prompt."""
        bench.run(server.url)
        assert json.loads(server.heard[0]) == {
            "type": "feature_flags",
            "data": {"supports_preview_metadata": True},
        }

    def test_one_socket_serves_all_jobs(self, bench: Bench, server) -> None:
        """Jobs of one transport share its websocket."""
        transport = bench.transport(server.url)
        courses = [bench.submit(transport) for _ in range(3)]
        assert all(bench.end(course).error is None for course in courses)
        assert server.asked["GET /ws"] == 1

    def test_connections_are_reused(self, bench: Bench, server) -> None:
        """Jobs that follow each other share a handful of connections."""
        transport = bench.transport(server.url, websocket=False)
        for _ in range(8):
            bench.end(bench.submit(transport))
        assert len(server._threads) < 6

    def test_an_old_server_mints_its_own_id(self, bench: Bench) -> None:
        """Where the server ignores our prompt id, the id in its answer counts."""
        with ScriptedServer(version="0.3.40") as server:
            course = bench.run(server.url)
        assert bench.ticket.prompt_id != bench.ticket.attempt_id
        assert course.status is JobStatus.SUCCEEDED
        assert Started() in events_of(course)


class TestASocketThatBreaks:
    """Completion never depends on the websocket."""

    @pytest.mark.parametrize("after", range(FRAMES + 1))
    def test_dropped_at_any_message(self, bench: Bench, server, after: int) -> None:
        """A socket that is reset at any point of a run changes nothing of its end."""

        def play(job: ScriptedJob) -> list[Step]:
            steps = usual(job)
            return [*steps[:after], DropSockets(resets=after % 2 == 0), *steps[after:]]

        server.play(play)
        course = bench.run(server.url)
        assert course.verdict.error is None
        assert course.verdict.outputs["2"].refs
        assert server.executions.total() == 1
        assert kinds(course).count("Finished") == 1

    def test_it_is_told_and_dialled_again(self, bench: Bench, server) -> None:
        """A break is an event, the return is another, and progress goes on after it."""

        gate = threading.Event()

        def play(job: ScriptedJob) -> list[Step]:
            steps = usual(job)
            broken = [Hold(gate), DropSockets(closes=True), AwaitSocket()]
            return [*steps[:4], *broken, *steps[4:]]

        server.play(play)
        course = bench.submit(bench.transport(server.url))
        gate.set()
        bench.end(course)
        events = events_of(course)
        lost = next(i for i, e in enumerate(events) if isinstance(e, ConnectionLost))
        back = events.index(ConnectionRestored())
        assert lost < back < events.index(NodeStarted("2"))
        # ComfyUI resets the flags with every connection
        assert len(server.heard) == 2

    def test_it_comes_back_under_the_same_name(self, bench: Bench, server) -> None:
        """A new connection uses the old client id: the prompt's frames go there."""

        def play(job: ScriptedJob) -> list[Step]:
            return [DropSockets(), AwaitSocket(), *usual(job)]

        server.play(play)
        bench.run(server.url)
        ids = {r.query["clientId"] for r in server.requests if r.path == "/ws"}
        assert ids == {bench.ticket.client_id}

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(404),
            Reply(403, b"<html>no</html>" * 400_000),
            Reply(502),
            Reply(200, b"not a websocket"),
            Reply(raw=b"\x00\xff" * 2000),
            Reply(raw=b"HTTP/1.1 101 Switching\r\nSet-Cookie: \x01=;;=\r\n\r\n"),
            Reply(raw=b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            Reply(raw=b""),
        ],
        ids=["404", "403-page", "502", "200", "noise", "cookie", "no-accept", "closed"],
    )
    def test_never_opened(self, bench: Bench, server, reply: Reply) -> None:
        """Without any websocket the job ends the same, by polling."""
        server.always("GET /ws", reply)
        course = bench.run(server.url)
        assert course.status is JobStatus.SUCCEEDED
        assert course.verdict.outputs["2"].refs

    def test_never_answered(self, bench: Bench, server) -> None:
        """A handshake that hangs holds a submit up for its grace only."""
        clock = FakeClock()
        gate = threading.Event()
        server.always("GET /ws", Reply(gate=gate))
        transport = bench.transport(server.url, clock=clock, connect_timeout=0.5)
        course = bench.course(clock=clock)
        sending = threading.Thread(target=bench.submit, args=(transport, course))
        sending.start()
        server.await_that(lambda: server.asked["GET /ws"])
        clock.await_sleepers(1)
        clock.advance(3.1)
        sending.join(timeout=20)
        assert not sending.is_alive()
        server.await_that(lambda: server.stage.history)
        advance_until(clock, lambda: course.status.final)
        assert course.status is JobStatus.SUCCEEDED
        gate.set()

    def test_opened_late(self, bench: Bench, server) -> None:
        """A socket that opens while the job runs brings its progress from then on."""
        server.answer("GET /ws", Reply(404))
        server.play(lambda job: [AwaitLooks(2), AwaitSocket(), *usual(job)])
        clock = FakeClock()
        course = bench.submit(
            bench.transport(server.url, clock=clock),
            bench.course(clock=clock, total_s=300, queue_s=300, silence_s=300),
        )
        advance_until(
            clock, lambda: course.status.final
        )  # a refused handshake is tried again in a minute
        assert course.status is JobStatus.SUCCEEDED
        assert NodeStarted("2") in events_of(course)

    def test_switched_off(self, bench: Bench, server) -> None:
        """An endpoint without websocket never dials one."""
        course = bench.run(server.url, websocket=False)
        assert course.status is JobStatus.SUCCEEDED
        assert server.asked["GET /ws"] == 0

    def test_done_before_the_socket_is_up(self, bench: Bench, server) -> None:
        """A job that ended before anybody listened is found in the history."""
        gate = threading.Event()
        server.always("GET /ws", Reply(gate=gate))
        course = bench.submit(
            bench.transport(server.url, connect_timeout=0.05), bench.course()
        )
        verdict = bench.end(course)
        gate.set()
        assert verdict.error is None
        assert verdict.outputs["2"].refs

    def test_the_last_word_is_lost(self, bench: Bench, server) -> None:
        """Success is told, but the history has it later and the socket is gone."""

        def play(job: ScriptedJob) -> list[Step]:
            return [job.say("execution_success"), DropSockets(), AwaitLooks(2), Store()]

        server.play(play)
        assert bench.run(server.url).status is JobStatus.SUCCEEDED

    def test_a_deaf_socket_is_dialled_again(self, bench: Bench, server) -> None:
        """A socket that stays open and silent while the job runs is replaced."""
        clock = FakeClock()
        gate = threading.Event()

        def play(job: ScriptedJob) -> list[Step]:
            steps = usual(job)
            return [*steps[:4], Hold(gate), *steps[4:]]

        server.play(play)
        transport = bench.transport(server.url, clock=clock)
        course = bench.submit(
            transport, bench.course(clock=clock, total_s=500, silence_s=400)
        )
        server.await_that(lambda: server.executions)
        advance_until(clock, lambda: server.asked["GET /ws"] > 1)
        gate.set()
        advance_until(clock, lambda: course.status.final)
        assert course.status is JobStatus.SUCCEEDED


class TestAServerThatRestarts:
    """Its memory is gone: queue, history and sockets."""

    def test_the_job_is_lost(self, bench: Bench, server) -> None:
        """A job that the server knows no longer ends as lost, not as a hang."""
        server.play(lambda job: [*usual(job)[:5], Restart()])
        course = bench.run(server.url)
        assert type(course.verdict.error).__name__ == "JobLostError"
        assert course.verdict.error.instance == "bench"
        assert course.verdict.error.job_id == course.job_id

    def test_the_next_job_runs(self, bench: Bench, server) -> None:
        """After a restart the same transport goes on."""
        server.play(lambda job: [*usual(job)[:5], Restart()])
        transport = bench.transport(server.url)
        bench.end(bench.submit(transport))
        server.play(usual)
        assert bench.end(bench.submit(transport)).error is None


class TestWhatOthersDo:
    """One server, many clients."""

    def test_two_clients_hear_their_own(self, server) -> None:
        """Each client's jobs get their own events and nobody else's."""
        with Bench() as one, Bench() as two:
            first, second = one.transport(server.url), two.transport(server.url)
            mine = [one.submit(first) for _ in range(3)]
            theirs = [two.submit(second) for _ in range(3)]
            for bench, courses in ((one, mine), (two, theirs)):
                for course in courses:
                    assert bench.end(course).error is None
                    assert kinds(course).count("Started") == 1
                    assert kinds(course).count("NodeOutput") == 1
        assert set(server.executions.values()) == {1}

    def test_foreign_broadcasts_are_ignored(self, bench: Bench, server) -> None:
        """Frames of prompts without a client reach everybody, and mean nothing."""
        foreign = ScriptedJob("foreign", 0, {}, {}, None, server.version, {})
        told = [
            foreign.say("progress", node="9", value=1, max=2),
            foreign.say("execution_interrupted", node_id="9"),
            foreign.say("execution_error", exception_type="ValueError"),
            {"type": "assets.seed.started", "data": {"roots": ["output"]}},
            {"type": "custom", "data": None},
        ]
        server.play(lambda job: [*[Broadcast(frame) for frame in told], *usual(job)])
        course = bench.run(server.url)
        assert course.status is JobStatus.SUCCEEDED
        nodes = {getattr(e, "node_id", None) for e in events_of(course)}
        assert nodes == {None, "1", "2"}

    def test_nameless_frames_need_a_running_job(self, bench: Bench, server) -> None:
        """Pictures and texts that name no prompt count only while one of ours runs."""
        early, ours = b"\0\0\0\1\0\0\0\1\xff\xd8early", b"\0\0\0\1\0\0\0\1\xff\xd8ours"
        text = struct.pack(">II", 3, 1) + b"2hello"

        def play(job: ScriptedJob) -> list[Step]:
            steps = usual(job)
            said = [Broadcast(early), *steps[:5], ours, text, *steps[5:], early]
            return [Hold(gate), *said]

        gate = threading.Event()
        server.play(play)
        course = bench.submit(bench.transport(server.url))
        gate.set()
        bench.end(course)
        events = events_of(course)
        assert [e.image[-4:] for e in events if isinstance(e, Preview)] == [b"ours"]
        assert NodeText("2", "hello") in events
