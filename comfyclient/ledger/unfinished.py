"""Jobs with something left to do: found in pages, and taken in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    insert,
    or_,
    select,
    true,
    union_all,
    update,
)

from .records import UNSETTLED, JobRow, JobState
from .rows import with_attempts
from .schema import change, job

PAGE = 500
"""Rows of one statement: databases limit its values, and nobody waits long."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs of an environment are looked for."""

    environment: str
    states: Sequence[JobState] = UNSETTLED
    owners: Sequence[str] | None = None
    """Jobs of these or of nobody; None is whoever owns them."""

    def found(self, connection: Connection, *, after: int, limit: int) -> list[int]:
        """The oldest after a row, by their place in the table."""
        if not self.states:
            return []
        # One ordered walk along the index per state: a single one over all states
        # would sort every unfinished job for each page.
        walks = [
            select(job.c.seq)
            .where(job.c.environment == self.environment, job.c.state == state.value)
            .where(job.c.seq > after, self._owned())
            .order_by(job.c.seq)
            .limit(limit)
            .subquery()
            for state in self.states
        ]
        merged = union_all(*(select(walk.c.seq) for walk in walks))
        return list(connection.scalars(merged.order_by("seq").limit(limit)))

    def rows(
        self, connection: Connection, places: Sequence[int], *, locked: bool = False
    ) -> list[Mapping[str, Any]]:
        """The jobs at these places that are still wanted, oldest first."""
        states = [state.value for state in self.states]
        query = (
            select(job)
            .where(job.c.seq.in_(places), job.c.state.in_(states), self._owned())
            .order_by(job.c.seq)
        )
        if locked:  # what another one is taking right now is left to it
            query = query.with_for_update(skip_locked=True)
        return [dict(row) for row in connection.execute(query).mappings()]

    def _owned(self) -> ColumnElement[bool]:
        if self.owners is None:
            return true()
        return or_(job.c.owner.is_(None), job.c.owner.in_(self.owners))


def owned(connection: Connection, job_ids: Sequence[str], *, owner: str) -> set[str]:
    """Those of the jobs that are an owner's."""
    found: set[str] = set()
    for start in range(0, len(job_ids), PAGE):
        these = job.c.job_id.in_(job_ids[start : start + PAGE])
        query = select(job.c.job_id).where(these, job.c.owner == owner)
        found |= set(connection.scalars(query))
    return found


def page(
    connection: Connection, wanted: Wanted, *, after: int
) -> tuple[list[JobRow], int]:
    """The next jobs after a row, and the row to go on after; the same at the end."""
    places = wanted.found(connection, after=after, limit=PAGE)
    rows = wanted.rows(connection, places)
    return with_attempts(connection, rows), places[-1] if places else after


def take(
    connection: Connection,
    wanted: Wanted,
    *,
    owner: str,
    after: int,
    limit: int,
    now: datetime,
) -> list[JobRow]:
    """Make the oldest wanted jobs an owner's."""
    taken: list[Mapping[str, Any]] = []
    for rows in _locked_pages(connection, wanted, after=after, limit=limit):
        _own(connection, [r for r in rows if r["owner"] != owner], owner=owner, now=now)
        taken += [_owned_row(row, owner=owner, now=now) for row in rows]
    return with_attempts(connection, taken)


def _locked_pages(
    connection: Connection, wanted: Wanted, *, after: int, limit: int
) -> Iterator[list[Mapping[str, Any]]]:
    while limit > 0:
        places = wanted.found(connection, after=after, limit=min(limit, PAGE))
        if not places:
            return
        rows = wanted.rows(connection, places, locked=True)
        yield rows
        limit, after = limit - len(rows), places[-1]


def _own(
    connection: Connection,
    rows: Sequence[Mapping[str, Any]],
    *,
    owner: str,
    now: datetime,
) -> None:
    if not rows:
        return
    these = job.c.seq.in_([row["seq"] for row in rows])
    values = {"owner": owner, "updated_at": now}
    connection.execute(update(job).where(these).values(values))
    line = {"at": now, "detail": f"owner: {owner}"}
    lines = [{**line, "job_id": row["job_id"], "state": row["state"]} for row in rows]
    connection.execute(insert(change), lines)


def _owned_row(
    row: Mapping[str, Any], *, owner: str, now: datetime
) -> Mapping[str, Any]:
    return row if row["owner"] == owner else {**row, "owner": owner, "updated_at": now}
