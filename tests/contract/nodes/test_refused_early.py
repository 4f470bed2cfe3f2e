"""What could not be asked, or would be paid for nothing, is refused before."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from comfyclient.comfy_nodes.account import GONE, account, wrong_setting
from comfyclient.comfy_nodes.qwen import QwenText, QwenVision
from comfyclient.comfy_nodes.wan import WanImage
from comfyclient.comfy_nodes.wan_sizes import check_size, longest_prompt
from comfyclient.testing import DashScopeServer

from .asking import paint, say


def test_without_a_key_the_job_is_refused_before_it_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The check says which variable is missing; a file does as well."""
    for node in (QwenText, QwenVision, WanImage):
        assert "DASHSCOPE_API_KEY is not set" in str(node.VALIDATE_INPUTS(model="m"))
    (tmp_path / "key").write_text("sk-of-a-file\n")
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(tmp_path / "key"))
    assert QwenText.VALIDATE_INPUTS(model="qwen3.6-plus") is True
    assert account().key == "sk-of-a-file"
    assert "sk-of" not in repr(account())


@pytest.mark.parametrize(
    "address",
    [
        "http://dashscope.aliyuncs.com/api/v1",
        "ftp://127.0.0.1/",
        "https://a:b@host/",
        "x",
    ],
)
def test_a_key_goes_to_no_address_that_would_show_it(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Plain http is for a stand-in on the same machine alone."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", address)
    said = wrong_setting(None)
    assert said is not None
    assert said.startswith("DASHSCOPE_HTTP_BASE_URL: ")
    assert "sk-secret" not in said


@pytest.mark.parametrize("name", sorted(GONE))
def test_a_retired_model_is_refused_with_its_successor(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before anything is asked."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")
    said = str(WanImage.VALIDATE_INPUTS(model=name))
    assert said == f"model: {name} is no longer there; use {GONE[name]}"


def test_netrc_does_not_take_the_keys_place(
    service: DashScopeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """requests would send a password of the file's instead."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth(service.url) == ("a", "b")
    assert say()
    assert paint()[0].shape[0] == 1
    results = [r for r in service.requests if r.path.startswith("/results/")]
    assert [r for r in results if "authorization" in r.headers] == []


@pytest.mark.parametrize(
    ("model", "width", "height", "fits"),
    [
        ("wan2.6-t2i", 1280, 1280, True),
        ("wan2.6-t2i", 1024, 1024, False),
        ("wan2.5-t2i-preview", 2800, 640, False),
        ("wan2.2-t2i-plus", 1440, 512, True),
        ("wan2.2-t2i-plus", 1448, 512, False),
        ("qwen-image-plus", 1664, 928, True),
        ("qwen-image-plus", 1280, 1280, False),
        ("a-model-of-2027", 600, 2800, True),
    ],
)
def test_sizes_are_checked_before_anything_is_paid(
    model: str, width: int, height: int, fits: bool
) -> None:
    """By the model; one that is not known is let through."""
    if fits:
        check_size(model, width, height)
        return
    with pytest.raises(ValueError, match=f"width, height: {model} makes no"):
        check_size(model, width, height)


def test_impossible_inputs_are_named_before_anything_is_asked(
    service: DashScopeServer,
) -> None:
    """Name, value, remedy; and no request."""
    for changes, said in (
        ({"prompt": " "}, "prompt: is empty"),
        (
            {"prompt": "x" * 501},
            "prompt: has 501 characters, wan2.2-t2i-flash takes 500",
        ),
        ({"negative_prompt": "x" * 501}, "negative_prompt: has 501"),
        ({"n": 5}, "n: out of range"),
        ({"seed": 2**31}, "seed: out of range"),
        ({"width": 100}, "width: out of range"),
        ({"partial": "maybe"}, "partial: not known"),
        ({"model": ""}, "model: "),
    ):
        with pytest.raises(ValueError, match=f"^{said}"):
            paint(**changes)
    assert service.requests == []
    assert longest_prompt("wan2.6-t2i") == 2100
