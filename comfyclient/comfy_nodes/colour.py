"""Colours as float RGB triples, and the ways of mixing them. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def is_hex(text: str) -> bool:
    """Whether the text is a colour written #rrggbb."""
    return _HEX.fullmatch(text) is not None


def rgb(text: str) -> Floats:
    """The colour #rrggbb as three floats from 0 to 1."""
    return np.array([int(text[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255


def to_hex(colour: Floats) -> str:
    """The colour written #rrggbb."""
    parts = np.clip(np.round(colour * 255), 0, 255).astype(int)
    return "#" + "".join(f"{part:02x}" for part in parts)


def to_bytes(colour: Floats) -> tuple[int, int, int]:
    """The colour as Pillow wants it."""
    red, green, blue = np.clip(np.round(colour * 255), 0, 255).astype(int)
    return int(red), int(green), int(blue)


def mix(first: Floats, second: Floats, *, share: float) -> Floats:
    """The first colour moved towards the second by a share from 0 to 1."""
    return (first * np.float32(1 - share) + second * np.float32(share)).astype(
        np.float32
    )


def ramp(stops: Sequence[Floats], *, at: Floats) -> Floats:
    """The colours of an evenly spaced gradient at the given places from 0 to 1."""
    table = np.stack(list(stops))
    places = np.linspace(0, 1, len(table))
    channels = [np.interp(at, places, table[:, c]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def luminance(colour: Floats) -> float:
    """The relative luminance of WCAG, 0 for black and 1 for white."""
    linear = np.where(
        colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4
    )
    return float(linear @ np.array([0.2126, 0.7152, 0.0722], np.float32))


def contrast(first: Floats, second: Floats) -> float:
    """The contrast ratio of WCAG, from 1 to 21."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)
