"""Reads a node pack's files as text and syntax trees; runs none of them."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UsageError
from ..regular_files import open_regular
from .findings import PackFinding

MAX_FILES = 3000
MAX_BYTES = 4 << 20
_NOT_READ = {"__pycache__", "node_modules", "venv", "site-packages", "tests", "test"}

_NOT_LOADED = {
    "install.py", "uninstall.py", "enable.py", "disable.py", "setup.py", "conftest.py",
}  # fmt: skip
"""Scripts that a server never imports; managers run some of them."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One Python file of a pack."""

    name: str
    """Its path within the pack."""
    tree: ast.Module = field(repr=False)


@dataclass(frozen=True, slots=True)
class PackSource:
    """A pack as it lies on the disk."""

    folder: Path
    files: tuple[SourceFile, ...]
    unread: tuple[PackFinding, ...]
    """Files that are no Python."""

    def text(self, name: str) -> str | None:
        """A file of the pack that is no Python; None where there is none."""
        try:
            with open_regular(self.folder / name) as file:
                return file.read(MAX_BYTES).decode("utf-8", "replace")
        except OSError:
            return None


def read_pack(folder: Path) -> PackSource:
    """Read the Python files of a pack, or of a pack that is one file.

    Raises:
        UsageError: there is no such folder, or it is none that holds a pack.
    """
    single = folder.is_file() and folder.suffix == ".py"
    home = folder.parent if single else folder
    names = [folder] if single else sorted(_python_files(folder))
    if not names:
        raise UsageError(
            f"{folder} holds no Python files",
            hint="name the pack's own folder, such as custom_nodes/my_pack",
        )
    files: list[SourceFile] = []
    unread: list[PackFinding] = []
    for path in names:
        name = path.relative_to(home).as_posix()
        try:
            files.append(SourceFile(name, _parsed(path)))
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = error.lineno if isinstance(error, SyntaxError) else None
            said = error.msg if isinstance(error, SyntaxError) else str(error)
            unread.append(PackFinding("readable", f"no Python: {said}", name, line))
    return PackSource(home, tuple(files), tuple(unread))


def _python_files(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder and no Python file")
    count = 0
    for root, below, names in os.walk(folder):  # follows no links
        below[:] = [one for one in below if one not in _NOT_READ and one[0] != "."]
        for name in names:
            if name.endswith(".py") and name not in _NOT_LOADED:
                count += 1
                if count > MAX_FILES:
                    raise UsageError(
                        f"{folder} holds more than {MAX_FILES} Python files",
                        hint="name the pack's own folder, not the one above it",
                    )
                yield Path(root) / name


def _parsed(path: Path) -> ast.Module:
    with open_regular(path) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd escapes in somebody's texts
        return ast.parse(content)
