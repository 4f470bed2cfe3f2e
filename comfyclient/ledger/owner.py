"""One open ledger as an owner of jobs: its lease, and whether another's ran out."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from .lease import Process, is_gone, this_process
from .records import OwnerRow
from .rows import checked
from .schema import job, owner
from .statements import first_row, rows, write

_MAX_LABEL = 150
_FORGOTTEN_AFTER = timedelta(days=7)

_RENEW = (
    update(owner)
    .where(owner.c.owner == bindparam("me"))
    .values(expires_at=bindparam("until"))
)
_REGISTER = insert(owner)
_LEAVE_JOBS = update(job).where(job.c.owner == bindparam("me")).values(owner=None)
_LEAVE = delete(owner).where(owner.c.owner == bindparam("me"))
_FORGET = (
    delete(owner)
    .where(owner.c.expires_at < bindparam("before", type_=owner.c.expires_at.type))
    .where(~exists().where(job.c.owner == owner.c.owner))
)
_FIND = select(owner).where(owner.c.owner == bindparam("name"))
# Who is silent may wake up while its jobs are taken: its row is held until they are,
# and whoever holds its own row at this moment lives.
_LAPSED = (
    select(owner.c.owner)
    .where(owner.c.owner.in_(bindparam("names", expanding=True)))
    .where(owner.c.expires_at <= bindparam("now", type_=owner.c.expires_at.type))
    .with_for_update(read=True, skip_locked=True)
)


def _every_owner() -> Select[Any]:
    # From name to name along the index: reading every job's owner takes long.
    names = select(func.min(job.c.owner).label("name")).cte("names", recursive=True)
    later = select(func.min(job.c.owner)).where(job.c.owner > names.c.name)
    step = select(later.scalar_subquery()).where(names.c.name.is_not(None))
    names = names.union_all(step)
    return (
        select(names.c.name, *owner.c)
        .join_from(names, owner, owner.c.owner == names.c.name, isouter=True)
        .where(names.c.name.is_not(None))
    )


_EVERY_OWNER = _every_owner()


class Owner:
    """The lease of one open ledger; its owner id is used by no other."""

    def __init__(self, label: str | None, *, lease_s: float) -> None:
        if not 0 < lease_s < float("inf"):
            raise ValueError(f"a lease takes finite seconds > 0, got {lease_s!r}")
        self._lease = timedelta(seconds=lease_s)
        self._process = this_process()
        self._renewed_at: datetime | None = None
        name = f"{socket.gethostname()}:{os.getpid()}" if label is None else label
        # Even a label that is used again gets an id of its own: the jobs of a process
        # that may still live are not taken by having its name.
        self.name = f"{checked('owner', name, most=_MAX_LABEL)}/{secrets.token_hex(6)}"

    @property
    def registered(self) -> bool:
        """Whether it may own jobs already."""
        return self._renewed_at is not None

    def renew(
        self, connection: Connection, *, now: datetime, force: bool = False
    ) -> bool:
        """Extend the lease where a third of it has passed; say so with `renewed`."""
        if not force and not self._due(now):
            return False
        until = now + self._lease
        if write(connection, _RENEW, {"me": self.name, "until": until}) == 0:
            self._register(connection, until=until, now=now)
        return True

    def renewed(self, now: datetime) -> None:
        """The renewal was committed."""
        self._renewed_at = now

    def vacant(self, connection: Connection, name: str, *, now: datetime) -> bool:
        """Whether another owner lives no more: its lease ran out, or its process."""
        row = first_row(connection, _FIND, {"name": name})
        if row is None or _is_gone(row):
            return True
        return bool(_lapsed(connection, [name], now=now))

    def all_vacant(self, connection: Connection, *, now: datetime) -> list[str]:
        """Every other owner of a job that lives no more."""
        everybody = rows(connection, _EVERY_OWNER, {})
        others = [row for row in everybody if row["name"] != self.name]
        gone = [row["name"] for row in others if row["owner"] is None or _is_gone(row)]
        silent = [
            row["name"]
            for row in others
            if row["name"] not in gone and row["expires_at"] <= now
        ]
        return gone + _lapsed(connection, silent, now=now)

    def leave(self, connection: Connection) -> None:
        """Release every job and the lease."""
        write(connection, _LEAVE_JOBS, {"me": self.name})
        write(connection, _LEAVE, {"me": self.name})

    def _due(self, now: datetime) -> bool:
        if self._renewed_at is None:
            return True
        return not timedelta(0) <= now - self._renewed_at < self._lease / 3

    def _register(
        self, connection: Connection, *, until: datetime, now: datetime
    ) -> None:
        columns = {
            "owner": self.name,
            "machine": self._process.machine,
            "pid": self._process.pid,
            "started": self._process.started,
            "expires_at": until,
        }
        write(connection, _REGISTER, columns)
        write(connection, _FORGET, {"before": now - _FORGOTTEN_AFTER})


def owner_row(connection: Connection, name: str) -> OwnerRow:
    """An owner as another one sees it."""
    row = first_row(connection, _FIND, {"name": name})
    if row is None:
        return OwnerRow(name, until=None, gone=False)
    return OwnerRow(name, until=row["expires_at"], gone=_is_gone(row))


def _lapsed(
    connection: Connection, names: Sequence[str], *, now: datetime
) -> list[str]:
    if not names:
        return []
    return list(connection.scalars(_LAPSED, {"names": names, "now": now}))


def _is_gone(row: Mapping[str, Any]) -> bool:
    return is_gone(Process(row["machine"], row["pid"], row["started"]))
