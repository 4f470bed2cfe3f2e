"""The ComfyUI transport when HTTP answers are refusals, garbage, late or lost."""

from __future__ import annotations

import json
import logging
import threading
import traceback
from dataclasses import replace
from uuid import uuid4

import pytest
from pydantic import SecretStr

from comfyclient.errors import (
    AccessDeniedError,
    BadAnswerError,
    BusyError,
    ComfyClientError,
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
    UnclearAnswerError,
    UnreachableError,
    ValidationError,
)
from comfyclient.events import NodeBlocked
from comfyclient.jobs.course import JobStatus
from comfyclient.testing.bench import GRAPH, Bench, events_of
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import (
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
from comfyclient.transports.base import Attempt
from comfyclient.workflow import NamedOutput, Workflow

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
            transport.submit(_attempt(bench), bench.course(), deadline=Deadline(0.2))
        gate.set()

    def test_a_drip_ends_with_the_deadline(self, bench: Bench, server) -> None:
        """Bytes that only drip do not keep a request beyond its deadline."""
        stop = threading.Event()
        server.always("GET /system_stats", Reply(200, b" " * 10_000, drips=stop))
        transport = bench.transport(server.url, websocket=False)
        with pytest.raises(UnreachableError, match="not complete"):
            transport.submit(_attempt(bench), bench.course(), deadline=Deadline(0.2))
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
                _attempt(bench), bench.course(), deadline=Deadline(0)
            )
        assert server.requests == []


TOKEN = "s3cr3t-token-value"


class TestSecrets:
    """The token goes to the instance, and nowhere else."""

    def test_on_http_and_websocket(self, bench: Bench, server) -> None:
        """Every request and the handshake carry the token and the headers."""
        bench.run(server.url, token=SecretStr(TOKEN), headers={"X-Tenant": "a"})
        assert {r.headers.get("authorization") for r in server.requests} == {TOKEN}
        assert {r.headers.get("x-tenant") for r in server.requests} == {"a"}
        assert "/ws" in {r.path for r in server.requests}

    def test_a_scheme_word(self, bench: Bench, server) -> None:
        """A scheme such as Bearer stands before it."""
        bench.run(server.url, token=SecretStr(TOKEN), token_scheme="Bearer")
        sent = {r.headers.get("authorization") for r in server.requests}
        assert sent == {f"Bearer {TOKEN}"}

    def test_a_path_prefix_and_a_query(self, bench: Bench) -> None:
        """Prefix and query of the base URL go with every request."""
        with ScriptedServer(prefix="/api/predict/comfy") as server:
            course = bench.run(f"{server.url}/?tenant=a%20b&x=")
            assert course.status is JobStatus.SUCCEEDED
            assert all(r.query.get("tenant") == "a b" for r in server.requests)
            assert all(r.path.startswith(server.prefix) for r in server.requests)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_no_redirect_carries_it(self, bench: Bench, server, status: int) -> None:
        """A redirect to another server is not followed: no request reaches it."""
        with ScriptedServer() as elsewhere:
            away = {"Location": f"{elsewhere.url}/prompt"}
            server.always("POST /prompt", Reply(status, headers=away))
            server.always("GET /ws", Reply(status, headers=away))
            transport = bench.transport(server.url, token=SecretStr(TOKEN))
            with pytest.raises(RedirectError, match=str(elsewhere.port)):
                bench.submit(transport)
            assert elsewhere.requests == []
            assert server.asked["GET /ws"] >= 1

    def test_a_redirected_socket_is_no_socket(self, bench: Bench, server) -> None:
        """A handshake that is redirected counts as no websocket, and jobs still end."""
        server.always("GET /ws", Reply(302, b"\x81\x05hello", {"Location": "/login"}))
        course = bench.run(server.url)
        assert course.status is JobStatus.SUCCEEDED
        assert server.asked["GET /ws"] <= 2  # a busy machine may lose the first one

    @pytest.mark.parametrize("target", ["http://[", "\\\\", "http://a..b/", "//", "¿"])
    def test_a_redirect_to_nowhere(self, bench: Bench, server, target: str) -> None:
        """An address that is none is reported, not looked at."""
        server.always("POST /prompt", Reply(302, headers={"Location": target}))
        with pytest.raises(RedirectError):
            bench.submit(bench.transport(server.url, websocket=False))

    @pytest.mark.parametrize(
        "fault",
        [
            Reply(401, TOKEN.encode()[:4]),
            Reply(500),
            Reply(302, headers={"Location": f"http://127.0.0.1:1/?t={TOKEN}"}),
            Reply.lost(acts=False),
            Reply(200, b"{"),
        ],
        ids=["401", "500", "302", "lost", "half"],
    )
    def test_in_no_log_nor_error(self, bench, server, caplog, fault) -> None:
        """No log line, message, repr or traceback tells the token."""
        caplog.set_level(logging.DEBUG)
        server.always("GET /queue", fault)
        server.always("POST /prompt", fault)
        clock = FakeClock()
        transport = bench.transport(
            server.url, clock=clock, token=SecretStr(TOKEN), websocket=False
        )
        error = refused(bench, transport, clock)
        told = "".join(traceback.format_exception(error))
        chain = [error, error.__cause__, error.__context__]
        for text in (told, str(error), *map(repr, chain), caplog.text):
            assert TOKEN not in text
        assert TOKEN not in repr(transport.endpoint)

    def test_in_no_log_of_a_whole_job(self, bench, server, caplog) -> None:
        """A job that succeeds, socket and all, leaves no token in the log."""
        caplog.set_level(logging.DEBUG)
        bench.run(server.url, token=SecretStr(TOKEN), headers={"X-Key": TOKEN})
        assert TOKEN not in caplog.text
        assert "comfyclient" in caplog.text


def _attempt(bench: Bench) -> Attempt:
    """An attempt at the bench's graph."""
    return Attempt(str(uuid4()), bench.workflow)


def held_by(gate: threading.Event) -> Play:
    """The usual course, once the gate is open."""
    return lambda job: [Hold(gate), *usual(job)]


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


def refused(bench: Bench, transport, clock: FakeClock) -> ComfyClientError:
    """The error of a submit, whose pauses are let pass."""
    found: list[ComfyClientError] = []

    def send() -> None:
        try:
            bench.submit(transport, bench.course(clock=clock))
        except ComfyClientError as error:
            found.append(error)

    sending = threading.Thread(target=send)
    sending.start()
    while sending.is_alive():
        clock.advance(0.5)
        sending.join(0.01)
    assert found, "the job was submitted"
    return found[0]


def advance_until(clock: FakeClock, ready) -> None:
    """Let time pass, second by second, until something is so."""
    for _ in range(800):
        if ready():
            return
        clock.advance(1.0)
        threading.Event().wait(0.005)  # let the others act on it
    raise AssertionError("what the test waits for did not happen")
