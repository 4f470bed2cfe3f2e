"""`comfyclient eas`, as a person or a script runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from comfyclient.cli import app
from comfyclient.errors import ServiceFileError, UsageError

CONFIG = """\
default_environment = "test"
[environments.test]
[[environments.test.instances]]
name = "a"
url = "http://1234.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy_test"
[environments.test.storage]
kind = "oss"
bucket = "nev-aigc"
endpoint = "https://oss-cn-shanghai.aliyuncs.com"
prefix = "comfyui/test/"
"""

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run commands in a folder with a configuration."""
    (tmp_path / "comfyclient.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["eas", *arguments])


def test_json_is_clean_and_what_is_doubtful_stands_beside_it(run: Run) -> None:
    """eascmd reads stdout; a person reads stderr."""
    done = run("spec", "--vpc", "vpc-1,vsw-1,sg-1", "--gpu", "l20")

    assert done.exit_code == 0
    assert json.loads(done.stdout)["metadata"]["name"] == "comfy_test"
    assert "stated by third parties: cloud.computing.instances[0].type" in done.stderr
    assert "inferred: metadata.enable_webservice" in done.stderr


def test_every_key_is_explained_on_demand(run: Run) -> None:
    """As comments in the text, or as a table beside it."""
    commented = run("spec", "--format", "jsonc").stdout
    explained = run("spec", "--explain")

    assert "// [documented] Bucket and prefix, ending in /." in commented
    assert "| `storage[0].oss.path` |" in explained.stderr
    assert json.loads(explained.stdout)
    assert "| `storage[0].oss.path` |" in run("spec", "--format", "markdown").stdout


def test_a_file_is_written_and_checked_again(run: Run, tmp_path: Path) -> None:
    """Comments and all; after a wrong edit its line is named."""
    file = tmp_path / "test.eas.jsonc"
    assert run("spec", "--format", "jsonc", "--out", str(file)).exit_code == 0
    done = run("spec", "--check", str(file))
    assert done.stdout == f"{file}: standard edition for environment test: ok\n"

    text = file.read_text()
    file.write_text(text.replace("--data-dir /code/data-oss", "--data-dir /code"))
    refused = run("spec", "--check", str(file))
    assert isinstance(refused.exception, ServiceFileError)
    line = next(
        number
        for number, one in enumerate(text.splitlines(), 1)
        if one.strip().startswith('"command"')
    )
    assert f"test.eas.jsonc:{line}: containers[0].command: --data-dir is /code" in str(
        refused.exception
    )


def test_two_services_share_no_storage(run: Run, tmp_path: Path) -> None:
    """That of another one is told by its file."""
    other = tmp_path / "other.json"
    other.write_text(run("spec").stdout)
    done = run("spec", "--beside", str(other))
    assert isinstance(done.exception, ServiceFileError)
    assert "files would mix" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("spec", "--vpc", "vpc-1"), "takes three ids"),
        (("spec", "--vpc", "1,2,3"), "cloud.networking|vpc_id"),
        (("spec", "--autoscale", "many"), "MIN:MAX"),
        (("spec", "--autoscale", "1:4"), "standard edition keeps its jobs"),
        (("spec", "--instances", "3"), "standard edition keeps its jobs"),
        (("spec", "--edition", "api"), "transport 'comfyui'"),
        (("spec", "--check", "none.json"), "cannot be read: No such file"),
        (("spec", "--out", "none/x.json"), "cannot be written"),
        (("spec", "--name", "X"), "metadata.name|String should match"),
        (("spec", "--env", "local"), "embedded engine"),
    ],
)
def test_wrong_use_is_told(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """With what would be right, and nothing on stdout."""
    done = run(*arguments)

    assert isinstance(done.exception, UsageError)
    assert any(word in str(done.exception) for word in words.split("|"))
    assert done.stdout == ""
