"""Nodes that count executions: a line each, in a file that outlives its server."""

# ruff: noqa: N802 - ComfyUI's node interface fixes these names

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

NAME = "tally.txt"


class Tally:
    """Passes a picture on, and writes down for which job."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Inputs of the node."""
        required = {"image": ("IMAGE",)}
        return {"required": required, "hidden": {"info": "EXTRA_PNGINFO"}}

    @classmethod
    def IS_CHANGED(cls, **_inputs: Any) -> float:
        """Never taken from the cache: an execution too many would not be seen."""
        return float("nan")

    def run(self, image: Any, info: dict[str, Any]) -> tuple[Any]:
        """Run the node."""
        _count(info)
        return (image,)


class Echo:
    """Shows a text, and writes down for which job."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:
        """Inputs of the node."""
        required = {"text": ("STRING", {"default": ""})}
        return {"required": required, "hidden": {"info": "EXTRA_PNGINFO"}}

    def run(self, text: str, info: dict[str, Any]) -> dict[str, Any]:
        """Run the node."""
        _count(info)
        return {"ui": {"text": [text]}}


def _count(info: dict[str, Any]) -> None:
    output = Path(sys.modules["folder_paths"].get_output_directory())
    with (output.parent / NAME).open("a") as file:
        file.write(f"{info['comfyclient']['job_id']} {os.getpid()}\n")


NODE_CLASS_MAPPINGS = {"Tally": Tally, "Echo": Echo}
