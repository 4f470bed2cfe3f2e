"""Changing the size of a batch, with the arithmetic that ComfyUI's methods have. Pure.

Arrays are [batch, height, width, channels]; both axes are handled one after the other.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..pictures import Array, from_picture, to_picture

METHODS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")


def resized(
    array: Array, *, width: int, height: int, method: str, crop: str = "disabled"
) -> Array:
    """The batch at another size; `center` cuts it to the new proportions first."""
    if crop == "center":
        array = _cut_to_proportions(array, width=width, height=height)
    if array.shape[2] == width and array.shape[1] == height:
        return array
    if method == "lanczos":
        return _lanczos(array, width=width, height=height)
    for axis, length in ((1, height), (2, width)):
        if array.shape[axis] != length:
            array = _AXIS_METHODS[method](array, axis, length)
    return array


def resized_mask(mask: Array, *, width: int, height: int) -> Array:
    """A mask [batch, height, width] at another size, bilinear."""
    grown = resized(mask[..., None], width=width, height=height, method="bilinear")
    return grown[..., 0]


def _cut_to_proportions(array: Array, *, width: int, height: int) -> Array:
    old_height, old_width = array.shape[1:3]
    old, new = old_width / old_height, width / height
    x = round((old_width - old_width * (new / old)) / 2) if old > new else 0
    y = round((old_height - old_height * (old / new)) / 2) if old < new else 0
    return array[:, y : old_height - y, x : old_width - x]


def _lanczos(array: Array, *, width: int, height: int) -> Array:
    lanczos = Image.Resampling.LANCZOS
    grown = [
        from_picture(to_picture(each).resize((width, height), lanczos))
        for each in array
    ]
    return np.concatenate(grown)


def _nearest(array: Array, axis: int, length: int) -> Array:
    old = array.shape[axis]
    position = np.floor((np.arange(length) + 0.5) * (old / length))
    source = np.minimum(position.astype(np.intp), old - 1)
    taken: Array = np.take(array, source, axis=axis)
    return taken


def _bilinear(array: Array, axis: int, length: int) -> Array:
    old = array.shape[axis]
    position = np.maximum((np.arange(length) + 0.5) * (old / length) - 0.5, 0.0)
    first = np.minimum(position.astype(np.intp), old - 1)
    second = np.minimum(first + 1, old - 1)
    part = _along(position - first, axis)
    one: Array = np.take(array, first, axis=axis) * (np.float32(1) - part)
    other: Array = np.take(array, second, axis=axis) * part
    return one + other


def _bicubic(array: Array, axis: int, length: int) -> Array:
    old = array.shape[axis]
    position = (np.arange(length) + 0.5) * (old / length) - 0.5
    base = np.floor(position)
    total = np.float32(0)
    for tap in range(-1, 3):
        source = np.clip(base + tap, 0, old - 1).astype(np.intp)
        weight = _along(_cubic(np.abs(position - base - tap)), axis)
        total = total + np.take(array, source, axis=axis) * weight
    return np.asarray(total, dtype=np.float32)


def _cubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' kernel with the slope -0.75."""
    slope = -0.75
    near = ((slope + 2) * distance - (slope + 3)) * distance**2 + 1
    far = slope * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def _area(array: Array, axis: int, length: int) -> Array:
    old = array.shape[axis]
    starts = [math.floor(i * old / length) for i in range(length)]
    ends = [math.ceil((i + 1) * old / length) for i in range(length)]
    zero = np.zeros_like(np.take(array, [0], axis=axis), dtype=np.float64)
    sums = np.concatenate(
        (zero, np.cumsum(array, axis=axis, dtype=np.float64)), axis=axis
    )
    covered = _along(np.subtract(ends, starts), axis)
    total = np.take(sums, ends, axis=axis) - np.take(sums, starts, axis=axis)
    return (total / covered).astype(np.float32)


def _along(values: NDArray[np.generic], axis: int) -> Array:
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    return values.astype(np.float32).reshape(shape)


_AXIS_METHODS = {
    "nearest-exact": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
    "area": _area,
}
