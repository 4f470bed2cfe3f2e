"""Making batches fit each other: channels, size, number. Pure."""

from __future__ import annotations

import math

import numpy as np

from ..pictures import Array
from .resampling import resized


def with_channels_of(image: Array, model: Array) -> Array:
    """The image with as many channels as the model: alpha dropped, or opaque."""
    missing = model.shape[-1] - image.shape[-1]
    if missing <= 0:
        return image[..., : model.shape[-1]]
    return np.pad(image, ((0, 0), (0, 0), (0, 0), (0, missing)), constant_values=1.0)


def repeated(array: Array, *, count: int) -> Array:
    """The batch repeated or cut to a number."""
    if len(array) < count:
        times = math.ceil(count / len(array))
        array = np.tile(array, (times, *[1] * (array.ndim - 1)))
    return array[:count]


def stacked(first: Array, second: Array) -> Array:
    """Two batches as one, with the size of the first and an alpha if either has one."""
    if first.shape[-1] > second.shape[-1]:
        second = with_channels_of(second, first)
    else:
        first = with_channels_of(first, second)
    second = resized(
        second,
        width=first.shape[2],
        height=first.shape[1],
        method="bilinear",
        crop="center",
    )
    return np.concatenate((first, second))
