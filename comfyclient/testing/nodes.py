"""Node classes that sleep, fail and misbehave on demand, for tests of clients.

They are written to ComfyUI's node interface and import nothing of ours: give them to
an embedded engine (`node_packs=[nodes]`), or put this file into a real server's
`custom_nodes` to run the same tests there.
"""

# ruff: noqa: N802 - ComfyUI's node interface fixes these names

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from PIL import Image

_SLICE_SECONDS = 0.02

Inputs = dict[str, dict[str, Any]]


class _TestNode:
    """What all of them have in common; most pass a picture on."""

    RETURN_TYPES: tuple[str, ...] = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "test"


class TestSleep(_TestNode):
    """Waits in steps, tells how far it is, and may show a picture at each."""

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "image": ("IMAGE",),
                "seconds": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 600.0}),
                "steps": ("INT", {"default": 5, "min": 1, "max": 10000}),
            },
            "optional": {
                "nonce": ("STRING", {"default": ""}),
                "preview": ("BOOLEAN", {"default": False}),
                "preview_format": (["JPEG", "PNG"],),
                "interruptible": ("BOOLEAN", {"default": True}),
            },
        }

    def run(
        self,
        image: Any,
        seconds: float,
        steps: int,
        nonce: str = "",
        preview: bool = False,
        preview_format: str = "JPEG",
        interruptible: bool = True,
    ) -> tuple[Any]:
        """Run the node."""
        if not interruptible:
            time.sleep(seconds)
            return (image,)
        bar = _comfy("comfy.utils").ProgressBar(steps)
        for step in range(steps):
            _sleep_checking(seconds / steps)
            colour = (255 * (step + 1) // steps, 90, 160)
            shown = (preview_format, Image.new("RGB", (64, 64), colour), 512)
            bar.update_absolute(step + 1, steps, shown if preview else None)
        return (image,)


class TestRaise(_TestNode):
    """Fails in the way asked for."""

    RETURN_TYPES = ("IMAGE",)
    _KINDS = (
        "ValueError",
        "RuntimeError",
        "OOM",
        "MemoryError",
        "KeyError",
        "SystemExit",
        "Custom",
    )

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "image": ("IMAGE",),
                "message": ("STRING", {"default": "boom"}),
                "kind": (list(cls._KINDS),),
            },
            "optional": {"nonce": ("STRING", {"default": ""})},
        }

    def run(self, image: Any, message: str, kind: str, nonce: str = "") -> tuple[Any]:
        """Run the node."""

        class CustomError(Exception):
            """An exception of a pack's own."""

        kinds: dict[str, type[BaseException]] = {
            "ValueError": ValueError,
            "RuntimeError": RuntimeError,
            "MemoryError": MemoryError,
            "KeyError": KeyError,
            "SystemExit": SystemExit,
            "OOM": _out_of_memory_error(),
            "Custom": CustomError,
        }
        raise kinds[kind](message)


class TestText(_TestNode):
    """Shows a text, and some JSON that is neither text nor file."""

    RETURN_TYPES = ("STRING",)
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"text": ("STRING", {"default": "hello"})}}

    def run(self, text: str) -> dict[str, Any]:
        """Run the node."""
        shown = {"text": [text], "extra": [{"n": 1}, 2, None]}
        return {"ui": shown, "result": (text,)}


class TestSeedNoise(_TestNode):
    """Noise that depends on a seed alone."""

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        side = {"default": 64, "min": 1, "max": 4096}
        return {
            "required": {
                "width": ("INT", side),
                "height": ("INT", side),
                "batch": ("INT", {"default": 1, "min": 1, "max": 64}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**64 - 1}),
            }
        }

    def run(self, width: int, height: int, batch: int, seed: int) -> tuple[Any]:
        """Run the node."""
        noise = np.random.default_rng(seed).random(
            (batch, height, width, 3), dtype=np.float32
        )
        torch = sys.modules.get("torch")
        return (noise if torch is None else torch.from_numpy(noise),)


class TestAlwaysChanged(_TestNode):
    """Is never taken from the cache."""

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"image": ("IMAGE",)}}

    @classmethod
    def IS_CHANGED(cls, image: Any) -> float:
        """Always: NaN equals nothing."""
        return float("nan")

    def run(self, image: Any) -> tuple[Any]:
        """Run the node."""
        return (image,)


class TestProgressText(_TestNode):
    """Says a line of text while it runs."""

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "image": ("IMAGE",),
                "text": ("STRING", {"default": "working..."}),
            },
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    def run(self, image: Any, text: str, unique_id: str) -> tuple[Any]:
        """Run the node."""
        _comfy("server").PromptServer.instance.send_progress_text(text, unique_id)
        return (image,)


class TestExpand(_TestNode):
    """Replaces itself by two nodes, of which one shows a preview."""

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        seconds = {"default": 0.2, "min": 0.0, "max": 60.0}
        return {
            "required": {"image": ("IMAGE",), "seconds": ("FLOAT", seconds)},
            "hidden": {"unique_id": "UNIQUE_ID"},
        }

    def run(self, image: Any, seconds: float, unique_id: str) -> dict[str, Any]:
        """Run the node."""
        first, second = (f"{unique_id}.0.0.{number}" for number in (1, 2))
        sleep = {"image": image, "seconds": seconds, "steps": 2}
        preview = {"images": [first, 0]}
        return {
            "result": ([first, 0],),
            "expand": {
                first: {"class_type": "TestSleep", "inputs": sleep},
                second: {"class_type": "PreviewImage", "inputs": preview},
            },
        }


class TestBlock(_TestNode):
    """Keeps what depends on it from running, with or without a message."""

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {"image": ("IMAGE",), "message": ("STRING", {"default": ""})}
        }

    def run(self, image: Any, message: str) -> tuple[Any]:
        """Run the node."""
        blocker = _comfy("comfy_execution.graph").ExecutionBlocker
        return (blocker(message if message else None),)


class TestBigUI(_TestNode):
    """Shows a text of so many KiB."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        kib = {"default": 1024, "min": 1, "max": 65536}
        return {"required": {"kib": ("INT", kib)}}

    def run(self, kib: int) -> dict[str, Any]:
        """Run the node."""
        return {"ui": {"text": ["x" * 1024 * kib]}}


class TestBadUI(_TestNode):
    """Shows what JSON cannot hold."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"kind": (["nan", "tensor", "bytes"],)}}

    def run(self, kind: str) -> dict[str, Any]:
        """Run the node."""
        values: dict[str, list[Any]] = {
            "nan": [float("nan"), float("inf")],
            "tensor": [np.zeros((2, 2), dtype=np.float32)],
            "bytes": [b"\x00\xff"],
        }
        return {"ui": {"value": values[kind]}}


class TestAnyToSave(_TestNode):
    """An output node that shows nothing."""

    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image: Any) -> dict[str, Any]:
        """Run the node."""
        return {}


def _comfy(module: str) -> Any:
    """A module of the server that runs the node."""
    return sys.modules[module]


def _sleep_checking(seconds: float) -> None:
    check = _comfy("comfy.model_management").throw_exception_if_processing_interrupted
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check()
        time.sleep(min(left, _SLICE_SECONDS))


def _out_of_memory_error() -> type[BaseException]:
    torch = sys.modules.get("torch")
    if torch is not None:
        kind: type[BaseException] = torch.OutOfMemoryError
        return kind
    return type("OutOfMemoryError", (RuntimeError,), {"__module__": "torch"})


NODE_CLASS_MAPPINGS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        TestSleep,
        TestRaise,
        TestText,
        TestSeedNoise,
        TestAlwaysChanged,
        TestProgressText,
        TestExpand,
        TestBlock,
        TestBigUI,
        TestBadUI,
        TestAnyToSave,
    )
}
