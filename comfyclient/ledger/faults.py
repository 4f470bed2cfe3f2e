"""A database's own errors, told in the ledger's words with a remedy. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ..errors import LedgerBusyError, LedgerError
from .records import redacted, storable


@dataclass(frozen=True, slots=True)
class _Fault:
    what: str
    hint: str
    kind: type[LedgerError] = LedgerError


_BUSY = _Fault(
    "is locked by another process for too long",
    "see which process holds it; the call may be tried again",
    LedgerBusyError,
)
_FULL = _Fault("cannot grow: the disk is full", "free some space and try again")
_READ_ONLY = _Fault(
    "is read-only", "give this user the right to write the file and its folder"
)
_DAMAGED = _Fault(
    "is damaged, or not a ledger",
    "move the file aside (a new one is made), or bring back a copy of it",
)
_CANNOT_OPEN = _Fault(
    "cannot be opened", "see that the folder exists and this user may write in it"
)
_DISK = _Fault("was refused by the disk", "see the system's log for disk faults")
_NO_LOGIN = _Fault("refused the login", "see user, password and database of the URL")
_NO_DATABASE = _Fault("does not exist", "create the database, then try again")
_NO_RIGHT = _Fault(
    "does not let this user work in it", "grant CREATE on its schema to the user"
)
_CROWDED = _Fault(
    "takes no more connections", "close some clients; try again", LedgerBusyError
)
_AWAY = _Fault(
    "cannot be reached or broke the connection",
    "see that the database server runs and the URL names it",
)
_CLASH = _Fault("refused a row that breaks one of its rules", "report this, please")
_OTHER = _Fault("refused the work", "see the message of the database")

_SQLITE = {
    3: _READ_ONLY,  # PERM
    5: _BUSY,  # BUSY
    6: _BUSY,  # LOCKED
    8: _READ_ONLY,  # READONLY
    10: _DISK,  # IOERR
    11: _DAMAGED,  # CORRUPT
    13: _FULL,  # FULL
    14: _CANNOT_OPEN,  # CANTOPEN
    19: _CLASH,  # CONSTRAINT
    26: _DAMAGED,  # NOTADB
}

_SQLSTATE = {
    "25006": _READ_ONLY,
    "28000": _NO_LOGIN,
    "28P01": _NO_LOGIN,
    "3D000": _NO_DATABASE,
    "40001": _BUSY,
    "40P01": _BUSY,
    "42501": _NO_RIGHT,
    "53100": _FULL,
    "53300": _CROWDED,
    "55P03": _BUSY,
    "57014": _BUSY,
}


def explained(error: Exception, place: str) -> LedgerError:
    """The error to raise for whatever the database or SQLAlchemy raised."""
    fault = _fault_of(error)
    said = " ".join(redacted(storable(_words_of(error))).split())
    return fault.kind(f"the ledger {place} {fault.what}: {said}", hint=fault.hint)


def _words_of(error: Exception) -> str:
    # Not str(error): SQLAlchemy's own text holds the statement.
    if isinstance(error, StatementError):
        return str(error.orig if error.orig is not None else error.args[0])
    return str(error)


def is_clash(error: LedgerError) -> bool:
    """Whether a unique value was taken by another transaction meanwhile."""
    return isinstance(error.__cause__, IntegrityError)


def _fault_of(error: Exception) -> _Fault:
    if isinstance(error, PoolTimeoutError):
        return _BUSY
    if isinstance(error, NoSuchModuleError) or not isinstance(error, SQLAlchemyError):
        return _OTHER
    if not isinstance(error, DBAPIError):
        return _OTHER
    if isinstance(error, IntegrityError):
        return _CLASH
    found = _by_code(error.orig)
    if found is not None:
        return found
    if error.connection_invalidated or isinstance(error, OperationalError):
        return _AWAY
    return _OTHER


def _by_code(cause: BaseException | None) -> _Fault | None:
    number = getattr(cause, "sqlite_errorcode", None)
    if isinstance(number, int):
        return _SQLITE.get(number & 0xFF, _OTHER)
    return _SQLSTATE.get(_sqlstate(cause) or "")


def _sqlstate(cause: BaseException | None) -> str | None:
    for name in ("sqlstate", "pgcode"):  # psycopg, psycopg2
        found = getattr(cause, name, None)
        if isinstance(found, str):
            return found
    first = cause.args[0] if cause is not None and cause.args else None
    if isinstance(first, dict):  # pg8000
        return str(first.get("C"))
    return None
