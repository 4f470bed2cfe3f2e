"""Commands in a folder with a configuration, with and without a terminal."""

from __future__ import annotations

import json
import os
import pty
from pathlib import Path

import pytest
from typer.testing import CliRunner

from comfyclient.cli import app
from comfyclient.commands.ends import exit_code
from comfyclient.errors import ComfyClientError

from ...nursery import Nursery
from .shop import CONFIG, GRAPH, AtATerminal, Done, Run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run commands in a folder with a configuration, without a terminal."""
    (tmp_path / "comfyclient.toml").write_text(CONFIG)
    (tmp_path / "graph.json").write_text(json.dumps(GRAPH))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> Done:
        done = CliRunner().invoke(app, arguments)
        code, err = done.exit_code, done.stderr
        if isinstance(done.exception, ComfyClientError):
            code, err = exit_code(done.exception), f"{err}{done.exception}"
        elif done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(code, done.stdout, err)

    return command


@pytest.fixture
def at_a_terminal(nursery: Nursery, tmp_path: Path) -> AtATerminal:
    """In the test's folder."""

    def asked(answers: str, *arguments: str) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        os.write(ours, answers.encode())
        try:
            done = nursery.run(
                "-m", "comfyclient", *arguments, cwd=tmp_path, stdin=theirs
            )
        finally:
            os.close(ours)
            os.close(theirs)
        return done.returncode, done.stdout + done.stderr

    return asked
