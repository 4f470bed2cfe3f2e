"""Kills its own process at its n-th step, before it is done."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from typing import Any

from sqlalchemy import Connection, Engine, event

from .telling import tell

_FILE_STEPS = ("os.rename", "os.link", "os.remove")


class Fuse:
    """Burns at each request, commit and change to a file, in whichever thread."""

    def __init__(self, steps: int) -> None:
        self._steps = itertools.count(steps - 1, -1)

    def light(self) -> None:
        """Count from now on; there is no way back."""
        sys.addaudithook(self._on_audit)
        event.listen(Engine, "begin", lambda _connection: self._burn("begin"))
        event.listen(Engine, "commit", self._on_commit)

    def _burn(self, step: str) -> None:
        if next(self._steps) == 0:
            tell("burnt", step)
            os.kill(os.getpid(), signal.SIGKILL)

    def _on_audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "http.client.send" or name in _FILE_STEPS:
            self._burn(name)
        elif name == "open" and str(arguments[0]).endswith((".part", ".png", ".txt")):
            self._burn("open")

    def _on_commit(self, connection: Connection) -> None:
        self._burn("commit")
