"""What a kill left behind, and what must be so after the last life of a batch."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from PIL import Image

from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import ChangeRow, JobRow, JobState

from .batch import ENVIRONMENT
from .trips import colour_of


def rows_of(ledger: Path) -> list[JobRow]:
    """Every job of a ledger; none where there is no ledger yet."""
    if not ledger.exists():
        return []
    with Ledger(ledger) as journal:
        return journal.jobs(environment=ENVIRONMENT, limit=10_000)


def steps_of(rows: Iterable[JobRow], folder: Path) -> set[str]:
    """The steps at which jobs stand, in words."""
    return {_step_of(row, folder) for row in rows}


def halves(folder: Path) -> list[Path]:
    """What was begun to be saved and never had its name."""
    return list(folder.glob(".*.part"))


def _step_of(row: JobRow, folder: Path) -> str:
    match row.state:
        case JobState.INTENDED if row.unclear is not None:
            return "perhaps sent"
        case JobState.INTENDED:
            return "intended"
        case JobState.ACCEPTED | JobState.RUNNING:
            return "on the server"
        case JobState.SUCCEEDED if (folder / f"{row.trip_id}.png").exists():
            return "saved, not written down"
        case JobState.SUCCEEDED:
            return "ended, not saved"
        case state:
            return state.value


def check_ledger(file: Path) -> list[JobRow]:
    """The rows of a ledger in which every job that was ever taken has ended well."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    with Ledger(file) as ledger:
        rows = ledger.jobs(environment=ENVIRONMENT, limit=10_000)
        for row in rows:
            owner = ledger.owner_of(row.job_id)
            assert owner is None or not owner.living(datetime.now(UTC)), owner
        for row in ended_well(rows):
            _check_row(row)
            _check_history(ledger.history(row.job_id), row)
    assert all(row.state is JobState.COLLECTED or _never_taken(row) for row in rows)
    return rows


def ended_well(rows: Iterable[JobRow]) -> list[JobRow]:
    """Those whose picture came home."""
    return [row for row in rows if row.state is JobState.COLLECTED]


def _never_taken(row: JobRow) -> bool:
    """Whether it came to nothing, and its caller knew, because its server was down.

    A key is not spent on that; but a job that was to be sent again has failed, and the
    batch goes on under another key.
    """
    error = row.error if row.error is not None else row.attempts[-1].error
    down = error is not None and error.kind == "UnreachableError"
    taken = any(attempt.accepted_at is not None for attempt in row.attempts)
    return row.state in {JobState.FAILED, JobState.INTENDED} and down and not taken


def _check_row(row: JobRow) -> None:
    *former, last = row.attempts
    assert [a.ordinal for a in row.attempts] == list(range(1, len(row.attempts) + 1))
    assert last.accepted_at is not None
    assert (last.error, row.error) == (None, None)
    for attempt in former:
        assert attempt.ended_at is not None, attempt
        assert attempt.error is not None, attempt
    (saved,) = row.files
    content = saved.path.read_bytes()
    assert (saved.bytes, saved.sha256) == (
        len(content),
        hashlib.sha256(content).hexdigest(),
    )


def _check_history(lines: list[ChangeRow], row: JobRow) -> None:
    assert lines[0].state is JobState.INTENDED
    assert lines[-1].state is JobState.COLLECTED
    moments = [line.at for line in lines]
    assert moments == sorted(moments), lines
    begun = [a.attempt_id for a in row.attempts]
    told = dict.fromkeys(line.attempt_id for line in lines if line.attempt_id)
    assert [*told] == begun, "each attempt has its line, in their order"
    for before, after in pairwise(lines):
        if after.state is not before.state:
            again = after.state is JobState.INTENDED and not before.state.terminal
            assert again or before.state.may_become(after.state), (before, after)


def check_files(folder: Path, trips: list[str]) -> None:
    """Each trip has its file, and no other file has a name that a caller looks for."""
    names = {path.name for path in set(folder.iterdir()) - set(halves(folder))}
    assert names == {f"{trip}.png" for trip in trips}


def check_engine_pictures(rows: Iterable[JobRow]) -> None:
    """Each file is a whole picture, of its trip's colour and of its job."""
    for row in ended_well(rows):
        (saved,) = row.files
        with Image.open(saved.path) as picture:
            picture.load()
            assert picture.getcolors() == [(16 * 16, colour_of(str(row.trip_id)))]
            assert json.loads(picture.info["comfyclient"])["job_id"] == row.job_id


def check_executions(executions: Counter[str], rows: Iterable[JobRow]) -> None:
    """Each execution is one of an attempt that the ledger knows; the last one counts.

    Of a job that was executed again, the attempts before were lost with their server:
    it took them and forgot them, or died before it said that it took them.
    """
    attempts = {row.job_id: row.attempts for row in rows}
    assert executions.keys() <= attempts.keys()
    assert executions.keys() >= {row.job_id for row in ended_well(rows)}
    for job_id, times in executions.items():
        assert times <= len(attempts[job_id]), attempts[job_id]
        for former in attempts[job_id][:-1]:
            assert former.error is not None, former
            assert former.error.kind in {"JobLostError", "UnreachableError"}, former
