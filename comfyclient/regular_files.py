"""Opens files that are there to be read, never one that may not answer."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path


def open_regular(path: Path) -> io.BufferedReader:
    """A file for reading; a pipe or a device, which may never answer, is refused.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    raw = io.FileIO(path, "rb", opener=_without_waiting)
    if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        raw.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return io.BufferedReader(raw)


def _without_waiting(path: str, flags: int) -> int:
    """Opening a pipe waits for its writer, unless told not to."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
