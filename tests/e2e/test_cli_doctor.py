"""`comfyclient doctor`, as a person or a script runs it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from comfyclient import comfy_nodes
from comfyclient.cli import app
from comfyclient.errors import UsageError
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing import EasGateway

from ..nursery import Nursery
from .shells import shown_on_terminal

TOKEN = "ZDQ1YjA2-stand-in-token-0123"
Run = Callable[..., Any]


@pytest.fixture(scope="module")
def gateway() -> Iterator[EasGateway]:
    """A gateway before an engine with our nodes."""
    with (
        EmbeddedEngine(None, node_packs=(comfy_nodes,)) as engine,
        EasGateway(comfyui=engine.url, token=TOKEN) as gateway,
    ):
        yield gateway


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: EasGateway) -> Run:
    """Run commands in a folder whose configuration has the gateway as `test`."""
    (tmp_path / "comfyclient.toml").write_text(
        f"""\
default_environment = "test"
[environments.test]
ledger = "sqlite:///jobs.db"
pins = {{ trip-postcard = "==1.0.0" }}
[[environments.test.instances]]
name = "a"
url = "{gateway.url}"
token_env = "EAS_TOKEN"
[environments.prod]
protected = true
[[environments.prod.instances]]
name = "p"
url = "{gateway.url}x"
token_env = "EAS_TOKEN"
"""
    )
    monkeypatch.setenv("EAS_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["doctor", *arguments])


def test_each_check_is_a_line_and_the_end_is_a_count(run: Run, tmp_path: Path) -> None:
    """Nothing fails: the code is 0, though there are warnings; nothing was written."""
    done = run()

    assert done.exit_code == 0, done.stdout
    lines = done.stdout.splitlines()
    assert "ok       edition of a: a ComfyUI" in done.stdout
    assert lines[-1].startswith("environment test: ")
    assert "0 fail" in lines[-1]
    assert TOKEN not in done.stdout + done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["comfyclient.toml"]


def test_a_script_reads_json_and_a_code(run: Run, monkeypatch: Any) -> None:
    """A wrong token fails; what could not be asked then is skipped."""
    monkeypatch.setenv("EAS_TOKEN", f"{TOKEN}-wrong")
    done = run("--json")

    found = json.loads(done.stdout)
    by_kind = {one["check"]: one for one in found["checks"]}
    assert (done.exit_code, found["ok"]) == (1, False)
    assert by_kind["token"]["status"] == "fail"
    assert by_kind["token"]["remedy"]
    assert by_kind["version"]["status"] == "skipped"
    assert sum(found["counts"].values()) == len(found["checks"])
    assert TOKEN not in done.stdout


def test_a_terminal_shows_a_table(run: Run, nursery: Nursery) -> None:
    """Evidence and remedy in one column, folded to the terminal's width."""
    shown = shown_on_terminal(nursery, "doctor", folder=Path.cwd(), columns=70)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()

    assert any("what was found, and what to do" in line for line in lines)
    assert all(len(line.rpartition("\r")[2].rstrip()) <= 70 for line in lines)
    assert any("→ lock what was tried" in line for line in lines)


def test_the_embedded_engine_is_examined_too(run: Run) -> None:
    """With nothing configured for it."""
    done = run("--env", "local")
    assert done.exit_code == 0, done.stdout
    assert "edition of local-engine" in done.stdout


def test_a_protected_environment_is_written_to_only_when_that_is_meant(
    run: Run,
) -> None:
    """Looking needs no confirmation."""
    refused = run("--env", "prod", "--write-probe")
    assert isinstance(refused.exception, UsageError)
    assert "write into its storage" in str(refused.exception)
    assert run("--env", "prod").exit_code == 1
