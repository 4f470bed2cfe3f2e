"""Names of files below the root: every one is checked here. Pure."""

from __future__ import annotations

from ..errors import OutputMissingError, UnsafePathError
from ..files.refs import OutputRef

KINDS = frozenset({"output", "temp", "input"})
"""The folders that a result may name."""


def path_of(ref: OutputRef) -> str:
    """Where a file of a result is, from the root on.

    Raises:
        UnsafePathError: it would not be in the folder of its kind.
    """
    if ref.type not in KINDS:
        raise UnsafePathError(
            f"the server says that {ref.filename[:80]!r} is of type {ref.type[:40]!r}; "
            f"there are {', '.join(sorted(KINDS))}"
        )
    if not ref.filename or ref.filename.endswith(("/", "\\")):
        raise _unsafe(ref.filename)
    steps = (*_steps(ref.subfolder), *_steps(ref.filename))
    return "/".join((ref.type, *steps))


def below_root(path: str) -> str:
    """A path from the root on, in the one way of writing it.

    Raises:
        UnsafePathError: it is empty, absolute, or climbs.
    """
    steps = _steps(path)
    if not steps:
        raise _unsafe(path)
    return "/".join(steps)


def folder_below(path: str) -> str:
    """Likewise, of a folder: with a `/` at its end; the root is the empty text."""
    steps = _steps(path)
    return "/".join((*steps, "")) if steps else ""


def missing(ref: OutputRef, where: str) -> OutputMissingError:
    """There is no such file (any more), and why that may be."""
    hint = (
        f"is {where} what the service mounts? An output that came from the server's "
        "cache may also have been deleted"
    )
    if ref.type == "temp":
        hint = "ComfyUI empties temp/ whenever it starts: save temp outputs at once"
    return OutputMissingError(f"{where} has no {path_of(ref)}", hint=hint)


def _steps(path: str) -> tuple[str, ...]:
    # A server on Windows writes its folders with backslashes.
    steps = path.replace("\\", "/").split("/")
    bad = any(step in {".", ".."} for step in steps) or any(
        ord(c) < 32 or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in path
    )
    if bad or (len(steps) > 1 and not steps[0]) or _has_drive(steps[0]):
        raise _unsafe(path)
    return tuple(step for step in steps if step)


def _has_drive(step: str) -> bool:
    return len(step) == 2 and step[1] == ":" and step[0].isalpha()


def _unsafe(path: str) -> UnsafePathError:
    return UnsafePathError(
        f"{path[:120]!r} is no path below the storage's root",
        hint="a path has names with / between them: none is '..', empty or a drive",
    )
