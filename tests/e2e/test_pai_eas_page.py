"""The page `docs/pai-eas.md`: its configuration and commands, as printed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from comfyclient.cli import app
from comfyclient.commands.ends import exit_code
from comfyclient.errors import ComfyClientError
from comfyclient.testing import EasGateway, Produced, QueueFrame
from comfyclient.testing.eas_inference import instant
from comfyclient.testing.pictures import png

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pai-eas.md").read_text("utf-8")
URL = "http://1234.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy_test"
MISSING = "comfyclient eas layout --env test --check"
"""The one command that does not succeed: no model is in the mount."""


def fenced(kind: str) -> list[str]:
    """The page's blocks of a kind, without their margin."""
    blocks = re.findall(rf"^( *)```{kind}\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{margin}", "", text, flags=re.M) for margin, text in blocks]


def commands() -> list[str]:
    """Every line of ours that the page has to be typed."""
    lines = "".join(fenced("sh")).replace("\\\n", "").splitlines()
    return [line for line in lines if line.startswith("comfyclient ")]


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[EasGateway]:
    """A service whose instances put a picture into the mount."""
    made = tmp_path / "mount" / "output"
    made.mkdir(parents=True)

    def inference(request: QueueFrame) -> Produced:
        produced = instant(request)
        for output in json.loads(produced.body)[-1].values():
            (made / output["images"][0]["filename"]).write_bytes(png())
        return produced

    with EasGateway(
        edition="api", token="secret", inference=inference, max_payload=16384
    ) as gateway:
        yield gateway


@pytest.fixture
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: EasGateway
) -> Path:
    """A folder with the page's configuration, for test and for prod.

    Beside it another one, whose service and mount of test are on this machine.
    """
    (printed,) = fenced("toml")
    prod = printed.replace("test", "prod").replace("TEST", "PROD")
    (tmp_path / "comfyclient.toml").write_text(printed + prod)
    here, _, storage = printed.replace(URL, gateway.url).partition('kind = "oss"')
    assert "bucket" in storage
    mount = f'kind = "mount"\nroot = "{tmp_path}/mount"\n'
    (tmp_path / "here.toml").write_text(here + mount)
    trip = ROOT / "examples" / "trips" / "black-forest-weekend.json"
    shutil.copy(trip, tmp_path / "trip.json")
    (tmp_path / "car.safetensors").write_bytes(b"weights")
    for name in ("EAS_TEST_TOKEN", "EAS_PROD_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(command: str, folder: Path) -> int:
    """How a command of the page ends; what goes into a file is there then."""
    words = shlex.split(command.replace("…", "1"), comments=True)[1:]
    target = None
    if ">" in words:
        target = words[words.index(">") + 1]
        words = words[: words.index(">")]
    pure = words[:2] in (["eas", "spec"], ["eas", "access"])
    config = "comfyclient.toml" if pure else "here.toml"
    done = CliRunner().invoke(app, words, env={"COMFYCLIENT_CONFIG": config})
    if target is not None:
        (folder / target).write_text(done.stdout)
    if isinstance(done.exception, ComfyClientError):
        return exit_code(done.exception)
    return done.exit_code


def test_every_command_works_as_printed(folder: Path, gateway: EasGateway) -> None:
    """From the doctor to the first picture, access, spec, and layout."""
    assert len(commands()) >= 12
    for command in commands():
        wanted = 1 if command.startswith(MISSING) else 0
        assert typed(command, folder) == wanted, command
    assert list(folder.rglob("*.png"))
    assert (folder / "mount/models/loras/car.safetensors").read_bytes() == b"weights"
    assert json.loads((folder / "test.json").read_text())["metadata"]["type"] == "Async"
    for name in ("run", "push", "look"):
        assert json.loads((folder / f"{name}.json").read_text())["Statement"], name
    assert (
        len({r.query["task_id"] for r in gateway.requests if r.method == "POST"}) == 1
    )
