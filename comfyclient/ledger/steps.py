"""The statements that a job's steps are made of, each inside a caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import (
    BindParameter,
    Connection,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from ..errors import LeaseError, LedgerConflictError, LedgerError, UnknownJobError
from .records import JobState
from .rows import packed
from .schema import attempt, change, job, workflow
from .statements import first_row, rows, write

# Statements are built once: building one takes as long as executing it.
_ID: BindParameter[str] = bindparam("id")
_NOW: BindParameter[datetime] = bindparam("now", type_=job.c.created_at.type)
_COMPARED = ("environment", "idempotency_key", "template", "digest", "params")
_SAME = select(
    job.c.job_id, job.c.created_at, *(job.c[name] for name in _COMPARED)
).where(
    or_(
        job.c.job_id == bindparam("job_id"),
        and_(
            job.c.environment == bindparam("environment"),
            job.c.idempotency_key == bindparam("idempotency_key"),
        ),
    )
)
_LOCKED = (
    select(job.c.job_id, job.c.state, job.c.owner, job.c.attempts, job.c.attempt_id)
    .where(job.c.job_id == _ID)
    .with_for_update()  # SQLite has no such thing: there the writer is alone
)
_HAS_WORKFLOW = select(workflow.c.digest).where(workflow.c.digest == _ID)
_ADD_WORKFLOW = insert(workflow).inline()
_ADD_JOB = insert(job).inline()
_SET_JOB = update(job).where(job.c.job_id == _ID)
_ADD_ATTEMPT = insert(attempt).inline()
_ATTEMPT = and_(attempt.c.job_id == _ID, attempt.c.attempt_id == bindparam("which"))
_ENDED_AT = select(attempt.c.ended_at).where(_ATTEMPT)
_END_ATTEMPT = update(attempt).where(_ATTEMPT)
_ACCEPT_ATTEMPT = _END_ATTEMPT.values(
    accepted_at=func.coalesce(
        attempt.c.accepted_at, bindparam("at", type_=attempt.c.accepted_at.type)
    )
)
_GIVE_UP_ATTEMPTS = (
    update(attempt)
    .where(attempt.c.job_id == _ID, attempt.c.ended_at.is_(None))
    .values(ended_at=_NOW)
)
_ADD_LINE = insert(change).inline()

Columns = Mapping[str, Any]
Row = Mapping[str, Any]


def same_job(connection: Connection, columns: Columns) -> str | None:
    """The id of the job that was intended before with this content, if any.

    Raises:
        LedgerConflictError: the key, or the id, stands for other content.
    """
    names = ("job_id", "environment", "idempotency_key")
    values = {name: columns[name] for name in names}
    same = None
    for found in rows(connection, _SAME, values):
        other = [name for name in _COMPARED if found[name] != columns[name]]
        if other:
            raise _conflict(found, columns, other)
        same = str(found["job_id"])
    return same


def _conflict(found: Row, columns: Columns, other: list[str]) -> LedgerConflictError:
    new, old = columns["job_id"], found["job_id"]
    by = "the id" if new == old else f"idempotency key {columns['idempotency_key']!r}"
    return LedgerConflictError(
        f"{by} stands for job {old} of {found['created_at']:%F %T} UTC; "
        f"the new job {new} has another {', '.join(other)}",
        hint="give other content a key of its own",
        job_id=new,
    )


def insert_job(
    connection: Connection,
    columns: Columns,
    *,
    graph: JsonValue,
    owner: str,
    now: datetime,
) -> None:
    """A new job, its graph, and the first line of its history."""
    digest = columns["digest"]
    if graph is not None and not rows(connection, _HAS_WORKFLOW, {"id": digest}):
        row = {"digest": digest, "graph": packed(graph), "created_at": now}
        write(connection, _ADD_WORKFLOW, row)
    first = {"owner": owner, "attempts": 0, "created_at": now, "updated_at": now}
    write(connection, _ADD_JOB, {**columns, **first})
    _add_line(connection, columns["job_id"], state=JobState.INTENDED, now=now)


def locked_job(connection: Connection, job_id: str, *, owner: str | None = None) -> Row:
    """What a step must know of a job, kept from others until the transaction ends.

    Raises:
        UnknownJobError: there is none.
        LeaseError: it belongs to another owner than the one given.
    """
    row = first_row(connection, _LOCKED, {"id": job_id})
    if row is None:
        raise unknown(job_id)
    if owner is not None:
        _check_owner(row, owner)
    return row


def _check_owner(row: Row, owner: str) -> None:
    if row["owner"] != owner:
        raise LeaseError(
            f"the job belongs to {row['owner'] or 'nobody'}, not to {owner}",
            hint="claim() it first; a living owner's job cannot be claimed",
            job_id=row["job_id"],
        )


def unknown(job_id: str) -> UnknownJobError:
    """The error for a job that is not there."""
    return UnknownJobError(
        f"the ledger has no job {job_id[:60]!r}",
        hint="see `comfyclient jobs`, and that the environment is the right one",
    )


def _no_attempt(job_id: str, attempt_id: str) -> LedgerError:
    return LedgerError(
        f"the job has no attempt {attempt_id[:60]!r}",
        hint="record an attempt before it is sent",
        job_id=job_id,
    )


def begin_attempt(
    connection: Connection, row: Row, columns: Columns, *, now: datetime
) -> None:
    """A new attempt; the job is intended again, whatever became of the last one.

    Raises:
        LedgerError: the job has ended.
    """
    job_id, state = row["job_id"], JobState(row["state"])
    if row["attempt_id"] == columns["attempt_id"]:
        return
    if state.terminal and state is not JobState.LOST:
        raise LedgerError(
            f"a job that is {state} cannot be sent again",
            hint="submit it as a new job",
            job_id=job_id,
        )
    if row["attempts"]:
        write(connection, _GIVE_UP_ATTEMPTS, {"id": job_id, "now": now})
    ordinal, attempt_id = row["attempts"] + 1, columns["attempt_id"]
    whole = {**columns, "job_id": job_id, "ordinal": ordinal, "begun_at": now}
    write(connection, _ADD_ATTEMPT, whole)
    set_state(
        connection,
        job_id,
        state=JobState.INTENDED,
        now=now,
        attempt_id=attempt_id,
        columns={
            "attempts": ordinal,
            "attempt_id": attempt_id,
            "ended_at": None,
            "error": None,
            "told": None,
        },
    )


def accept_attempt(
    connection: Connection, row: Row, columns: Columns, *, now: datetime
) -> Row:
    """A server has the attempt, even one that had been given up; the row as it is then.

    Raises:
        LedgerError: the job has no such attempt.
    """
    job_id, state = row["job_id"], JobState(row["state"])
    attempt_id = columns["which"]
    values = {**columns, "id": job_id}
    if not state.terminal:
        values |= {"ended_at": None, "error": None}
    if write(connection, _ACCEPT_ATTEMPT, values) == 0:
        raise _no_attempt(job_id, attempt_id)
    if not state.may_become(JobState.ACCEPTED):
        return row
    set_state(
        connection,
        job_id,
        state=JobState.ACCEPTED,
        at=columns["at"],
        now=now,
        attempt_id=attempt_id,
    )
    return {**row, "state": JobState.ACCEPTED.value}


def end_attempt(
    connection: Connection,
    row: Row,
    attempt_id: str,
    *,
    error: JsonValue,
    now: datetime,
) -> None:
    """The attempt came to nothing: where it is the last one, the job waits again.

    Raises:
        LedgerError: the job has no such attempt.
    """
    job_id, state = row["job_id"], JobState(row["state"])
    which = {"id": job_id, "which": attempt_id}
    found = first_row(connection, _ENDED_AT, which)
    if found is None:
        raise _no_attempt(job_id, attempt_id)
    if found["ended_at"] is not None or state.terminal:
        return
    write(connection, _END_ATTEMPT, {**which, "ended_at": now, "error": error})
    if row["attempt_id"] == attempt_id:
        state = JobState.INTENDED
    set_state(
        connection, job_id, state=state, now=now, attempt_id=attempt_id, error=error
    )


def change_job(
    connection: Connection,
    row: Row,
    state: JobState,
    *,
    owner: str,
    error: JsonValue,
    outputs: JsonValue,
    told: JsonValue,
    detail: str | None,
    at: datetime,
    now: datetime,
) -> bool:
    """A reported state; False where it is no news.

    Raises:
        LeaseError: it is news, and the job is not the owner's.
    """
    job_id, before = row["job_id"], JobState(row["state"])
    news = before.may_become(state)
    if not news and (before is not state or detail is None):
        return False
    _check_owner(row, owner)
    columns: Columns = {}
    if news and state.terminal and state is not JobState.COLLECTED:
        ending = {"ended_at": at, "error": error}
        which = {"id": job_id, "which": row["attempt_id"]}
        write(connection, _END_ATTEMPT, {**which, **ending})
        columns = {**ending, "outputs": outputs, "told": told}
    set_state(
        connection,
        job_id,
        state=state,
        at=at,
        now=now,
        attempt_id=row["attempt_id"],
        detail=detail,
        error=error,
        columns=columns,
    )
    return True


def set_job(
    connection: Connection, job_id: str, columns: Columns, *, now: datetime
) -> None:
    """Change a job."""
    write(connection, _SET_JOB, {**columns, "id": job_id, "updated_at": now})


def set_state(
    connection: Connection,
    job_id: str,
    *,
    state: JobState,
    now: datetime,
    at: datetime | None = None,
    attempt_id: str | None = None,
    detail: str | None = None,
    error: JsonValue = None,
    columns: Columns | None = None,
) -> None:
    """A job's state, with the line of its history."""
    whole = {"state": state.value, **(columns if columns is not None else {})}
    set_job(connection, job_id, whole, now=now)
    _add_line(
        connection,
        job_id,
        state=state,
        now=now if at is None else at,
        attempt_id=attempt_id,
        detail=detail,
        error=error,
    )


def collect_job(
    connection: Connection, row: Row, files: JsonValue, *, now: datetime
) -> None:
    """The files that came home.

    Raises:
        LedgerError: the job has not succeeded.
    """
    job_id, state = row["job_id"], JobState(row["state"])
    if state not in (JobState.SUCCEEDED, JobState.COLLECTED):
        raise LedgerError(
            f"a job that is {state} has nothing to collect",
            hint="collect a job once it has succeeded",
            job_id=job_id,
        )
    set_state(
        connection,
        job_id,
        state=JobState.COLLECTED,
        now=now,
        columns={"files": files},
    )


def _add_line(
    connection: Connection,
    job_id: str,
    *,
    state: JobState,
    now: datetime,
    attempt_id: str | None = None,
    detail: str | None = None,
    error: JsonValue = None,
) -> None:
    row = {
        "job_id": job_id,
        "at": now,
        "state": state.value,
        "attempt_id": attempt_id,
        "detail": detail,
        "error": error,
    }
    write(connection, _ADD_LINE, row)
