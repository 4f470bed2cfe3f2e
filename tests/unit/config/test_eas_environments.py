"""Slips that are made in an environment of PAI-EAS, each named with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyclient.config.settings import load
from comfyclient.errors import ConfigError

OSS = """\
[environments.test.storage]
kind = "oss"
bucket = "nev-aigc"
endpoint = "https://oss-cn-shanghai.aliyuncs.com"
prefix = "comfyui/test/"
"""
FILE = f"""\
default_environment = "test"

[environments.test]
transport = "eas-queue"
region = "cn-shanghai"

[environments.test.queue]
results = "watch"

[[environments.test.instances]]
name = "eas"
token_env = "T"
url = "http://1234.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy"

{OSS}"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("eas-queue", "eas_queue", "environments.test.transport: Input should be"),
        ("/comfy", "", "environments.test.instances[0].url: this url has no service"),
        ("/comfy", "/comfy/sink", "instances[0].url: this url has /sink in its path"),
        ("http://", "", "instances[0].url: this url has no scheme"),
        ('cn-shanghai"', 'shanghai"', "region: this is no region"),
        ('"watch"', '"websocket"', "queue.results: Input should be 'watch' or 'poll'"),
        ("results", "result", "unknown key environments.test.queue.result"),
        ('results = "watch"', 'group = "应用"', "queue.group: this takes up to 64 let"),
        ('results = "watch"', 'group = ""', "queue.group: this takes up to 64 letters"),
        ('results = "watch"', 'parking = "oss://b/x"', "queue.parking: this takes a f"),
        ("nev-aigc", "oss://nev-aigc/", "storage.bucket: this takes a bucket's name"),
        ("nev-aigc", "Nev-Aigc", "storage.bucket: this takes a bucket's name alone"),
        ("comfyui/test/", "oss://b/x/", "storage.prefix: this takes what stands behi"),
        ("//oss-cn", "//nev-aigc.oss-cn", "storage: endpoint begins with the bucket"),
        ('name = "eas"', 'name = "eas"\ntoken_file = "t"', "both say"),
        ("http://1234", "http://u:p@1234", "the user of url are one header"),
        (
            "[environments.test.storage]",
            "headers = {authorization = 'x'}\n[environments.test.storage]",
            "token_env and headers.authorization are one",
        ),
        ('bucket = "nev-aigc"\n', "", "storage: kind 'oss' needs bucket"),
        ('kind = "oss"', 'kind = "mount"', "storage of kind 'mount' needs root"),
        ('kind = "oss"', 'kind = "mount"\nroot = "oss://b/"', "storage.root: this tak"),
    ],
)
def test_slips(tmp_path: Path, old: str, new: str, words: str) -> None:
    """Where, which key, what is wrong with it, and nothing that confuses."""
    file = tmp_path / "comfyclient.toml"
    assert old in FILE
    file.write_text(FILE.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load(file, variables={})
    told = str(caught.value)
    assert words in told
    assert f"{file}:" in told
    assert "a table" not in told


def test_a_right_one(tmp_path: Path) -> None:
    """It has nothing to be told."""
    file = tmp_path / "comfyclient.toml"
    file.write_text(FILE)
    assert load(file, variables={}).warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("comfyui/test/", "comfyui/test/output/", "prefix"),
        ('kind = "oss"', 'kind = "mount"\nroot = "/mnt/comfyui/temp"', "root"),
    ],
)
def test_one_folder_too_deep(tmp_path: Path, old: str, new: str, key: str) -> None:
    """The folders of outputs are below what the service mounts, and found there."""
    file = tmp_path / "comfyclient.toml"
    file.write_text(FILE.replace(old, new))
    (told,) = load(file, variables={}).warnings
    assert f"environments.test.storage.{key} ends with" in told
    assert "name the one above it" in told


def test_a_queue_that_counts_for_nothing(tmp_path: Path) -> None:
    """Its keys are read by nobody where the transport is another."""
    file = tmp_path / "comfyclient.toml"
    file.write_text(FILE.replace("eas-queue", "comfyui"))
    (told,) = load(file, variables={}).warnings
    assert "environments.test.queue counts for nothing with transport 'comfyui'" in told
    assert "comfyclient.toml:7" in told
