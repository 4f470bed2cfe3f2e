"""A folder for results that nobody here waits for: there they fill no sink.

What was parked is in no queue any more, and stays until its job is resumed. What was
only passed over may be of another client of our group, or of another application
altogether; a copy of it is kept for as long as any job may take.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from ..errors import BadAnswerError, ConfigError
from .eas_frames import Frame, read_frames

PASSED = "passed"
KEPT_S = 8 * 86_400
"""Seconds for which a copy is kept: a job has at most seven days."""
TIDIED_EVERY = 100
"""Copies after which those that are too old are looked for."""


class Parking:
    """Frames as files, one each, named by their task."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._passed = folder / PASSED
        self._copied = 0

    def park(self, frame: Frame) -> None:
        """Keep a frame; on return it is on the disk.

        Raises:
            ConfigError: the folder cannot be written to.
        """
        self._write(frame, self._folder)

    def copy(self, frame: Frame) -> None:
        """Keep a frame for a while; on return it is on the disk.

        Raises:
            ConfigError: the folder cannot be written to.
        """
        written = self._write(frame, self._passed)
        self._copied += 1
        if self._copied % TIDIED_EVERY == 1:
            self._tidy(written)

    def _tidy(self, written: float) -> None:
        """Remove copies that are much older than one that was just written.

        The clock is that of the file system, whatever ours says.
        """
        for file in self._passed.iterdir():
            with suppress(OSError):  # another process tidies too
                if file.stat().st_mtime < written - KEPT_S:
                    file.unlink()

    def _write(self, frame: Frame, folder: Path) -> float:
        """Write a frame's file; when that was, by the file system's clock."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            target = folder / _file_of(_name_of(frame))
            partial = target.with_name(f".{target.name}.{uuid4().hex}.part")
            with partial.open("wb") as file:
                file.write(_encoded(frame))
                file.flush()
                os.fsync(file.fileno())
            written = partial.stat().st_mtime
            partial.replace(target)
            return written
        except OSError as error:
            raise ConfigError(
                f"results cannot be parked in {folder}: {error.strerror}",
                hint="set queue.parking to a folder that can be written to",
            ) from error

    def find(self, task_id: str) -> Frame | None:
        """The parked frame of a task, if there is one that can be read."""
        for folder in (self._folder, self._passed):
            try:
                frames = read_frames((folder / _file_of(task_id)).read_bytes())
            except (OSError, BadAnswerError):
                continue
            for frame in frames:
                if frame.task_id == task_id:
                    return frame
        return None

    def remove(self, task_id: str) -> None:
        """The frame is done with."""
        for folder in (self._folder, self._passed):
            (folder / _file_of(task_id)).unlink(missing_ok=True)


def _file_of(task: str) -> str:
    """The name of a task's file: whatever stands in its id, it is harmless."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in task)[:64]
    digest = hashlib.sha256(task.encode("utf-8", "surrogatepass")).hexdigest()
    return f"task-{plain}.{digest[:16]}.json"


def _name_of(frame: Frame) -> str:
    names = (frame.task_id, frame.request_id, str(frame.index))
    return next(name for name in names if name is not None)


def _encoded(frame: Frame) -> bytes:
    shown = {
        "index": frame.index,
        "tags": dict(frame.tags),
        "data": base64.b64encode(frame.data).decode(),
    }
    return json.dumps([shown]).encode()
