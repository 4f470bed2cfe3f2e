"""Deletes what old jobs made, and nothing else: the ledger says what that is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from ..errors import UnsafePathError
from ..ledger.journal import JobReads
from ..ledger.records import JobRow
from ..storage.base import Entry, Storage
from ..storage.paths import path_of
from ..timing import Deadline

_log = logging.getLogger("comfyclient.files.cleaning")

PAGE = 500
_MADE = ("output", "temp")
_JOB_STEP = 3
"""Where a job's id stands in `output/<environment>/<template>/<job>/…`."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What is to be deleted."""

    jobs: int
    """Whose files these are."""
    files: tuple[Entry, ...]
    shared: int
    """Files of theirs that a job still has which is to be kept."""

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.size for file in self.files)


def plan(
    ledger: JobReads,
    storage: Storage,
    *,
    environment: str,
    before: datetime,
    deadline: Deadline,
) -> Cleaning:
    """The files of jobs that ended before a moment, and are done with.

    A job whose outputs were not brought home keeps them. A file that two jobs have,
    as after a server answered from its cache, stays as long as one of them does.

    Raises:
        StorageError: the storage cannot be listed.
        LedgerError: the ledger cannot be read.
    """
    old: set[str] = set()
    theirs: set[str] = set()
    kept: set[str] = set()
    for row in _rows(ledger, environment):
        if row.state.settled and _ended(row) < before:
            old.add(row.job_id)
            theirs |= set(_paths(row))
        else:
            kept |= set(_paths(row))
    there = chain.from_iterable(storage.entries(kind, deadline) for kind in _MADE)
    found = [
        entry
        for entry in there
        if entry.path in theirs or _job_of(entry.path, environment) in old
    ]
    return Cleaning(
        jobs=len(old),
        files=tuple(entry for entry in found if entry.path not in kept),
        shared=sum(entry.path in kept for entry in found),
    )


def carry_out(cleaning: Cleaning, storage: Storage, deadline: Deadline) -> None:
    """Delete the files.

    Raises:
        StorageError: the storage does not let it.
    """
    storage.delete([entry.path for entry in cleaning.files], deadline)


def _rows(ledger: JobReads, environment: str) -> Iterator[JobRow]:
    before: str | None = None
    while True:
        page = ledger.jobs(environment=environment, before=before, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        before = page[-1].job_id


def _ended(row: JobRow) -> datetime:
    return row.updated_at if row.ended_at is None else row.ended_at


def _paths(row: JobRow) -> Iterator[str]:
    for ref in row.outputs:
        try:
            if ref.type in _MADE:
                yield path_of(ref)
        except UnsafePathError as error:
            _log.warning("job %s: %s", row.job_id, error.message)


def _job_of(path: str, environment: str) -> str | None:
    """The job in whose own folder a file is."""
    steps = path.split("/")
    own = len(steps) > _JOB_STEP + 1 and steps[:2] == ["output", environment]
    return steps[_JOB_STEP] if own else None
