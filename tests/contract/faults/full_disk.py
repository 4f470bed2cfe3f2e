"""A ledger whose disk is full at one kind of step, by means of SQLite itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_JOB, _ATTEMPT, _CHANGE, _OWNER = (
    f"comfyclient_{name}" for name in ("job", "attempt", "change", "owner")
)
_TRIGGERS = {
    "intend": f"INSERT ON {_JOB}",
    "attempt": f"INSERT ON {_ATTEMPT}",
    "accepted": f"UPDATE OF accepted_at ON {_ATTEMPT}",
    "running": f"INSERT ON {_CHANGE} WHEN NEW.state = 'running'",
    "attempt_ended": f"INSERT ON {_CHANGE} "
    "WHEN NEW.state = 'intended' AND NEW.error IS NOT NULL",
    "ended": f"INSERT ON {_CHANGE} "
    "WHEN NEW.state IN ('succeeded', 'failed', 'cancelled', 'lost')",
    "collected": f"INSERT ON {_CHANGE} WHEN NEW.state = 'collected'",
    "heartbeat": f"UPDATE OF expires_at ON {_OWNER}",
}
_ROWS = 2**63 - 1


def fill_disk(ledger: Path, step: str) -> None:
    """From now on this step ends with SQLite's own "disk is full".

    A table that has counted to the last row id there is takes no further row; SQLite
    says so with the code of a full disk. A trigger puts a row there at the step.
    """
    with _opened(ledger) as connection:
        connection.execute("CREATE TABLE brim (id INTEGER PRIMARY KEY AUTOINCREMENT)")
        connection.execute("INSERT INTO brim VALUES (?)", (_ROWS,))
        connection.execute(
            f"CREATE TRIGGER full BEFORE {_TRIGGERS[step]} "
            "BEGIN INSERT INTO brim VALUES (NULL); END"
        )


def free_disk(ledger: Path) -> None:
    """There is room again."""
    with _opened(ledger) as connection:
        connection.execute("DROP TRIGGER IF EXISTS full")


@contextmanager
def _opened(ledger: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(ledger)
    try:
        with connection:
            yield connection
    finally:
        connection.close()
