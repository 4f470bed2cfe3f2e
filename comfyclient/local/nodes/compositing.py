"""Core nodes that lay pictures over each other."""

# ruff: noqa: N802 - ComfyUI's node interface fixes these names

from __future__ import annotations

from typing import Any

import numpy as np

from ..pictures import Array, as_batch, as_mask
from .channels import repeated, with_channels_of
from .interface import CoreNode, Inputs, SecondSchemaNode, choice, fraction, whole
from .resampling import resized, resized_mask


class ImageBlend(SecondSchemaNode):
    """Two pictures mixed."""

    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_post_processing"
    DISPLAY_NAME = "Blend Images"
    CATEGORY = "image/filters"
    ESSENTIALS_CATEGORY = "Image Tools"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "image1": ("IMAGE", {}),
                "image2": ("IMAGE", {}),
                "blend_factor": fraction(0.5),
                "blend_mode": choice(
                    "normal",
                    "multiply",
                    "screen",
                    "overlay",
                    "soft_light",
                    "difference",
                ),
            }
        }

    def run(
        self, image1: Any, image2: Any, blend_factor: float, blend_mode: str
    ) -> tuple[Array]:
        """Run the node."""
        below = as_batch(image1)
        above = with_channels_of(as_batch(image2), below)
        above = resized(
            above,
            width=below.shape[2],
            height=below.shape[1],
            method="bicubic",
            crop="center",
        )
        part = np.float32(blend_factor)
        mixed = below * (np.float32(1) - part) + _blend(below, above, blend_mode) * part
        return (np.clip(mixed, 0.0, 1.0),)


def _blend(below: Array, above: Array, mode: str) -> Array:
    one, two, half = np.float32(1), np.float32(2), np.float32(0.5)
    match mode:
        case "normal":
            return above
        case "multiply":
            return below * above
        case "screen":
            return one - (one - below) * (one - above)
        case "overlay":
            light = one - two * (one - below) * (one - above)
            return np.where(below <= half, two * below * above, light)
        case "soft_light":
            dark = below - (one - two * above) * below * (one - below)
            light = below + (two * above - one) * (_soft_curve(below) - below)
            return np.where(above <= half, dark, light)
        case "difference":
            return below - above
    raise ValueError(f"blend_mode {mode!r} does not exist; see object_info")


def _soft_curve(values: Array) -> Array:
    low = ((np.float32(16) * values - 12) * values + 4) * values
    root = np.sqrt(np.maximum(values, 0))
    return np.where(values <= np.float32(0.25), low, root).astype(np.float32)


class ImageCompositeMasked(SecondSchemaNode):
    """A picture laid on another, where a mask lets it through."""

    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_mask"
    DISPLAY_NAME = "Image Composite Masked"
    CATEGORY = "image/compositing"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "destination": ("IMAGE", {}),
                "source": ("IMAGE", {}),
                "x": whole(0),
                "y": whole(0),
                "resize_source": ("BOOLEAN", {"default": False}),
            },
            "optional": {"mask": ("MASK", {})},
        }

    def run(
        self,
        destination: Any,
        source: Any,
        x: int,
        y: int,
        resize_source: bool,
        mask: Any = None,
    ) -> tuple[Array]:
        """Run the node."""
        below = as_batch(destination).copy()
        above = with_channels_of(as_batch(source), below)
        height, width = below.shape[1:3]
        if resize_source:
            above = resized(above, width=width, height=height, method="bilinear")
        above = repeated(above, count=len(below))
        weight = _weight(mask, above)
        seen = above[:, : max(height - y, 0), : max(width - x, 0)]
        bottom, right = y + seen.shape[1], x + seen.shape[2]
        weight = weight[:, : seen.shape[1], : seen.shape[2], None]
        under = below[:, y:bottom, x:right]
        below[:, y:bottom, x:right] = weight * seen + (1 - weight) * under
        return (below,)


def _weight(mask: Any, above: Array) -> Array:
    if mask is None:
        return np.ones(above.shape[:3], dtype=np.float32)
    fitted = resized_mask(as_mask(mask), width=above.shape[2], height=above.shape[1])
    return repeated(fitted, count=len(above))


class JoinImageWithAlpha(SecondSchemaNode):
    """A picture that is transparent where the mask is."""

    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_compositing"
    DISPLAY_NAME = "Join Image with Alpha"
    CATEGORY = "image/compositing"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"image": ("IMAGE", {}), "alpha": ("MASK", {})}}

    def run(self, image: Any, alpha: Any) -> tuple[Array]:
        """Run the node."""
        batch, mask = as_batch(image), as_mask(alpha)
        count = max(len(batch), len(mask))
        batch = repeated(batch, count=count)[..., :3]
        mask = resized_mask(mask, width=batch.shape[2], height=batch.shape[1])
        opacity = np.float32(1) - repeated(mask, count=count)
        return (np.concatenate((batch, opacity[..., None]), axis=-1),)


class SplitImageWithAlpha(SecondSchemaNode):
    """Colours and transparency apart."""

    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_compositing"
    DISPLAY_NAME = "Split Image with Alpha"
    CATEGORY = "image/compositing"
    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"image": ("IMAGE", {})}}

    def run(self, image: Any) -> tuple[Array, Array]:
        """Run the node."""
        batch = as_batch(image)
        if batch.shape[-1] > 3:
            return batch[..., :3], np.float32(1) - batch[..., 3]
        return batch[..., :3], np.zeros(batch.shape[:3], dtype=np.float32)


class ImagePadForOutpaint(CoreNode):
    """Grey margins, and a mask that fades into the picture."""

    DISPLAY_NAME = "Pad Image for Outpainting"
    CATEGORY = "image/transform"
    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "image": ("IMAGE",),
                "left": _margin(),
                "top": _margin(),
                "right": _margin(),
                "bottom": _margin(),
                "feathering": whole(40, advanced=True),
            }
        }

    def run(
        self,
        image: Any,
        left: int,
        top: int,
        right: int,
        bottom: int,
        feathering: int,
    ) -> tuple[Array, Array]:
        """Run the node."""
        batch = as_batch(image)
        height, width = batch.shape[1:3]
        sides = ((0, 0), (top, bottom), (left, right))
        padded = np.pad(batch, (*sides, (0, 0)), constant_values=0.5)
        inner: Array = np.zeros((height, width), dtype=np.float32)
        if feathering > 0 and feathering * 2 < height and feathering * 2 < width:
            rows = _distance(height, before=top, after=bottom)
            columns = _distance(width, before=left, after=right)
            nearest = np.minimum(rows[:, None], columns[None, :])
            faded = np.clip((feathering - nearest) / feathering, 0, 1) ** 2
            inner = faded.astype(np.float32)
        mask = np.pad(inner, sides[1:], constant_values=1.0)
        return padded, mask[None].astype(np.float32)


def _margin() -> tuple[Any, ...]:
    return whole(0, step=8)


def _distance(length: int, *, before: int, after: int) -> Array:
    """How far each row is from the margins that there are."""
    place = np.arange(length, dtype=np.float32)
    start = place if before else np.full_like(place, length)
    end = length - place if after else np.full_like(place, length)
    return np.minimum(start, end)


CLASSES = (
    ImageBlend,
    ImageCompositeMasked,
    JoinImageWithAlpha,
    SplitImageWithAlpha,
    ImagePadForOutpaint,
)
