"""`comfyclient.lock` on disk: read whole or not at all, and written so.

Whoever changes it first makes the new file beside it, which nobody else can while it
is there, and renames it over the old one at the end: the new file is the guard too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from ..errors import LockError
from ..regular_files import open_regular
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .locked import Lock
from .locktext import lock_text, parse_lock

MAX_BYTES = 8 << 20
PATIENCE_S = 10.0
"""So long another process may take for its change."""

_GUARD = ".new"
_POLL_S = 0.02
_ALONE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


def read_lock(path: Path) -> Lock | None:
    """What the file says; None where there is none.

    Raises:
        LockError: it cannot be read, or is not as it was written.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        if path.is_symlink():
            raise LockError(
                "is a link to a file that is not there",
                file=str(path),
                hint="restore what it points to, or remove the link",
            ) from error
        return None
    except (OSError, ValueError) as error:
        raise LockError(f"cannot be read: {_said(error)}", file=str(path)) from error
    if len(content) > MAX_BYTES:
        raise LockError(f"is larger than {MAX_BYTES >> 20} MiB", file=str(path))
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise LockError(
            f"is no text, from byte {error.start} on",
            file=str(path),
            hint="restore it from version control",
        ) from error
    return parse_lock(text, file=str(path))


def update_lock(
    path: Path,
    change: Callable[[Lock], Lock],
    *,
    patience_s: float = PATIENCE_S,
    clock: Clock = SYSTEM_CLOCK,
) -> Lock:
    """Read, change and write the file, while nobody else does.

    Whatever goes wrong, the old file stays as it was. An error of `change` comes
    through.

    Raises:
        LockError: it cannot be read or written, or another process holds it.
    """
    try:
        target = Path(os.path.realpath(path))  # a link stays one
    except ValueError as error:  # a NUL in the path
        raise _unwritten(path, error) from error
    guard = target.with_name(target.name + _GUARD)
    descriptor = _guarded(guard, Deadline(patience_s, clock=clock), clock)
    try:
        with os.fdopen(descriptor, "wb") as file:
            old = read_lock(path)
            new = change(Lock() if old is None else old)
            text = lock_text(new)
            assert parse_lock(text, file=str(guard)) == new
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        _keep_mode(target, guard)
        guard.replace(target)
    except OSError as error:
        guard.unlink(missing_ok=True)
        raise _unwritten(path, error) from error
    except BaseException:
        guard.unlink(missing_ok=True)
        raise
    _settle(target.parent)
    return new


def _guarded(guard: Path, deadline: Deadline, clock: Clock) -> int:
    """Make the new file, once no other process has it."""
    turn = threading.Condition()
    while True:
        try:
            return os.open(guard, _ALONE, 0o644)
        except FileExistsError as error:
            if deadline.passed():
                raise LockError(
                    f"is there for more than {deadline.seconds:g} s: another process "
                    "changes the lock, or one died while it did",
                    file=str(guard),
                    hint="where no `comfyclient pins` runs, remove it; the lock itself "
                    "is whole",
                ) from error
        except (OSError, ValueError) as error:
            raise _unwritten(guard, error) from error
        with turn:
            clock.wait(turn, _POLL_S)


def _keep_mode(target: Path, guard: Path) -> None:
    if target.exists():
        guard.chmod(target.stat().st_mode & 0o7777)


def _settle(folder: Path) -> None:
    """Have the new name on disk too, where folders can be synced."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # not on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError:  # nor on some network drives: the file itself is whole anyway
        return
    finally:
        os.close(descriptor)


def _unwritten(path: Path, error: OSError | ValueError) -> LockError:
    return LockError(
        f"cannot be written: {_said(error)}; nothing was changed", file=str(path)
    )


def _said(error: OSError | ValueError) -> str:
    text = error.strerror if isinstance(error, OSError) else None
    return str(error) if text is None else text
