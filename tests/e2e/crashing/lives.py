"""Lives of a program, one after the other, each of which may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from comfyclient.timing import Deadline

PACKAGE = Path(__file__).parent
PATIENCE_S = 100.0
"""Seconds that anything here may take; far more than it does."""


class Lives:
    """A zygote process, and the life that it began last; a context manager."""

    def __init__(self, program: str, *, log: Path) -> None:
        self._modules = [f"{PACKAGE.name}.{name}" for name in ("zygote", program)]
        self._modules.append("comfyclient.ledger")  # it is imported late
        self._log = log
        self._condition = threading.Condition()
        self._told: list[list[str]] = []
        self.count = 0
        self.pid = 0
        self.status: int | None = None
        """How the last life ended: 0, 1, or minus a signal; None while it goes on."""

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._modules],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={
                    **os.environ,
                    "PYTHONPATH": str(PACKAGE.parent),
                    # a zygote with threads must not fork
                    "OPENBLAS_NUM_THREADS": "1",
                },
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._await("ready")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self.kill()
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def begin(self, **order: object) -> None:
        """A new life, once the last one has ended."""
        assert self._process.stdin is not None
        self.count += 1
        self._told.clear()
        self.status = None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        self.pid = int(self._await("began")[1])

    @property
    def story(self) -> list[str]:
        """All that was told of the last life."""
        return [word for line in self._told for word in line]

    @property
    def over(self) -> bool:
        """Whether the last life has ended."""
        return self.count == 0 or self.status is not None

    def kill(self) -> None:
        """End the life, without a word to it."""
        if not self.over:
            os.kill(self.pid, signal.SIGKILL)

    def await_end(self) -> int:
        """How the life ended."""
        self._await("ended")
        assert self.status is not None, "its end was told"
        return self.status

    def await_told(self, word: str) -> list[str] | None:
        """What the life said after a word; None where it ended without it."""
        line = self._await(word, "ended")
        return line[1:] if line[0] == word else None

    def report(self) -> str:
        """What is known of the lives, for a test that fails."""
        log = self._log.read_text(errors="replace") if self._log.exists() else ""
        return f"life {self.count} told {self._told}, status {self.status}\n{log}"

    def _await(self, *words: str) -> list[str]:
        """The first line that begins with one of the words, once it was told."""
        deadline = Deadline(PATIENCE_S)
        with self._condition:
            while True:
                for line in self._told:
                    if line[0] in words:
                        return line
                if deadline.passed() or self._process.poll() is not None:
                    raise AssertionError(f"nobody told {words}; {self.report()}")
                self._condition.wait(0.2)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._condition:
                words = line.split()
                self._told.append(words)
                if words[0] == "ended":
                    self.status = int(words[1])
                self._condition.notify_all()
