"""A ledger that somebody else holds locked for a moment, at each of its steps."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from comfyclient.client import Client
from comfyclient.config.settings import EnvironmentSettings, InstanceSettings, Settings
from comfyclient.errors import LedgerBusyError
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.testing import Hold, Reply, ScriptedServer, usual

from .running import WORKFLOW

A_MOMENT_S = 0.2
"""Real seconds, much less than the ledger waits for a lock: SQLite waits by itself."""


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Another connection writes meanwhile."""
    other = sqlite3.connect(ledger, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A new ledger."""
    file = tmp_path / "jobs.db"
    with Ledger(file).open():
        pass
    return file


@pytest.fixture
def client(server: ScriptedServer, ledger: Path) -> Iterator[Client]:
    """A client of the server."""
    instance = InstanceSettings(name="n0", url=server.url)
    environment = EnvironmentSettings(
        instances=(instance,), ledger=f"sqlite:///{ledger}"
    )
    settings = Settings(default_environment="test", environments={"test": environment})
    with Client(settings) as client:
        yield client


def state(ledger: Path) -> JobState | None:
    """The job's, in the ledger."""
    with Ledger(ledger).open() as opened:
        rows = opened.jobs()
    return rows[0].state if rows else None


def wait_a_moment() -> None:
    """Let whoever needs the ledger stand before its lock."""
    threading.Event().wait(A_MOMENT_S)


class TestForAMoment:
    """The step waits for the lock: nothing is lost, and the job runs once."""

    @pytest.fixture(autouse=True)
    def _whole(self, server: ScriptedServer, ledger: Path) -> Iterator[None]:
        yield
        assert state(ledger) is JobState.COLLECTED
        assert server.executions.total() == 1

    def test_at_the_intent(self, server, client: Client, ledger: Path) -> None:
        """Nothing is sent before the job is written down."""
        client.resume()
        with ThreadPoolExecutor(1) as pool:
            with locked(ledger):
                sent = pool.submit(client.submit, WORKFLOW)
                wait_a_moment()
                assert server.asked["POST /prompt"] == 0
            assert sent.result().result().output("card").read()

    def test_at_the_answer(self, server, client: Client, ledger: Path) -> None:
        """That the server has the job is written down late; nobody waits for it."""
        answer = threading.Event()
        server.answer("POST /prompt", Reply(late=answer))
        with ThreadPoolExecutor(1) as pool:
            sent = pool.submit(client.submit, WORKFLOW)
            server.await_that(lambda: server.asked["POST /prompt"])
            with locked(ledger):
                answer.set()
                job = sent.result()
            assert job.result().output("card").read()

    def test_at_the_end(self, server, client: Client, ledger: Path) -> None:
        """The job's end is told once it is written down."""
        gate = threading.Event()
        server.play(lambda job: [Hold(gate), *usual(job)])
        job = client.submit(WORKFLOW)
        with locked(ledger):
            gate.set()
            server.await_that(lambda: server.stage.history)
            wait_a_moment()
            assert not job.status.final
        assert job.result().output("card").read()

    def test_at_the_download(self, client: Client, ledger: Path) -> None:
        """That the picture is home is written down late."""
        card = client.submit(WORKFLOW).result().output("card")
        with ThreadPoolExecutor(1) as pool:
            with locked(ledger):
                read = pool.submit(card.read)
                wait_a_moment()
                assert not read.done()
            assert read.result()


@pytest.mark.soak
def test_locked_for_too_long(server, client: Client, ledger: Path) -> None:
    """A job that cannot be written down is not sent."""
    client.resume()
    with locked(ledger), pytest.raises(LedgerBusyError):
        client.submit(WORKFLOW)
    assert server.asked["POST /prompt"] == 0
    assert state(ledger) is None
