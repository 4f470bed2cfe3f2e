"""Where optional packages are not installed: which one is missing, and its remedy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CONFIG = """
dashscope.key = "sk-test"
dashscope.text = "qwen3.6-plus"
environments.local.transport = "embedded"

[[environments.hosted.instances]]
name = "one"
url = "http://127.0.0.1:9"

[[environments.oss.instances]]
name = "one"
url = "http://127.0.0.1:10"

[environments.oss.storage]
kind = "oss"
bucket = "pictures"
endpoint = "https://oss-cn-shanghai.aliyuncs.com"
region = "cn-shanghai"
"""
PROGRAM = """
import json, sys

for name in ("aiohttp", "dashscope", "numpy", "opentelemetry", "oss2", "PIL", "typer"):
    sys.modules[name] = None  # importing it fails as if it were not there

from comfyclient import Client, Workflow, errors
from comfyclient.extras import clean_photo, thumbnailer

GRAPH = {"1": {"class_type": "SaveImage", "inputs": {}}}


def of(environment):
    return Client.from_config(environment=environment)


def telemetry():
    import comfyclient.telemetry


def command_line():
    from comfyclient.__main__ import main
    main()


def told(call):
    try:
        call()
    except errors.MissingExtraError as error:
        return str(error)
    except SystemExit as end:
        return str(end.code)


print(json.dumps({
    "local": told(lambda: of("local").run(Workflow.from_graph(GRAPH))),
    "dashscope": told(lambda: of("hosted").models.copywriter()),
    "oss": told(lambda: of("oss").run(Workflow.from_graph(GRAPH))),
    "photos": told(lambda: clean_photo(b"", max_megapixels=1)),
    "report": told(thumbnailer),
    "otel": told(telemetry),
    "cli": told(command_line),
}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a process without them is told, by what it tried."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "comfyclient.toml").write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("tried", "package", "extra"),
    [
        ("local", "numpy", "local"),
        ("dashscope", "dashscope", "dashscope"),
        ("oss", "oss2", "oss"),
        ("photos", "PIL", "photos"),
        ("report", "PIL", "local"),
        ("otel", "opentelemetry", "otel"),
    ],
)
def test_what_is_missing_is_named_with_its_extra(
    told: dict[str, str], tried: str, package: str, extra: str
) -> None:
    """One error for all of them: the package, and what to install."""
    assert f"{package}, which is not installed" in told[tried]
    assert f"hint: pip install 'comfyclient[{extra}]'" in told[tried]


def test_a_command_line_without_its_packages(told: dict[str, str]) -> None:
    """One sentence, no traceback."""
    assert told["cli"].endswith("pip install 'comfyclient[cli]'")
