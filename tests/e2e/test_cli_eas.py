"""`comfyclient eas`, as a person or a script runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import comfyclient
from comfyclient.cli import app
from comfyclient.errors import ComfyClientError, ServiceFileError, UsageError

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
    asked = run("spec", "--vpc", "vpc-1,vsw-1,sg-1", "--gpu", "l20", "--out", "-")
    assert asked.stdout == done.stdout
    assert not Path("-").exists()


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
        (("spec", "--keepalive", "nan"), "a request may take 1 to"),
        (("spec", "--autoscale", "1:2", "--backlog", "inf"), "finite"),
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


# -- access


def test_ways_and_grants_are_told_before_anything_is_there(run: Run) -> None:
    """For people, for a script, and as RAM takes a policy."""
    shown, told = run("access"), json.loads(run("access", "--json").stdout)
    policy = json.loads(run("access", "--policy", "--purpose", "push").stdout)

    assert "1234.cn-shanghai.pai-eas.aliyuncs.com:80" in shown.stdout
    assert "RAM policy to run, and nothing else" in shown.stdout
    assert [way["from"] for way in told["ways"]][:3] == ["client", "client", "service"]
    assert told["policy"]["Version"] == policy["Version"] == "1"
    assert told["policy"] != policy
    refused = run("access", "--policy", "--env", "local")
    assert isinstance(refused.exception, UsageError)


# -- layout


@pytest.fixture
def mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The mounted folder of an environment `nas`, protected; `web` has only HTTP."""
    folder = tmp_path / "mount"
    folder.mkdir()
    (tmp_path / "comfyclient.toml").write_text(
        f"""\
default_environment = "nas"
[environments.nas]
protected = true
pins = {{ trip-postcard = "==1.0.0" }}
[[environments.nas.instances]]
name = "a"
url = "http://127.0.0.1:1"
[environments.nas.storage]
kind = "mount"
root = "{folder}"
[environments.web]
[[environments.web.instances]]
name = "w"
url = "http://127.0.0.1:2"
[environments.guest]
shared_with = {{ nas = "it looks" }}
[[environments.guest.instances]]
name = "g"
url = "http://127.0.0.1:3"
[environments.guest.storage]
kind = "mount"
root = "{folder}"
"""
    )
    monkeypatch.chdir(tmp_path)
    return folder


def test_what_must_lie_where_is_told_without_looking(run: Run, mount: Path) -> None:
    """For the pinned templates, with sizes and where to get it."""
    done = run("layout", "--json")

    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert found["templates"] == ["trip-postcard@1.0.0"]
    assert {one["state"] for one in found["needs"]} == {"unknown"}
    assert all(one["expected_size"] > 0 for one in found["needs"])
    assert "custom_nodes/comfyclient_trip/ (" in run("layout").stdout


def test_what_is_missing_is_pushed_once(run: Run, mount: Path, tmp_path: Path) -> None:
    """Then it is there, and it is said which restart makes it visible."""
    assert run("layout", "--check").exit_code == 1
    model = tmp_path / "car.safetensors"
    model.write_bytes(b"weights")
    (mount / "output").mkdir()
    (mount / "output" / "a.png").write_bytes(b"12345")

    push = ("layout", "--push", "--confirm", "nas", "--file", f"models/loras/={model}")
    first, again = run(*push), run(*push)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "to be done now: restart the ComfyUI process" in first.stderr
    assert "0 files were sent" in again.stderr
    assert "to be done now" not in again.stderr
    assert (mount / "models/loras/car.safetensors").read_bytes() == b"weights"

    pack = mount / "custom_nodes" / "comfyclient_trip"
    source = Path(comfyclient.__file__).parent / "comfy_nodes"
    assert {file.name for file in pack.iterdir()} == {
        file.name for file in source.glob("*.*")
    }
    checked = run("layout", "--check", "--json")
    found = json.loads(checked.stdout)
    assert checked.exit_code == 0
    assert {one["state"] for one in found["needs"]} == {"there"}
    assert found["folders"]["output"] == {"files": 1, "bytes": 5, "more": False}
    assert found["folders"]["temp"]["files"] == 0


def test_an_older_pack_is_told_apart(run: Run, mount: Path) -> None:
    """By the size of its files."""
    assert run("layout", "--push", "--confirm", "nas").exit_code == 0
    (mount / "custom_nodes/comfyclient_trip/scene.py").write_bytes(b"older")
    done = run("layout", "--check")
    assert done.exit_code == 1
    assert "1 of another size" in done.stdout
    assert "5, not " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--push",), "must be confirmed"),
        (("--push", "--confirm", "nas", "--file", "x"), "PATH=FILE"),
        (("--push", "--confirm", "nas", "--file", "output/x=y"), "in no folder"),
        (("--push", "--confirm", "nas", "--file", "models/x=none"), "is no file"),
        (
            ("--push", "--confirm", "nas", "--file", "models/../x=comfyclient.toml"),
            "..",
        ),
        (("--file", "models/x=y"), "add --push"),
        (("--check", "--env", "web"), "kind 'view'"),
        (
            ("--push", "--env", "guest", "--file", "models/x=comfyclient.toml"),
            "another's",
        ),
    ],
)
def test_wrong_pushes_are_refused(
    run: Run, mount: Path, arguments: tuple[str, ...], words: str
) -> None:
    """Before anything is written."""
    done = run("layout", *arguments, "--no-pack")
    assert isinstance(done.exception, ComfyClientError), done.exception
    assert words in str(done.exception)
    assert not [file for file in mount.rglob("*") if file.is_file()]
