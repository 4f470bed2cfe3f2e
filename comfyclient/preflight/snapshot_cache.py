"""Snapshots kept on disk, so that a server's node classes are fetched once a version.

Several processes may use one folder: a file is written beside and then renamed, so
that whoever reads it finds it whole.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import platformdirs

from ..errors import BadAnswerError, InputFileError
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .snapshots import Snapshot

_log = logging.getLogger("comfyclient.preflight.snapshot_cache")

MAX_AGE = timedelta(days=1)
"""Node packs come and go without another version of ComfyUI."""
MAX_FILES = 32
MAX_BYTES = 64 << 20


class SnapshotCache:
    """What servers offered, in memory and on disk. Safe for threads and processes.

    What is wrong with the folder never stands in the way: it is logged, and the
    server is asked.
    """

    def __init__(
        self, folder: Path | None = None, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = {}
        self._known: dict[str, Snapshot] = {}

    def snapshot(
        self,
        place: str,
        version: str | None,
        *,
        fetch: Callable[[], Snapshot],
        deadline: Deadline,
        max_age: timedelta = MAX_AGE,
    ) -> Snapshot:
        """What is known of a server of this version, or else what it says now.

        Args:
            place: tells servers apart, such as the environment and the instance.
            version: the ComfyUI version that the server says.
            fetch: asks the server; its errors come through.
            deadline: how long another thread's answer is waited for.
            max_age: what is older does not count.
        """
        key = hashlib.sha256(f"{place}\n{version}".encode()).hexdigest()[:32]
        with self._turn(key, deadline):
            with self._lock:
                known = self._known.get(key)
            if known is None:
                known = self._read(key)
            if known is None or self._age(known) >= max_age:
                known = fetch()
                self._write(key, known)
            self._keep(key, known)
            return known

    @contextmanager
    def _turn(self, key: str, deadline: Deadline) -> Iterator[None]:
        """Of several threads, one asks the server; the others wait for its answer."""
        with self._lock:
            turn = self._fetching.setdefault(key, threading.Lock())
        mine = turn.acquire(timeout=deadline.remaining())
        try:
            yield  # out of time, it is for `fetch` to say so
        finally:
            if mine:
                turn.release()

    def _keep(self, key: str, snapshot: Snapshot) -> None:
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = snapshot
            while len(self._known) > MAX_FILES:
                del self._known[next(iter(self._known))]

    def _age(self, snapshot: Snapshot) -> timedelta:
        age = self._clock.now() - snapshot.taken_at
        # a moment in the future was written by another clock: it tells no age
        return age if age >= timedelta(0) else timedelta.max

    def _path(self, key: str) -> Path:
        folder = self._folder
        if folder is None:
            folder = platformdirs.user_cache_path("comfyclient") / "snapshots"
        return folder / f"{key}.json.gz"

    def _read(self, key: str) -> Snapshot | None:
        path = self._path(key)
        try:
            if not path.exists():
                return None
            return Snapshot.read(path)
        except (InputFileError, BadAnswerError, OSError) as error:
            _log.warning("%s is damaged, its server is asked anew: %s", path, error)
            with suppress(OSError):
                path.unlink()
            return None

    def _write(self, key: str, snapshot: Snapshot) -> None:
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            snapshot.write(path)
            _prune(path.parent, keep=path)
        except (InputFileError, OSError) as error:
            _log.warning("what a server offers cannot be kept in %s: %s", path, error)


def _prune(folder: Path, *, keep: Path) -> None:
    """Remove the files that were written longest ago, once there are too many."""
    found: list[tuple[float, int, Path]] = []
    for path in folder.glob("*.json.gz"):
        with suppress(FileNotFoundError):  # another process was first
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    found.sort(reverse=True)
    size = 0
    for number, (_, length, path) in enumerate(found):
        size += length
        if path != keep and (number >= MAX_FILES or size > MAX_BYTES):
            path.unlink(missing_ok=True)
