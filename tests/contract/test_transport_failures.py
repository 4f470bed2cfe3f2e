"""What a server refuses or fails at, told by node, input and value."""

from __future__ import annotations

import json
import threading

import pytest

from comfyclient.errors import (
    AccessDeniedError,
    BusyError,
    ExecutionError,
    JobInterruptedError,
    MissingModelError,
    MissingNodeError,
    OutOfMemoryError,
    RedirectError,
    RefusedError,
    Retry,
    ServerFaultError,
    TooLargeError,
    ValidationError,
)
from comfyclient.events import NodeBlocked
from comfyclient.jobs.course import JobStatus
from comfyclient.testing.bench import Bench, events_of
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import (
    ScriptedJob,
    Step,
    failing,
    interrupted,
    usual,
)
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.workflow import Workflow

from ..scenes import PAGE
from .submitting import held_by


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
