"""A folder for results that nobody here waits for: there they fill no sink."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from uuid import uuid4

from ..errors import BadAnswerError, ConfigError
from .eas_frames import Frame, read_frames


class Parking:
    """Frames as files, one each, named by their task."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def park(self, frame: Frame) -> None:
        """Keep a frame; on return it is on the disk.

        Raises:
            ConfigError: the folder cannot be written to.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            target = self._file(_name_of(frame))
            partial = target.with_name(f".{target.name}.{uuid4().hex}.part")
            with partial.open("wb") as file:
                file.write(_encoded(frame))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except OSError as error:
            raise ConfigError(
                f"results cannot be parked in {self._folder}: {error.strerror}",
                hint="set queue.parking to a folder that can be written to",
            ) from error

    def find(self, task_id: str) -> Frame | None:
        """The parked frame of a task, if there is one that can be read."""
        try:
            frames = read_frames(self._file(task_id).read_bytes())
        except (OSError, BadAnswerError):
            return None
        return next((f for f in frames if f.task_id == task_id), None)

    def remove(self, task_id: str) -> None:
        """The frame is done with."""
        self._file(task_id).unlink(missing_ok=True)

    def _file(self, task: str) -> Path:
        """A task's file: whatever stands in its id, the name is harmless."""
        plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in task)[:64]
        digest = hashlib.sha256(task.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / f"task-{plain}.{digest[:16]}.json"


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
