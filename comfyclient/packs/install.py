"""Puts our node pack into a ComfyUI: whole or not at all, and over nobody's changes."""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from packaging.version import InvalidVersion, Version

from ..errors import UsageError
from .own import PACK_FOLDER, pack_files, pack_version

Action: TypeAlias = Literal["installed", "upgraded", "downgraded", "repaired", "kept"]

MARKER = "installed.json"
"""What was installed: version, and each file's digest."""
_ASIDE = ".disabled"
"""ComfyUI leaves folders alone whose names end so."""


@dataclass(frozen=True, slots=True)
class Installed:
    """What became of an installation."""

    target: Path
    version: str
    action: Action
    before: str | None = None
    """The version that was there; None where there was none, or it did not say."""
    kept_aside: Path | None = None
    """Where the folder is that was replaced although it had been changed."""


def install_pack(comfyui: Path, *, force: bool = False) -> Installed:
    """Copy the pack into `custom_nodes` of a ComfyUI, or of its base directory.

    Args:
        comfyui: the folder with `main.py`, or with `custom_nodes/` and `models/`.
        force: replace also what was changed by hand, or is newer; it is kept aside.

    Raises:
        UsageError: the folder is no ComfyUI, or something stands against it.
    """
    nodes = _custom_nodes(comfyui)
    target = nodes / PACK_FOLDER
    version = pack_version()
    try:
        _clear(nodes)
        before = _found(target)
        if before is not None and before.is_clean and before.files == _digests():
            return Installed(target, version, "kept", before.version)
        changed = before is not None and not before.is_clean
        newer = before is not None and _is_newer(before.version, version)
        if not force:
            _refuse(target, before, changed=changed, newer=newer)
        aside = _replace(nodes, target, keep=changed)
    except OSError as error:
        raise UsageError(
            f"{error.filename or nodes} cannot be written: {error.strerror}",
            hint="install as the user that owns the ComfyUI",
        ) from error
    if before is None:
        return Installed(target, version, "installed")
    action: Action = "downgraded" if newer else "upgraded"
    if before.version == version:
        action = "repaired"
    return Installed(target, version, action, before.version, aside)


@dataclass(frozen=True, slots=True)
class _Before:
    """What is at the pack's place."""

    version: str | None
    files: Mapping[str, str]
    is_clean: bool
    """Whether each file is as it was installed."""


def _custom_nodes(comfyui: Path) -> Path:
    """The folder for packs.

    Raises:
        UsageError: this is neither a ComfyUI nor the base directory of one.
    """
    program = [comfyui / "main.py", comfyui / "nodes.py", comfyui / "comfy"]
    is_program = all(one.exists() for one in program)
    is_base = (comfyui / "custom_nodes").is_dir() and (comfyui / "models").is_dir()
    if not is_program and not is_base:
        inner = comfyui / "ComfyUI"
        hint = f"perhaps {inner}" if (inner / "main.py").exists() else (
            "name the folder with main.py, nodes.py and comfy/, or the base directory "
            "with custom_nodes/ and models/"
        )  # fmt: skip
        raise UsageError(f"{comfyui} is no ComfyUI", hint=hint)
    return comfyui / "custom_nodes"


def _clear(nodes: Path) -> None:
    """Remove what an interrupted installation left; bring back what it had moved."""
    nodes.mkdir(exist_ok=True)
    for left in nodes.glob(f".{PACK_FOLDER}-new-*{_ASIDE}"):
        shutil.rmtree(left)
    for moved in nodes.glob(f".{PACK_FOLDER}-old-*{_ASIDE}"):
        if (nodes / PACK_FOLDER).exists():
            shutil.rmtree(moved)
        else:
            moved.rename(nodes / PACK_FOLDER)


def _found(target: Path) -> _Before | None:
    if target.is_symlink():
        raise UsageError(
            f"{target} is a link to {target.readlink()}",
            hint="whoever made it works on the pack there: remove the link first",
        )
    if not target.exists():
        return None
    files = {
        file.relative_to(target).as_posix(): _digest(file.read_bytes())
        for file in sorted(target.rglob("*"))
        if file.is_file()
        and "__pycache__" not in file.parts
        and file.suffix != ".pyc"
        and file != target / MARKER
    }
    try:
        told = json.loads((target / MARKER).read_text("utf-8"))
        version, installed = str(told["version"]), dict(told["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return _Before(None, files, is_clean=files == _digests())
    return _Before(version, files, is_clean=files == installed)


def _refuse(
    target: Path, before: _Before | None, *, changed: bool, newer: bool
) -> None:
    if changed:
        what = "is not as it was installed" if before and before.version else (
            "was not installed by this command"
        )  # fmt: skip
        raise UsageError(
            f"{target} {what}",
            hint="--force replaces it, and keeps it beside, under a name that ComfyUI "
            "leaves alone",
        )
    if newer and before is not None:
        raise UsageError(
            f"{target} is version {before.version}, this is {pack_version()}",
            hint="--force puts the older one there",
        )


def _is_newer(found: str | None, ours: str) -> bool:
    try:
        return found is not None and Version(found) > Version(ours)
    except InvalidVersion:
        return False


def _replace(nodes: Path, target: Path, *, keep: bool) -> Path | None:
    """Fill a folder aside, then change names; a server may start at any moment."""
    mark = secrets.token_hex(4)
    staged = nodes / f".{PACK_FOLDER}-new-{mark}{_ASIDE}"
    try:
        staged.mkdir()
        for name, file in pack_files().items():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).write_bytes(file.read_bytes())
        told = {"version": pack_version(), "files": _digests()}
        (staged / MARKER).write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        old = nodes / (
            f"{PACK_FOLDER}-{mark}{_ASIDE}"
            if keep
            else f".{PACK_FOLDER}-old-{mark}{_ASIDE}"
        )
        if not target.exists():
            staged.rename(target)
            return None
        target.rename(old)
        try:
            staged.rename(target)
        except OSError:
            old.rename(target)
            raise
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    if keep:
        return old
    shutil.rmtree(old, ignore_errors=True)
    return None


def _digests() -> dict[str, str]:
    return {name: _digest(file.read_bytes()) for name, file in pack_files().items()}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
