"""Column types and migrations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Connection, create_engine, inspect, select, text

from comfyclient.errors import LedgerVersionError
from comfyclient.ledger.schema import (
    SCHEMA_VERSION,
    STEPS,
    metadata,
    migrate,
    schema,
    version_of,
    workflow,
)

NOW = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection to an empty database in memory."""
    engine = create_engine("sqlite://")
    with engine.begin() as opened:
        yield opened
    engine.dispose()


def _add_note(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE comfyclient_job ADD COLUMN note TEXT"))


def test_empty_database_gets_every_table(connection: Connection) -> None:
    """A new ledger has version and tables of this code."""
    assert version_of(connection) == 0

    migrate(connection, now=NOW)

    assert version_of(connection) == SCHEMA_VERSION
    assert set(metadata.tables) <= set(inspect(connection).get_table_names())


def test_migrating_again_changes_nothing(connection: Connection) -> None:
    """The version is written once."""
    migrate(connection, now=NOW)
    migrate(connection, now=NOW)

    assert len(connection.execute(select(schema)).all()) == 1


def test_every_version_has_its_step() -> None:
    """There is one step from each version to the next."""
    assert set(STEPS) == set(range(2, SCHEMA_VERSION + 1))


def test_older_ledger_is_migrated(connection: Connection) -> None:
    """An older one goes through the steps in order, and keeps its rows."""
    migrate(connection, now=NOW)
    row = {"digest": "d", "graph": b"g", "created_at": NOW}
    connection.execute(workflow.insert(), row)
    order: list[int] = []
    first, second = SCHEMA_VERSION + 1, SCHEMA_VERSION + 2
    steps = {
        second: lambda _: order.append(second),
        first: lambda c: (_add_note(c), order.append(first))[1],
    }

    migrate(connection, now=NOW, target=second, steps=steps)

    columns = {c["name"] for c in inspect(connection).get_columns("comfyclient_job")}
    assert order == [first, second]
    assert "note" in columns
    assert version_of(connection) == second
    assert connection.execute(select(workflow.c.digest)).scalars().all() == ["d"]


def test_newer_ledger_is_refused(connection: Connection) -> None:
    """Code of version n does not touch tables of version n + 1."""
    migrate(connection, now=NOW)
    newer = {"version": SCHEMA_VERSION + 1, "applied_at": NOW}
    connection.execute(schema.insert(), newer)

    with pytest.raises(LedgerVersionError, match="upgrade comfyclient"):
        migrate(connection, now=NOW)


@pytest.mark.parametrize(
    "moment", [NOW, NOW.astimezone(timezone(timedelta(hours=8))), NOW.replace(second=1)]
)
def test_moments_come_back_in_utc(connection: Connection, moment: datetime) -> None:
    """A time of any zone is read back as the same moment, in UTC."""
    migrate(connection, now=moment)
    found = connection.scalar(select(schema.c.applied_at))

    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC
