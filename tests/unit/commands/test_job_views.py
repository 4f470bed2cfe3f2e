"""Jobs of the ledger in words and as JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from comfyclient.commands.job_views import (
    next_step,
    owner_words,
    seconds_of,
    short_ids,
    since,
    span,
    totals,
    waits_for_resume,
    words_of,
)
from comfyclient.errors import UsageError
from comfyclient.ledger.records import JobRow, JobState, OwnerRow, StoredError

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
LIVING = OwnerRow("host:1/ab", until=NOW + timedelta(seconds=30), gone=False)
SILENT = replace(LIVING, until=NOW - timedelta(seconds=30))
GONE = replace(LIVING, gone=True)
ROW = JobRow(
    job_id="j", environment="test", template=None, digest="d", seed=None, params={},
    trip_id=None, idempotency_key=None, extra={}, state=JobState.RUNNING,
    created_at=NOW - timedelta(minutes=3), updated_at=NOW, ended_at=None, error=None,
    outputs=(), files=(), owner=None, attempts=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        (" 2 h ", NOW - timedelta(hours=2)),
        ("1.5d", NOW - timedelta(hours=36)),
        ("2026-04-30T10:00:00+08:00", datetime(2026, 4, 30, 2, tzinfo=UTC)),
        ("2026-04-30T10:00Z", datetime(2026, 4, 30, 10, tzinfo=UTC)),
    ],
)
def test_since(text: str, expected: datetime) -> None:
    """A time ago, or a moment."""
    assert since(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "soon", "9" * 99 + "d", "٣h x"])
def test_since_that_means_nothing(text: str) -> None:
    """It is refused with what would do."""
    with pytest.raises(UsageError, match="30m, 2h, 3d"):
        since(text, now=NOW)


def test_short_ids_tell_jobs_apart() -> None:
    """Eight characters, or as many as it takes; never more than there are."""
    assert short_ids(["abcdefgh-1", "bcdefghi-1"]) == {
        "abcdefgh-1": "abcdefgh",
        "bcdefghi-1": "bcdefghi",
    }
    assert short_ids(["abcdefgh-1x", "abcdefgh-2x"])["abcdefgh-2x"] == "abcdefgh-2"
    assert short_ids(["x", "xy"]) == {"x": "x", "xy": "xy"}
    assert short_ids([]) == {}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "0.0 s"),
        (42, "42 s"),
        (600, "10 min"),
        (7200, "2 h"),
        (864_000, "10 d"),
    ],
)
def test_span(seconds: float, expected: str) -> None:
    """The unit fits the length."""
    assert span(seconds) == expected


def test_seconds_of_a_job() -> None:
    """Until it ended, or until now; never below 0, whatever the clocks say."""
    assert seconds_of(ROW, now=NOW) == 180
    ended = replace(ROW, ended_at=ROW.created_at + timedelta(seconds=5))
    assert seconds_of(ended, now=NOW) == 5
    assert seconds_of(ROW, now=NOW - timedelta(days=1)) == 0


@pytest.mark.parametrize(
    ("state", "owner", "waits"),
    [
        (JobState.INTENDED, None, True),
        (JobState.RUNNING, LIVING, False),
        (JobState.RUNNING, SILENT, True),
        (JobState.RUNNING, GONE, True),
        (JobState.SUCCEEDED, None, True),
        (JobState.SUCCEEDED, LIVING, False),
        (JobState.COLLECTED, None, False),
        (JobState.FAILED, GONE, False),
        (JobState.LOST, None, False),
    ],
)
def test_what_waits_for_resuming(
    state: JobState, owner: OwnerRow | None, waits: bool
) -> None:
    """What is not settled, and has no living owner; the advice says the same."""
    row = replace(ROW, state=state)
    assert waits_for_resume(row, owner, now=NOW) is waits
    step = next_step(row, owner, now=NOW, again="comfyclient resume")
    assert ("comfyclient resume" in step) is waits


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (None, "nobody"),
        (LIVING, "which lives"),
        (SILENT, "ran out"),
        (GONE, "is gone"),
        (replace(LIVING, until=None), "ran out"),
    ],
)
def test_owners(owner: OwnerRow | None, words: str) -> None:
    """Whether it lives is said of each."""
    assert words in owner_words(owner, now=NOW)


def test_totals() -> None:
    """States without jobs are left out."""
    counts = dict.fromkeys(JobState, 0)
    assert totals(counts, environment="test") == "no jobs yet in test"
    counts |= {JobState.FAILED: 1}
    assert totals(counts, environment="test") == "1 job in test: 1 failed"
    counts |= {JobState.RUNNING: 2}
    said = totals(counts, environment="test")
    assert said == "3 jobs in test: 2 running, 1 failed"


def test_an_error_is_one_line() -> None:
    """Its class first."""
    error = StoredError(kind="ExecutionError", message="node 2\n  raised")
    assert words_of(error) == "ExecutionError: node 2 raised"
    assert words_of(None) == ""
