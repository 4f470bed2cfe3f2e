"""Database files that are damaged, full, locked, read-only, taken away or forked."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from comfyclient.errors import LedgerBusyError, LedgerError, LedgerVersionError
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent, JobState

from ...nursery import Nursery
from .ledger_files import filled, intent, plain_user, posix, pragma


@pytest.mark.parametrize("content", [b"not a database, but long enough" * 100, b"x"])
def test_not_a_database(file: Path, content: bytes) -> None:
    """Another file is refused and left as it was."""
    file.write_bytes(content)

    with pytest.raises(LedgerError, match="not a ledger") as caught:
        Ledger(file).open()

    assert str(file) in caught.value.message
    assert "aside" in str(caught.value.hint)
    assert file.read_bytes() == content


def test_empty_file_is_a_new_ledger(file: Path) -> None:
    """A file of no bytes is filled."""
    file.touch()

    assert filled(file).stat().st_size > 0


@pytest.mark.parametrize("seed", range(6))
def test_damaged_pages(file: Path, seed: int) -> None:
    """A ledger with a page of rubbish answers rightly or with a ledger error."""
    with Ledger(file) as ledger:
        for number in range(60):
            ledger.intend(intent(f"j{number}"))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    page = 4096 * (1 + seed * 3 % (len(content) // 4096 - 1))
    content[page : page + 4096] = bytes((seed * 7 + i * 31) % 256 for i in range(4096))
    file.write_bytes(content)

    problem = _worked_with(file)

    assert problem is None or str(file) in problem.message


def _worked_with(file: Path) -> LedgerError | None:
    try:
        with Ledger(file) as ledger:
            for row in ledger.jobs(limit=100):
                ledger.history(row.job_id)
            ledger.intend(intent("new"))
    except LedgerError as error:
        return error
    return None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE comfyclient_job SET state = 'dancing'",
        "UPDATE comfyclient_job SET params = '{'",
        "UPDATE comfyclient_job SET outputs = '[{}]'",
        "UPDATE comfyclient_job SET outputs = '5'",
        "UPDATE comfyclient_job SET created_at = 'once'",
        "UPDATE comfyclient_job SET seed = 'many'",
        "UPDATE comfyclient_job SET error = '{\"kind\": 1}'",
        "UPDATE comfyclient_job SET files = '[[]]'",
        "UPDATE comfyclient_workflow SET graph = x'00'",
        "UPDATE comfyclient_change SET state = ''",
        "DROP TABLE comfyclient_attempt",
    ],
)
def test_rows_that_somebody_changed(file: Path, change: str) -> None:
    """A row that makes no sense is a ledger error, whatever is wrong with it."""
    filled(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(change)

    def read_all() -> None:
        with Ledger(file) as ledger:
            ledger.job("j1")
            ledger.graph("d")
            ledger.history("j1")

    with pytest.raises(LedgerError, match=str(file)):
        read_all()


def test_read_only_database(file: Path) -> None:
    """A database that cannot be written refuses the step and says why."""
    filled(file)

    with (
        pytest.raises(LedgerError, match="read-only"),
        Ledger(f"sqlite:///file:{file}?mode=ro&uri=true") as ledger,
    ):
        ledger.intend(intent("j2"))


@plain_user
@pytest.mark.parametrize("mode", [0o400, 0o000])
def test_file_of_another_mode(file: Path, mode: int) -> None:
    """A file that the user may not write is refused at the start."""
    filled(file).chmod(mode)

    with pytest.raises(LedgerError, match="may not be read and written"):
        Ledger(file).open()


@plain_user
def test_folder_without_the_right_to_write(tmp_path: Path) -> None:
    """A folder that the user may not write is named with a remedy."""
    tmp_path.chmod(0o500)

    with pytest.raises(LedgerError, match="cannot be made"):
        Ledger(tmp_path / "a" / "ledger.db").open()


def test_full_disk(file: Path) -> None:
    """A step for which there is no room is refused whole, and the ledger stays good."""
    with Ledger(file) as ledger:
        ledger.intend(intent())
        _limit_pages(ledger)
        big = {"text": os.urandom(200_000).hex()}
        with pytest.raises(LedgerError, match="disk is full"):
            ledger.intend(JobIntent("j2", "test", digest="d2", graph=big))

        assert [row.job_id for row in ledger.jobs()] == ["j1"]
        assert ledger.graph("d2") is None
        ledger.changed("j1", JobState.CANCELLED)
    assert pragma(file, "integrity_check") == "ok"


def _limit_pages(ledger: Ledger) -> None:
    # The nearest thing to a full disk: SQLite gives the same code for both.
    with ledger._database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 4}")


def test_locked_by_another_process(file: Path) -> None:
    """A lock that is held for too long is a busy error; the step comes back later."""
    with Ledger(file, busy_s=0.05) as ledger:
        ledger.intend(intent())
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerBusyError) as caught:
                ledger.changed("j1", JobState.FAILED)
            assert caught.value.retryable
            assert ledger.job("j1").state is JobState.INTENDED
            other.execute("ROLLBACK")

        assert ledger.changed("j1", JobState.FAILED)


def test_writer_has_the_lock_from_its_start(file: Path) -> None:
    """Between a step's look and its write nobody else can write; readers can."""
    with Ledger(file) as ledger:
        ledger.intend(intent())
        with (
            closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as other,
            ledger._database.writing(),
        ):
            assert other.execute("SELECT count(*) FROM comfyclient_job").fetchone()
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")


def test_locked_at_the_start(file: Path) -> None:
    """A file that another keeps to itself cannot be opened: busy, not damaged."""
    filled(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LedgerBusyError):
            Ledger(file, busy_s=0.05).open()
        other.execute("ROLLBACK")

    assert filled(file)


def test_newer_ledger(file: Path) -> None:
    """A ledger of a newer version is refused by number and left alone."""
    filled(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("INSERT INTO comfyclient_schema VALUES (99, '2030-01-01')")
    before = file.read_bytes()

    with pytest.raises(LedgerVersionError, match="99"):
        Ledger(file).open()

    assert file.read_bytes() == before


@posix
@pytest.mark.parametrize("replace", [True, False])
def test_file_is_taken_away(file: Path, replace: bool) -> None:
    """A step is not recorded into a file that is gone, nor into its successor."""
    with Ledger(file) as ledger:
        ledger.intend(intent())
        file.rename(file.with_suffix(".old"))
        if replace:
            file.touch()
        with pytest.raises(LedgerError, match="deleted or replaced"):
            ledger.intend(intent("j2"))


@posix
def test_forked_child_is_refused(nursery: Nursery, file: Path) -> None:
    """A connection that came by a fork is not used, and not closed for its parent."""
    script = f"""
import os, pathlib
from comfyclient.errors import LedgerError
from comfyclient.ledger.ledger import Ledger
ledger = Ledger(pathlib.Path({str(file)!r})).open()
ledger.heartbeat()
if os.fork() == 0:
    try:
        ledger.jobs()
    except LedgerError as error:
        ledger.close()
        os._exit(7 if "forked" in error.message else 8)
    os._exit(9)
print(os.waitstatus_to_exitcode(os.wait()[1]))
ledger.heartbeat()
ledger.close()
"""
    done = nursery.run("-c", script)

    assert (done.stdout, done.returncode) == ("7\n", 0), done.stderr
