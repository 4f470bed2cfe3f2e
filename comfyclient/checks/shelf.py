"""The storage: open, listed, read, written; and whether the service writes there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import islice

from ..eas.layout import FOLDERS
from ..errors import StorageError
from ..files.refs import OutputRef
from ..storage.base import Entry, Storage
from ..timing import Deadline
from .base import Diagnosis, fail, ok, skipped, warn

_MOST = 200
"""Names of each folder that are listed, to see whether it may be listed at all."""
_CONTENT = b"comfyclient doctor: this file may be deleted\n"


class Shelf:
    """One environment's storage, asked step by step."""

    def __init__(self, opened: Callable[[], Storage], *, writable: bool) -> None:
        self._opened = opened
        self._writable = writable
        self._storage: Storage | None = None
        self._seen: list[Entry] = []

    def open(self, deadline: Deadline) -> Diagnosis:
        """Whether it can be opened: packages, credentials, the folder."""
        self._storage = self._opened()
        return ok(self._storage.shown)

    def list(self, deadline: Deadline) -> Diagnosis:
        """Whether files below the prefix may be listed."""
        assert self._storage is not None
        counts: list[str] = []
        for folder in FOLDERS:
            entries = self._storage.entries(f"{folder}/", deadline)
            found = list(islice(entries, _MOST))
            self._seen += found
            if found:
                more = " or more" if len(found) == _MOST else ""
                counts.append(f"{folder}: {len(found)}{more}")
        if not counts:
            return ok("nothing is there yet; ComfyUI makes its folders at its start")
        return ok(f"files in {', '.join(counts)}")

    def read(self, deadline: Deadline) -> Diagnosis:
        """Whether an output may be read, where there is one."""
        assert self._storage is not None
        outputs = [one for one in self._seen if one.path.startswith("output/")]
        if not outputs:
            return skipped("no output is there yet: --write-probe makes one")
        smallest = min(outputs, key=lambda entry: entry.size)
        folder, _, name = smallest.path.removeprefix("output/").rpartition("/")
        ref = OutputRef(node_id="", key="", filename=name, subfolder=folder)
        with self._storage.open(ref, deadline) as download:
            size = sum(len(chunk) for chunk in download.chunks())
        if size != smallest.size:
            return fail(
                f"{smallest.path} has {smallest.size} bytes, {size} were read",
                "is it being written to just now? else the mount is not in order",
            )
        return ok(f"{smallest.path} was read, {size} bytes")

    def write(self, deadline: Deadline) -> Diagnosis:
        """Whether an input may be written, and deleted."""
        assert self._storage is not None
        if not self._writable:
            return skipped("it is another environment's: it is only read here")
        path = f"input/comfyclient-doctor-{uuid.uuid4().hex}.txt"
        self._storage.put(path, _CONTENT, deadline)
        try:
            self._storage.delete([path], deadline)
        except StorageError as error:
            return warn(
                f"it was written, but not deleted: {error.message}",
                "RAM action oss:DeleteObject, or a lifecycle rule for input/",
            )
        return ok("an input was written and deleted again")

    def forget(self, path: str, deadline: Deadline) -> None:
        """Delete what a probe left."""
        if self._storage is not None and self._writable:
            self._storage.delete([path], deadline)
