"""The ComfyUI transport when HTTP answers are refusals, garbage, late or lost."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from comfyclient.errors import (
    AccessDeniedError,
    BadAnswerError,
    BusyError,
    ExecutionError,
    JobInterruptedError,
    JobTimeoutError,
    MissingModelError,
    MissingNodeError,
    OutOfMemoryError,
    RedirectError,
    RefusedError,
    Retry,
    ServerFaultError,
    TooLargeError,
    UnreachableError,
    ValidationError,
)
from comfyclient.events import NodeBlocked
from comfyclient.jobs.course import JobStatus
from comfyclient.testing.bench import Bench, events_of
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import (
    ScriptedJob,
    Step,
    failing,
    interrupted,
    usual,
)
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.workflow import Workflow

from ..scenes import advance_until
from .submitting import attempt_of, held_by, refused

PAGE = b"<html><title>502</title>" + b"x" * (5 << 20) + b"</html>"


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


def refusal(*errors: dict, kind: str = "prompt_outputs_failed_validation") -> Reply:
    """A 400 in ComfyUI's shape."""
    node = {
        "errors": list(errors),
        "dependent_outputs": ["2"],
        "class_type": "EmptyImage",
    }
    return Reply.of_json(
        {
            "error": {
                "type": kind,
                "message": "refused",
                "details": "",
                "extra_info": {},
            },
            "node_errors": {"1": node} if errors else {},
        },
        status=400,
    )


TOO_WIDE = {
    "type": "value_bigger_than_max",
    "message": "Value 99999 bigger than max of 4096",
    "details": "width",
    "extra_info": {
        "input_name": "width",
        "input_config": ["INT", {"min": 1, "max": 4096}],
        "received_value": 99999,
    },
}


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
            transport.submit(attempt_of(bench), bench.course(), deadline=Deadline(0.2))
        stop.set()


class TestRefusals:
    """What ComfyUI says of graphs it does not take."""

    def test_a_value_out_of_range(self, bench: Bench, server, tmp_path) -> None:
        """The error names node, input, value, limits and the line of the file."""
        graph = {k: dict(v) for k, v in bench.workflow.graph.items()}
        file = tmp_path / "graph.json"
        file.write_text(json.dumps(graph, indent=1))
        workflow = Workflow.from_file(file)
        server.answer("POST /prompt", refusal(TOO_WIDE))
        with pytest.raises(ValidationError) as caught:
            bench.submit(bench.transport(server.url), bench.course(workflow))
        issue = caught.value.issues[0]
        assert (issue.node_id, issue.class_type) == ("1", "EmptyImage")
        assert (issue.input_name, issue.value) == ("width", "99999")
        assert issue.allowed == "INT from 1 to 4096"
        assert issue.place.line == file.read_text().split('"width"')[0].count("\n") + 1
        assert caught.value.retry is Retry.NEVER

    @pytest.mark.parametrize(
        "error",
        [
            {
                "type": "missing_node_type",
                "message": "Node 'X' not found. The custom node may not be installed.",
                "details": "Node ID '#1'",
                "extra_info": {"node_id": "1", "class_type": "EmptyImage"},
            },
            {
                "type": "invalid_prompt",
                "message": "Cannot execute because node EmptyImage does not exist.",
                "details": "Node ID '#1'",
                "extra_info": {},
            },
        ],
        ids=["new", "old"],
    )
    def test_a_class_that_is_not_there(self, bench: Bench, server, error) -> None:
        """An unknown class is an error of its own: another instance may have it."""
        reply = Reply.of_json({"error": error, "node_errors": {}}, status=400)
        server.answer("POST /prompt", reply)
        with pytest.raises(MissingNodeError, match="EmptyImage") as caught:
            bench.submit(bench.transport(server.url))
        assert caught.value.retry is Retry.ELSEWHERE

    def test_a_model_that_is_not_there(self, bench: Bench, server) -> None:
        """A model file that the server lacks is an error of its own."""
        error = {
            "type": "value_not_in_list",
            "message": "Value not in list",
            "details": "ckpt_name: 'x.safetensors' not in []",
            "extra_info": {
                "input_name": "ckpt_name",
                "input_config": [[], {}],
                "received_value": "x.safetensors",
            },
        }
        server.answer("POST /prompt", refusal(error))
        with pytest.raises(MissingModelError, match=r"x\.safetensors"):
            bench.submit(bench.transport(server.url))

    def test_the_oldest_shape(self, bench: Bench, server) -> None:
        """Before 0.3.28 the error may be a word and node_errors a list."""
        reply = Reply.of_json({"error": "no prompt", "node_errors": []}, status=400)
        server.answer("POST /prompt", reply)
        with pytest.raises(ValidationError, match="no prompt"):
            bench.submit(bench.transport(server.url))

    def test_nothing_is_asked_after_a_refusal(self, bench: Bench, server) -> None:
        """A clear no needs no second look."""
        server.answer("POST /prompt", refusal(TOO_WIDE))
        with pytest.raises(ValidationError):
            bench.submit(bench.transport(server.url))
        assert server.asked["POST /prompt"] == 1
        assert server.asked["GET /api/jobs/{id}"] == 0

    def test_a_page_for_a_refusal(self, bench: Bench, server) -> None:
        """A 400 that is not ComfyUI's is a refusal, too: nobody is asked again."""
        server.answer("POST /prompt", Reply(400, PAGE))
        with pytest.raises(RefusedError, match="400") as caught:
            bench.submit(bench.transport(server.url))
        assert (caught.value.status, caught.value.retry) == (400, Retry.NEVER)
        assert server.asked["POST /prompt"] == 1

    def test_a_part_is_refused_and_stopped(self, bench: Bench, server) -> None:
        """200 with node_errors is an error, and what was taken is stopped there."""
        gate = partly(server)
        with pytest.raises(ValidationError, match="only a part") as caught:
            bench.submit(bench.transport(server.url))
        gate.set()
        assert caught.value.issues[0].input_name == "width"
        server.await_that(lambda: server.stage.running is None)
        assert set(server.stage.states.values()) <= {"cancelled"}

    def test_a_part_may_be_allowed(self, bench: Bench, server) -> None:
        """With allow_partial the rest of the graph runs and gives its result."""
        partly(server).set()
        course = bench.submit(bench.transport(server.url), allow_partial=True)
        assert bench.end(course).error is None

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (401, AccessDeniedError),
            (403, AccessDeniedError),
            (404, RefusedError),
            (413, TooLargeError),
            (418, RefusedError),
            (429, BusyError),
            (450, BusyError),
            (503, BusyError),
            (500, ServerFaultError),
            (501, ServerFaultError),
            (302, RedirectError),
        ],
    )
    def test_each_status_has_its_class(self, bench, server, status, kind) -> None:
        """A status that is no acceptance raises its own error, with its page."""
        server.always("POST /prompt", Reply(status, b"<p>why it\n is so</p>" + PAGE))
        with pytest.raises(kind) as caught:
            bench.submit(bench.transport(server.url, websocket=False))
        assert caught.value.status == status
        assert caught.value.instance == "bench"
        assert len(str(caught.value)) < 500
        assert server.executions.total() == 0

    def test_a_busy_server_says_how_long(self, bench: Bench, server) -> None:
        """Retry-After travels with the error."""
        server.answer("POST /prompt", Reply(503, headers={"Retry-After": "7"}))
        with pytest.raises(BusyError) as caught:
            bench.submit(bench.transport(server.url, websocket=False))
        assert caught.value.retry_after == 7

    def test_a_fault_after_acceptance(self, bench: Bench, server) -> None:
        """A 500 behind which the job was queued is not sent again."""
        server.answer("POST /prompt", Reply(500, b"oops", acts=True))
        assert bench.run(server.url).status is JobStatus.SUCCEEDED
        assert server.executions.total() == 1


class TestFailures:
    """Jobs that a node, or somebody, ends."""

    def test_a_node_that_raises(self, bench: Bench, server) -> None:
        """An execution error names node, class, title, exception and frames."""
        server.play(lambda job: failing(job, "2"))
        error = bench.run(server.url).verdict.error
        assert type(error) is ExecutionError
        assert (error.node_id, error.class_type, error.title) == (
            "2",
            "SaveImage",
            "Save it",
        )
        assert (error.exception_type, error.exception_message) == ("ValueError", "boom")
        assert error.traceback
        assert (error.instance is not None, error.retry) == (True, Retry.NEVER)

    @pytest.mark.parametrize(
        "said",
        [
            {"exception_type": "torch.OutOfMemoryError", "exception_message": "CUDA"},
            {"exception_type": "torch.cuda.OutOfMemoryError"},
            {"exception_type": "MemoryError"},
            {
                "exception_type": "RuntimeError",
                "exception_message": "MPS backend out of memory",
            },
        ],
        ids=range(4),
    )
    def test_out_of_memory(self, bench: Bench, server, said) -> None:
        """Out of memory is an error of its own: a larger instance may do it."""
        server.play(lambda job: failing(job, "2", **said))
        error = bench.run(server.url).verdict.error
        assert type(error) is OutOfMemoryError
        assert error.retry is Retry.ELSEWHERE

    def test_interrupted_by_somebody(self, bench: Bench, server) -> None:
        """A job that another stopped is interrupted, not cancelled."""
        server.play(lambda job: [*usual(job)[:5], *interrupted(job)])
        course = bench.run(server.url)
        assert type(course.verdict.error) is JobInterruptedError
        assert course.status is JobStatus.FAILED

    def test_a_blocked_node_ends_nothing(self, bench: Bench, server) -> None:
        """A blocked node reports itself as an error, and the job succeeds."""

        def play(job: ScriptedJob) -> list[Step]:
            blocked = job.say(
                "execution_error",
                node_id="1",
                exception_type="ExecutionBlocked",
                exception_message="Execution Blocked: please stop",
            )
            return [*usual(job)[:5], blocked, *usual(job)[5:]]

        server.play(play)
        course = bench.run(server.url)
        assert course.status is JobStatus.SUCCEEDED
        assert NodeBlocked("1", "please stop") in events_of(course)

    @pytest.mark.parametrize("websocket", [True, False])
    @pytest.mark.parametrize("version", ["0.3.12", "0.6.0", "0.33.0"])
    def test_without_a_socket_too(self, bench: Bench, version, websocket) -> None:
        """How a job failed is known from polling alone, on every version."""
        with ScriptedServer(
            version=version, play=lambda job: failing(job, "2")
        ) as server:
            error = bench.run(server.url, websocket=websocket).verdict.error
        assert (type(error), error.node_id) == (ExecutionError, "2")


def partly(server: ScriptedServer) -> threading.Event:
    """Let the next graph be taken with errors; the gate lets it run."""
    gate = threading.Event()
    server.play(held_by(gate))
    answered = server._answers

    class _Partly(type(answered)):
        """Answers that take a part."""

        def own(self, route, request, *arguments):
            """Its own answer, with a node error on every acceptance."""
            reply = super().own(route, request, *arguments)
            if route != "POST /prompt":
                return reply
            told = json.loads(reply.body)
            told["node_errors"] = {
                "1": {"errors": [TOO_WIDE], "class_type": "EmptyImage"}
            }
            return Reply.of_json(told)

    server._answers = _Partly(server.stage)
    return gate
