"""A picture being painted: layers of colour laid on by coverage."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from .colour import Floats

Draw = Callable[[ImageDraw.ImageDraw, float], None]


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Random numbers of one purpose, so that one painter never disturbs another."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode())])


def cover(width: int, height: int, *, draw: Draw, scale: int = 3) -> Floats:
    """The anti-aliased coverage of shapes that `draw` puts on a larger canvas."""
    sheet = Image.new("L", (max(1, width) * scale, max(1, height) * scale), 0)
    draw(ImageDraw.Draw(sheet), scale)
    return np.asarray(sheet.reduce(scale), np.float32) / 255


def curve(rng: np.random.Generator, count: int, *, waves: float) -> Floats:
    """A smooth random curve of about `waves` swings, each value from 0 to 1."""
    knots = max(2, int(np.ceil(waves)) + 3)
    values = rng.random(knots + 1)
    places = np.linspace(0, waves, count) + rng.random()
    index = np.clip(places.astype(int), 0, knots - 1)
    part = places - index
    eased = part * part * (3 - 2 * part)
    mixed = values[index] * (1 - eased) + values[index + 1] * eased
    return np.asarray(mixed, np.float32)


def crag(rng: np.random.Generator, count: int, *, waves: float, rough: float) -> Floats:
    """A fractal curve from 0 to 1: the rougher, the more its small swings count."""
    total = np.zeros(count, np.float32)
    weight, whole = 1.0, 0.0
    while weight > 0.02 and waves < count / 2:
        total += weight * curve(rng, count, waves=waves)
        whole += weight
        weight, waves = weight * rough, waves * 2.03
    return np.asarray(total / np.float32(max(whole, 1e-6)))


def zigzag(rng: np.random.Generator, count: int, *, waves: float) -> Floats:
    """A curve from 0 to 1 of straight pieces with sharp peaks."""
    knots = max(4, int(waves) + 2)
    places = np.sort(np.concatenate([[0, 1], rng.random(knots - 2)]))
    values = rng.random(knots)
    values[1::2] = values[1::2] * 0.35
    values[::2] = 0.6 + values[::2] * 0.4
    return np.interp(np.linspace(0, 1, count), places, values).astype(np.float32)


def overlap(
    coverage: Floats, size: tuple[int, ...], *, left: int, top: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Which part of a coverage falls on a sheet of that size, and where; perhaps none.

    `size` is height and width; `left` and `top` are where the coverage is laid.
    """
    rows, columns = coverage.shape
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = max(y0, min(size[0], top + rows)), max(x0, min(size[1], left + columns))
    part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    return part, (slice(y0, y1), slice(x0, x1))


class Canvas:
    """Pixels [height, width, 3] from 0 to 1, painted from back to front."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.pixels = np.zeros((height, width, 3), np.float32)
        self.xs = np.arange(width, dtype=np.float32) + 0.5
        self.ys = np.arange(height, dtype=np.float32) + 0.5

    def lay(
        self, coverage: Floats, colour: Floats, *, left: int = 0, top: int = 0
    ) -> None:
        """Lay a colour (or a picture) on by its coverage, cut at the edges."""
        size = (self.height, self.width)
        part, place = overlap(coverage, size, left=left, top=top)
        alpha = coverage[part][..., None]
        paint = colour[part] if colour.ndim == 3 else colour
        below = self.pixels[place]
        below += (paint - below) * alpha

    def stamp(
        self,
        box: tuple[float, float, float, float],
        colour: Floats,
        *,
        draw: Draw,
        opacity: float = 1.0,
        scale: int = 3,
    ) -> None:
        """Draw shapes inside a box; `draw` sees the box's corner as its origin."""
        left, top = int(np.floor(box[0])), int(np.floor(box[1]))
        width, height = int(np.ceil(box[2])) - left, int(np.ceil(box[3])) - top
        if width <= 0 or height <= 0 or left > self.width or top > self.height:
            return
        coverage = cover(width, height, draw=draw, scale=scale)
        self.lay(coverage * np.float32(opacity), colour, left=left, top=top)

    def glow(
        self, x: float, y: float, *, radius: float, colour: Floats, strength: float
    ) -> None:
        """A soft light around a point."""
        x0, x1 = int(max(0, x - radius)), int(min(self.width, x + radius + 1))
        y0, y1 = int(max(0, y - radius)), int(min(self.height, y + radius + 1))
        if x0 >= x1 or y0 >= y1:
            return
        away = np.hypot(self.xs[None, x0:x1] - x, self.ys[y0:y1, None] - y) / radius
        fade = np.clip(1 - away, 0, 1) ** 2 * np.float32(strength)
        self.lay(fade.astype(np.float32), colour, left=x0, top=y0)
