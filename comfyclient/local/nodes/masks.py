"""Core nodes that make and change masks."""

# ruff: noqa: N802 - ComfyUI's node interface fixes these names

from __future__ import annotations

from typing import Any

import numpy as np

from ..pictures import Array, as_batch, as_mask
from .channels import repeated
from .interface import Inputs, SecondSchemaNode, choice, fraction, whole

_CHANNELS = ("red", "green", "blue", "alpha")


class _MaskNode(SecondSchemaNode):
    """Labels of the mask nodes."""

    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_mask"
    CATEGORY = "image/mask"
    RETURN_TYPES = ("MASK",)


class MaskToImage(_MaskNode):
    """A mask as a grey picture."""

    DISPLAY_NAME = "Convert Mask to Image"
    RETURN_TYPES = ("IMAGE",)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"mask": ("MASK", {})}}

    def run(self, mask: Any) -> tuple[Array]:
        """Run the node."""
        return (np.repeat(as_mask(mask)[..., None], 3, axis=-1),)


class ImageToMask(_MaskNode):
    """One channel of a picture as a mask."""

    DISPLAY_NAME = "Convert Image to Mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"image": ("IMAGE", {}), "channel": choice(*_CHANNELS)}}

    def run(self, image: Any, channel: str) -> tuple[Array]:
        """Run the node."""
        return (as_batch(image)[..., _CHANNELS.index(channel)],)


class ImageColorToMask(_MaskNode):
    """A mask of the pixels that have exactly one colour."""

    DISPLAY_NAME = "Convert Image Color to Mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        color = whole(0, most=0xFFFFFF, display="number")
        return {"required": {"image": ("IMAGE", {}), "color": color}}

    def run(self, image: Any, color: int) -> tuple[Array]:
        """Run the node."""
        bands = np.round(np.clip(as_batch(image), 0, 1) * 255).astype(np.int64)
        found = (bands[..., 0] << 16) + (bands[..., 1] << 8) + bands[..., 2]
        return ((found == color).astype(np.float32),)


class SolidMask(_MaskNode):
    """A mask of one value."""

    DISPLAY_NAME = "Create Solid Mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "value": fraction(1.0),
                "width": whole(512, least=1),
                "height": whole(512, least=1),
            }
        }

    def run(self, value: float, width: int, height: int) -> tuple[Array]:
        """Run the node."""
        return (np.full((1, height, width), value, dtype=np.float32),)


class InvertMask(_MaskNode):
    """What was masked is free, and the other way round."""

    DISPLAY_NAME = "Invert Mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"mask": ("MASK", {})}}

    def run(self, mask: Any) -> tuple[Array]:
        """Run the node."""
        return (np.float32(1) - as_mask(mask),)


class CropMask(_MaskNode):
    """A rectangle of a mask."""

    DISPLAY_NAME = "Crop Mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "mask": ("MASK", {}),
                "x": whole(0),
                "y": whole(0),
                "width": whole(512, least=1),
                "height": whole(512, least=1),
            }
        }

    def run(self, mask: Any, x: int, y: int, width: int, height: int) -> tuple[Array]:
        """Run the node."""
        return (as_mask(mask)[:, y : y + height, x : x + width],)


class MaskComposite(_MaskNode):
    """A mask laid on another by an operation."""

    DISPLAY_NAME = "Combine Masks"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "destination": ("MASK", {}),
                "source": ("MASK", {}),
                "x": whole(0),
                "y": whole(0),
                "operation": choice("multiply", "add", "subtract", "and", "or", "xor"),
            }
        }

    def run(
        self, destination: Any, source: Any, x: int, y: int, operation: str
    ) -> tuple[Array]:
        """Run the node."""
        below, above = as_mask(destination).copy(), as_mask(source)
        height, width = below.shape[1:]
        seen = above[:, : max(height - y, 0), : max(width - x, 0)]
        seen = repeated(seen, count=len(below))
        area = np.s_[:, y : y + seen.shape[1], x : x + seen.shape[2]]
        below[area] = _combined(below[area], seen, operation)
        return (np.clip(below, 0.0, 1.0),)


def _combined(below: Array, above: Array, operation: str) -> Array:
    match operation:
        case "multiply":
            return below * above
        case "add":
            return below + above
        case "subtract":
            return below - above
    first, second = np.round(below).astype(bool), np.round(above).astype(bool)
    match operation:
        case "and":
            held = first & second
        case "or":
            held = first | second
        case _:
            held = first ^ second
    combined: Array = held.astype(np.float32)
    return combined


class FeatherMask(_MaskNode):
    """A mask that fades out at its sides."""

    DISPLAY_NAME = "Feather Mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        sides = {side: whole(0) for side in ("left", "top", "right", "bottom")}
        return {"required": {"mask": ("MASK", {}), **sides}}

    def run(
        self, mask: Any, left: int, top: int, right: int, bottom: int
    ) -> tuple[Array]:
        """Run the node."""
        faded = as_mask(mask).copy()
        height, width = faded.shape[1:]
        faded *= _fade(width, before=left, after=right)[None, None, :]
        faded *= _fade(height, before=top, after=bottom)[None, :, None]
        return (faded,)


def _fade(length: int, *, before: int, after: int) -> Array:
    before, after = min(before, length), min(after, length)
    fade = np.ones(length, dtype=np.float32)
    if before:
        fade[:before] *= np.arange(1, before + 1, dtype=np.float32) / before
    # As in ComfyUI, the far side counts from -0: its weakest step falls on the first
    # row or column, and the last one gets the second weakest.
    steps = np.arange(after)
    fade[-steps] *= (steps + 1).astype(np.float32) / max(after, 1)
    return fade


class GrowMask(_MaskNode):
    """A mask that is larger all around, or smaller."""

    DISPLAY_NAME = "Grow Mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "mask": ("MASK", {}),
                "expand": whole(0, least=-16384),
                "tapered_corners": ("BOOLEAN", {"default": True, "advanced": True}),
            }
        }

    def run(self, mask: Any, expand: int, tapered_corners: bool) -> tuple[Array]:
        """Run the node."""
        grown = as_mask(mask)
        # Once a step changes nothing, none after it will.
        for _ in range(min(abs(expand), max(grown.shape[1:]))):
            grown = _grown_by_one(grown, shrink=expand < 0, corners=not tapered_corners)
        return (grown,)


def _grown_by_one(mask: Array, *, shrink: bool, corners: bool) -> Array:
    pick = np.minimum if shrink else np.maximum
    framed = np.pad(mask, ((0, 0), (1, 1), (1, 1)), mode="edge")
    height, width = mask.shape[1:]
    grown = mask
    for down in range(3):
        for right in range(3):
            if corners or down == 1 or right == 1:
                shifted = framed[:, down : down + height, right : right + width]
                grown = pick(grown, shifted)
    return grown


class ThresholdMask(_MaskNode):
    """A mask of what is above a value."""

    DISPLAY_NAME = "Threshold Mask"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"mask": ("MASK", {}), "value": fraction(0.5)}}

    def run(self, mask: Any, value: float) -> tuple[Array]:
        """Run the node."""
        return ((as_mask(mask) > value).astype(np.float32),)


CLASSES = (
    MaskToImage,
    ImageToMask,
    ImageColorToMask,
    SolidMask,
    InvertMask,
    CropMask,
    MaskComposite,
    FeatherMask,
    GrowMask,
    ThresholdMask,
)
