"""The nodes that ask DashScope, called as a ComfyUI calls them."""

from __future__ import annotations

from typing import Any

from comfyclient.comfy_nodes.account import Account
from comfyclient.comfy_nodes.qwen import QwenText
from comfyclient.comfy_nodes.wan import WanImage

ACCOUNT = Account("https://dashscope.aliyuncs.com/api/v1", "sk-secret")


def say(**changes: Any) -> str:
    """Ask for a text."""
    values: dict[str, Any] = {
        "model": "qwen3.6-plus", "system": "Be brief.", "prompt": "A line, please.",
        "temperature": 0.7, "max_tokens": 64, "seed": 5,
    }  # fmt: skip
    return QwenText().ask(**values | changes)[0]


def paint(**changes: Any) -> tuple[Any, str]:
    """Order pictures; of a small size, so that it is quick."""
    values: dict[str, Any] = {
        "model": "wan2.2-t2i-flash", "prompt": "a road", "negative_prompt": "",
        "width": 512, "height": 512, "n": 1, "seed": 7,
    }  # fmt: skip
    return WanImage().paint(**values | changes)
