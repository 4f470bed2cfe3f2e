"""The statements that a job's steps are made of, each inside a caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import (
    BindParameter,
    Connection,
    RowMapping,
    bindparam,
    func,
    insert,
    select,
    update,
)

from .errors import LeaseError, LedgerConflictError, LedgerError, UnknownJobError
from .ledger_records import JobState
from .ledger_rows import packed
from .ledger_schema import attempt, change, job, workflow

_ID: BindParameter[str] = bindparam("id")
_JOB = select(job).where(job.c.job_id == _ID)
_JOB_LOCKED = (
    select(job.c.job_id, job.c.state, job.c.owner)
    .where(job.c.job_id == _ID)
    .with_for_update()  # SQLite has no such thing: there the writer is alone
)
_JOB_BY_KEY = select(job).where(
    job.c.environment == bindparam("environment"),
    job.c.idempotency_key == bindparam("key"),
)
_ATTEMPT = select(attempt).where(attempt.c.attempt_id == _ID)
_LAST_ATTEMPT = (
    select(attempt.c.attempt_id, attempt.c.ordinal)
    .where(attempt.c.job_id == _ID)
    .order_by(attempt.c.ordinal.desc())
    .limit(1)
)
_HAS_WORKFLOW = select(func.count()).where(workflow.c.digest == _ID)
_END_OPEN_ATTEMPTS = (
    update(attempt)
    .where(attempt.c.job_id == _ID, attempt.c.ended_at.is_(None))
    .values(ended_at=bindparam("now"))
)

Columns = Mapping[str, object]


def same_job(connection: Connection, columns: Columns) -> str | None:
    """The id of the job that was intended before with this content, if any.

    Raises:
        LedgerConflictError: the key, or the id, stands for other content.
    """
    key, job_id = columns["idempotency_key"], columns["job_id"]
    found = connection.execute(_JOB, {"id": job_id}).mappings().first()
    by = f"job id {job_id}"
    if found is None and key is not None:
        values = {"environment": columns["environment"], "key": key}
        found = connection.execute(_JOB_BY_KEY, values).mappings().first()
        by = f"idempotency key {key!r}"
    if found is None:
        return None
    compared = ("environment", "idempotency_key", "template", "digest", "params")
    other = [name for name in compared if found[name] != columns[name]]
    if other:
        raise LedgerConflictError(
            f"{by} stands for job {found['job_id']} of {found['created_at']:%F %T}; "
            f"the new job {job_id} has another {', '.join(other)}",
            hint="give other content a key of its own",
            job_id=str(job_id),
        )
    return str(found["job_id"])


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
    if graph is not None and not connection.scalar(_HAS_WORKFLOW, {"id": digest}):
        row = {"digest": digest, "graph": packed(graph), "created_at": now}
        connection.execute(insert(workflow), row)
    whole = {**columns, "owner": owner, "created_at": now, "updated_at": now}
    connection.execute(insert(job), whole)
    add_line(connection, str(columns["job_id"]), state=JobState.INTENDED, now=now)


def locked_job(
    connection: Connection, job_id: str, *, owner: str | None = None
) -> RowMapping:
    """A job's state and owner, kept from others until the transaction ends.

    Raises:
        UnknownJobError: there is none.
        LeaseError: it belongs to another owner than the one given.
    """
    row = connection.execute(_JOB_LOCKED, {"id": job_id}).mappings().first()
    if row is None:
        raise unknown(job_id)
    if owner is not None:
        check_owner(row, owner)
    return row


def check_owner(row: RowMapping, owner: str) -> None:
    """See that the job is the owner's.

    Raises:
        LeaseError: it is not.
    """
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


def attempt_of(connection: Connection, job_id: str, attempt_id: str) -> RowMapping:
    """One attempt of the job.

    Raises:
        LedgerError: the job has no such attempt.
    """
    row = connection.execute(_ATTEMPT, {"id": attempt_id}).mappings().first()
    if row is None or row["job_id"] != job_id:
        raise LedgerError(
            f"the job has no attempt {attempt_id[:60]!r}",
            hint="record an attempt before it is sent",
            job_id=job_id,
        )
    return row


def last_attempt(connection: Connection, job_id: str) -> tuple[str | None, int]:
    """Id and ordinal of the job's last attempt; 0 where there was none."""
    row = connection.execute(_LAST_ATTEMPT, {"id": job_id}).first()
    return (None, 0) if row is None else (row.attempt_id, row.ordinal)


def begin_attempt(
    connection: Connection, row: RowMapping, columns: Columns, *, now: datetime
) -> None:
    """A new attempt; the job is intended again, whatever became of the last one.

    Raises:
        LedgerError: the job has ended.
    """
    job_id, state = row["job_id"], JobState(row["state"])
    if _is_begun(connection, job_id, columns):
        return
    if state.terminal and state is not JobState.LOST:
        raise LedgerError(
            f"a job that is {state} cannot be sent again",
            hint="submit it as a new job",
            job_id=job_id,
        )
    last, ordinal = last_attempt(connection, job_id)
    if last is not None:
        connection.execute(_END_OPEN_ATTEMPTS, {"id": job_id, "now": now})
    whole = {**columns, "job_id": job_id, "ordinal": ordinal + 1, "begun_at": now}
    connection.execute(insert(attempt), whole)
    set_state(
        connection,
        job_id,
        state=JobState.INTENDED,
        now=now,
        attempt_id=str(columns["attempt_id"]),
        columns={"ended_at": None, "error": None},
    )


def _is_begun(connection: Connection, job_id: str, columns: Columns) -> bool:
    values = {"id": columns["attempt_id"]}
    row = connection.execute(_ATTEMPT, values).mappings().first()
    if row is None:
        return False
    if (row["job_id"], row["instance"]) != (job_id, columns["instance"]):
        raise LedgerError(
            f"attempt {columns['attempt_id']} was made before: for job "
            f"{row['job_id']} on {row['instance']}",
            hint="give every attempt a UUID of its own",
            job_id=job_id,
        )
    return True


def accept_attempt(
    connection: Connection,
    row: RowMapping,
    attempt_id: str,
    *,
    columns: Columns,
    now: datetime,
) -> None:
    """A server has the attempt, even one that had been given up."""
    job_id, state = row["job_id"], JobState(row["state"])
    whole = dict(columns)
    if attempt_of(connection, job_id, attempt_id)["accepted_at"] is None:
        whole["accepted_at"] = now
    if not state.terminal:
        whole |= {"ended_at": None, "error": None}
    set_attempt(connection, attempt_id, whole)
    if state.may_become(JobState.ACCEPTED):
        state = JobState.ACCEPTED
        set_state(connection, job_id, state=state, now=now, attempt_id=attempt_id)


def end_attempt(
    connection: Connection,
    row: RowMapping,
    attempt_id: str,
    *,
    error: JsonValue,
    now: datetime,
) -> None:
    """The attempt came to nothing: where it is the last one, the job waits again."""
    job_id, state = row["job_id"], JobState(row["state"])
    found = attempt_of(connection, job_id, attempt_id)
    if found["ended_at"] is not None or state.terminal:
        return
    set_attempt(connection, attempt_id, {"ended_at": now, "error": error})
    if last_attempt(connection, job_id)[0] == attempt_id:
        state = JobState.INTENDED
    set_state(
        connection, job_id, state=state, now=now, attempt_id=attempt_id, error=error
    )


def change_job(
    connection: Connection,
    row: RowMapping,
    state: JobState,
    *,
    owner: str,
    error: JsonValue,
    outputs: JsonValue,
    detail: str | None,
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
    check_owner(row, owner)
    last, _ = last_attempt(connection, job_id)
    ends = news and state.terminal and state is not JobState.COLLECTED
    ending: dict[str, object] = {"ended_at": now, "error": error}
    if ends and last is not None:
        set_attempt(connection, last, ending)
    set_state(
        connection,
        job_id,
        state=state,
        now=now,
        attempt_id=last,
        detail=detail,
        error=error,
        columns={**ending, "outputs": outputs} if ends else None,
    )
    return True


def set_attempt(connection: Connection, attempt_id: str, columns: Columns) -> None:
    """Change an attempt."""
    one = update(attempt).where(attempt.c.attempt_id == attempt_id)
    connection.execute(one.values(**columns))


def set_job(
    connection: Connection, job_id: str, columns: Columns, *, now: datetime
) -> None:
    """Change a job."""
    one = update(job).where(job.c.job_id == job_id)
    connection.execute(one.values(updated_at=now, **columns))


def set_state(
    connection: Connection,
    job_id: str,
    *,
    state: JobState,
    now: datetime,
    attempt_id: str | None = None,
    detail: str | None = None,
    error: JsonValue = None,
    columns: Columns | None = None,
) -> None:
    """A job's state, with the line of its history."""
    set_job(connection, job_id, {"state": state.value, **(columns or {})}, now=now)
    add_line(
        connection,
        job_id,
        state=state,
        now=now,
        attempt_id=attempt_id,
        detail=detail,
        error=error,
    )


def add_line(
    connection: Connection,
    job_id: str,
    *,
    state: JobState,
    now: datetime,
    attempt_id: str | None = None,
    detail: str | None = None,
    error: JsonValue = None,
) -> None:
    """A line of a job's history."""
    row = {
        "job_id": job_id,
        "at": now,
        "state": state.value,
        "attempt_id": attempt_id,
        "detail": detail,
        "error": error,
    }
    connection.execute(insert(change), row)
