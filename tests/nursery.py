"""Processes that begin at once: forked from one that has imported everything.

A fresh interpreter takes most of a second to import what a command needs. Tests of what
processes do to one another need many of them, and no fresh interpreter: what is forked
is as real, has its own pid, streams and environment, and may be killed.

    with Nursery() as nursery:
        done = nursery.run("-m", "comfyclient", "jobs", cwd=folder)
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from subprocess import PIPE
from typing import IO, Self

MODULES = (
    "comfyclient.cli",
    "comfyclient.commands.batch",
    "comfyclient.commands.demo",
    "comfyclient.commands.jobs",
    "comfyclient.commands.resume",
    "comfyclient.commands.run",
    "comfyclient.ledger.ledger",
    "comfyclient.local.engine",
    "comfyclient.transports.comfyui",
)
"""What nearly every process of the tests needs."""
_CRADLE = Path(__file__).with_name("cradle.py")
_PATIENCE_S = 150.0
"""Seconds that anything here may take; far more than it does."""

Stream = IO[str] | None


class Child:
    """A process that was begun; used as `subprocess.Popen` is."""

    def __init__(self, pid: int, argv: tuple[str, ...], streams: list[Stream]) -> None:
        self.pid = pid
        self.args = argv
        self.stdin, self.stdout, self.stderr = streams
        self.returncode: int | None = None
        """As `Popen` tells it: minus a signal that ended it."""
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self.wait()

    def ended(self, code: int) -> None:
        """Its end was told."""
        self.returncode = code
        self._ended.set()

    def poll(self) -> int | None:
        """How it ended; None while it goes on."""
        return self.returncode

    def wait(self, timeout: float = _PATIENCE_S) -> int:
        """How it ended, once it has."""
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a word."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float = _PATIENCE_S) -> tuple[str, str]:
        """All that it says until it ends."""
        said: dict[int, str] = {}

        def listen(number: int, stream: Stream) -> None:
            said[number] = "" if stream is None else stream.read()

        listening = [
            threading.Thread(target=listen, args=each)
            for each in enumerate((self.stdout, self.stderr))
        ]
        if self.stdin is not None:
            with suppress(OSError):
                self.stdin.close()
        for thread in listening:
            thread.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            for thread in listening:
                thread.join(_PATIENCE_S)
        return said[0], said[1]


class Nursery:
    """One process that forks others; begun when the first of them is asked for."""

    def __init__(self, *modules: str) -> None:
        self._modules = modules or MODULES
        self._lock = threading.Lock()
        self._condition = threading.Condition()
        self._children: dict[int, Child] = {}
        self._ended: dict[int, int] = {}
        self._born: list[int] = []
        self._closing = ExitStack()
        self._orders: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in list(self._children.values()):
            child.kill()
        self._closing.close()

    def run(
        self,
        *argv: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        timeout: float = _PATIENCE_S,
    ) -> subprocess.CompletedProcess[str]:
        """What `python …` says until it ends."""
        with self.start(*argv, cwd=cwd, env=env, stdin=stdin) as child:
            said = child.communicate(timeout)
        return subprocess.CompletedProcess(argv, child.wait(), *said)

    def start(
        self,
        *argv: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = PIPE,
        stderr: int | None = PIPE,
    ) -> Child:
        """Begin `python …`: -c and a program, -m and a module, or a file.

        None is no input, and for output the stream that the tests have.
        """
        order = {
            "argv": argv,
            "cwd": str(Path.cwd() if cwd is None else cwd),
            "env": dict(os.environ if env is None else env),
        }
        with ExitStack() as stack:
            fds, streams = _streams(stack, stdin, stdout, stderr)
            with self._lock:
                pid = self._order(order, fds)
            child = Child(pid, argv, streams)
        with self._condition:
            self._children[pid] = child
            if pid in self._ended:
                self._part(pid, self._ended.pop(pid))
        return child

    def _order(self, order: Mapping[str, object], fds: list[int]) -> int:
        if self._orders is None:
            self._orders = self._open()
        socket.send_fds(self._orders, [json.dumps(order).encode() + b"\n"], fds)
        with self._condition:
            self._condition.wait_for(lambda: self._born, _PATIENCE_S)
            return self._born.pop()

    def _open(self) -> socket.socket:
        """Begin the process that forks, and listen to it."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, str(_CRADLE), str(theirs.fileno()), *self._modules],
                pass_fds=[theirs.fileno()],
                # what has threads must not fork
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
            )
        listening = threading.Thread(target=self._listen, args=(ours,), daemon=True)
        listening.start()
        self._closing.callback(process.wait, _PATIENCE_S)
        self._closing.callback(ours.close)
        self._closing.callback(listening.join, _PATIENCE_S)
        self._closing.callback(ours.shutdown, socket.SHUT_WR)
        return ours

    def _listen(self, orders: socket.socket) -> None:
        with orders.makefile(encoding="ascii") as lines:
            for line in lines:
                word, pid, *rest = line.split()
                with self._condition:
                    if word == "born":
                        self._born.append(int(pid))
                        self._condition.notify_all()
                    else:
                        self._part(int(pid), int(rest[0]))

    def _part(self, pid: int, code: int) -> None:
        child = self._children.pop(pid, None)
        if child is None:
            self._ended[pid] = code  # before it was known to be born
        else:
            child.ended(code)


def _streams(
    stack: ExitStack, stdin: int | None, stdout: int | None, stderr: int | None
) -> tuple[list[int], list[Stream]]:
    """Their ends of the three streams, closed with the stack, and ours."""
    theirs: list[int] = []
    ours: list[Stream] = []
    for number, wanted in enumerate((stdin, stdout, stderr)):
        if wanted == PIPE:
            ends = os.pipe() if number else os.pipe()[::-1]
            ours.append(os.fdopen(ends[0], "r" if number else "w", encoding="utf-8"))
            theirs.append(ends[1])
            stack.callback(os.close, ends[1])
        elif wanted is None and number == 0:
            theirs.append(os.open(os.devnull, os.O_RDONLY))
            stack.callback(os.close, theirs[-1])
            ours.append(None)
        else:
            theirs.append(number if wanted is None else wanted)
            ours.append(None)
    return theirs, ours
