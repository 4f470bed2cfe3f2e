"""Core nodes that make, cut, turn and stack pictures."""

# ruff: noqa: N802 - ComfyUI's node interface fixes these names

from __future__ import annotations

from typing import Any

import numpy as np

from ..pictures import Array, as_batch
from .channels import stacked
from .interface import (
    MOST_PIXELS,
    CoreNode,
    Inputs,
    SecondSchemaNode,
    choice,
    whole,
)

_BATCH_MOST = 4096


class EmptyImage(CoreNode):
    """A batch of one colour."""

    DISPLAY_NAME = "Empty Image"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        batch = {"default": 1, "min": 1, "max": _BATCH_MOST}
        return {
            "required": {
                "width": whole(512, least=1),
                "height": whole(512, least=1),
                "batch_size": ("INT", batch),
                "color": whole(0, most=0xFFFFFF, display="color"),
            }
        }

    def run(
        self, width: int, height: int, batch_size: int = 1, color: int = 0
    ) -> tuple[Array]:
        """Run the node."""
        rgb = [(color >> shift & 0xFF) / 0xFF for shift in (16, 8, 0)]
        shape = (batch_size, height, width, 3)
        return (np.broadcast_to(np.asarray(rgb, np.float32), shape).copy(),)


class ImageInvert(CoreNode):
    """The negative."""

    DISPLAY_NAME = "Invert Image Colors"
    CATEGORY = "image/color"
    ESSENTIALS_CATEGORY = "Image Tools"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"image": ("IMAGE",)}}

    def run(self, image: Any) -> tuple[Array]:
        """Run the node."""
        return (np.float32(1.0) - as_batch(image),)


class ImageBatch(CoreNode):
    """Two batches one after the other; the second takes the size of the first."""

    DISPLAY_NAME = "Batch Images (DEPRECATED)"
    CATEGORY = "image/batch"
    DEPRECATED = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"image1": ("IMAGE",), "image2": ("IMAGE",)}}

    def run(self, image1: Any, image2: Any) -> tuple[Array]:
        """Run the node."""
        return (stacked(as_batch(image1), as_batch(image2)),)


class ImageCrop(SecondSchemaNode):
    """A rectangle of the picture."""

    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_images"
    DISPLAY_NAME = "Crop Image (DEPRECATED)"
    CATEGORY = "image/transform"
    ESSENTIALS_CATEGORY = "Image Tools"
    DEPRECATED = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "image": ("IMAGE", {}),
                "width": whole(512, least=1),
                "height": whole(512, least=1),
                "x": whole(0),
                "y": whole(0),
            }
        }

    def run(self, image: Any, width: int, height: int, x: int, y: int) -> tuple[Array]:
        """Run the node."""
        batch = as_batch(image)
        x, y = min(x, batch.shape[2] - 1), min(y, batch.shape[1] - 1)
        return (batch[:, y : y + height, x : x + width],)


class ImageFlip(SecondSchemaNode):
    """The picture mirrored."""

    NEEDS = "turning_nodes"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_images"
    DISPLAY_NAME = "Flip Image"
    CATEGORY = "image/transform"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        ways = choice("x-axis: vertically", "y-axis: horizontally")
        return {"required": {"image": ("IMAGE", {}), "flip_method": ways}}

    def run(self, image: Any, flip_method: str) -> tuple[Array]:
        """Run the node."""
        axis = 1 if flip_method.startswith("x") else 2
        return (np.flip(as_batch(image), axis=axis),)


class ImageRotate(SecondSchemaNode):
    """The picture turned clockwise by quarters."""

    NEEDS = "turning_nodes"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_images"
    DISPLAY_NAME = "Rotate Image"
    CATEGORY = "image/transform"
    ESSENTIALS_CATEGORY = "Image Tools"
    _TURNS = ("none", "90 degrees", "180 degrees", "270 degrees")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        turns = choice(*cls._TURNS)
        return {"required": {"image": ("IMAGE", {}), "rotation": turns}}

    def run(self, image: Any, rotation: str) -> tuple[Array]:
        """Run the node."""
        quarters = self._TURNS.index(rotation)
        return (np.rot90(as_batch(image), k=quarters, axes=(2, 1)),)


class RepeatImageBatch(SecondSchemaNode):
    """The batch several times."""

    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_images"
    DISPLAY_NAME = "Repeat Image Batch"
    CATEGORY = "image/batch"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        amount = {"default": 1, "min": 1, "max": _BATCH_MOST}
        return {"required": {"image": ("IMAGE", {}), "amount": ("INT", amount)}}

    def run(self, image: Any, amount: int) -> tuple[Array]:
        """Run the node."""
        return (np.tile(as_batch(image), (amount, 1, 1, 1)),)


class ImageFromBatch(SecondSchemaNode):
    """A few pictures of a batch."""

    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_images"
    DISPLAY_NAME = "Get Image from Batch"
    CATEGORY = "image/batch"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        index = {"default": 0, "min": -MOST_PIXELS, "max": MOST_PIXELS}
        length = {"default": 1, "min": 1, "max": _BATCH_MOST}
        return {
            "required": {
                "image": ("IMAGE", {}),
                "batch_index": ("INT", index),
                "length": ("INT", length),
            }
        }

    def run(self, image: Any, batch_index: int, length: int) -> tuple[Array]:
        """Run the node."""
        batch = as_batch(image)
        if batch_index < 0:
            batch_index += len(batch)
        first = min(max(batch_index, 0), len(batch) - 1)
        return (batch[first : first + length].copy(),)


class GetImageSize(SecondSchemaNode):
    """Width, height and number of pictures."""

    NEEDS = "value_nodes"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_images"
    DISPLAY_NAME = "Get Image Size"
    RETURN_TYPES = ("INT", "INT", "INT")
    RETURN_NAMES = ("width", "height", "batch_size")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {"image": ("IMAGE", {})},
            "hidden": {"unique_id": ["UNIQUE_ID"]},
        }

    def run(self, image: Any, unique_id: str | None = None) -> tuple[int, int, int]:
        """Run the node."""
        count, height, width = as_batch(image).shape[:3]
        return width, height, count


CLASSES = (
    EmptyImage,
    ImageInvert,
    ImageBatch,
    ImageCrop,
    ImageFlip,
    ImageRotate,
    RepeatImageBatch,
    ImageFromBatch,
    GetImageSize,
)
