"""The ComfyUI transport when HTTP answers are refusals, garbage, late or lost."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from comfyclient.errors import (
    BadAnswerError,
    JobTimeoutError,
    UnreachableError,
)
from comfyclient.jobs.course import JobStatus
from comfyclient.testing.bench import Bench
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import (
    ScriptedJob,
    Step,
    usual,
)
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline

from ..scenes import PAGE, advance_until
from .submitting import attempt_of, refused

GARBAGE = {
    "page": Reply(200, b"<html>log in</html>", {"Content-Type": "text/html"}),
    "empty": Reply(200),
    "truncated": Reply(200, b'{"prompt_id": "'),
    "list": Reply.of_json([]),
    "null": Reply.of_json(None),
    "other": Reply.of_json({"ok": True, "prompt_id": 7, "queue_running": {}}),
    "nesting": Reply(200, b"[" * 200_000),
    "bytes": Reply(200, b"\xff\xfe\x00\x01" * 100),
    "large": Reply(200, PAGE),
    "gzip": Reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
    "raw": Reply(raw=b"\x00\xff" * 500),
    "length": Reply(200, b"{}", {"Content-Length": "²"}, sends=2),
}


GARBAGE_IDS = list(GARBAGE)


class TestGarbage:
    """Answers that ComfyUI never gives: a page, a half, another shape."""

    @pytest.mark.parametrize("name", GARBAGE_IDS)
    def test_at_submit(self, bench: Bench, server, name: str) -> None:
        """A submit that is answered with garbage asks for the job, and says so."""
        clock = FakeClock()
        server.answer("POST /prompt", GARBAGE[name])
        transport = bench.transport(server.url, websocket=False, clock=clock)
        error = refused(bench, transport, clock)
        assert isinstance(error, BadAnswerError | UnreachableError)
        assert error.instance == "bench"
        assert len(str(error)) < 600
        assert server.executions.total() == 0

    @pytest.mark.parametrize("name", GARBAGE_IDS)
    def test_at_submit_although_it_was_taken(self, bench: Bench, server, name) -> None:
        """Behind a garbage answer the job may run: it is found, not sent again."""
        reply = GARBAGE[name]
        server.answer(
            "POST /prompt",
            replace(reply, acts=True),
        )
        course = bench.run(server.url)
        assert course.status is JobStatus.SUCCEEDED
        assert server.executions == {bench.ticket.attempt_id: 1}

    @pytest.mark.parametrize("version", ["0.3.64", "0.33.0"])
    @pytest.mark.parametrize("name", GARBAGE_IDS)
    def test_at_history_for_a_while(self, bench: Bench, name, version) -> None:
        """Garbage for some looks delays the end, no more."""
        with ScriptedServer(version=version) as server:
            server.answer("GET /history/{id}", GARBAGE[name], GARBAGE[name])
            course = bench.run(server.url)
        assert course.status is JobStatus.SUCCEEDED
        assert course.verdict.outputs["2"].refs

    @pytest.mark.parametrize("name", ["page", "empty", "other", "raw"])
    def test_at_queue_for_a_while(self, bench: Bench, name) -> None:
        """A queue that cannot be read is asked again."""
        with ScriptedServer(version="0.3.64") as server:
            server.answer("GET /queue", GARBAGE[name], GARBAGE[name])
            course = bench.run(server.url, websocket=False)
        assert course.status is JobStatus.SUCCEEDED

    def test_at_the_jobs_api_for_ever(self, bench: Bench, server) -> None:
        """Where the jobs API fails, queue and history are asked in its place."""
        server.always("GET /api/jobs/{id}", Reply(500, PAGE))
        assert bench.run(server.url, websocket=False).status is JobStatus.SUCCEEDED

    @pytest.mark.parametrize("status", [403, 404, 405, 500])
    def test_a_gateway_without_the_jobs_api(self, bench, server, status) -> None:
        """A gateway's own error on that route is not the server's "unknown job"."""
        body = b'{"message": "no such route"}'
        server.always("GET /api/jobs/{id}", Reply(status, body))
        server.play(lambda job: [*usual(job)[:3], *usual(job)[3:]])
        assert bench.run(server.url, websocket=False).status is JobStatus.SUCCEEDED

    def test_for_ever_ends_with_the_deadline(self, bench: Bench) -> None:
        """A server that never answers sense ends the job in time, and is quoted."""
        clock = FakeClock()
        with ScriptedServer(version="0.3.64") as server:
            server.always("GET /queue", GARBAGE["page"])
            server.always("GET /history/{id}", GARBAGE["page"])
            transport = bench.transport(server.url, websocket=False, clock=clock)
            course = bench.course(clock=clock, total_s=600, queue_s=600, silence_s=120)
            bench.submit(transport, course)
            advance_until(clock, lambda: course.status.final)
        error = course.verdict.error
        assert isinstance(error, JobTimeoutError)
        assert "without a sign of life of 120 s" in str(error)
        assert "not JSON" in str(error)
        assert clock.monotonic() < 140

    def test_one_bad_entry_hides_no_other_job(self, bench: Bench) -> None:
        """A history entry that cannot be read concerns its own job only."""
        spoilt: list[str] = []

        def play(job: ScriptedJob) -> list[Step]:
            if spoilt:
                return usual(job)
            spoilt.append(job.prompt_id)
            server.stage.history[job.prompt_id] = {"outputs": [], "status": {}}
            return []

        with ScriptedServer(version="0.3.64", play=play) as server:
            transport = bench.transport(server.url, websocket=False)
            poisoned, other = bench.submit(transport), bench.submit(transport)
            assert bench.end(other).error is None
            assert not poisoned.status.final

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 401, 408, 599, 999])
    def test_any_status_at_a_look(self, bench: Bench, server, status: int) -> None:
        """Whatever status a look gets, the job is asked for again."""
        server.answer("GET /history/{id}", Reply(status, b"no"), Reply(status))
        assert bench.run(server.url).status is JobStatus.SUCCEEDED

    def test_silence_ends_with_the_deadline(self, bench: Bench, server) -> None:
        """A server that takes a request and says nothing is not waited for."""
        gate = threading.Event()
        server.always("GET /system_stats", Reply(gate=gate))
        transport = bench.transport(server.url, websocket=False)
        with pytest.raises(UnreachableError):
            transport.submit(attempt_of(bench), bench.course(), deadline=Deadline(0.2))
        gate.set()

    def test_a_drip_ends_with_the_deadline(self, bench: Bench, server) -> None:
        """Bytes that only drip do not keep a request beyond its deadline."""
        stop = threading.Event()
        server.always("GET /system_stats", Reply(200, b" " * 10_000, drips=stop))
        transport = bench.transport(server.url, websocket=False)
        with pytest.raises(UnreachableError, match="not complete"):
            transport.submit(attempt_of(bench), bench.course(), deadline=Deadline(1))
        stop.set()
