"""`config show` and `config path`: what is in force, from where, without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comfyclient.commands.config import overrides_of, show_config, show_path
from comfyclient.errors import ConfigError, UsageError

FILE = """\
default_environment = "test"
[environments.test]
ledger = "postgresql://jobs:s3cret@db/jobs"
[[environments.test.instances]]
name = "a"
url = "http://u:s3cret@a/x?token=s3cret"
window = 3
headers = { X-Api-Key = "s3cret", X-Trace = "on" }
[environments.prod]
protected = true
[[environments.prod.instances]]
name = "p"
url = "http://p"
[[environments.test.instances]]
name = "b"
url = "http://b"
token = "s3cret"
"""


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration file above the working directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A configuration file that is found by itself."""
    file = tmp_path / "comfyclient.toml"
    file.write_text(FILE, encoding="utf-8")
    return file


def values(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What was shown as JSON."""
    return json.loads(capsys.readouterr().out)["values"]


def test_what_is_in_force_and_from_where(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each value says whether it is a default, or which line, variable or argument."""
    variable = "COMFYCLIENT_ENVIRONMENTS__TEST__DEADLINES__QUEUE_S"
    monkeypatch.setenv(variable, "200")
    show_config(given=["deadlines.total_s=900"], as_json=True)
    shown = values(capsys)
    under = "environments.test"
    assert shown[f"{under}.deadlines.total_s"] == {
        "value": 900.0, "from": "argument", "at": "argument deadlines.total_s",
    }  # fmt: skip
    assert shown[f"{under}.deadlines.queue_s"] == {
        "value": 200.0, "from": "variable", "at": f"variable {variable}",
    }  # fmt: skip
    assert shown[f"{under}.deadlines.silence_s"] == {
        "value": 120, "from": "default", "at": None,
    }  # fmt: skip
    assert shown[f"{under}.instances.a.name"] == {
        "value": "a", "from": "file", "at": f"{file}:5",
    }  # fmt: skip


def test_secrets_are_masked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither as text nor as JSON, on neither stream, is any of them shown."""
    for as_json in (True, False):
        show_config(as_json=as_json)
        told = capsys.readouterr()
        assert "s3cret" not in told.out + told.err
        assert "http://…@a/x?…" in told.out
        assert "postgresql://…@db/jobs" in told.out
        assert "on" in told.out
        assert told.err.count("warning: ") == 4


def test_another_environment(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--env` chooses it, and nothing of the others is shown."""
    show_config(env="prod")
    told = capsys.readouterr().out
    assert "environments.prod.protected" in told
    assert "comfyclient.toml:10" in told
    assert "environments.test" not in told
    assert "prod.db" in told


def test_one_that_is_not_there(file: Path) -> None:
    """A wrong name is an error with what was perhaps meant."""
    with pytest.raises(ConfigError, match="did you mean 'prod'"):
        show_config(env="prd")


def test_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """The defaults are shown: one environment, on the embedded engine."""
    show_config(as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["file"], shown["environment"]) == (None, "local")
    assert shown["values"]["environments.local.transport"]["value"] == "embedded"
    show_path()
    told = capsys.readouterr()
    assert told.out == ""
    assert "no comfyclient.toml" in told.err


def test_the_path(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Stdout holds the file's path, and nothing else."""
    show_path()
    assert capsys.readouterr().out == f"{file}\n"
    show_path(config=file, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"file": str(file)}


def test_what_set_takes() -> None:
    """KEY=VALUE; only the first equals sign parts them."""
    assert overrides_of(None) == {}
    assert overrides_of(["a.b=1", " c =x=y"]) == {"a.b": "1", "c": "x=y"}
    for wrong in ("a", "=1", ""):
        with pytest.raises(UsageError, match="KEY=VALUE"):
            overrides_of([wrong])


def test_set_is_not_quoted_when_it_is_wrong() -> None:
    """What was typed may be a token."""
    with pytest.raises(UsageError) as caught:
        overrides_of(["s3cret"])
    assert "s3cret" not in str(caught.value)


def test_folders_are_shown_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As paths, and as an array to a script."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "comfyclient.toml").write_text('templates = ["a", "/b"]')
    show_config(as_json=True)
    shown = json.loads(capsys.readouterr().out)["values"]["templates"]
    show_config()

    assert shown["value"] == [str(tmp_path / "a"), "/b"]
    assert f"{tmp_path / 'a'}, /b" in capsys.readouterr().out
