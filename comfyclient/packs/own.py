"""The files of our own node pack, as they go into a ComfyUI's `custom_nodes/`."""

from __future__ import annotations

import re
from pathlib import Path

PACK_FOLDER = "comfyclient_trip"
"""What it is called there."""


def pack_files() -> dict[str, Path]:
    """Its files, by their path in the pack; without what Python made of them."""
    home = Path(__file__).parents[1] / "comfy_nodes"
    return {
        file.relative_to(home).as_posix(): file
        for file in sorted(home.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc"
    }


def pack_version() -> str:
    """Its version, read from its `__init__.py`: importing it would need numpy."""
    text = pack_files()["__init__.py"].read_text("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    assert found is not None
    return found[1]
