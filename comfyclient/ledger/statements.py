"""The few statements of every job's steps, compiled once, run at the driver's cursor.

SQLAlchemy still writes their text and converts their values; what is saved is its work
per execution, which takes several times as long as the database's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Delete, Double, Insert, Select, Update
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

Statement = Select[Any] | Insert | Update | Delete
Values = Mapping[str, Any]
Bound = Sequence[Any] | Mapping[str, Any]
Convert = Callable[[Any], Any] | None

_PREPARED = "comfyclient_prepared"
_SQLITE: dict[Any, Any] = {}
"""What was compiled for SQLite: it is one library with one dialect in a process, while
other databases' dialects learn from the server that they are connected to."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    text: str
    binds: Sequence[tuple[str, Convert]]
    fixed: Values
    """Values that are the statement's own."""
    positional: bool
    columns: Sequence[tuple[str, Convert]]

    def bound(self, values: Values) -> Bound:
        whole = {**self.fixed, **values}
        if self.positional:
            return [_converted(whole[name], to) for name, to in self.binds]
        return {name: _converted(whole[name], to) for name, to in self.binds}

    def row(self, found: Sequence[Any]) -> dict[str, Any]:
        return {
            name: _converted(value, to)
            for (name, to), value in zip(self.columns, found, strict=True)
        }


def first_row(
    connection: Connection, statement: Select[Any], values: Values
) -> dict[str, Any] | None:
    """The first row that a statement finds."""
    return next(iter(rows(connection, statement, values)), None)


def rows(
    connection: Connection, statement: Select[Any], values: Values
) -> list[dict[str, Any]]:
    """The rows that a statement finds."""
    prepared = _prepared(connection, statement, values)
    found, _ = _done(connection, prepared.text, prepared.bound(values), fetch=True)
    return [prepared.row(each) for each in found]


def write(
    connection: Connection, statement: Insert | Update | Delete, values: Values
) -> int:
    """Execute a statement; gives how many rows it changed."""
    prepared = _prepared(connection, statement, values)
    return _done(connection, prepared.text, prepared.bound(values))[1]


def say(connection: Connection, words: str) -> None:
    """Execute words that need no compiling and have no values."""
    _done(connection, words, ())


def _done(
    connection: Connection, words: str, values: Bound, *, fetch: bool = False
) -> tuple[Sequence[Any], int]:
    cursor = connection.connection.cursor()
    kind = connection.dialect.loaded_dbapi.Error
    try:
        cursor.execute(words, values)
        return cursor.fetchall() if fetch else (), cursor.rowcount
    except kind as error:
        raise DBAPIError.instance(
            words, None, error, kind, hide_parameters=True
        ) from error
    finally:
        cursor.close()


def _prepared(
    connection: Connection, statement: Statement, values: Values
) -> _Prepared:
    known = _SQLITE
    if connection.dialect.name != "sqlite":
        known = connection.info.setdefault(_PREPARED, {})
    key = (statement, tuple(values))
    if key not in known:
        known[key] = _compiled(statement, tuple(values), connection.dialect)
    found: _Prepared = known[key]
    return found


def _compiled(
    statement: Statement, names: Sequence[str], dialect: Dialect
) -> _Prepared:
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    binds = compiled.binds
    order = compiled.positiontup if compiled.positiontup is not None else list(binds)
    columns = statement.selected_columns if isinstance(statement, Select) else ()
    return _Prepared(
        text=str(compiled),
        binds=[(name, _to_database(binds[name].type, dialect)) for name in order],
        fixed={name: b.value for name, b in binds.items() if not b.required},
        positional=compiled.positional,
        columns=[(each.name, _from_database(each.type, dialect)) for each in columns],
    )


def _to_database(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _from_database(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    if isinstance(kind, Double):
        return None  # every driver gives a float; some dialects ask for its code first
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _converted(value: Any, to: Convert) -> Any:
    return value if to is None else to(value)
