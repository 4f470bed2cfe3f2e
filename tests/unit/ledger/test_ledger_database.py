"""The database under the ledger: files, URLs and what can be wrong with them."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import traceback
from contextlib import closing
from pathlib import Path

import pytest

from comfyclient.errors import (
    ClosedError,
    LedgerBusyError,
    LedgerError,
    LedgerVersionError,
)
from comfyclient.ledger.database import Database
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent, JobState
from comfyclient.timing import SYSTEM_CLOCK

from ...nursery import Nursery

posix = pytest.mark.skipif(os.name == "nt", reason="modes and forks are POSIX")
plain_user = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="the superuser may do anything"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "ledger.db"


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


@posix
def test_new_file_is_its_users_alone(tmp_path: Path) -> None:
    """File and missing folders are made for their user alone."""
    file = tmp_path / "a" / "b" / "ledger.db"
    old = os.umask(0)
    try:
        with Ledger(file) as ledger:
            ledger.intend(intent())
            modes = {
                p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.rglob("*")
            }
    finally:
        os.umask(old)

    assert modes["a"] == modes["b"] == 0o700
    assert {mode for name, mode in modes.items() if "ledger" in name} == {0o600}


def test_sqlite_settings(file: Path) -> None:
    """Write-ahead log, foreign keys, and a sync per commit only where asked for."""
    for survive, level in ((False, 1), (True, 2)):
        database = Database(file, clock=SYSTEM_CLOCK, survive_power_loss=survive)
        database.open()
        with database.reading() as connection:
            read = connection.exec_driver_sql
            assert read("PRAGMA journal_mode").scalar() == "wal"
            assert read("PRAGMA foreign_keys").scalar() == 1
            assert read("PRAGMA synchronous").scalar() == level
        database.close()


def test_nothing_happens_before_open(file: Path) -> None:
    """Making the object makes no file."""
    ledger = Ledger(file)

    assert not file.exists()
    with pytest.raises(ClosedError, match="not open"):
        ledger.jobs()


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "a?b=c.db", "旅.db", "a#b.db"])
def test_odd_file_names(tmp_path: Path, name: str) -> None:
    """A path is taken as it is, whatever it would mean in a URL."""
    filled(tmp_path / name)

    assert (tmp_path / name).is_file()


def test_url_and_path_are_one_ledger(file: Path) -> None:
    """A path and its sqlite URL name the same file."""
    filled(file)

    with Ledger(f"sqlite:///{file}") as ledger:
        assert ledger.job("j1").state is JobState.INTENDED
        assert ledger.place == str(file)


def test_ledger_in_memory() -> None:
    """A ledger without a file serves tests, threads included."""
    with Ledger("sqlite://") as ledger:
        ledger.intend(intent())
        thread = threading.Thread(target=ledger.intend, args=(intent("j2"),))
        thread.start()
        thread.join()

        assert len(ledger.jobs()) == 2


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ledger.db", "does not parse"),
        ("", "does not parse"),
        ("://x", "does not parse"),
        ("nosuch://h/db", "does not parse"),
        ("sqlite+nosuch:///x.db", "does not parse"),
        ("postgresql://u:S3CRET@h:port/db", "does not parse"),
        (5, "does not parse"),
        ("sqlite+aiosqlite:///x.db", "driver"),
        ("sqlite:///x.db?timeout=never", "setting"),
        ("postgresql+pypostgresql://u:S3CRET@h/db", "driver|does not parse"),
        ("mysql+oursql://u:S3CRET@h/db", "driver|does not parse"),
    ],
)
def test_urls_that_cannot_be(
    url: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL that cannot work is refused with a remedy and without its password."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LedgerError, match=words) as caught:
        Ledger(url).open()

    assert caught.value.hint
    told = "".join(traceback.format_exception(caught.value))
    assert "u:S3CRET" not in told
    assert [p for p in tmp_path.glob("*.db") if p.stat().st_size] == []


def test_database_server_that_is_not_there() -> None:
    """A server that cannot be reached is named without user and password."""
    pytest.importorskip("psycopg")
    url = "postgresql+psycopg://u:S3CRET@127.0.0.1:9/db"

    with pytest.raises(LedgerError, match=r"127\.0\.0\.1:9/db") as caught:
        Ledger(url).open()

    assert "S3CRET" not in "".join(traceback.format_exception(caught.value))


def test_folder_in_place_of_the_file(tmp_path: Path) -> None:
    """A folder is no ledger; the remedy names a file in it."""
    with pytest.raises(LedgerError, match="not a file") as caught:
        Ledger(tmp_path).open()

    assert str(tmp_path / "ledger.db") in str(caught.value)


@posix
def test_pipe_in_place_of_the_file(file: Path) -> None:
    """A named pipe is refused at once instead of waited for."""
    os.mkfifo(file)

    with pytest.raises(LedgerError, match="not a file"):
        Ledger(file).open()


def test_file_in_place_of_a_folder(file: Path) -> None:
    """A path through a file cannot be made."""
    file.write_text("x")

    with pytest.raises(LedgerError, match=r"cannot be made|not a file"):
        Ledger(file / "deeper" / "ledger.db").open()


@pytest.mark.parametrize("name", ["a\0b.db", "x" * 300 + ".db"])
def test_impossible_names(tmp_path: Path, name: str) -> None:
    """A name that no file can have is a ledger error."""
    with pytest.raises(LedgerError, match=r"cannot be made|no path"):
        Ledger(tmp_path / name).open()


@posix
def test_link_in_a_circle(file: Path) -> None:
    """A link to itself is a ledger error."""
    file.symlink_to(file)

    with pytest.raises(LedgerError):
        Ledger(file).open()


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
