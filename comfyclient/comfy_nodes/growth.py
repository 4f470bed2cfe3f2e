"""Paints what grows: firs, broad trees, poplars, shrubs, flowers and grass."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from .canvas import Canvas, stream
from .colour import Floats, mix


@dataclass(frozen=True)
class Spot:
    """Where one plant stands, and its height."""

    x: float
    y: float
    tall: float
    turn: float
    """A random number from 0 to 1 that makes it differ from its neighbours."""


Shape = Callable[[ImageDraw.ImageDraw, float, float, float, float], None]


def fir(pen: ImageDraw.ImageDraw, x: float, y: float, tall: float, turn: float) -> None:
    """A fir of stacked tiers."""
    tiers = 4
    wide = tall * (0.40 + 0.1 * turn)
    pen.rectangle((x - tall * 0.02, y - tall * 0.2, x + tall * 0.02, y), 255)
    for i in range(tiers):
        low = y - tall * (0.08 + 0.215 * i)
        high = low - tall * (0.40 - 0.03 * i)
        half = wide * (1 - 0.22 * i) / 2
        sag = tall * 0.025
        points = [(x, max(high, y - tall)), (x + half, low), (x, low - sag)]
        pen.polygon([*points, (x - half, low)], 255)


_CLUMPS = (
    (-0.27, 0.44, 0.17),
    (0.27, 0.45, 0.17),
    (0.0, 0.43, 0.2),
    (-0.2, 0.62, 0.2),
    (0.2, 0.64, 0.2),
    (0.0, 0.66, 0.24),
    (-0.09, 0.82, 0.16),
    (0.1, 0.84, 0.15),
)


def broad(
    pen: ImageDraw.ImageDraw, x: float, y: float, tall: float, turn: float
) -> None:
    """A broad tree of round clumps on a short trunk."""
    pen.polygon(
        [
            (x - tall * 0.018, y - tall * 0.5),
            (x + tall * 0.018, y - tall * 0.5),
            (x + tall * 0.035, y),
            (x - tall * 0.035, y),
        ],
        255,
    )
    for i, (dx, dy, size) in enumerate(_CLUMPS):
        sway = math.sin(turn * 40 + i * 2.4)
        r = size * tall * (1 + 0.12 * sway)
        cx, cy = x + (dx + 0.03 * sway) * tall, y - dy * tall
        pen.ellipse((cx - r, cy - r * 0.9, cx + r, cy + r * 0.9), 255)


def broad_light(
    pen: ImageDraw.ImageDraw, x: float, y: float, tall: float, turn: float
) -> None:
    """The lit clumps of a broad tree."""
    for i, (dx, dy, size) in enumerate(_CLUMPS[3:]):
        sway = math.sin(turn * 31 + i * 1.7)
        r = size * tall * (0.5 + 0.14 * sway)
        cx, cy = x + (dx - 0.075) * tall, y - (dy + 0.045) * tall
        pen.ellipse((cx - r, cy - r * 0.72, cx + r, cy + r * 0.72), 255)


def fir_light(
    pen: ImageDraw.ImageDraw, x: float, y: float, tall: float, turn: float
) -> None:
    """The lit edge of a fir's tiers."""
    for i in range(4):
        low = y - tall * (0.08 + 0.215 * i)
        half = tall * (0.40 + 0.1 * turn) * (1 - 0.22 * i) / 2
        high = low - tall * 0.2
        points = [(x, high), (x - half * 0.25, low - tall * 0.04), (x - half, low)]
        pen.polygon(points, 255)


def poplar(
    pen: ImageDraw.ImageDraw, x: float, y: float, tall: float, turn: float
) -> None:
    """A slender tree."""
    half = tall * (0.1 + 0.03 * turn)
    pen.rectangle((x - tall * 0.015, y - tall * 0.2, x + tall * 0.015, y), 255)
    pen.ellipse((x - half, y - tall, x + half, y - tall * 0.08), 255)


def shrub(
    pen: ImageDraw.ImageDraw, x: float, y: float, tall: float, turn: float
) -> None:
    """A low round shrub."""
    for dx, size in ((-0.3, 0.26), (0.0, 0.36 + 0.1 * turn), (0.32, 0.24)):
        cx, r = x + dx * tall, size * tall
        pen.pieslice((cx - r, y - r, cx + r, y + r), 180, 360, 255)


def bare(
    pen: ImageDraw.ImageDraw, x: float, y: float, tall: float, turn: float
) -> None:
    """A leafless tree."""

    def limb(x0: float, y0: float, length: float, angle: float, left: int) -> None:
        x1, y1 = x0 + math.sin(angle) * length, y0 - math.cos(angle) * length
        thick = max(1, int(length * 0.11))
        pen.line((x0, y0, x1, y1), 255, thick)
        if left:
            lean = 0.42 + 0.2 * turn
            for side in (-lean, lean * 0.85, 0.06):
                limb(x1, y1, length * 0.62, angle + side, left - 1)

    limb(x, y, tall * 0.42, (turn - 0.5) * 0.14, 3)


def plant(
    canvas: Canvas, spots: Sequence[Spot], *, shape: Shape, colour: Floats
) -> None:
    """Plants of one shape and colour, all in one sheet."""
    if not spots:
        return
    margin = max(spot.tall for spot in spots) * 0.5
    top = max(0.0, min(spot.y - spot.tall * 1.15 for spot in spots) - 2)
    bottom = min(float(canvas.height), max(spot.y for spot in spots) + 2)
    left = math.floor(max(0.0, min(spot.x for spot in spots) - margin - 2))
    right = min(float(canvas.width), max(spot.x for spot in spots) + margin + 2)
    top = float(math.floor(top))

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        for spot in spots:
            x, y = (spot.x - left) * scale, (spot.y - top) * scale
            shape(pen, x, y, spot.tall * scale, spot.turn)

    canvas.stamp((left, top, right, bottom), colour, draw=draw)


def grove(
    canvas: Canvas,
    spots: Sequence[Spot],
    *,
    shape: Shape,
    light: Shape | None,
    colours: Sequence[Floats],
    sun: Floats,
) -> None:
    """Plants in several colours with their lit sides, the farther ones first."""
    ordered = sorted(spots, key=lambda spot: spot.y)
    for start in range(0, len(ordered), 24):
        batch = ordered[start : start + 24]
        for i, colour in enumerate(colours):
            some = [s for s in batch if int(s.turn * 997) % len(colours) == i]
            plant(canvas, some, shape=shape, colour=colour)
            if light is not None:
                lit = mix(colour, sun, share=0.15)
                plant(canvas, some, shape=light, colour=lit)


def flowers(
    canvas: Canvas,
    crest: Floats,
    *,
    colours: Sequence[Floats],
    seed: int,
    count: int,
    size: float,
) -> None:
    """Dots of blossom in drifts, larger and sparser towards the viewer."""
    rng = stream(seed, "flowers")
    top = float(crest.min())
    for colour in colours:
        drift, wide = rng.random(3), 0.05 + 0.2 * rng.random(3)
        dots = []
        for _ in range(count):
            i = int(rng.integers(3))
            x = (drift[i] + rng.normal() * wide[i]) * canvas.width
            down = rng.random() ** 1.2
            if 0 <= x < canvas.width:
                crest_y = float(crest[int(x)])
                y = crest_y + 3 + down * (canvas.height - crest_y)
                dots.append((x, y - top, size * (0.3 + 1.1 * down)))
        _dots(canvas, dots, top=top, colour=colour)


def _dots(
    canvas: Canvas,
    dots: Sequence[tuple[float, float, float]],
    *,
    top: float,
    colour: Floats,
) -> None:
    start = math.floor(top)

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        for x, y, r in dots:
            cx, cy, reach = x * scale, (y + top - start) * scale, r * scale
            box = (cx - reach, cy - reach * 0.7, cx + reach, cy + reach * 0.7)
            pen.ellipse(box, 255)

    canvas.stamp((0, start, canvas.width, canvas.height), colour, draw=draw, scale=2)


def grass(canvas: Canvas, *, colour: Floats, seed: int, tall: float) -> None:
    """Blades along the lower edge, higher towards the corners."""
    rng = stream(seed, "grass")
    start = math.floor(canvas.height - tall * 1.3)
    blades = []
    for _ in range(int(canvas.width * 0.55)):
        across = rng.random()
        edge = abs(across - 0.5) * 2
        high = tall * (0.18 + 0.82 * edge**2.2) * (0.45 + 0.55 * rng.random())
        blades.append((across * canvas.width, high, (rng.random() - 0.5) * 0.7))

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        foot = (canvas.height - start) * scale
        for x, high, lean in blades:
            tip = (x + lean * high) * scale
            half = (0.9 + high * 0.022) * scale
            middle = (x + lean * high * 0.3) * scale
            bend = foot - high * 0.6 * scale
            points = [(x * scale - half, foot), (middle - half * 0.7, bend)]
            points += [(tip, foot - high * scale), (middle + half * 0.7, bend)]
            pen.polygon([*points, (x * scale + half, foot)], 255)

    canvas.stamp((0, start, canvas.width, canvas.height), colour, draw=draw, scale=2)


def along(
    crest: Floats,
    *,
    rng: np.random.Generator,
    count: int,
    tall: float,
    clumps: int,
    sink: float = 0.0,
) -> list[Spot]:
    """Spots on a crest, gathered in clumps (or evenly spread where clumps is 0)."""
    width = len(crest)
    centres = rng.random(max(clumps, 1)) * width
    spots = []
    for _ in range(count):
        if clumps:
            x = centres[int(rng.integers(clumps))] + rng.normal() * width * 0.035
        else:
            x = rng.random() * width
        if 0 <= x < width:
            size = tall * (0.6 + 0.6 * rng.random())
            y = float(crest[int(x)]) + 1 + sink * rng.random()
            spots.append(Spot(float(x), y, size, float(rng.random())))
    return spots
