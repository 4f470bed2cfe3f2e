"""Imports a pack in a process of its own, and asks its classes for their inputs.

The process has no secrets of ours: its environment is emptied, its time is limited, its
answer is read as data. It is no sandbox: the pack's code runs with the user's rights.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from ..errors import UsageError

TIMEOUT_S = 60.0
_LONGEST = 20_000_000
_KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
_MARK = "comfyclient-trial:"

_PROGRAM = """
import importlib.util, json, os, sys, types
path, comfyui = sys.argv[1:3]
if comfyui:
    sys.path.insert(0, comfyui)
    os.chdir(comfyui)
    sys.argv = ["main.py", "--cpu"]
    try:
        import comfy.options
        comfy.options.enable_args_parsing()
    except ImportError:
        pass
answer = {"error": None, "nodes": {}}

def plain(value, depth=0):
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value if not isinstance(value, str) else str(value)
    if depth > 6:
        return repr(value)[:100]
    if isinstance(value, dict):
        return {str(k): plain(v, depth + 1) for k, v in list(value.items())[:500]}
    if isinstance(value, (list, tuple)):
        return [plain(v, depth + 1) for v in list(value)[:5000]]
    return repr(value)[:100]

try:
    if os.path.isdir(path):
        file, search = os.path.join(path, "__init__.py"), [path]
    else:
        file, search = path, None
    name = path.replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=search)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    mappings = getattr(module, "NODE_CLASS_MAPPINGS", None)
    shown = getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", None) or {}
    entry = hasattr(module, "comfy_entrypoint")
    answer["mappings"] = isinstance(mappings, dict) or entry
    answer["display_names"] = [str(key) for key in shown]
    for key, node in dict(mappings or {}).items():
        one = answer["nodes"][str(key)] = {"class": getattr(node, "__name__", "?")}
        try:
            one["inputs"] = plain(node.INPUT_TYPES())
        except BaseException as error:
            one["error"] = f"{type(error).__name__}: {error}"[:500]
except BaseException as error:
    answer["error"] = f"{type(error).__name__}: {error}"[:500]
sys.stdout.flush()
sys.__stdout__.write("\\n" + MARK + json.dumps(answer) + "\\n")
sys.__stdout__.flush()
os._exit(0)
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the import."""

    error: str | None
    """Why it failed; None where it did not."""
    has_mappings: bool = False
    display_names: frozenset[str] = frozenset()
    nodes: Mapping[str, Mapping[str, JsonValue]] | None = None


def try_import(
    folder: Path,
    *,
    python: Path | None = None,
    comfyui: Path | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Trial:
    """Import the pack as a server does.

    Args:
        folder: the pack.
        python: the interpreter to use, such as a ComfyUI's own.
        comfyui: a ComfyUI whose modules the pack may import.
        timeout_s: the time that it may take.

    Raises:
        UsageError: the interpreter cannot be started.
    """
    program = _PROGRAM.replace("MARK", repr(_MARK), 1)
    interpreter = sys.executable if python is None else str(python)
    home = "" if comfyui is None else str(comfyui.resolve())
    with tempfile.TemporaryDirectory() as nowhere:
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment |= {"HOME": nowhere, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [interpreter, "-c", program, str(folder.resolve()), home]
        try:
            done = subprocess.run(
                command,
                cwd=nowhere,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Trial(f"its import was not done after {timeout_s:g} s")
        except OSError as error:
            raise UsageError(
                f"{interpreter} cannot be started: {error.strerror}"
            ) from error
    return _read(done)


def _read(done: subprocess.CompletedProcess[bytes]) -> Trial:
    """The answer among whatever else the pack said."""
    text = done.stdout[-_LONGEST:].decode("utf-8", "replace")
    said = text.rpartition(_MARK)[2] if _MARK in text else ""
    try:
        answer = json.loads(said.strip().partition("\n")[0])
        nodes = {str(name): dict(one) for name, one in answer["nodes"].items()}
        error = answer["error"]
        shown = frozenset(map(str, answer.get("display_names", ())))
        has_mappings = answer.get("mappings") is True
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        tail = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        last = f": {tail[0][:200]}" if tail else ""
        return Trial(f"its process ended with {done.returncode}{last}")
    if error is not None:
        return Trial(str(error)[:500])
    return Trial(None, has_mappings, shown, nodes)
