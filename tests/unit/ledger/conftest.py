"""Ledgers on SQLite and, where a test database is given, on PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from comfyclient.ledger.ledger import Ledger
from comfyclient.testing.clock import FakeClock

POSTGRES = os.environ.get("COMFYCLIENT_TEST_POSTGRES")
"""A SQLAlchemy URL of a database to be used: these tests run against it as well."""

SCHEMA = f"comfyclient_test_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
"""Each worker of a test run has its own."""


@pytest.fixture
def clock() -> FakeClock:
    """Time that stands still."""
    return FakeClock()


def _empty_postgres() -> str:
    assert POSTGRES is not None
    engine = create_engine(POSTGRES)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    engine.dispose()
    url = make_url(POSTGRES).update_query_dict({"options": f"-csearch_path={SCHEMA}"})
    return url.render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite"] if POSTGRES is None else ["sqlite", "postgres"])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock
) -> Iterator[Callable[..., Ledger]]:
    """Opens ledgers on one database, each an owner of its own."""
    postgres = request.param == "postgres"
    url: str | Path = _empty_postgres() if postgres else tmp_path / "ledger.db"
    with ExitStack() as stack:

        def open_one(**settings: object) -> Ledger:
            ledger = Ledger(url, clock=clock, **settings)  # type: ignore[arg-type]
            return stack.enter_context(ledger)

        yield open_one


@pytest.fixture
def ledger(opened: Callable[..., Ledger]) -> Ledger:
    """An open ledger."""
    return opened()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "ledger.db"
