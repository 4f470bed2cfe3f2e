"""Brings temp outputs home when their job has ended: servers keep them no longer."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import platformdirs

from ..errors import (
    ClosedError,
    ComfyClientError,
    OutputError,
    OutputMissingError,
    StorageError,
)
from ..files.fetching import fetch
from ..files.outputs import PART_SUFFIX
from ..files.refs import WHOLE, ByteSpan, Download, Opener, OutputRef
from ..logs import about
from ..storage.mount import MountStorage
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .errands import Errands

_log = logging.getLogger("comfyclient.jobs.sheltering")

TEMP = "temp"
"""The kind of output that ComfyUI deletes when it starts; our folder in the cache."""
MOST_BYTES = 256 << 20
"""Of one job; what is beyond stays where it is."""
FETCH_S = 300.0
"""Seconds to bring one file home."""
KEPT_S = 86_400
"""Seconds after which what nobody collected is removed."""
SWEEP_EVERY_S = 3600.0
COLLECTED_KEPT = 16
"""Jobs whose files stay although all were saved: some save or read them twice."""


class Shelter:
    """The temp outputs of one environment's jobs, on this machine. Thread-safe.

    No file is touched before the first job brings such an output.
    """

    def __init__(
        self,
        environment: str,
        errands: Errands,
        *,
        cache: Path | None,
        most: int = MOST_BYTES,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Keep files in a folder of the cache; errands bring `most` bytes of a job."""
        whole = platformdirs.user_cache_path("comfyclient") if cache is None else cache
        self.root = whole / TEMP
        self.environment = environment
        self.errands = errands
        self.most = most
        self.clock = clock
        self.files = MountStorage(whole, visible_s=0)
        self._lock = threading.Lock()
        self._swept_at: float | None = None
        self._collected: deque[Path] = deque()

    def job(self, job_id: str) -> JobShelter:
        """The part of it that one job has."""
        return JobShelter(self, job_id)

    def make(self, folder: Path) -> None:
        """Make a job's folder, which only its owner can read; remove old ones."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        for each in (self.root, folder.parent, folder):
            each.mkdir(exist_ok=True, mode=0o700)
        now = self.clock.monotonic()
        with self._lock:
            due = self._swept_at is None or now - self._swept_at >= SWEEP_EVERY_S
            self._swept_at = now if due else self._swept_at
        if due:
            self._sweep()

    def collected(self, folder: Path) -> None:
        """All files of a job were saved: they go, once others were saved too."""
        with self._lock:
            self._collected.append(folder)
            over = len(self._collected) > COLLECTED_KEPT
            oldest = self._collected.popleft() if over else None
        if oldest is not None:
            _remove(oldest)

    def close(self) -> None:
        """Remove what was collected; the rest is for whoever resumes its job."""
        with self._lock:
            folders, self._collected = self._collected, deque()
        for folder in folders:
            _remove(folder)

    def _sweep(self) -> None:
        """Remove the folders, of any environment, that nothing came into for a day."""
        before = time.time() - KEPT_S
        for folder in self.root.glob("*/*"):
            with suppress(OSError):  # another process sweeps too
                if folder.lstat().st_mtime < before:
                    _remove(folder)


@dataclass(frozen=True, slots=True)
class Lodging:
    """Where the files of one attempt are, and what tells them from another one's."""

    source: Opener
    instance: str
    prompt_id: str

    def name_of(self, ref: OutputRef) -> str:
        """Our name for a file: what a server calls it comes into no path of ours."""
        told = [self.instance, self.prompt_id, ref.subfolder, ref.filename]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


class JobShelter:
    """The temp outputs of one job: fetched once, by whoever comes first."""

    def __init__(self, shelter: Shelter, job_id: str) -> None:
        self._shelter = shelter
        self._job_id = job_id
        self._folder = shelter.root / shelter.environment / job_id
        self._condition = threading.Condition()
        self._wanted: set[str] = set()
        self._busy: set[str] = set()
        self._left = shelter.most
        self._used = self._over = False

    def begin(self, refs: Iterable[OutputRef], lodged: Callable[[], Lodging]) -> None:
        """Have the temp files among these brought home, behind the caller's back."""
        refs = [ref for ref in refs if ref.type == TEMP]
        if not refs:
            return
        lodging = lodged()
        with self._condition:
            if self._over:  # somebody was faster, and has saved them
                return
            self._used = True
            self._wanted |= {lodging.name_of(ref) for ref in refs}
        self._shelter.errands.do(partial(self._bring_all, refs, lodging))

    def opener(self, lodging: Lodging) -> Opener:
        """Opens a job's files: temp ones here, where they are, all others there."""

        def opened(
            ref: OutputRef, deadline: Deadline, *, span: ByteSpan = WHOLE
        ) -> AbstractContextManager[Download]:
            if ref.type != TEMP:
                return lodging.source(ref, deadline, span=span)
            return self._open(ref, lodging, deadline, span)

        return opened

    def collected(self) -> None:
        """All that is wanted of the job was saved."""
        with self._condition:
            self._over = True
            self._wanted.clear()
        if self._used:
            self._shelter.collected(self._folder)

    @contextmanager
    def _open(
        self, ref: OutputRef, lodging: Lodging, deadline: Deadline, span: ByteSpan
    ) -> Iterator[Download]:
        name = lodging.name_of(ref)
        self._bring(name, ref, lodging, deadline)
        with ExitStack() as stack:
            try:
                download = stack.enter_context(self._kept(name, deadline, span))
                self._used = True
            except (OutputMissingError, StorageError):
                there = lodging.source(ref, deadline, span=span)
                download = stack.enter_context(there)
            yield download

    def _kept(
        self, name: str, deadline: Deadline, span: ByteSpan
    ) -> AbstractContextManager[Download]:
        subfolder = f"{self._folder.parent.name}/{self._folder.name}"
        ref = OutputRef("", "", name, subfolder=subfolder, type=TEMP)
        return self._shelter.files.open(ref, deadline, span=span)

    # -- bringing them home

    def _bring_all(self, refs: Iterable[OutputRef], lodging: Lodging) -> None:
        for ref in refs:
            deadline = Deadline(FETCH_S, clock=self._shelter.clock)
            self._bring(lodging.name_of(ref), ref, lodging, deadline, last=True)

    def _bring(
        self,
        name: str,
        ref: OutputRef,
        lodging: Lodging,
        deadline: Deadline,
        *,
        last: bool = False,
    ) -> None:
        """Fetch a file that is wanted, or wait for whoever does; no error comes of it.

        Where nobody will try it after this one, it is the `last` time.
        """
        if not self._begin(name, deadline):
            return
        settled = True
        try:
            self._fetch(name, ref, lodging.source, deadline)
        except ComfyClientError as error:
            settled = last or not error.retryable
            self._tell(error.message, closing=isinstance(error, ClosedError))
        except OSError as error:
            self._tell(f"{self._folder} cannot be written: {error.strerror}")
        finally:
            with self._condition:
                self._busy.discard(name)
                if settled:
                    self._wanted.discard(name)
                self._condition.notify_all()

    def _begin(self, name: str, deadline: Deadline) -> bool:
        """Whether a file is ours to fetch now: it is wanted, and nobody is at it."""
        with self._condition:
            while name in self._busy and not deadline.passed():
                self._shelter.clock.wait(self._condition, deadline.remaining())
            if name in self._busy or name not in self._wanted:
                return False
            self._busy.add(name)
            return True

    def _fetch(
        self, name: str, ref: OutputRef, source: Opener, deadline: Deadline
    ) -> None:
        """Bring a file under its name here, whole and checked, unless it is there."""
        path = self._folder / name
        if path.exists():  # an earlier process was so kind
            self._take(path.stat().st_size, ref)
            return
        self._shelter.make(self._folder)
        part = path.with_name(f".{name}.{secrets.token_hex(4)}{PART_SUFFIX}")
        try:
            with open(part, "x+b", opener=_private) as file:
                fetched = fetch(source, ref, file, deadline, limit=self._left)
                file.flush()
                os.fsync(file.fileno())
            self._take(fetched.bytes, ref)
            part.replace(path)
            _log.debug("job %s: %r is at home", self._job_id, ref.filename)
        finally:
            with suppress(OSError):
                part.unlink()

    def _take(self, size: int, ref: OutputRef) -> None:
        """Count a file; several may have come at once, each within what was left."""
        with self._condition:
            if size > self._left:
                raise OutputError(
                    f"{ref.filename}: {MOST_BYTES} bytes are a job's most"
                )
            self._left -= size

    def _tell(self, why: str, *, closing: bool = False) -> None:
        closing = closing or self._shelter.errands.closed
        _log.log(
            logging.INFO if closing else logging.WARNING,
            "job %s: a temp output stays where it is: %s",
            self._job_id,
            why,
            extra=about(job_id=self._job_id),
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
