"""Whatever SQLAlchemy raises becomes a LedgerError."""

from __future__ import annotations

import inspect
import sqlite3

import pytest
from sqlalchemy import exc

from comfyclient.errors import LedgerBusyError, LedgerError, Retry
from comfyclient.ledger.faults import explained


def _every_exception() -> list[type[Exception]]:
    # The excluded one is not SQLAlchemy's own but the base of the errors that its
    # asyncio drivers raise, which reach us wrapped like those of every driver.
    return [
        kind
        for name, kind in inspect.getmembers(exc, inspect.isclass)
        if issubclass(kind, Exception) and not issubclass(kind, Warning)
        if name != "EmulatedDBAPIException"
    ]


def _made(kind: type[Exception]) -> Exception:
    if issubclass(kind, exc.DBAPIError):
        return kind("SELECT secret", {"p": "secret"}, RuntimeError("orig"))
    if issubclass(kind, exc.StatementError):
        return kind("m", "SELECT secret", {}, RuntimeError("orig"))
    if issubclass(kind, exc.CircularDependencyError):
        return kind("m", [], [])
    if issubclass(kind, exc.UnsupportedCompilationError):
        return kind(object(), int)
    if issubclass(kind, exc.NoReferenceError):
        return kind("m", *("t", "c")[: 1 if "Table" in kind.__name__ else 2])
    return kind("m")


@pytest.mark.parametrize("kind", _every_exception())
def test_every_exception_has_words(kind: type[Exception]) -> None:
    """Each one is told with the ledger's place and a remedy, without its statement."""
    told = explained(_made(kind), "/x/ledger.db")

    assert isinstance(told, LedgerError)
    assert "/x/ledger.db" in told.message
    assert told.hint
    assert "SELECT" not in told.message


def test_every_exception_is_caught_at_the_border() -> None:
    """The border catches one base, and every exception of SQLAlchemy has it."""
    outside = [k for k in _every_exception() if not issubclass(k, exc.SQLAlchemyError)]

    assert outside == []


@pytest.mark.parametrize(
    ("code", "word", "retry"),
    [
        (5, "locked", Retry.HERE),
        (6, "locked", Retry.HERE),
        (5 | 2 << 8, "locked", Retry.HERE),
        (8, "read-only", Retry.NEVER),
        (11, "damaged", Retry.NEVER),
        (26, "damaged", Retry.NEVER),
        (13, "full", Retry.NEVER),
        (14, "opened", Retry.NEVER),
        (10 | 3 << 8, "disk", Retry.NEVER),
        (1, "refused", Retry.NEVER),
    ],
)
def test_sqlite_codes(code: int, word: str, retry: Retry) -> None:
    """SQLite's own code decides, extended codes included."""
    cause = sqlite3.OperationalError("said")
    cause.sqlite_errorcode = code
    told = explained(exc.OperationalError("s", {}, cause), "f")

    assert word in told.message
    assert told.retry is retry


class _DriverError(Exception):
    sqlstate: str | None = None
    pgcode: str | None = None


@pytest.mark.parametrize("name", ["sqlstate", "pgcode"])
@pytest.mark.parametrize(
    ("code", "word"),
    [("55P03", "locked"), ("53100", "full"), ("28P01", "login"), ("3D000", "exist")],
)
def test_postgresql_codes(name: str, code: str, word: str) -> None:
    """PostgreSQL's code decides, whichever driver carries it."""
    cause = _DriverError("said")
    setattr(cause, name, code)

    assert word in explained(exc.OperationalError("s", {}, cause), "f").message


def test_statement_error_without_cause() -> None:
    """A value that could not be bound is told without the statement."""
    error = exc.StatementError("no such value", "SELECT secret", {}, None)

    assert explained(error, "f").message.endswith("no such value")


def test_code_of_a_dict() -> None:
    """One driver gives the code inside a mapping."""
    cause = RuntimeError({"C": "40001", "M": "could not serialize"})

    assert isinstance(
        explained(exc.DatabaseError("s", {}, cause), "f"), LedgerBusyError
    )


def test_secrets_of_a_driver_are_not_repeated() -> None:
    """A driver's message that quotes the connection string is redacted."""
    cause = RuntimeError("bad dsn postgresql://u:S3CRET@h/db password=S3CRET")
    told = explained(exc.OperationalError("s", {}, cause), "f")

    assert "S3CRET" not in str(told)
