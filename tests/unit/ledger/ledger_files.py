"""Files of ledgers."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent

posix = pytest.mark.skipif(os.name == "nt", reason="modes and forks are POSIX")
plain_user = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="the superuser may do anything"
)


def intent(job_id: str = "j1") -> JobIntent:
    """A job to record."""
    return JobIntent(job_id=job_id, environment="test", digest="d", graph={"a": 1})


def filled(file: Path) -> Path:
    """A ledger with one job in it."""
    with Ledger(file) as ledger:
        ledger.intend(intent())
    return file


def pragma(file: Path, name: str) -> object:
    """A setting of a database file."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
