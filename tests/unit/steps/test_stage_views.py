"""Stages of a job as they are kept in the ledger, and shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from comfyclient.commands.job_views import costs, job_json, whole_json
from comfyclient.jobs.revival import Terms, extra_of, stages_of, workflow_of
from comfyclient.ledger.records import JobRow, JobState
from comfyclient.steps.answers import Usage
from comfyclient.steps.records import StageRecord, usage_of
from comfyclient.workflow import Workflow

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
GRAPH: dict[str, Any] = {"1": {"class_type": "SaveImage", "inputs": {}}}
RECORD = StageRecord(
    name="scene",
    kind="paint",
    begun_at=NOW,
    seconds=12.5,
    source="model",
    model="wan2.6-t2i",
    request_id="r-1",
    usage=Usage(images=2),
    warning="one came to nothing",
)


@pytest.fixture
def row() -> JobRow:
    """A job with a stage, as the ledger gives it back."""
    plain = Workflow.from_graph(GRAPH)
    workflow = Workflow(plain.graph, stages=(RECORD,))
    return JobRow(
        job_id="j", environment="test", template=None, digest=workflow.digest,
        seed=None, params={}, trip_id=None, idempotency_key=None,
        extra=extra_of(workflow, Terms()), state=JobState.INTENDED, created_at=NOW,
        updated_at=NOW, ended_at=None, error=None, outputs=(), files=(), owner=None,
        attempts=(),
    )  # fmt: skip


def test_a_resumed_job_knows_its_stages(row: JobRow) -> None:
    """Every field is what it was, and the workflow has them too."""
    assert stages_of(row) == (RECORD,)
    assert workflow_of(row, GRAPH | {"1": GRAPH["1"] | {"_meta": {"title": "SaveImage"}}}).stages == (RECORD,)  # fmt: skip  # noqa: E501
    assert stages_of(replace(row, extra={})) == ()


def test_it_is_shown_with_its_cost(row: JobRow) -> None:
    """In JSON by field, in words without what was nothing."""
    shown = whole_json(row, [], None, now=NOW, again="")

    assert shown["stages"][0]["images"] == 2  # type: ignore[index,call-overload]
    assert "stages" not in job_json(row, now=NOW)
    assert costs(Usage(10, 5)) == "15 tokens"
    assert costs(usage_of([RECORD])) == "2 pictures"
    assert costs(Usage()) == ""
