"""The commands about node packs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import comfyclient.comfy_nodes as ours
from comfyclient.commands.nodes import nodes
from comfyclient.errors import UsageError
from comfyclient.packs.own import PACK_FOLDER, pack_version

OURS = str(Path(ours.__file__).parent)
BAD = "import requests\n" + "requests.get('x')\n" * 7


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    """A base directory of a ComfyUI."""
    for name in ("custom_nodes", "models"):
        (tmp_path / "base" / name).mkdir(parents=True)
    return tmp_path / "base"


def test_install_tells_what_it_did_and_what_is_left_to_do(comfyui: Path) -> None:
    """Once it installs, then there is nothing to do."""
    first, second = (CliRunner().invoke(nodes, ["install", str(comfyui)]) for _ in "12")

    assert first.exit_code == 0
    assert first.stdout.startswith("installed: ")
    assert "Restart the ComfyUI" in first.stdout
    assert second.stdout.strip().endswith(f"is version {pack_version()} already")


def test_install_tells_a_script_the_same(comfyui: Path) -> None:
    """One object on stdout."""
    done = CliRunner().invoke(nodes, ["install", str(comfyui), "--json"])
    assert json.loads(done.stdout) == {
        "target": str(comfyui / "custom_nodes" / PACK_FOLDER),
        "version": pack_version(),
        "action": "installed",
        "before": None,
        "kept_aside": None,
    }


def test_install_refuses_what_is_no_comfyui(tmp_path: Path) -> None:
    """The command line shows the error, and exits 2."""
    done = CliRunner().invoke(nodes, ["install", str(tmp_path)])
    assert isinstance(done.exception, UsageError)


def test_a_check_ends_with_its_verdict_and_its_exit_code(tmp_path: Path) -> None:
    """No more than five findings of a rule, unless all are asked for."""
    (tmp_path / "__init__.py").write_text(BAD, "utf-8")
    good = CliRunner().invoke(nodes, ["check", OURS])
    bad = CliRunner().invoke(nodes, ["check", str(tmp_path), "--why"])
    whole = CliRunner().invoke(nodes, ["check", str(tmp_path), "--all"])

    assert (good.exit_code, bad.exit_code) == (0, 1)
    assert good.stdout.splitlines()[-1].endswith("12 nodes, 0 errors, 0 warnings")
    assert bad.stdout.count("has no timeout [timeout]") == 5
    assert "and 2 × timeout" in bad.stdout
    assert "timeout: a server has one worker" in bad.stdout
    assert whole.stdout.count("has no timeout [timeout]") == 7


def test_a_check_tells_a_script_each_finding(tmp_path: Path) -> None:
    """Rule, level, place and reason."""
    (tmp_path / "__init__.py").write_text(BAD, "utf-8")
    done = CliRunner().invoke(nodes, ["check", str(tmp_path), "--json"])
    report = json.loads(done.stdout)

    assert done.exit_code == 1
    assert report["ok"] is False
    assert {one["rule"] for one in report["findings"]} == {
        *("mappings", "timeout", "import-work")
    }
    assert all(one["why"] and one["file"] for one in report["findings"])
