"""What is told of an address that is none."""

from __future__ import annotations

import pytest

from comfyclient.config.urls import slip_in
from comfyclient.errors import ConfigError
from comfyclient.transports.eas_options import check_queue_url
from comfyclient.transports.endpoint import Endpoint

OWNER = "1234.cn-shanghai.pai-eas.aliyuncs.com"
RIGHT = f"http://{OWNER}/api/predict/comfy"


@pytest.mark.parametrize(
    "url",
    [
        RIGHT,
        f"{RIGHT}/",
        f"{RIGHT}//",
        f"{RIGHT}/api",
        RIGHT.upper().replace("/API/PREDICT/COMFY", "/api/predict/comfy"),
        "https://gw-1-vpc.cn-shanghai.pai-eas.aliyuncs.com:8443/api/predict/comfy",
        "http://1234.vpc.cn-shanghai.pai-eas.aliyuncs.com./predict/comfy",
        f"http://comfy.{OWNER}",
        f"http://comfy.{OWNER}/api",
        "http://nlb-1.cn-shanghai.nlb.aliyuncs.com:9000/api/predict/comfy",
        "http://127.0.0.1:8188",
        "http://[::1]:8188/prompt",
        "https://comfy.example.com/api/predict?sig=a%2F",
        "http://长城.example",
    ],
)
def test_addresses(url: str) -> None:
    """Every shape that is known, and any ComfyUI's."""
    assert slip_in(url) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"{OWNER}/api/predict/comfy", "no scheme: write http://"),
        ("localhost:8188", "no scheme: write http://"),
        ("192.168.0.7", "no scheme: write http://"),
        ("my-service", "no host"),
        ("", "no host"),
        ("http:/127.0.0.1:8188", "no host"),
        ("http://", "no host"),
        ("ftp://h", "another scheme"),
        (RIGHT.replace("http", "wss"), "scheme of a websocket"),
        (f"http://{RIGHT}", "scheme twice"),
        (f" {RIGHT}", "at its ends"),
        (f"{RIGHT}\n", "at its ends"),
        (f"http://{OWNER} /api/predict/comfy", "a blank"),
        (f"{RIGHT}\u200b", "a control character"),
        ("http://<uid>.cn-shanghai.pai-eas.aliyuncs.com/", "a placeholder"),
        (f"http://{OWNER}/api/predict/${{SERVICE}}", "a placeholder"),
        ("http://h:81x", "malformed"),
        ("http://[::1", "malformed"),
        (f"http://{OWNER}", "no service in its path"),
        (f"http://{OWNER}/", "no service in its path"),
        (f"http://{OWNER}/api", "no service in its path"),
        (f"http://{OWNER}/api/predict/", "no service in its path"),
        (f"http://{OWNER}/comfy", "no service in its path"),
        (f"http://{OWNER}/API/Predict/comfy", "no service in its path"),
        (f"http://comfy.{OWNER}/api/predict", "no service in its path"),
        (f"http://{OWNER}//api/predict/comfy", "an empty step"),
        (f"{RIGHT}/prompt", "/prompt in its path, which we add"),
        (f"{RIGHT}/history/17", "/history in its path"),
        (f"{RIGHT}/sink/?_index_=0", "/sink in its path"),
        (f"http://comfy.{OWNER}/ws", "/ws in its path, which we add: end it with the"),
        ("http://10.0.0.1:9000/api/predict/comfy/api_prompt", "/api_prompt"),
    ],
)
def test_slips(url: str, words: str) -> None:
    """Each is told by what it is, with what to write."""
    told = slip_in(url)
    assert told is not None
    assert words in told


@pytest.mark.parametrize(
    ("url", "words", "hint"),
    [
        ("http://10.0.0.1:9000/api/predict", "names no service", "…/api/predict/"),
        ("http://10.0.0.1:9000/sink", "ends with /sink", "…/api/predict/"),
        (f"{RIGHT}/v1/", "goes on behind the service's name, with /v1", "end it"),
        (f"{RIGHT}?token=s3cret", "has a query", "token_env"),
        (f"http://comfy.{OWNER}/", "has no path", RIGHT),
        ("http://10.0.0.1", "has no path", "<uid>.<region>"),
    ],
)
def test_slips_in_the_address_of_a_queue(url: str, words: str, hint: str) -> None:
    """It takes more: nothing behind the service, and nothing that becomes a tag."""
    with pytest.raises(ConfigError, match=words) as caught:
        check_queue_url(Endpoint("n", url))
    assert caught.value.hint is not None
    assert hint in caught.value.hint
    assert "s3cret" not in str(caught.value)
