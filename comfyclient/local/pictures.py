"""Pictures as nodes pass them: float32 arrays [batch, height, width, channels]."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence
from PIL.PngImagePlugin import PngInfo

Array = NDArray[np.float32]


def as_batch(image: Any) -> Array:
    """An IMAGE as a float32 array of four dimensions; takes CPU tensors too.

    Raises:
        ValueError: it is no batch of pictures.
    """
    array = np.asarray(image, dtype=np.float32)
    if array.ndim != 4:
        raise ValueError(
            "an IMAGE has the dimensions [batch, height, width, channels], "
            f"got {list(array.shape)}"
        )
    return array


def as_mask(mask: Any) -> Array:
    """A MASK as a float32 array [batch, height, width]; takes CPU tensors too.

    Raises:
        ValueError: it is no batch of masks.
    """
    array = np.asarray(mask, dtype=np.float32)
    if array.ndim < 2:
        raise ValueError(
            f"a MASK has the dimensions [batch, height, width], got {list(array.shape)}"
        )
    return array.reshape(-1, *array.shape[-2:])


def to_bytes(array: Array) -> NDArray[np.uint8]:
    """Values 0..1 as bytes, cut off rather than rounded as ComfyUI does."""
    scaled = np.nan_to_num(array, nan=0.0) * 255.0
    pixels: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return pixels


def to_picture(array: Array) -> Image.Image:
    """One picture [height, width, channels]."""
    pixels = to_bytes(array)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def from_picture(picture: Image.Image) -> Array:
    """A batch of one, with the picture's own bands."""
    array = np.asarray(picture, dtype=np.float32) / np.float32(255.0)
    return array[None, ..., None] if array.ndim == 2 else array[None]


def load(path: Path) -> tuple[Array, Array]:
    """The frames of a file as IMAGE, and their transparency as MASK.

    A file without an alpha band gives a mask of 64x64 zeros, as ComfyUI's does.
    """
    images: list[Array] = []
    masks: list[Array] = []
    with Image.open(path) as opened:
        multi_picture = opened.format == "MPO"
        size: tuple[int, int] | None = None
        for frame in ImageSequence.Iterator(opened):
            picture = upright(frame)
            size = picture.size if size is None else size
            if picture.size != size:
                continue
            images.append(from_picture(picture.convert("RGB")))
            masks.append(_transparency(picture))
            if multi_picture:
                break
    return np.concatenate(images), np.concatenate(masks)


def upright(frame: Image.Image) -> Image.Image:
    """The picture turned as its EXIF says; 16-bit grey brought to 8 bits."""
    picture = ImageOps.exif_transpose(frame) or frame
    if picture.mode in ("I", "I;16"):
        return picture.point(lambda value: value * (1 / 255)).convert("L")
    return picture


def png_text(*, prompt: Any, extra: dict[str, Any] | None) -> PngInfo:
    """The text chunks of a saved picture: the graph, and what the client sent along."""
    info = PngInfo()
    if prompt is not None:
        info.add_text("prompt", json.dumps(prompt))
    for name, value in ({} if extra is None else extra).items():
        info.add_text(name, json.dumps(value))
    return info


def _transparency(picture: Image.Image) -> Array:
    if "A" in picture.getbands():
        alpha = picture.getchannel("A")
    elif picture.mode == "P" and "transparency" in picture.info:
        alpha = picture.convert("RGBA").getchannel("A")
    else:
        return np.zeros((1, 64, 64), dtype=np.float32)
    return np.float32(1.0) - from_picture(alpha)[..., 0]
