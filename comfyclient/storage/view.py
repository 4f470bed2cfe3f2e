"""Files over HTTP from the instance itself: `/view` and `/upload/image`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

from ..errors import ConfigError, StorageError
from ..files.refs import WHOLE, ByteSpan, Download, OutputRef
from ..timing import Deadline
from ..transports.base import Transport
from ..workflow import InputFile
from .base import Entry


class ViewStorage:
    """What instances hand out and take in themselves. Implements `Storage`."""

    mounted = False

    def __init__(self, instances: Sequence[Transport]) -> None:
        self._instances = {one.name: one for one in instances}

    def know(self, instance: Transport) -> None:
        """One more instance that hands files out."""
        self._instances[instance.name] = instance

    @property
    def shown(self) -> str:
        """What it is."""
        return "the instance, over HTTP"

    def open(
        self,
        ref: OutputRef,
        deadline: Deadline,
        *,
        instance: str | None = None,
        span: ByteSpan = WHOLE,
    ) -> AbstractContextManager[Download]:
        """Stream a file through `/view`; see `Storage.open`."""
        return self._named(instance).open(ref, deadline, span=span)

    def put_input(
        self, file: InputFile, deadline: Deadline, *, instance: str | None = None
    ) -> str:
        """Upload a file, unless the instance has it; see `Storage.put_input`."""
        return self._named(instance).upload(file, deadline=deadline)

    def put(self, path: str, source: Path | bytes, deadline: Deadline) -> bool:
        """An instance takes pictures, nothing else."""
        self._cannot(f"put {path} there")

    def entries(self, under: str, deadline: Deadline) -> Iterator[Entry]:
        """An instance does not tell which files it has."""
        self._cannot("list files")

    def delete(self, paths: Iterable[str], deadline: Deadline) -> None:
        """An instance deletes nothing."""
        self._cannot("delete files")

    def sign(self, ref: OutputRef, *, seconds: float) -> str:
        """An instance has no URLs that could be handed on."""
        self._cannot("sign URLs")

    def close(self) -> None:
        """The instances are closed by whoever opened them."""

    def _named(self, instance: str | None) -> Transport:
        found = self._instances.get("" if instance is None else instance)
        if found is None:
            raise ConfigError(
                f"the file is on instance {instance!r}, which is not configured any "
                "more",
                hint="configure it again, or take the file from where it keeps files",
            )
        return found

    def _cannot(self, what: str) -> NoReturn:
        raise StorageError(
            f"storage of kind 'view' cannot {what}",
            hint="kind 'mount' or 'oss' can; see [environments.<name>.storage]",
        )
