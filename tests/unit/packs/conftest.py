"""A faultless pack, to be spoilt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

WritePack = Callable[..., Path]

GOOD = '''
"""A pack of one node."""

import random
import time

import requests

from comfy.utils import ProgressBar


class Blur:
    CATEGORY = "example"
    DESCRIPTION = "Blurs."
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "image": ("IMAGE",),
                "radius": ("INT", {"default": 2, "min": 0, "max": 9, "tooltip": "px"}),
                "way": (["a", "b"], {"default": "a", "tooltip": "How."}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 9, "tooltip": "s"}),
            },
            "optional": {
                "text": ("STRING", {"default": "", "tooltip": "t"}),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    def run(self, image, radius, way, seed, text="", unique_id=None):
        drawn = random.Random(seed).random()
        said = requests.get("https://example.com", timeout=5)
        bar = ProgressBar(10)
        for _ in range(10):
            time.sleep(0.1)
            bar.update(1)
        return (image,)


NODE_CLASS_MAPPINGS = {"Blur": Blur}
NODE_DISPLAY_NAME_MAPPINGS = {"Blur": "Blur"}
'''


@pytest.fixture
def write_pack(tmp_path: Path) -> WritePack:
    """Write the pack, with texts replaced and files added."""

    def write(*changes: tuple[str, str], **files: str) -> Path:
        folder = tmp_path / "pack"
        folder.mkdir(exist_ok=True)
        text = GOOD
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (folder / "__init__.py").write_text(text, "utf-8")
        for name, content in files.items():
            (folder / name.replace("_txt", ".txt")).write_text(content, "utf-8")
        return folder

    return write
