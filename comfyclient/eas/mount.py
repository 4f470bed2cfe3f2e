"""The mount of a service, through its environment's storage: looked at, filled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from ..errors import InputFileError, UsageError
from ..packs.own import PACK_FOLDER, pack_files
from ..storage.base import Storage
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .layout import FOLDERS, Found, Need, compare

MOST_COUNTED = 100_000
"""Files of a folder that are counted: each thousand is a request to a bucket."""

Upload = tuple[str, Path]
"""Where in the mount, and which file of ours."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A file that is there now."""

    path: str
    size: int
    sent: bool
    """False: the same bytes were there already."""
    seconds: float

    def as_json(self) -> dict[str, JsonValue]:
        """It for a script."""
        return {
            "path": self.path,
            "size": self.size,
            "sent": self.sent,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Volume:
    """What lies in one of the folders of the mount."""

    folder: str
    files: int
    bytes: int
    more: bool = False
    """Whether there is more than was counted."""

    def __str__(self) -> str:
        if not self.files:
            return "nothing"
        least = "at least " if self.more else ""
        return f"{least}{self.files} files, {self.bytes} bytes"

    def as_json(self) -> dict[str, JsonValue]:
        """It for a script."""
        return {"files": self.files, "bytes": self.bytes, "more": self.more}


def volumes_of(
    storage: Storage, deadline: Deadline, *, most: int = MOST_COUNTED
) -> list[Volume]:
    """How much lies in each folder.

    Raises:
        StorageError: it cannot be listed.
    """
    found = []
    for folder in FOLDERS:
        entries = storage.entries(f"{folder}/", deadline)
        sizes = [entry.size for entry in islice(entries, most + 1)]
        more = len(sizes) > most
        found.append(Volume(folder, min(len(sizes), most), sum(sizes[:most]), more))
    return found


def held_against(
    needs: Iterable[Need], storage: Storage, deadline: Deadline
) -> list[Found]:
    """What of the needs is in the storage.

    Raises:
        StorageError: it cannot be listed.
    """

    def look(folder: str) -> Mapping[str, int]:
        return {one.path: one.size for one in storage.entries(folder, deadline)}

    return compare(needs, look)


def uploads_of(given: Iterable[str], *, own_pack: bool) -> list[Upload]:
    """The files to push: our own pack, and those given as `PATH=FILE`.

    Raises:
        UsageError: one is given in another way, or for no folder of the mount.
        InputFileError: a file is not there.
    """
    found: list[Upload] = []
    if own_pack:
        home = f"custom_nodes/{PACK_FOLDER}"
        found += [(f"{home}/{name}", file) for name, file in pack_files().items()]
    for one in given:
        path, equals, source = one.partition("=")
        if not equals or not source:
            raise UsageError(
                f"--file takes PATH=FILE, got {one!r}",
                hint="for example models/loras/car.safetensors=car.safetensors",
            )
        found.append(_upload(path, Path(source)))
    return found


def _upload(path: str, file: Path) -> Upload:
    top, _, rest = path.partition("/")
    if top not in {"models", "custom_nodes", "input"} or not rest:
        known = ", ".join(name for name in FOLDERS if name not in {"output", "temp"})
        raise UsageError(
            f"{path!r} is in no folder that files are put into",
            hint=f"begin with one of {known}",
        )
    if not file.is_file():
        raise InputFileError("is no file", file=str(file))
    return (f"{path}{file.name}" if path.endswith("/") else path, file)


def push(
    uploads: Iterable[Upload],
    storage: Storage,
    deadline: Deadline,
    *,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[Pushed]:
    """Put the files there, one after the other; each is told when it is there.

    What broke off is gone on with by the next push: whole files are passed over, and
    a storage of kind `oss` goes on with the parts of a large one.

    Raises:
        StorageError: one cannot be written.
        ConfigError: the storage is another environment's.
    """
    for path, file in uploads:
        began = clock.monotonic()
        sent = storage.put(path, file, deadline)
        yield Pushed(path, file.stat().st_size, sent, clock.monotonic() - began)


def what_restart(pushed: Iterable[Pushed], transport: str) -> str | None:
    """What makes new files visible; None where nothing new is there."""
    new = {one.path.partition("/")[0] for one in pushed if one.sent}
    if not new & {"models", "custom_nodes"}:
        return None
    if transport == "eas-queue":
        return (
            "restart the service: the API edition lists files at its start only, and "
            "has no page to reload them (console, or eascmd restart)"
        )
    if "custom_nodes" in new:
        return (
            "restart the ComfyUI process, since nodes are loaded at its start: on the "
            "page, PaiCustom → Restart Process; else restart the service"
        )
    return (
        "load the new models: on the page, PaiCustom → Load New Model; where that does "
        "not help, Restart Process"
    )
