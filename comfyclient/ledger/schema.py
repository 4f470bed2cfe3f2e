"""The ledger's tables, their column types, and the steps from version to version."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pydantic import JsonValue
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.types import TypeDecorator

from ..errors import LedgerVersionError
from .statements import first_row

SCHEMA_VERSION = 3

SHORT, LONG = 128, 200
"""Characters of an id that a machine made, and of a name that a person chose."""


class Moment(TypeDecorator[datetime]):
    """A moment in UTC; SQLite keeps no zone, so none is given to it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(
        self, value: datetime | None, dialect: Dialect
    ) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        naive = value.tzinfo is None
        return value.replace(tzinfo=UTC) if naive else value.astimezone(UTC)


class JsonText(TypeDecorator[JsonValue]):
    """JSON as plain ASCII text: PostgreSQL's own JSON types refuse some strings."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: JsonValue, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else as_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> JsonValue:
        """From the database."""
        loaded: JsonValue = None if value is None else json.loads(value)
        return loaded


class WholeNumber(TypeDecorator[int]):
    """An integer of any size: seeds go up to 2**64 - 1, beyond a signed column."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        """To the database."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> int | None:
        """From the database."""
        return None if value is None else int(value)


_ENCODER = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":"))


def as_json(value: object) -> str:
    """Equal values give equal text."""
    return _ENCODER.encode(value)


metadata = MetaData()
_ROW_ID = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts only INTEGER

schema = Table(
    "comfyclient_schema",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", Moment, nullable=False),
)

owner = Table(
    "comfyclient_owner",
    metadata,
    Column("owner", String(LONG), primary_key=True),
    Column("machine", String(LONG)),
    Column("pid", BigInteger, nullable=False),
    Column("started", String(SHORT)),
    Column("expires_at", Moment, nullable=False),
)

workflow = Table(
    "comfyclient_workflow",
    metadata,
    Column("digest", String(SHORT), primary_key=True),
    Column("graph", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
)

job = Table(
    "comfyclient_job",
    metadata,
    Column("seq", _ROW_ID, primary_key=True, autoincrement=True),
    Column("job_id", String(SHORT), nullable=False, unique=True),
    Column("environment", String(LONG), nullable=False),
    Column("idempotency_key", String(LONG)),
    Column("template", String(LONG)),
    Column("digest", String(SHORT), nullable=False),
    Column("seed", WholeNumber),
    Column("params", JsonText, nullable=False),
    Column("extra", JsonText, nullable=False),
    Column("trip_id", String(LONG)),
    Column("state", String(16), nullable=False),
    Column("owner", String(LONG), index=True),
    Column("attempts", Integer, nullable=False),
    Column("attempt_id", String(SHORT)),  # the last one's
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("error", JsonText),
    Column("outputs", JsonText),
    Column("files", JsonText),
    Column("told", JsonText),
    UniqueConstraint("environment", "idempotency_key"),
    Index("comfyclient_job_by_state", "environment", "state", "seq"),
)

attempt = Table(
    "comfyclient_attempt",
    metadata,
    Column("attempt_id", String(SHORT), primary_key=True),
    Column("job_id", ForeignKey(job.c.job_id), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("instance", String(LONG), nullable=False),
    Column("client_id", String(SHORT), nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("accepted_at", Moment),
    Column("prompt_id", String(SHORT)),
    Column("number", Double),
    Column("ended_at", Moment),
    Column("error", JsonText),
    Column("receipt", JsonText),
    UniqueConstraint("job_id", "ordinal"),
)

change = Table(
    "comfyclient_change",
    metadata,
    Column("seq", _ROW_ID, primary_key=True, autoincrement=True),
    Column("job_id", ForeignKey(job.c.job_id), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt_id", String(SHORT)),
    Column("detail", Text),
    Column("error", JsonText),
)

answer = Table(
    "comfyclient_answer",
    metadata,
    Column("environment", String(LONG), primary_key=True),
    Column("digest", String(SHORT), primary_key=True),
    Column("step", String(SHORT), nullable=False),
    Column("model", String(LONG), nullable=False),
    Column("task_id", String(SHORT)),
    Column("request_id", String(SHORT)),
    Column("value", JsonText),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("images", BigInteger, nullable=False),
    Column("began_at", Moment, nullable=False),
    Column("ended_at", Moment),
)

duration = Table(
    "comfyclient_duration",
    metadata,
    Column("environment", String(LONG), primary_key=True),
    Column("kind", String(LONG), primary_key=True),
    Column("instance", String(LONG), primary_key=True),
    Column("loading", Integer, primary_key=True, autoincrement=False),
    Column("seconds", Double, nullable=False),
    Column("jobs", BigInteger, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

_VERSION = select(func.max(schema.c.version).label("version"))

Step = Callable[[Connection], None]


def _add_told(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE comfyclient_job ADD COLUMN told TEXT"))


def _add_answers(connection: Connection) -> None:
    answer.create(connection)
    duration.create(connection)


def _add_receipt(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE comfyclient_attempt ADD COLUMN receipt TEXT"))


def _to_version_3(connection: Connection) -> None:
    _add_answers(connection)
    _add_receipt(connection)


STEPS: Mapping[int, Step] = {2: _add_told, 3: _to_version_3}
"""From the version before to the one that is the key. Steps only add, so that a
process that still runs the older code can go on."""

# Any number, but the same in every version: PostgreSQL lets one opener migrate.
_MIGRATION_LOCK = 0x636F6D6679


def version_of(connection: Connection) -> int:
    """The version of the tables there; 0 where there are none."""
    if not connection.dialect.has_table(connection, schema.name):
        return 0
    found = first_row(connection, _VERSION, {})
    return 0 if found is None else found["version"] or 0


def check_version(found: int, *, known: int = SCHEMA_VERSION) -> None:
    """Refuse tables that newer code made.

    Raises:
        LedgerVersionError: they are newer than this code.
    """
    if found > known:
        raise LedgerVersionError(
            f"the ledger has version {found}, this comfyclient knows up to {known}",
            hint="upgrade comfyclient, or use another ledger",
        )


def migrate(
    connection: Connection,
    *,
    now: datetime,
    target: int = SCHEMA_VERSION,
    steps: Mapping[int, Step] = STEPS,
) -> None:
    """Bring the tables to the target version, inside the caller's transaction.

    Raises:
        LedgerVersionError: they are newer than that.
    """
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(:key)")
        connection.execute(lock, {"key": _MIGRATION_LOCK})
    found = version_of(connection)
    check_version(found, known=target)
    if found == 0:
        metadata.create_all(connection)
    for version in range(found + 1, target + 1) if found else ():
        steps[version](connection)
    if found < target:
        connection.execute(insert(schema).values(version=target, applied_at=now))
