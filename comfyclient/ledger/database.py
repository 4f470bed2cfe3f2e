"""The database under the ledger: opened with care, its errors told in our words."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from ..errors import ClosedError, LedgerError
from ..timing import Clock, Deadline
from .faults import explained
from .records import redacted
from .schema import SCHEMA_VERSION, check_version, migrate, version_of
from .statements import say

_CONNECT_S = 10
_WAL_PAUSE_S = 0.05
_WAL_PAGES = 4000
"""Of 4 KiB; then the log is brought into the file, which takes some milliseconds of
whoever writes just then: of one job in 150 instead of one in 40."""
_SMALLEST = 512
"""Bytes of the smallest SQLite file that holds anything."""


class Database:
    """One ledger database. Every transaction is short; threads may share it."""

    def __init__(
        self,
        url: str | Path,
        *,
        clock: Clock,
        busy_s: float = 5,
        survive_power_loss: bool = False,
    ) -> None:
        self._given = url
        self._clock = clock
        self._busy_s = busy_s
        self._survive_power_loss = survive_power_loss
        self._engine: Engine | None = None
        self._file: Path | None = None
        self._inode: tuple[int, int] | None = None
        self._pid = 0
        self._kept: Connection | None = None
        self._guard: AbstractContextManager[Any] = nullcontext()
        self.place = "the ledger"
        """What messages call it: a file, or a URL without its password."""

    def open(self) -> None:
        """Connect, and bring the tables to this code's version.

        Raises:
            LedgerError: it cannot be used; nothing was written.
        """
        if self._engine is not None:
            return
        url = parsed_url(self._given)
        self._file = _file_of(url)
        self.place = str(self._file) if self._file is not None else _shown(url)
        engine = self._connectable(url)
        if self._file is not None:
            _prepare_file(self._file)
        self._pid, self._engine = os.getpid(), engine
        try:
            with self._settings_named():
                self._update_tables()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection; opening again is allowed."""
        with self._guard:
            engine, self._engine, self._inode = self._engine, None, None
            # A forked child must not end the connections of its parent.
            ours = os.getpid() == self._pid
            if ours and self._kept is not None:
                self._kept.close()
                self._kept = None
            if engine is not None:
                engine.dispose(close=ours)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            LedgerError: the database could not be read.
        """
        with self._transaction(reading=True) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it is durable afterwards, or nothing.

        Raises:
            LedgerBusyError: another process held the lock for too long.
            LedgerError: the database could not be written.
        """
        with self._transaction(reading=False) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, reading: bool) -> Iterator[Connection]:
        with self._guard, self._translated():
            engine = self._usable()
            if engine.dialect.name == "sqlite":
                with self._begun(engine, reading=reading) as connection:
                    yield connection
            else:
                with engine.begin() as connection:
                    yield connection

    @contextmanager
    def _begun(self, engine: Engine, *, reading: bool) -> Iterator[Connection]:
        """A transaction of SQLite's one connection, which stays checked out."""
        kept = self._kept if self._kept is not None else engine.connect()
        self._kept = kept
        try:
            with kept.begin():
                # A transaction that reads first and writes later could not wait for
                # the lock: SQLite would refuse it at once. So a writer takes it at
                # the start.
                say(kept, "BEGIN" if reading else "BEGIN IMMEDIATE")
                yield kept
        except BaseException:
            self._kept = None
            kept.close()
            raise

    def _usable(self) -> Engine:
        if self._engine is None:
            raise ClosedError(f"{self.place} is not open", hint="call open() first")
        if self._pid != os.getpid():
            raise LedgerError(
                f"{self.place} was opened before this process was forked",
                hint="open a ledger of its own in each process",
            )
        # SQLite goes on writing to a file that was deleted: into nowhere.
        if self._inode is not None and _inode(self._file) != self._inode:
            raise LedgerError(
                f"the ledger file {self.place} was deleted or replaced while in use",
                hint="close this client, put the file back, and resume",
            )
        return self._engine

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OverflowError, UnicodeError) as error:
            raise explained(error, self.place) from error

    def _update_tables(self) -> None:
        with self.reading() as connection:
            found = version_of(connection)
        check_version(found)
        if found < SCHEMA_VERSION:  # else whoever writes meanwhile is not waited for
            with self.writing() as connection:
                migrate(connection, now=self._clock.now())
        self._inode = _inode(self._file)

    def _connectable(self, url: URL) -> Engine:
        sqlite = url.get_backend_name() == "sqlite"
        if sqlite:
            self._guard = threading.RLock()
        with self._settings_named():
            return self._sqlite(url) if sqlite else self._server(url)

    @contextmanager
    def _settings_named(self) -> Iterator[None]:
        try:
            yield
        except ImportError as error:
            raise LedgerError(
                f"{self.place} needs a database driver that is not installed: "
                f"{error.name}",
                hint="for PostgreSQL: pip install 'psycopg[binary]', and write the URL "
                "as postgresql+psycopg://…",
            ) from error
        except (SQLAlchemyError, ValueError, TypeError) as error:
            raise LedgerError(
                f"the ledger's URL for {self.place} has a setting that does not fit: "
                f"{redacted(str(error))}",
                hint="see the driver's own page for what may follow the '?'",
            ) from None

    def _sqlite(self, url: URL) -> Engine:
        # One connection, one thread at a time: SQLite has a single writer anyway, and
        # this way threads of one process never wait for one another's file lock.
        engine = create_engine(
            url,
            poolclass=StaticPool,
            hide_parameters=True,
            connect_args={
                "check_same_thread": False,
                "isolation_level": None,  # we say BEGIN ourselves
                "timeout": self._busy_s,
            },
        )
        event.listen(engine, "connect", self._tune_sqlite)
        return engine

    def _tune_sqlite(self, connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        try:
            mode = self._ask_for_wal(cursor)
            full = self._survive_power_loss or mode not in ("wal", "memory")
            cursor.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
            cursor.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA trusted_schema=OFF")
        finally:
            cursor.close()

    def _ask_for_wal(self, cursor: Any) -> str:
        # The change to WAL needs the file for itself, and does not wait for it as
        # other statements do.
        deadline = Deadline(self._busy_s, clock=self._clock)
        pause = threading.Condition()
        while True:
            try:
                return str(cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0])
            except Exception as error:
                locked = getattr(error, "sqlite_errorcode", None) == 5
                if not locked or deadline.passed():
                    raise
            with pause:
                self._clock.wait(pause, _WAL_PAUSE_S)

    def _server(self, url: URL) -> Engine:
        if url.get_dialect().is_async:
            raise LedgerError(
                f"{self.place} names an asyncio driver; the ledger is synchronous",
                hint="for PostgreSQL write postgresql+psycopg://…",
            )
        postgres = url.get_backend_name() == "postgresql"
        timeout = _CONNECT_TIMEOUT.get(url.get_driver_name())
        given = timeout is None or timeout in url.query
        engine = create_engine(
            url,
            pool_pre_ping=True,  # a server that restarted is met with a new connection
            pool_timeout=self._busy_s + _CONNECT_S,
            hide_parameters=True,
            connect_args={} if given else {timeout: _CONNECT_S},
        )
        if postgres:
            engine = engine.execution_options(isolation_level="READ COMMITTED")
            event.listen(engine, "connect", self._tune_postgres)
        return engine

    def _tune_postgres(self, connection: Any, _record: object) -> None:
        milliseconds = max(1, round(self._busy_s * 1000))
        cursor = connection.cursor()
        try:
            cursor.execute(f"SET lock_timeout = {milliseconds}")
            cursor.execute(f"SET statement_timeout = {milliseconds + 10_000}")
        finally:
            cursor.close()
        connection.commit()


_CONNECT_TIMEOUT = {
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "pg8000": "timeout",
}


def parsed_url(url: str | Path) -> URL:
    """The database that a setting names.

    Raises:
        LedgerError: it is not a SQLAlchemy URL, or of an unknown kind.
    """
    if isinstance(url, Path):
        return URL.create("sqlite", database=str(url))
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except ImportError as error:
        raise LedgerError(
            f"the ledger's URL needs a driver that is not installed: {error.name}"
        ) from None
    except (SQLAlchemyError, ValueError, TypeError, AttributeError):
        # Its text may hold a password, so it is not repeated whole.
        raise LedgerError(
            f"the ledger's URL does not parse: {_start_of(url)!r}",
            hint="write sqlite:///file.db or postgresql+psycopg://user@host/database; "
            "in Python, a pathlib.Path is a SQLite file",
        ) from None
    return parsed


def _start_of(url: object) -> str:
    text = str(url)
    head, mark, _ = text.partition("://")
    return f"{head}://…" if mark else text[:12] + ("…" if len(text) > 12 else "")


def _shown(url: URL) -> str:
    if url.host is None and url.database is None:
        return f"{url.drivername}://"
    port = "" if url.port is None else f":{url.port}"
    return f"{url.drivername}://{url.host or ''}{port}/{url.database or ''}"


def _file_of(url: URL) -> Path | None:
    name = url.database
    if url.get_backend_name() != "sqlite" or not name or name == ":memory:":
        return None
    if name.startswith("file:") and "uri" in url.query:
        return None
    try:
        return Path(name).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise LedgerError(f"the ledger's path {name!r} is no path: {error}") from error


def _inode(file: Path | None) -> tuple[int, int] | None:
    if file is None or os.name == "nt":
        return None
    with suppress(OSError):
        found = file.stat()
        return found.st_dev, found.st_ino
    return None


def _prepare_file(file: Path) -> None:
    """See that there is a usable file, for its user alone where it is new."""
    try:
        _make_folders(file.parent)
        if file.exists() and not file.is_file():
            raise LedgerError(
                f"the ledger {file} is not a file",
                hint="give the ledger a file name of its own, such as "
                f"{file / 'ledger.db'}",
            )
        # An existing file is not opened here: closing it would drop the locks that
        # another connection of this process holds on it.
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except (OSError, ValueError) as error:
        raise LedgerError(
            f"the ledger file {file} cannot be made: "
            f"{getattr(error, 'strerror', None) or error}",
            hint="give the ledger a path in a folder that this user may write",
        ) from error
    if 0 < file.stat().st_size < _SMALLEST:
        # SQLite would take such a file for an empty one, and write over it.
        raise LedgerError(
            f"the ledger {file} is not a ledger, nor any SQLite file",
            hint="move the file aside, or give the ledger another path",
        )
    if not os.access(file, os.R_OK | os.W_OK):
        raise LedgerError(
            f"the ledger file {file} may not be read and written by this user",
            hint="change its owner or mode, or give the ledger another path",
        )


def _make_folders(folder: Path) -> None:
    missing = [folder, *folder.parents]
    while missing and missing[-1].exists():
        missing.pop()
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
