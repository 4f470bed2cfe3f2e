"""A server is asked once a version, and never trusted for longer than agreed."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from comfyclient.errors import UnreachableError
from comfyclient.preflight.object_info import ObjectInfo
from comfyclient.preflight.snapshot_cache import MAX_AGE, MAX_FILES, SnapshotCache
from comfyclient.preflight.snapshots import Snapshot
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import Deadline


class Server:
    """Counts how often it is asked; each answer is another class."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.asked = 0

    def fetch(self) -> Snapshot:
        """What it offers now."""
        self.asked += 1
        info = ObjectInfo({f"Class{self.asked}": {"input": {}}}, version="1")
        return Snapshot(info, "s", self.clock.now())


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Server:
    """A server that was not asked yet."""
    return Server(clock)


def get(cache: SnapshotCache, server: Server, **options: Any) -> str:
    """The one class that the cache knows of."""
    place = options.pop("place", "test/a")
    version = options.pop("version", "1")
    found = cache.snapshot(
        place, version, fetch=server.fetch, deadline=Deadline(5), **options
    )
    return next(iter(found.info.entries))


def test_a_server_is_asked_once(
    tmp_path: Path, clock: FakeClock, server: Server
) -> None:
    """By this process, and by the next."""
    first = SnapshotCache(tmp_path, clock=clock)
    said = [get(first, server), get(first, server)]
    said.append(get(SnapshotCache(tmp_path, clock=clock), server))

    assert said == ["Class1"] * 3


def test_another_version_or_place_is_another_server(
    tmp_path: Path, clock: FakeClock, server: Server
) -> None:
    """What one offers says nothing of the other."""
    cache = SnapshotCache(tmp_path, clock=clock)

    said = [
        get(cache, server),
        get(cache, server, version="2"),
        get(cache, server, version=None),
        get(cache, server, place="prod/a"),
    ]

    assert said == ["Class1", "Class2", "Class3", "Class4"]


def test_what_is_old_is_asked_anew(
    tmp_path: Path, clock: FakeClock, server: Server
) -> None:
    """On disk and in memory alike."""
    cache = SnapshotCache(tmp_path, clock=clock)
    get(cache, server)
    clock.advance(60)

    assert get(cache, server, max_age=timedelta(seconds=61)) == "Class1"
    assert get(cache, server, max_age=timedelta(seconds=60)) == "Class2"
    clock.advance(MAX_AGE.total_seconds())
    assert get(SnapshotCache(tmp_path, clock=clock), server) == "Class3"


def test_what_is_from_the_future_is_asked_anew(
    tmp_path: Path, clock: FakeClock, server: Server
) -> None:
    """Another clock wrote it, and how old it is nobody knows."""
    clock.advance(3600)
    get(SnapshotCache(tmp_path, clock=clock), server)

    assert get(SnapshotCache(tmp_path, clock=FakeClock()), server) == "Class2"


@pytest.mark.parametrize("body", [b"", b"{}", b"\x1f\x8b broken"])
def test_a_damaged_file_is_named_and_fetched_anew(
    tmp_path: Path,
    clock: FakeClock,
    server: Server,
    body: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bad disk costs one request."""
    get(SnapshotCache(tmp_path, clock=clock), server)
    (path,) = tmp_path.iterdir()
    path.write_bytes(body)

    with caplog.at_level(logging.WARNING):
        said = get(SnapshotCache(tmp_path, clock=clock), server)

    assert said == "Class2"
    assert str(path) in caplog.text
    assert get(SnapshotCache(tmp_path, clock=clock), server) == "Class2"


def test_a_folder_that_cannot_be_used_costs_nothing_but_the_cache(
    tmp_path: Path, clock: FakeClock, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """A job is not lost because a cache is."""
    (tmp_path / "file").write_text("")
    cache = SnapshotCache(tmp_path / "file" / "cache", clock=clock)

    assert [get(cache, server), get(cache, server)] == ["Class1", "Class1"]
    assert "cannot be kept" in caplog.text


def test_the_folder_does_not_grow_for_ever(
    tmp_path: Path, clock: FakeClock, server: Server
) -> None:
    """What was written longest ago goes first."""
    cache = SnapshotCache(tmp_path, clock=clock)
    get(cache, server, place="first")
    (first,) = tmp_path.iterdir()
    os.utime(first, (1, 1))
    for number in range(MAX_FILES):
        get(cache, server, place=str(number))

    assert len(list(tmp_path.iterdir())) == MAX_FILES
    assert not first.exists()


def test_the_users_cache_is_the_usual_folder(clock: FakeClock, server: Server) -> None:
    """Of the user whose process it is."""
    get(SnapshotCache(clock=clock), server)

    home = Path(os.environ["XDG_CACHE_HOME"]) / "comfyclient" / "snapshots"
    assert len(list(home.iterdir())) == 1


def test_several_threads_ask_once(
    tmp_path: Path, clock: FakeClock, server: Server
) -> None:
    """The others wait for the answer."""
    cache = SnapshotCache(tmp_path, clock=clock)
    asked = threading.Event()
    answered = threading.Event()

    def slow() -> Snapshot:
        asked.set()
        assert answered.wait(20)
        return server.fetch()

    def ask() -> Snapshot:
        return cache.snapshot("p", "1", fetch=slow, deadline=Deadline(5))

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask) for _ in range(4)]
        assert asked.wait(20)
        answered.set()
        found = {id(one.result()) for one in answers}

    assert (len(found), server.asked) == (1, 1)


def test_what_the_server_raises_comes_through(
    tmp_path: Path, clock: FakeClock, server: Server
) -> None:
    """And the next one asks again."""
    cache = SnapshotCache(tmp_path, clock=clock)

    def fail() -> Snapshot:
        raise UnreachableError("nobody is there")

    with pytest.raises(UnreachableError):
        cache.snapshot("test/a", "1", fetch=fail, deadline=Deadline(5))
    assert get(cache, server) == "Class1"


def test_nobody_waits_longer_than_his_own_deadline(
    tmp_path: Path, clock: FakeClock, server: Server
) -> None:
    """While another thread waits for a slow server."""
    cache = SnapshotCache(tmp_path, clock=clock)
    asked, free = threading.Event(), threading.Event()

    def stuck() -> Snapshot:
        asked.set()
        assert free.wait(20)
        return server.fetch()

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cache.snapshot, "p", "1", fetch=stuck, deadline=Deadline(5))
        assert asked.wait(20)
        cache.snapshot("p", "1", fetch=server.fetch, deadline=Deadline(0.01))
        assert not slow.done()
        free.set()
        slow.result()

    assert server.asked == 2
