"""The lock on disk: read whole or not at all, written whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from comfyclient.errors import LockError
from comfyclient.pins.locked import Lock, LockedVersion
from comfyclient.pins.lockfile import MAX_BYTES, read_lock, update_lock

from ...nursery import Child, Nursery

VERSION = LockedVersion(
    version="1.0.0",
    digest="ab" * 32,
    who="wei",
    when=datetime(2026, 5, 2, tzinfo=UTC),
)
Elsewhere = Callable[[Path, str], Child]
PROGRAM = """
import os, resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from comfyclient.errors import LockError
from comfyclient.pins.locked import LockedVersion
from comfyclient.pins.lockfile import update_lock
path, what = Path(sys.argv[1]), sys.argv[2]

def change(lock):
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    now = datetime.now(UTC)
    return lock.with_entry("prod", what, LockedVersion(
        version="1.0.0", digest="ab" * 32, who="wei", when=now,
    ))

if what == "full":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
try:
    update_lock(path, change)
except LockError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A lock with one template."""
    path = tmp_path / "comfyclient.lock"
    update_lock(path, lambda lock: lock.with_entry("prod", "card", VERSION))
    return path


@pytest.fixture
def elsewhere(nursery: Nursery) -> Iterator[Elsewhere]:
    """Begins another process that changes the lock."""
    with ExitStack() as stack:
        yield lambda path, what: stack.enter_context(
            nursery.start("-c", PROGRAM, str(path), what)
        )


def names(path: Path) -> set[str]:
    """The templates that are locked in prod."""
    lock = read_lock(path)
    assert lock is not None
    return set(lock.environments["prod"])


def left(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_no_file_is_no_lock(tmp_path: Path) -> None:
    """That is a state of its own, and no error."""
    assert read_lock(tmp_path / "comfyclient.lock") is None


def test_what_is_written_is_read(path: Path) -> None:
    """And nothing else is left in the folder."""
    assert names(path) == {"card"}
    assert list(path.parent.glob("comfyclient*")) == [path]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\0", b"schema = 1"])
def test_a_damaged_file_is_told_and_not_written_over(
    path: Path, content: bytes
) -> None:
    """What stood in it may still be wanted."""
    path.write_bytes(content)
    with pytest.raises(LockError, match=r"comfyclient\.lock"):
        read_lock(path)
    with pytest.raises(LockError):
        update_lock(path, lambda lock: lock)
    assert path.read_bytes() == content
    assert left(path.parent) == [path.name]


def test_a_folder_or_a_pipe_in_its_place_is_told(tmp_path: Path) -> None:
    """Neither is taken for no lock, nor waited for."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(LockError, match="cannot be read"):
            read_lock(tmp_path / name)
        with pytest.raises(LockError, match="cannot be read"):
            update_lock(tmp_path / name, lambda lock: lock)
    assert left(tmp_path) == ["folder", "pipe"]


def test_a_file_without_end_is_not_read_to_it(tmp_path: Path) -> None:
    """Its size is bounded."""
    path = tmp_path / "comfyclient.lock"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(LockError, match="larger than 8 MiB"):
        read_lock(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_told(path: Path) -> None:
    """It is not taken for no lock."""
    path.chmod(0)
    with pytest.raises(LockError, match="Permission denied"):
        read_lock(path)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "card/comfyclient.lock"])
def test_a_path_that_cannot_be_is_told(path: Path, name: str) -> None:
    """Whatever the system says of it."""
    (path.parent / "card").write_text("a file")
    with pytest.raises(LockError, match="cannot be read"):
        read_lock(path.parent / name)
    with pytest.raises(LockError, match="cannot be written"):
        update_lock(path.parent / name, lambda lock: lock)


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    """What it points to is changed."""
    link = tmp_path / "elsewhere" / "comfyclient.lock"
    link.parent.mkdir()
    link.symlink_to(path)

    update_lock(link, lambda lock: lock.with_entry("prod", "poster", VERSION))

    assert link.is_symlink()
    assert names(path) == {"card", "poster"}
    assert left(link.parent) == [link.name]


def test_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    """Somebody meant there to be a lock."""
    link = tmp_path / "comfyclient.lock"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(LockError, match="link to a file that is not there"):
        read_lock(link)
    with pytest.raises(LockError, match="link to a file"):
        update_lock(link, lambda lock: lock)
    assert left(tmp_path) == [link.name]


def test_an_error_while_it_is_changed_leaves_the_old_one(path: Path) -> None:
    """It comes through as it is."""
    before = path.read_bytes()

    def change(lock: Lock) -> Lock:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        update_lock(path, change)

    assert path.read_bytes() == before
    assert left(path.parent) == [path.name]


def test_a_full_disk_leaves_the_old_one(path: Path, elsewhere: Elsewhere) -> None:
    """Half of the new one was written: it is taken away, and the error says so."""
    before = path.read_bytes()
    assert len(before) > 200
    process = elsewhere(path, "full")
    _, said = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "cannot be written: File too large; nothing was changed" in said
    assert path.read_bytes() == before
    assert left(path.parent) == [path.name]


def test_a_writer_that_died_is_told_and_the_lock_is_whole(
    path: Path, elsewhere: Elsewhere
) -> None:
    """Its new file stays and keeps others from writing, until somebody removes it."""
    before = path.read_bytes()
    process = elsewhere(path, "die")
    process.communicate(timeout=30)
    guard = path.with_name("comfyclient.lock.new")
    assert guard.exists()
    assert path.read_bytes() == before
    assert names(path) == {"card"}

    with pytest.raises(LockError, match=r"\.lock\.new: is there for more than 0\.05 s"):
        update_lock(path, lambda lock: lock, patience_s=0.05)
    assert guard.exists()

    guard.unlink()
    update_lock(path, lambda lock: lock.with_entry("prod", "poster", VERSION))
    assert names(path) == {"card", "poster"}


def test_the_files_mode_is_kept(path: Path) -> None:
    """Whoever could read it still can."""
    path.chmod(0o664)
    update_lock(path, lambda lock: lock.with_entry("prod", "poster", VERSION))
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_no_change_of_many_threads_is_lost(path: Path) -> None:
    """And whoever reads meanwhile always sees a whole lock."""
    done = threading.Event()

    def add(number: int) -> None:
        update_lock(path, lambda lock: lock.with_entry("prod", f"t{number}", VERSION))

    def watch() -> int:
        seen = 0
        while not done.is_set():
            now = len(names(path))
            assert now >= seen
            seen = now
        return seen

    with ThreadPoolExecutor(8) as pool:
        watching = pool.submit(watch)
        for adding in [pool.submit(add, number) for number in range(40)]:
            adding.result(timeout=30)
        done.set()
        assert watching.result(timeout=30) <= 41
    assert names(path) == {"card", *(f"t{number}" for number in range(40))}


def test_no_change_of_several_processes_is_lost(
    path: Path, elsewhere: Elsewhere
) -> None:
    """The same between processes."""
    processes = [elsewhere(path, f"p{number}") for number in range(4)]
    for process in processes:
        _, said = process.communicate(timeout=45)
        assert process.returncode == 0, said
    assert names(path) == {"card", "p0", "p1", "p2", "p3"}
