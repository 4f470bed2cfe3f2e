"""Another environment's storage: to be looked at, not to be written to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from ..errors import ConfigError
from ..files.refs import WHOLE, ByteSpan, Download, OutputRef
from ..timing import Deadline
from ..workflow import InputFile
from .base import Entry, Storage


class ReadOnlyStorage:
    """A storage that is shared with the environment it belongs to."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @property
    def shown(self) -> str:
        """What it is."""
        return self._storage.shown

    @property
    def mounted(self) -> bool:
        """Whether instances see its files through a mount."""
        return self._storage.mounted

    def open(
        self,
        ref: OutputRef,
        deadline: Deadline,
        *,
        instance: str | None = None,
        span: ByteSpan = WHOLE,
    ) -> AbstractContextManager[Download]:
        """Open a file; see `Storage.open`."""
        return self._storage.open(ref, deadline, instance=instance, span=span)

    def put_input(
        self, file: InputFile, deadline: Deadline, *, instance: str | None = None
    ) -> str:
        """Not here."""
        raise self._refusal("put files")

    def put(self, path: str, source: Path | bytes, deadline: Deadline) -> bool:
        """Not here."""
        raise self._refusal("put files")

    def entries(self, under: str, deadline: Deadline) -> Iterator[Entry]:
        """Every file in a folder; see `Storage.entries`."""
        return self._storage.entries(under, deadline)

    def delete(self, paths: Iterable[str], deadline: Deadline) -> None:
        """Not here."""
        raise self._refusal("delete files")

    def sign(self, ref: OutputRef, *, seconds: float) -> str:
        """A URL to read a file; see `Storage.sign`."""
        return self._storage.sign(ref, seconds=seconds)

    def close(self) -> None:
        """Close it."""
        self._storage.close()

    def _refusal(self, what: str) -> ConfigError:
        return ConfigError(
            f"this environment may not {what} in {self.shown}: it is another's",
            hint="do it in the environment that it belongs to",
        )
