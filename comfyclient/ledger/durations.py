"""How long jobs took, by kind and instance, as the ledger keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select

from ..jobs.estimates import REMEMBERED, Learned
from .schema import duration

_ALL = (
    select(duration)
    .where(duration.c.environment == bindparam("environment"))
    .order_by(duration.c.updated_at.desc())
    .limit(REMEMBERED)
)


def load_durations(connection: Connection, environment: str) -> list[Learned]:
    """What is known of an environment's jobs, the latest last."""
    rows = connection.execute(_ALL, {"environment": environment}).mappings().all()
    return [
        Learned(
            kind=row["kind"],
            instance=row["instance"],
            loading=bool(row["loading"]),
            seconds=row["seconds"],
            jobs=row["jobs"],
        )
        for row in reversed(rows)
    ]


def store_durations(
    connection: Connection,
    environment: str,
    learned: Iterable[Learned],
    *,
    now: datetime,
) -> None:
    """Keep these; of several processes, the last word counts."""
    for one in learned:
        place = {
            "environment": environment,
            "kind": one.kind,
            "instance": one.instance,
            "loading": int(one.loading),
        }
        same = [duration.c[name] == value for name, value in place.items()]
        connection.execute(delete(duration).where(*same))
        values = {"seconds": one.seconds, "jobs": one.jobs, "updated_at": now}
        connection.execute(insert(duration).values(place | values))
