"""This machine: tokens, templates, ledger, disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..config.settings import InstanceSettings
from ..config.tokens import read_token
from ..errors import ComfyClientError, ConfigError
from ..ledger.opening import LedgerSight
from ..pins.pinned import PinnedTemplates
from .base import Diagnosis, fail, ok, skipped, warn

LOW_BYTES, OUT_BYTES = 2 << 30, 100 << 20


class Usage(NamedTuple):
    """How full a disk is, in bytes."""

    total: int
    used: int
    free: int


DiskUsage = Callable[[Path], Usage]


def system_usage(path: Path) -> Usage:
    """How full the disk is that a folder is on."""
    return Usage(*shutil.disk_usage(path))


def tokens(instances: Sequence[InstanceSettings]) -> Diagnosis:
    """Whether every token that is named can be read."""
    troubles: list[ConfigError] = []
    read, open_ = 0, []
    for instance in instances:
        try:
            token = read_token(instance)
        except ConfigError as error:
            troubles.append(error)
        else:
            read += token is not None
            open_ += [instance.name] if token is None else []
    if troubles:
        words = "; ".join(one.message for one in troubles)
        return fail(words, troubles[0].hint or "let this process read the file")
    if not instances:
        return skipped("the embedded engine has no tokens")
    without = f", none is named for {', '.join(open_)}" if open_ else ""
    return ok(f"{read} of {len(instances)} read{without}")


def templates(found: PinnedTemplates | ComfyClientError, *, name: str) -> Diagnosis:
    """Whether every template of the environment is what it should be."""
    remedy = f"comfyclient pins verify --env {name}"
    if isinstance(found, ComfyClientError):
        return fail(found.message, found.hint or remedy)
    broken = [one for one in found.pinned if one.problem is not None]
    if broken:
        first = broken[0].problem
        assert first is not None
        words = "; ".join(f"{one.name}: {one.problem.message}" for one in broken
                          if one.problem is not None)  # fmt: skip
        return fail(words, first.hint or remedy)
    refs = [one.template.ref for one in found.pinned if one.template is not None]
    text = f"{', '.join(refs) if refs else 'none'} ({found.basis})"
    if found.is_locked or not refs:
        return ok(text)
    return warn(text, f"lock what was tried: comfyclient pins lock --env {name}")


def ledger(sight: LedgerSight) -> Diagnosis:
    """Whether the ledger can be opened, and written where it is a file.

    Raises:
        LedgerError: it cannot be read, or is too new.
    """
    file, version = sight.file(), sight.version()
    if file is None:
        return ok(f"the database answers, with tables of version {version}")
    if version is None:
        return _new_file(file)
    if not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK | os.X_OK)):
        return fail(
            f"{file} is there, but it or its folder is not writable",
            "let this process write both: SQLite keeps a journal beside the file",
        )
    return ok(f"{file} is there, with tables of version {version}")


def _new_file(file: Path) -> Diagnosis:
    folder = next(one for one in file.parents if one.exists())
    if not os.access(folder, os.W_OK | os.X_OK):
        return fail(
            f"{file} is not there yet, and {folder} is not writable",
            "let this process write there, or set `ledger`",
        )
    return ok(f"{file} is not there yet; it will be made")


def disk(folders: Sequence[Path], usage: DiskUsage = system_usage) -> Diagnosis:
    """Whether there is room where files are made."""
    free = {folder: usage(_existing(folder)).free for folder in folders}
    least = min(free, key=lambda folder: free[folder])
    text = f"{free[least] / 1e9:.1f} GB are free at {least}"
    if free[least] < OUT_BYTES:
        return fail(text, "free some: the ledger commits before each job is sent")
    if free[least] < LOW_BYTES:
        return warn(text, "free some, or point ledger and TMPDIR elsewhere")
    return ok(text)


def working_folders(ledger_file: Path | None) -> list[Path]:
    """Where this machine makes files: the ledger, temporary ones, the outputs."""
    folders = [Path(tempfile.gettempdir()), Path.cwd()]
    return folders if ledger_file is None else [ledger_file.parent, *folders]


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())
