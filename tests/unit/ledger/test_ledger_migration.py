"""A ledger that an older version made, and a process that still runs that version."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from comfyclient.errors import ExecutionError
from comfyclient.files.outputs import OutputRef, SavedFile
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent, JobState
from comfyclient.ledger.schema import SCHEMA_VERSION

STORED = Path(__file__).parents[2] / "data" / "ledger" / "version-1.db"
"""Made by the code of version 1, its process killed; random ids are neutral."""

NEVER_ENDED = ["intended", "unclear", "accepted", "running"]
ENDED = ["failed", "succeeded", "collected"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A copy of the stored ledger."""
    return Path(shutil.copy(STORED, tmp_path / "ledger.db"))


@pytest.fixture
def migrated(file: Path) -> Iterator[Ledger]:
    """That copy, opened by this code."""
    with Ledger(file) as ledger:
        yield ledger


def versions(file: Path) -> list[int]:
    """The versions that the file went through."""
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT version FROM comfyclient_schema ORDER BY 1")
        return [version for (version,) in rows]


def test_the_file_tells_its_way(migrated: Ledger, file: Path) -> None:
    """Version 1 stays in the record beside this code's version."""
    assert versions(STORED) == [1]
    assert versions(file) == [1, SCHEMA_VERSION]


@pytest.mark.parametrize("name", NEVER_ENDED + ENDED)
def test_every_job_is_there(migrated: Ledger, name: str) -> None:
    """What version 1 wrote is read as it was meant; what it did not know is empty."""
    row = migrated.job(name)

    assert row.told == {}
    assert (row.template, row.seed) == ("trip-postcard@1.0.0", 2**64 - 1)
    assert (row.params, row.extra) == ({"style": "墨"}, {"outputs": {"9": "postcard"}})
    assert (row.trip_id, row.idempotency_key) == ("trip-1", f"key-{name}")
    assert row.state == ("intended" if name == "unclear" else name)
    assert row.owner == "worker/000000000000"
    assert row.created_at.date() == datetime(2026, 5, 1, tzinfo=UTC).date()
    assert [a.attempt_id for a in row.attempts] == (
        [] if name == "intended" else [f"attempt-{name}"]
    )
    assert (row.ended_at is not None) is (name in ENDED)
    assert migrated.history(name)[-1].state is row.state
    assert migrated.graph(row.digest) == {"1": {"class_type": "SaveImage"}}


def test_details_of_the_ends(migrated: Ledger) -> None:
    """Errors, outputs and files of version 1 are read whole."""
    error = migrated.job("failed").error
    assert error is not None
    assert type(error.revived()) is ExecutionError
    ref = OutputRef("9", "images", "a.png", "sub", "output")
    assert migrated.job("succeeded").outputs == (ref,)
    assert migrated.job("collected").files == (SavedFile(Path("/out/a.png"), 3, "ab"),)
    assert migrated.job("unclear").unclear is not None


def test_work_goes_on(migrated: Ledger) -> None:
    """A job of version 1 is claimed and ends with what this version records."""
    assert migrated.claim("running")
    assert migrated.changed("running", JobState.SUCCEEDED, told={"cached_nodes": ["1"]})
    assert migrated.job("running").told == {"cached_nodes": ["1"]}
    assert migrated.answers.spent("test") == []


def test_older_code_that_runs_goes_on(file: Path) -> None:
    """Statements prepared by version 1 work on after the migration."""
    columns = (
        "job_id, environment, digest, params, extra, state, attempts, created_at, "
        "updated_at"
    )
    add = f"INSERT INTO comfyclient_job ({columns}) VALUES (?,'test','d','{{}}','{{}}'"
    add += ",'intended',0,'2026-05-01 12:00:00.000000','2026-05-01 12:00:00.000000')"
    end = "UPDATE comfyclient_job SET state='failed' WHERE job_id=?"
    with closing(sqlite3.connect(file, isolation_level=None)) as old:
        old.execute(add, ("before",))
        old.execute(end, ("before",))
        with Ledger(file) as ledger:
            old.execute(add, ("after",))
            old.execute(end, ("after",))

            assert ledger.job("after").state is JobState.FAILED
            assert ledger.job("after").told == {}


def test_two_that_open_it(file: Path) -> None:
    """Whoever comes second finds it migrated, and both write."""
    with Ledger(file) as one, Ledger(file) as two:
        for number, ledger in enumerate((one, two)):
            ledger.intend(JobIntent(f"new-{number}", "test", digest="d"))

    assert versions(file) == [1, SCHEMA_VERSION]
