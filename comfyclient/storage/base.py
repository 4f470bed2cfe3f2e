"""The seam between a job and the place where its environment keeps files. Pure.

ComfyUI keeps its files below one folder, the root: `output/`, `temp/`, `input/`, and
beside them `models/` and `custom_nodes/`. A storage reads and writes there, over HTTP
from the instance, in a mounted folder, or in a bucket.

How to add a storage: write a class with the methods of `Storage` in a module of its own
beside this one, let `wiring.open_storage` construct it for a new `kind = "…"` word of
the configuration, and subclass the contract tests for it. What it must keep:

- Paths come from `paths`, which refuses what would leave the root; nothing else is ever
  read, written or deleted.
- `open` begins at the span's start, or at 0 and says so; it is tried again by whoever
  reads, so it may raise what is `retryable` at once. All other calls are patient
  themselves.
- What is written appears whole, under its name, or not at all.
- Foreign errors become ours: OutputMissingError where there is no such file, and a
  StorageError that names the missing grant or setting for the rest.
- Every wait takes its time from the deadline that was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ..files.refs import WHOLE, ByteSpan, Download, OutputRef
from ..timing import Deadline
from ..workflow import InputFile


@dataclass(frozen=True, slots=True)
class Entry:
    """A file below the root."""

    path: str
    """From the root on, with `/`: `output/test/a.png`."""
    size: int
    modified: datetime


class Storage(Protocol):
    """The files of one environment. Safe to use from several threads."""

    @property
    def shown(self) -> str:
        """What it is, for people; without secrets."""

    @property
    def mounted(self) -> bool:
        """Whether instances see its files through a mount, which may take a while."""

    def open(
        self,
        ref: OutputRef,
        deadline: Deadline,
        *,
        instance: str | None = None,
        span: ByteSpan = WHOLE,
    ) -> AbstractContextManager[Download]:
        """Open a file that an instance named in its result.

        Raises:
            OutputMissingError: there is none (any more).
            UnsafePathError: its name would leave the root.
        """

    def put_input(
        self, file: InputFile, deadline: Deadline, *, instance: str | None = None
    ) -> str:
        """Put a file into `input/`, unless it is there; its name for the graph.

        The file's own name tells its content: two files of one name are the same.

        Raises:
            WorkflowError: the file cannot be read.
            StorageError: it cannot be written there.
        """

    def put(self, path: str, source: Path | bytes, deadline: Deadline) -> bool:
        """Put any file below the root; False where the same bytes are there already.

        `path` is from the root on, with `/`. Another file of that name is replaced.

        Raises:
            UnsafePathError: it would leave the root.
            StorageError: it cannot be written there; this kind never writes so.
        """

    def entries(self, under: str, deadline: Deadline) -> Iterator[Entry]:
        """Every file whose path begins with this folder; "" are all.

        Raises:
            StorageError: it cannot be listed; this kind never can.
        """

    def delete(self, paths: Iterable[str], deadline: Deadline) -> None:
        """Delete these files; one that is not there is no error.

        Raises:
            StorageError: it may not; this kind never does.
        """

    def sign(self, ref: OutputRef, *, seconds: float) -> str:
        """A URL under which anybody may read the file for so long.

        Raises:
            StorageError: this kind of storage has no such URLs, or not for so long.
        """

    def close(self) -> None:
        """Let go of connections."""
