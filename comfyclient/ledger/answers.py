"""The ledger's answers of hosted models: found by digest, the first one stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from ..errors import LedgerError
from ..steps.answers import Spent, StoredAnswer, Usage
from .database import Database
from .faults import is_clash
from .records import redacted
from .rows import damage_named
from .schema import answer as table
from .schema import as_json
from .statements import first_row, write

MAX_VALUE = 1 << 20
"""Characters of a value, as JSON: an answer that is used is a few thousand."""

_KEY = (
    table.c.environment == bindparam("of_environment"),
    table.c.digest == bindparam("of_digest"),
)
_FIND = select(*table.columns).where(*_KEY)
_ADD = insert(table).inline()
_SET = update(table).where(*_KEY, table.c.ended_at.is_(None))
_DROP = delete(table).where(*_KEY)
_COSTS = ("input_tokens", "output_tokens", "images")


class LedgerAnswers:
    """The table of answers in a ledger's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, environment: str, digest: str) -> StoredAnswer | None:
        """What is known of a request.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        with damage_named(self._database.place), self._database.reading() as connection:
            return _found(connection, environment, digest)

    def began(self, answer: StoredAnswer) -> StoredAnswer:
        """Record a task that runs; the one that was recorded before stands.

        Raises:
            LedgerError: it could not be recorded.
        """
        return self._put(answer)

    def keep(self, answer: StoredAnswer) -> StoredAnswer:
        """Record an answer; where another one was complete before, that one stands.

        Raises:
            LedgerError: it could not be recorded, or is too large to be.
        """
        if len(as_json(answer.value)) > MAX_VALUE:
            raise LedgerError(f"an answer of {answer.model} is too large to be kept")
        return self._put(answer)

    def drop(self, environment: str, digest: str, *, task_id: str | None) -> None:
        """Forget a request whose task came to nothing; another task's stays.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        with damage_named(self._database.place), self._database.writing() as connection:
            found = _found(connection, environment, digest)
            if found is not None and found.task_id == task_id:
                write(connection, _DROP, _key(environment, digest))

    def spent(
        self, environment: str, *, since: datetime | None = None
    ) -> Sequence[Spent]:
        """What the answers cost, by model.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        sums = [func.sum(table.c[name]).label(name) for name in _COSTS]
        query = (
            select(table.c.model, func.count().label("answers"), *sums)
            .where(table.c.environment == environment, table.c.ended_at.is_not(None))
            .group_by(table.c.model)
            .order_by(table.c.model)
        )
        if since is not None:
            query = query.where(table.c.began_at >= since)
        with damage_named(self._database.place), self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Spent(row["model"], row["answers"], Usage(*(int(row[n]) for n in _COSTS)))
            for row in rows
        ]

    def _put(self, answer: StoredAnswer) -> StoredAnswer:
        try:
            return self._put_once(answer)
        except LedgerError as error:
            if not is_clash(error):
                raise
        return self._put_once(answer)  # another process was first by a hair

    def _put_once(self, answer: StoredAnswer) -> StoredAnswer:
        columns = _columns(answer)
        with damage_named(self._database.place), self._database.writing() as connection:
            found = _found(connection, answer.environment, answer.digest)
            if found is None:
                write(connection, _ADD, columns)
                return answer
            if found.complete or not answer.complete:
                return found
            key = _key(answer.environment, answer.digest)
            write(connection, _SET, {**columns, "began_at": found.began_at, **key})
            return replace(answer, began_at=found.began_at)


def _key(environment: str, digest: str) -> Mapping[str, str]:
    return {"of_environment": environment, "of_digest": digest}


def _found(
    connection: Connection, environment: str, digest: str
) -> StoredAnswer | None:
    row = first_row(connection, _FIND, _key(environment, digest))
    if row is None:
        return None
    usage = Usage(*(int(row.pop(name)) for name in _COSTS))
    return StoredAnswer(**row, usage=usage)


def _columns(answer: StoredAnswer) -> Mapping[str, Any]:
    value = answer.value
    return {
        "environment": answer.environment,
        "digest": answer.digest,
        "step": answer.step,
        "model": redacted(answer.model),
        "task_id": answer.task_id,
        "request_id": answer.request_id,
        "value": value,
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
        "images": answer.usage.images,
        "began_at": answer.began_at,
        "ended_at": answer.ended_at,
    }
