"""The engine's folders: where files of each kind are, and how they are named."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

KINDS = ("output", "input", "temp")
"""The folder kinds that a client may name."""

_ANNOTATION = re.compile(r"\[(output|input|temp)\]$")


class OutsideFolderError(ValueError):
    """A path that would leave its folder."""


@dataclass(frozen=True, slots=True)
class SavePlace:
    """Where a node's next files go."""

    folder: Path
    stem: str
    counter: int
    subfolder: str
    prefix: str


class Folders:
    """input/, output/, temp/ and models/ below one base directory."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.input = base / "input"
        self.output = base / "output"
        self.temp = base / "temp"
        self.models = base / "models"

    def prepare(self) -> None:
        """Make the folders, and empty temp/ as each start of ComfyUI does."""
        shutil.rmtree(self.temp, ignore_errors=True)
        for folder in (self.input, self.output, self.temp, self.models):
            folder.mkdir(parents=True, exist_ok=True)

    def of_kind(self, kind: str | None) -> Path | None:
        """The folder of a kind; None for a kind that does not exist."""
        return getattr(self, kind) if kind in KINDS else None

    def of_annotated(self, name: str) -> tuple[str, Path | None]:
        """Split `x.png [output]` into the name and its folder; None without one."""
        if (match := _ANNOTATION.search(name)) is None:
            return name, None
        # The marker stands behind one blank, which goes with it.
        return name[: match.start() - 1], self.of_kind(match.group(1))

    def input_file(self, name: str) -> Path:
        """The file that a node's value such as `sub/x.png [temp]` means.

        Raises:
            OutsideFolderError: the name leaves its folder.
        """
        plain, folder = self.of_annotated(name)
        return within(self.input if folder is None else folder, plain)

    def save_place(
        self, prefix: str, *, root: Path, width: int = 0, height: int = 0
    ) -> SavePlace:
        """The folder, stem and first free number for a file name prefix.

        Raises:
            OutsideFolderError: the prefix leaves the root.
        """
        filled = os.path.normpath(_filled(prefix, width=width, height=height))
        subfolder, stem = os.path.split(filled)
        folder = within(root, subfolder)
        folder.mkdir(parents=True, exist_ok=True)
        return SavePlace(folder, stem, _next_counter(folder, stem), subfolder, filled)


def within(folder: Path, name: str) -> Path:
    """The path of a name below a folder.

    Raises:
        OutsideFolderError: the name leaves the folder.
    """
    if "\0" in name:
        raise OutsideFolderError("a file name holds a NUL character")
    root = Path(os.path.normpath(folder.absolute()))
    path = Path(os.path.normpath(root / name))
    if not path.is_relative_to(root):
        raise OutsideFolderError(
            f"{name!r} leaves the folder {root}; use a name inside it"
        )
    return path


def listed_files(folder: Path) -> list[str]:
    """The files directly in a folder, sorted by name."""
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file())


def _filled(prefix: str, *, width: int, height: int) -> str:
    if "%" not in prefix:
        return prefix
    now = time.localtime()
    for name, value in (
        ("width", str(width)),
        ("height", str(height)),
        ("year", str(now.tm_year)),
        ("month", f"{now.tm_mon:02}"),
        ("day", f"{now.tm_mday:02}"),
        ("hour", f"{now.tm_hour:02}"),
        ("minute", f"{now.tm_min:02}"),
        ("second", f"{now.tm_sec:02}"),
    ):
        prefix = prefix.replace(f"%{name}%", value)
    return prefix


def _next_counter(folder: Path, stem: str) -> int:
    numbered = re.compile(re.escape(f"{stem}_") + r"(\d+)_", re.IGNORECASE)
    taken = (numbered.match(entry.name) for entry in folder.iterdir())
    return max((int(match.group(1)) for match in taken if match), default=0) + 1
