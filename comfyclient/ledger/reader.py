"""What the ledger tells, without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, bindparam, func, or_, select

from ..jobs.estimates import Learned
from .database import Database
from .durations import load_durations
from .owner import owner_row
from .records import ChangeRow, JobRow, JobState, OwnerRow
from .rows import (
    damage_named,
    load_history,
    load_jobs,
    unpacked,
    with_attempts,
)
from .schema import attempt, job, workflow
from .statements import rows
from .steps import unknown

_JOB = select(job).where(job.c.job_id == bindparam("id"))
_BY_KEY = select(job).where(
    job.c.environment == bindparam("environment"),
    job.c.idempotency_key == bindparam("key"),
)
_SEQ = select(job.c.seq).where(job.c.job_id == bindparam("id"))
_COUNTED = (
    select(job.c.state, func.count())
    .where(job.c.environment == bindparam("environment"))
    .group_by(job.c.state)
)
_ATTEMPT = select(job.c.attempt_id, job.c.state).where(
    job.c.job_id == attempt.c.job_id, attempt.c.attempt_id == bindparam("id")
)
_GRAPH = select(workflow.c.graph).where(workflow.c.digest == bindparam("digest"))


class LedgerReader:
    """The reading half of a ledger, on a database that is open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def place(self) -> str:
        """The file, or the URL without user and password."""
        return self._database.place

    def job(self, job_id: str) -> JobRow:
        """One job.

        Raises:
            UnknownJobError: there is none of that id.
        """
        with self._reading() as connection:
            return self._row(connection, job_id)

    def find(self, idempotency_key: str, *, environment: str) -> JobRow | None:
        """The job that was intended under a key."""
        values = {"environment": environment, "key": idempotency_key}
        with self._reading() as connection:
            found = rows(connection, _BY_KEY, values)
            return next(iter(with_attempts(connection, found)), None)

    def durations(self, environment: str) -> list[Learned]:
        """How long jobs took there, as far as it was written down."""
        with self._reading() as connection:
            return load_durations(connection, environment)

    def jobs(
        self,
        *,
        environment: str | None = None,
        states: Sequence[JobState] | None = None,
        template: str | None = None,
        trip_id: str | None = None,
        since: datetime | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[JobRow]:
        """The newest jobs, newest first.

        A template's name without a version means all its versions. `since` is the
        earliest time of an intent; `before`, the last job of the page that came first.

        Raises:
            UnknownJobError: there is no job of the id `before`.
        """
        query = select(job).order_by(job.c.seq.desc()).limit(limit)
        for name, value in (("environment", environment), ("trip_id", trip_id)):
            if value is not None:
                query = query.where(job.c[name] == value)
        if states is not None:
            query = query.where(job.c.state.in_([state.value for state in states]))
        if template is not None:
            query = query.where(_of_template(template))
        if since is not None:
            query = query.where(job.c.created_at >= since)
        with self._reading() as connection:
            if before is not None:
                query = query.where(job.c.seq < self._seq(connection, before))
            return load_jobs(connection, query)

    def count(self, environment: str) -> Mapping[JobState, int]:
        """How many jobs are in each state."""
        with self._reading() as connection:
            rows = connection.execute(_COUNTED, {"environment": environment}).all()
            counted = {JobState(state): number for state, number in rows}
        return {state: counted.get(state, 0) for state in JobState}

    def history(self, job_id: str) -> list[ChangeRow]:
        """A job's changes, oldest first."""
        with self._reading() as connection:
            self._row(connection, job_id)
            return load_history(connection, job_id)

    def graph(self, digest: str) -> JsonValue:
        """The graph that was given with the digest; None where none was."""
        with self._reading() as connection:
            blob = connection.scalar(_GRAPH, {"digest": digest})
            return None if blob is None else unpacked(blob)

    def awaits(self, attempt_id: str) -> bool | None:
        """Whether a job still waits for this attempt; None where no job had it.

        One that was sent again waits for its last attempt alone.
        """
        with self._reading() as connection:
            found = connection.execute(_ATTEMPT, {"id": attempt_id}).first()
        if found is None:
            return None
        return found[0] == attempt_id and not JobState(found[1]).terminal

    def owner_of(self, job_id: str) -> OwnerRow | None:
        """Who works on a job; None where nobody does.

        Raises:
            UnknownJobError: there is no such job.
        """
        with self._reading() as connection:
            name = self._row(connection, job_id).owner
            if name is None:
                return None
            return owner_row(connection, name)

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with damage_named(self.place), self._database.reading() as connection:
            yield connection

    def _row(self, connection: Connection, job_id: str) -> JobRow:
        found = rows(connection, _JOB, {"id": job_id})
        if not found:
            raise unknown(job_id)
        return with_attempts(connection, found)[0]

    def _seq(self, connection: Connection, job_id: str) -> int:
        """A job's place in the order of intents."""
        found = connection.scalar(_SEQ, {"id": job_id})
        if found is None:
            raise unknown(job_id)
        return int(found)


def _of_template(template: str) -> ColumnElement[bool]:
    same = job.c.template == template
    if "@" in template:
        return same
    start = f"{template}@"  # not LIKE: SQLite's takes a for A
    return or_(same, func.substr(job.c.template, 1, len(start)) == start)
