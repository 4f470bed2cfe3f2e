"""The order of a history's lines, however long a report waited for its turn."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path

from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent, JobState
from comfyclient.testing.clock import FakeClock


class WatchedClock(FakeClock):
    """Tells when somebody has looked at it."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = threading.Event()

    def now(self) -> datetime:
        """The moment, as the fake clock has it."""
        moment = super().now()
        self.looked.set()
        return moment


def test_a_report_has_the_time_of_its_turn(tmp_path: Path) -> None:
    """One that waited for another writer stands after it, in place and in time."""
    clock, file = WatchedClock(), tmp_path / "ledger.db"
    with (
        Ledger(file, clock=clock) as ledger,
        closing(sqlite3.connect(file, isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        ledger.intend(JobIntent("j", "test", digest="d"))
        other.execute("BEGIN IMMEDIATE")
        clock.looked.clear()
        reported = pool.submit(ledger.changed, "j", JobState.RUNNING)
        assert clock.looked.wait(10)
        clock.advance(7)
        turn = clock.now()
        other.execute("COMMIT")
        assert reported.result()
        assert ledger.history("j")[-1].at == turn
