"""Core nodes that change a picture's size."""

# ruff: noqa: N802 - ComfyUI's node interface fixes these names

from __future__ import annotations

from typing import Any

from ..pictures import Array, as_batch
from .interface import CoreNode, Inputs, whole
from .resampling import METHODS, resized


class ImageScale(CoreNode):
    """Scale to a width and a height; 0 keeps the proportions."""

    DISPLAY_NAME = "Upscale Image"
    CATEGORY = "image/upscaling"
    ESSENTIALS_CATEGORY = "Image Tools"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "image": ("IMAGE",),
                "upscale_method": (list(METHODS),),
                "width": whole(512),
                "height": whole(512),
                "crop": (["disabled", "center"],),
            }
        }

    def run(
        self, image: Any, upscale_method: str, width: int, height: int, crop: str
    ) -> tuple[Array]:
        """Run the node."""
        batch = as_batch(image)
        if width == 0 and height == 0:
            return (batch,)
        if width == 0:
            width = max(1, round(batch.shape[2] * height / batch.shape[1]))
        elif height == 0:
            height = max(1, round(batch.shape[1] * width / batch.shape[2]))
        scaled = resized(
            batch, width=width, height=height, method=upscale_method, crop=crop
        )
        return (scaled,)


class ImageScaleBy(CoreNode):
    """Scale both sides by one factor."""

    DISPLAY_NAME = "Upscale Image By"
    CATEGORY = "image/upscaling"
    ESSENTIALS_CATEGORY = "Image Tools"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        limits = {"default": 1.0, "min": 0.01, "max": 8.0, "step": 0.01}
        return {
            "required": {
                "image": ("IMAGE",),
                "upscale_method": (list(METHODS),),
                "scale_by": ("FLOAT", limits),
            }
        }

    def run(self, image: Any, upscale_method: str, scale_by: float) -> tuple[Array]:
        """Run the node."""
        batch = as_batch(image)
        height, width = (round(side * scale_by) for side in batch.shape[1:3])
        return (resized(batch, width=width, height=height, method=upscale_method),)


CLASSES = (ImageScale, ImageScaleBy)
