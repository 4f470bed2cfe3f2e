"""A look at a ledger that changes nothing: no table is made, none migrated."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ..errors import LedgerError
from .database import parsed_url
from .faults import explained
from .schema import check_version, version_of


class Sight:
    """One ledger, seen from outside."""

    def __init__(self, url: str) -> None:
        self._url = url

    def version(self) -> int | None:
        """The version of its tables; None where there is no file yet.

        Raises:
            LedgerVersionError: newer code made it.
            LedgerError: it cannot be read.
        """
        url, file = parsed_url(self._url), self.file()
        place = url.render_as_string(hide_password=True)
        if file is not None:
            if not file.exists():
                return None
            url = _read_only(file)
        try:
            with create_engine(url, poolclass=NullPool).connect() as connection:
                found = version_of(connection)
        except SQLAlchemyError as error:
            raise explained(error, place) from error
        except ImportError as error:
            raise LedgerError(
                f"the ledger's driver {error.name} is not installed",
                hint=f"pip install {error.name}",
            ) from error
        check_version(found)
        return found

    def file(self) -> Path | None:
        """The file that it is in; None where it is in a server or in memory.

        Raises:
            LedgerError: the setting names no database.
        """
        url = parsed_url(self._url)
        name = url.database
        if url.get_backend_name() != "sqlite" or not name or name == ":memory:":
            return None
        return None if name.startswith("file:") else Path(name).absolute()


def _read_only(file: Path) -> URL:
    """A SQLite file, opened so that nothing is made beside it.

    Where nobody has it open there is no `-wal`, and SQLite would leave an empty one.
    """
    query = {"mode": "ro", "uri": "true"}
    if not file.with_name(f"{file.name}-wal").exists():
        query["immutable"] = "1"
    return URL.create("sqlite", database=f"file:{quote(str(file))}", query=query)
