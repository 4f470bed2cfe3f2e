"""The house: which module may import which, and what importing the package costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import comfyclient

PACKAGE = Path(comfyclient.__file__).parent

FLOORS: list[set[str]] = [
    {"errors", "timing"},
    {"outputs", "graph", "jsontext", "geography", "sun"},
    {"events", "workflow"},
]


def imports_of(file: Path) -> set[str]:
    """The modules of ours that a file imports, without the package's name."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    home = list(parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            stem = home[: len(home) - node.level + 1]
            if node.module:
                found.add(".".join([*stem, node.module]))
            else:
                found |= {".".join([*stem, alias.name]) for alias in node.names}
    return found


