"""The database under the ledger: files, URLs and names, right and wrong."""

from __future__ import annotations

import os
import stat
import threading
import traceback
from pathlib import Path

import pytest

from comfyclient.errors import ClosedError, LedgerError
from comfyclient.ledger.database import Database
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.timing import SYSTEM_CLOCK

from .ledger_files import filled, intent, posix


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
