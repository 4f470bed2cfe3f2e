"""A job in the ledger and back: the same graph, terms, end; nothing more is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from comfyclient.errors import ExecutionError, LedgerError, WorkflowError
from comfyclient.events import NodeOutput
from comfyclient.files.outputs import OutputRef
from comfyclient.jobs.revival import (
    Terms,
    extra_of,
    terms_of,
    told_of,
    verdict_of_row,
    workflow_of,
)
from comfyclient.ledger.records import AttemptRow, JobRow, JobState, StoredError
from comfyclient.testing.bench import GRAPH
from comfyclient.transports.base import Verdict
from comfyclient.workflow import InputFile, NamedOutput, Workflow

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TERMS = Terms(allow_partial=True, previews=True, total_s=9, queue_s=8, silence_s=7)
ATTEMPT = AttemptRow("t", "j", 1, "n0", "me", NOW, NOW, "p", 1.0)


def row_of(workflow: Workflow, **changes: object) -> JobRow:
    """The row of a job, as another process reads it."""
    row = JobRow(
        job_id="j",
        environment="test",
        template=workflow.template,
        digest=workflow.digest,
        seed=workflow.seed,
        params=dict(workflow.params),
        trip_id=workflow.trip_id,
        idempotency_key=None,
        extra=json.loads(json.dumps(extra_of(workflow, TERMS))),
        state=JobState.SUCCEEDED,
        created_at=NOW,
        updated_at=NOW,
        ended_at=NOW,
        error=None,
        outputs=(),
        files=(),
        told={},
        owner=None,
        attempts=(ATTEMPT,),
    )
    return replace(row, **changes)


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """A job with everything a job may have."""
    path = tmp_path / "photo.png"
    path.write_bytes(b"photo")
    rendered = Workflow.from_graph(GRAPH)
    return Workflow(
        rendered.graph,
        template="trip-postcard@1.0.0",
        seed=2**64 - 1,
        params={"paper": "dark"},
        files=[
            InputFile("a/p.png", "0", 5, path),
            InputFile("a/b.png", "1", 3, b"abc"),
        ],
        outputs=[NamedOutput("card", "2", "images", required=False)],
        trip_id="trip-7",
    )


def graph_of(workflow: Workflow) -> object:
    """The graph, as the ledger gives it back."""
    return json.loads(json.dumps(dict(workflow.graph)))


class TestTheJob:
    """What was to be sent."""

    def test_it_comes_back(self, workflow: Workflow) -> None:
        """Graph, template, seed, params, files' names, named outputs, terms."""
        row = row_of(workflow)
        again = workflow_of(row, graph_of(workflow))
        assert again == workflow
        for name in ("template", "seed", "params", "outputs", "trip_id"):
            assert getattr(again, name) == getattr(workflow, name)
        assert terms_of(row) == TERMS

    def test_its_files(self, workflow: Workflow) -> None:
        """A file that has a path can be read again; bytes are not kept, and say so."""
        by_path, by_bytes = workflow_of(row_of(workflow), graph_of(workflow)).files
        with by_path.open() as stream:
            assert stream.read() == b"photo"
        with pytest.raises(WorkflowError, match=r"a/b\.png was not kept"):
            by_bytes.open()

    def test_no_content_is_kept(self, workflow: Workflow) -> None:
        """No byte of an input file stands in the ledger."""
        assert "abc" not in json.dumps(extra_of(workflow, TERMS))

    def test_usual_terms_take_no_room(self) -> None:
        """What is not said is the default, today's and tomorrow's."""
        assert extra_of(Workflow.from_graph(GRAPH), Terms()) == {}

    @pytest.mark.parametrize("graph", [None, [], {"1": []}, {"1": {"class_type": 3}}])
    def test_no_graph(self, workflow: Workflow, graph: object) -> None:
        """A graph that is not there is named as what is missing."""
        with pytest.raises(LedgerError, match="does not hold the job's graph"):
            workflow_of(row_of(workflow), graph)

    def test_another_graph(self, workflow: Workflow) -> None:
        """A graph that was changed is not sent."""
        graph = graph_of(workflow)
        graph["1"]["inputs"]["width"] = 65
        with pytest.raises(LedgerError, match="one of them was changed"):
            workflow_of(row_of(workflow), graph)

    @pytest.mark.parametrize(
        "extra",
        [
            {"terms": {"total_s": 0}},
            {"terms": {"total_s": "soon"}},
            {"outputs": [{"name": 3}]},
            {"files": {"a": 1}},
        ],
    )
    def test_a_damaged_row(self, workflow: Workflow, extra: dict) -> None:
        """What this package does not write is refused, with the job's id."""
        with pytest.raises(LedgerError, match="something else") as caught:
            terms_of(row_of(workflow, extra=extra))
        assert caught.value.job_id == "j"

    def test_a_newer_row(self, workflow: Workflow) -> None:
        """What a newer version adds is left aside."""
        extra = {**extra_of(workflow, TERMS), "facets": [1], "terms": {"shiny": True}}
        assert terms_of(row_of(workflow, extra=extra)) == Terms()


class TestTheEnd:
    """How it ended."""

    def test_a_success_comes_back(self, workflow: Workflow) -> None:
        """Files, values, cached nodes and times are what they were."""
        verdict = Verdict(
            None,
            {
                "2": NodeOutput("2", (OutputRef("2", "images", "a.png"),)),
                "3": NodeOutput("3", (), {"text": ["hello"]}),
            },
            cached_nodes=("1",),
            started_at=NOW,
            ended_at=NOW,
        )
        told = json.loads(json.dumps(told_of(verdict)))
        refs = tuple(ref for out in verdict.outputs.values() for ref in out.refs)
        assert verdict_of_row(row_of(workflow, told=told, outputs=refs)) == verdict

    def test_a_failure_comes_back(self, workflow: Workflow) -> None:
        """The error is of its class, with its job and instance."""
        error = ExecutionError("boom", node_id="2", class_type="SaveImage")
        row = row_of(workflow, error=StoredError.of(error), state=JobState.FAILED)
        revived = verdict_of_row(row).error
        assert isinstance(revived, ExecutionError)
        assert (revived.message, revived.node_id) == ("boom", "2")
        assert (revived.job_id, revived.instance) == ("j", "n0")

    @pytest.mark.parametrize(
        "told",
        [
            {"values": [], "cached_nodes": {}, "started_at": 3, "ended_at": "soon"},
            {"values": {"2": ["no mapping"]}},
            {"future": True},
        ],
    )
    def test_odd_words_hide_no_result(self, workflow: Workflow, told: dict) -> None:
        """What cannot be understood of it is left out; the files are there."""
        refs = (OutputRef("2", "images", "a.png"),)
        verdict = verdict_of_row(row_of(workflow, told=told, outputs=refs))
        assert verdict.outputs["2"].refs == refs
        assert (verdict.started_at, verdict.ended_at) == (None, None)
