"""An embedded engine in a process of its own that is killed and started again."""

from __future__ import annotations

import random
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from .lives import Lives
from .tally import NAME

PORTS = range(20_000, 30_000)
"""Below those that systems give to clients: one of them might take it meanwhile."""
UP_S = 0.4
"""The longest that it is up between two kills."""
STEPS = 12
"""The most files that it opens between two kills."""


class Quake:
    """A server on one port and one base directory, in one life after the other."""

    def __init__(self, lives: Lives, folder: Path, chance: random.Random) -> None:
        self._lives = lives
        self._base = folder / "engine"
        self._chance = chance
        self._port = _free_port()
        self._over = threading.Event()
        self.kills = 0

    @property
    def url(self) -> str:
        """Its address, whether it lives or not."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def executions(self) -> Counter[str]:
        """How often each job was begun to be executed, over all lives."""
        file = self._base / NAME
        lines = file.read_text().splitlines() if file.exists() else []
        return Counter(line.split()[0] for line in lines)

    def start(self, *, fuse: int | None = None) -> bool:
        """Begin a life; whether it came up."""
        self._lives.begin(base=str(self._base), port=self._port, fuse=fuse)
        return self._lives.await_told("up") is not None

    @contextmanager
    def shaken(self, *, times: int) -> Iterator[None]:
        """Kill it up to so many times meanwhile; it is up afterwards."""
        with ThreadPoolExecutor(1) as pool:
            shaking = pool.submit(self._shake, times)
            try:
                yield
            finally:
                self._over.set()
            shaking.result()

    def _shake(self, times: int) -> None:
        while self.kills < times and not self._over.is_set():
            self._over.wait(self._chance.uniform(0, UP_S))
            self._kill()
            by_step = self._chance.random() < 0.5
            self.start(fuse=self._chance.randint(1, STEPS) if by_step else None)
        self._kill()
        assert self.start(), self._lives.report()

    def _kill(self) -> None:
        """Unless it has done that by itself, at some file that it opened."""
        self._lives.kill()
        assert self._lives.await_end() == -signal.SIGKILL, self._lives.report()
        self.kills += 1


def _free_port() -> int:
    while True:
        port = random.choice(PORTS)  # tests run side by side, with the same seeds
        with socket.socket() as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trying.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
