"""What servers and errors told of a job: kept, cut, and without secrets."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from comfyclient.errors import (
    ExecutionError,
    OutOfMemoryError,
)
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import Acceptance, JobState
from comfyclient.ledger.schema import metadata
from comfyclient.testing.clock import FakeClock

from .sending import REF, Opener, intent, sent


def test_what_the_server_told_of_the_end(ledger: Ledger, clock: FakeClock) -> None:
    """What came with an end is kept with the moment when it happened."""
    job_id = sent(ledger).job_id
    moment = clock.now() - timedelta(seconds=7)
    told = {"values": {"9": {"text": ["秋 \0 \ud800"]}}, "cached_nodes": ["1"]}
    assert ledger.job(job_id).told == {}
    ledger.changed(job_id, JobState.SUCCEEDED, told=told, at=moment)
    row = ledger.job(job_id)

    assert row.told == told
    assert row.attempt is not None
    assert (row.ended_at, row.attempt.ended_at) == (moment, moment)
    assert ledger.history(job_id)[-1].at == moment
    assert row.updated_at == clock.now()


def _nested(levels: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "values",
    [{"9": "x" * 65536}, {"9": object()}, {"9": float("nan")}, {"9": _nested(100_000)}],
)
def test_told_values_that_do_not_fit(ledger: Ledger, values: object) -> None:
    """Values too large, too deep or no JSON are left out, and the end is recorded."""
    job_id = sent(ledger).job_id
    told: Any = {"values": values, "cached_nodes": ["1"]}

    assert ledger.changed(job_id, JobState.SUCCEEDED, told=told)
    assert ledger.job(job_id).told == {"cached_nodes": ["1"]}


@pytest.mark.parametrize("name", ["started_at", "values"])
def test_told_that_fits_nowhere(ledger: Ledger, name: str) -> None:
    """Where even the rest cannot be kept, the end is recorded without it."""
    job_id = sent(ledger).job_id
    told: Any = {name: {1, 2}, "cached_nodes": "x" * 65537}

    assert ledger.changed(job_id, JobState.FAILED, told=told)
    assert ledger.job(job_id).told == {}


def test_told_without_secrets(ledger: Ledger) -> None:
    """What looks like a secret is cut out of the values, by its name too."""
    job_id = sent(ledger).job_id
    link = "https://h/x?Signature=S3CRET"
    told: Any = {"values": {"9": {"token": "S3CRET", "links": [link, "fine"], "n": 1}}}
    ledger.changed(job_id, JobState.SUCCEEDED, told=told)

    kept = {"token": "…", "links": ["https://h/x?…", "fine"], "n": 1}
    assert ledger.job(job_id).told == {"values": {"9": kept}}


def test_told_of_a_lost_job_is_forgotten(ledger: Ledger) -> None:
    """A job that is sent again has no word of its former end."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.LOST, told={"cached_nodes": ["1"]})
    ledger.attempt(job_id, attempt_id="a2", instance="b", client_id="c")

    assert ledger.job(job_id).told == {}


def test_what_else_a_node_said_is_not_kept(ledger: Ledger) -> None:
    """A reference's extra values may be anything, so they are not recorded."""
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.SUCCEEDED, outputs=[REF])

    assert ledger.job(job_id).outputs[0].extra == {}


def test_a_detail_is_a_line_of_history(ledger: Ledger) -> None:
    """A detail on the present state is recorded, redacted."""
    job_id = sent(ledger).job_id

    assert ledger.changed(job_id, JobState.ACCEPTED, detail="slow; token=S3CRET")
    assert ledger.history(job_id)[-1].detail == "slow; token=…"


def test_error_is_kept_in_words(ledger: Ledger) -> None:
    """Class, message, hint and node are kept, without secrets or server values."""
    job_id = sent(ledger).job_id
    error = OutOfMemoryError(
        "out of memory at https://h/x?sig=S3CRET",
        node_id="5",
        class_type="KSampler",
        exception_message="the owner's words",
        traceback=("the owner's words",),
        hint="Bearer S3CRETS3CRET",
    )
    ledger.changed(job_id, JobState.FAILED, error=error)
    stored = ledger.job(job_id).error

    assert stored is not None
    assert type(stored.revived()) is OutOfMemoryError
    assert (stored.node_id, stored.class_type) == ("5", "KSampler")
    assert "S3CRET" not in repr(stored)
    assert "owner" not in repr(stored)
    assert ledger.history(job_id)[-1].error == stored


def test_redaction_of_the_caller(opened: Opener) -> None:
    """A caller that knows its secrets takes them out itself."""
    ledger = opened(redact=lambda text: text.replace("pw", "…"))
    job_id = sent(ledger).job_id
    ledger.changed(job_id, JobState.FAILED, error=ExecutionError("pw was wrong"))
    stored = ledger.job(job_id).error

    assert stored is not None
    assert stored.message == "… was wrong"


def test_only_what_was_passed_is_stored(tmp_path: Path) -> None:
    """No column holds a word that the caller did not hand over for it."""
    file = tmp_path / "ledger.db"
    allowed = {"the-trip", "the-key", "test", "d1", "t@1.0.0", "inst", "cli", "prompt"}
    with Ledger(file, owner="worker") as ledger:
        job_id = ledger.intend(
            intent(trip_id="the-trip", idempotency_key="the-key", template="t@1.0.0")
        ).job_id
        ledger.attempt(job_id, attempt_id="att", instance="inst", client_id="cli")
        ledger.accepted(job_id, Acceptance("att", "prompt", 1))
        ledger.changed(job_id, JobState.FAILED, error=ExecutionError("msg"))
        owner = ledger.owner
        words = {str(value) for value in _every_value(file)}
    known = allowed | {job_id, "att", owner, *JobState, "{}", "None"}
    error = '{"class_type":null,"hint":null,"kind":"ExecutionError","message":"msg",'
    error += '"node_id":null}'

    left = {w for w in words - known if not w.replace(".", "").isdigit()}
    assert error in left
    left = {w for w in left - {error} if not w.startswith("20")}  # times
    assert all("/" in w for w in left)  # the owner's machine


def _every_value(file: Path) -> list[object]:
    connection = sqlite3.connect(file)
    try:
        return [
            value
            for table in metadata.tables
            for row in connection.execute(f"SELECT * FROM {table}")
            for value in row
        ]
    finally:
        connection.close()
