"""Lives of a program, one after the other, each of which may be killed."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from typing import Self

from comfyclient.timing import Deadline

from ...nursery import Child, Nursery

PACKAGE = Path(__file__).parent
PATIENCE_S = 100.0
"""Seconds that anything here may take; far more than it does."""
PROGRAM = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
order = json.loads(sys.argv[3])
importlib.import_module(sys.argv[2]).live(**order)
sys.stdout.flush()
"""


class Lives:
    """Begins one life of a program after the other; a context manager.

    A life tells what it does in lines on its stdout.
    """

    def __init__(self, nursery: Nursery, program: str, *, log: Path) -> None:
        self._nursery = nursery
        self._program = f"{PACKAGE.name}.{program}"
        self._log = log
        self._condition = threading.Condition()
        self._told: list[list[str]] = []
        self._child: Child | None = None
        self._reader: threading.Thread | None = None
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._bury()

    def begin(self, **order: object) -> None:
        """A new life, once the last one has ended."""
        self._bury()
        self.count += 1
        self._told.clear()
        words = (str(PACKAGE.parent), self._program, json.dumps(order))
        with self._log.open("ab") as log:
            self._child = self._nursery.start(
                "-c", PROGRAM, *words, stderr=log.fileno()
            )
        self._reader = threading.Thread(target=self._read, args=[self._child])
        self._reader.start()

    @property
    def status(self) -> int | None:
        """How the last life ended: 0, 1, or minus a signal; None while it goes on."""
        return None if self._child is None else self._child.poll()

    @property
    def story(self) -> list[str]:
        """All that was told of the last life."""
        return [word for line in self._told for word in line]

    @property
    def over(self) -> bool:
        """Whether the last life has ended."""
        return self._child is None or self._child.poll() is not None

    def kill(self) -> None:
        """End the life, without a word to it."""
        if self._child is not None:
            self._child.send_signal(signal.SIGKILL)

    def await_end(self) -> int:
        """How the life ended."""
        assert self._child is not None, "a life was begun"
        return self._child.wait(PATIENCE_S)

    def await_told(self, word: str) -> list[str] | None:
        """What the life said after a word; None where it ended without it."""
        deadline = Deadline(PATIENCE_S)
        with self._condition:
            while True:
                over = self._reader is None or not self._reader.is_alive()
                for line in self._told:
                    if line[0] == word:
                        return line[1:]
                if over:
                    return None
                if deadline.passed():
                    raise AssertionError(f"nobody told {word}; {self.report()}")
                self._condition.wait(0.2)

    def report(self) -> str:
        """What is known of the lives, for a test that fails."""
        log = self._log.read_text(errors="replace") if self._log.exists() else ""
        return f"life {self.count} told {self._told}, status {self.status}\n{log}"

    def _bury(self) -> None:
        """The last life, which has ended or is about to."""
        if self._child is not None and self._reader is not None:
            self._child.wait(PATIENCE_S)
            self._reader.join(PATIENCE_S)
            self._child.__exit__(None, None, None)
            self._child = self._reader = None

    def _read(self, child: Child) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            with self._condition:
                self._told.append(line.split())
                self._condition.notify_all()
        with self._condition:
            self._condition.notify_all()
