"""A folder and an environment, and commands that are run there."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from comfyclient.cli import run_app
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.scripted import ScriptedServer

from ..nursery import Child, Nursery

COMMAND = ("-m", "comfyclient")
TEMPLATE = "trip-postcard@1.0.0"
UNANSWERED = ("GET /api/jobs/{id}", "GET /queue", "GET /history/{id}")


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Shell:
    """A folder with a configuration, and the command run in it."""

    def __init__(
        self, folder: Path, url: str, patch: pytest.MonkeyPatch, nursery: Nursery
    ) -> None:
        patch.chdir(folder)
        self._patch = patch
        self._nursery = nursery
        self.folder = folder
        self.url = url
        self.ledger_file = folder / "jobs.db"
        self.graph = folder / "graph.json"
        self.graph.write_text(json.dumps(GRAPH), encoding="utf-8")
        self.configure()

    def configure(self, more: str = "", *, token: bool = False) -> None:
        """Write comfyclient.toml."""
        (self.folder / "comfyclient.toml").write_text(
            f"""
default_environment = "test"
[environments.test]
ledger = "sqlite:///{self.ledger_file}"
[environments.test.deadlines]
total_s = 40
grace_s = 0.2
{more}
[[environments.test.instances]]
name = "one"
url = "{self.url}"
{'token_env = "NOT_SET"' if token else ""}
[environments.local]
transport = "embedded"
""",
            encoding="utf-8",
        )

    def run(self, *arguments: str, encoding: str = "utf-8") -> Done:
        """The command in this process, to its end: many are quick so."""
        written = [io.BytesIO(), io.BytesIO()]
        streams = [io.TextIOWrapper(each, encoding=encoding) for each in written]
        self._patch.setattr(sys, "argv", ["comfyclient", *arguments])
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            try:
                run_app()
            except SystemExit as end:
                code = end.code
        for stream in streams:
            stream.flush()
        stdout, stderr = (each.getvalue().decode(encoding) for each in written)
        assert isinstance(code, int)
        return Done(code, stdout, stderr)

    def child(self, *arguments: str) -> Done:
        """The command in a process of its own, to its end."""
        with self.running(*arguments) as process:
            stdout, stderr = process.communicate(timeout=150)
            return Done(process.returncode, stdout, stderr)

    def json(self, *arguments: str) -> Any:
        """What the command told with --json."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Child]:
        """The command, while it runs."""
        with self._nursery.start(*COMMAND, *arguments, cwd=self.folder) as process:
            try:
                yield process
            finally:
                process.kill()

    def on_terminal(self, *arguments: str, columns: int) -> str:
        """What the command shows on a terminal of so many columns."""
        return shown_on_terminal(
            self._nursery, *arguments, folder=self.folder, columns=columns
        )

    def ledger(self) -> Ledger:
        """The ledger, open."""
        return Ledger(self.ledger_file).open()

    def intend(self, *job_ids: str, **more: Any) -> None:
        """Jobs that were written down and not sent."""
        with closing(self.ledger()) as ledger:
            for job_id in job_ids:
                ledger.intend(
                    JobIntent(
                        job_id=job_id,
                        environment="test",
                        digest=uuid4().hex,
                        **{"template": TEMPLATE, **more},
                    )
                )


def shown_on_terminal(
    nursery: Nursery, *arguments: str, folder: Path, columns: int
) -> str:
    """What a command shows on a terminal of so many columns; it ends well."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        size = struct.pack("HHHH", 50, columns, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        process = nursery.start(
            *(*COMMAND, *arguments),
            cwd=folder,
            env={**os.environ, "TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        shown = b""
        while chunk := _read(screen):
            shown += chunk
        assert process.wait(timeout=100) == 0, shown
    return shown.decode("utf-8").replace("\r\n", "\n")


def _read(screen: Any) -> bytes:
    try:
        return bytes(screen.read(65536))
    except OSError:  # how Linux tells that the other side was closed
        return b""


def killed(shell: Shell, server: ScriptedServer, *options: str) -> None:
    """Run the graph, and kill the process while the server works on it."""
    before = server.executions.total()
    with shell.running("run", str(shell.graph), *options) as process:
        server.await_that(
            lambda: server.executions.total() > before and server.stage.running,
            timeout=100,
        )
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=100)


def await_progress(process: Child) -> None:
    """Return once the command has told how its job goes."""
    assert process.stderr is not None
    while line := process.stderr.readline():
        if "%" in line and "queued" not in line:
            return
    raise AssertionError("the command ended before it told of its job")
