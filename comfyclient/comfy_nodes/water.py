"""Paints water: what it mirrors, its ripples and the glitter under the light."""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw

from .canvas import Canvas, stream
from .colour import mix
from .scene_colours import SceneColours


def paint_water(
    canvas: Canvas, colours: SceneColours, *, level: float, seed: int, calm: float
) -> None:
    """Mirror what stands above the level: sharp where calm is 1, broken where 0."""
    top = int(level)
    rows = canvas.height - top
    if rows <= 0:
        return
    rng = stream(seed, "water")
    down = np.arange(rows, dtype=np.float32)
    source = np.clip(top - 1 - down * 0.92, 0, top - 1).astype(int)
    phase = rng.random() * 6.28
    swing = (0.6 + down * 0.035) * (1.6 - calm)
    sway = swing * np.sin(phase + 34 * np.log1p(down * 0.09))
    sway += swing * (rng.random(rows) - 0.5) * 1.6
    columns = np.clip(canvas.xs[None, :] + sway[:, None], 0, canvas.width - 1)
    mirrored = canvas.pixels[source[:, None], columns.astype(int)]
    deep = mix(colours.sky[0], colours.sky[1], share=0.45) * np.float32(
        0.72 if colours.dark else 0.86
    )
    depth = (down / max(rows, 1))[:, None, None]
    share = np.clip(0.26 + 0.3 * (1 - calm) + 0.35 * depth, 0, 0.92)
    canvas.pixels[top:] = mirrored + (deep - mirrored) * share
    _shoreline(canvas, colours, top=top)
    _ripples(canvas, colours, top=top, rng=rng)


def _shoreline(canvas: Canvas, colours: SceneColours, *, top: int) -> None:
    bright = mix(colours.haze, colours.light, share=0.5)
    rows = np.array([0.55, 0.35, 0.15], np.float32)[:, None]
    canvas.lay(np.repeat(rows, canvas.width, axis=1), bright, top=top)


def _ripples(
    canvas: Canvas, colours: SceneColours, *, top: int, rng: np.random.Generator
) -> None:
    rows = canvas.height - top
    bright = mix(colours.sky[2], colours.light, share=0.4)
    dashes = [(rng.random(), rng.random(), rng.random()) for _ in range(150)]

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        for across, down, size in dashes:
            y = (4 + down**1.5 * (rows - 5)) * scale
            wide = (4 + 46 * size * size) * (0.35 + down) * scale
            x = across * canvas.width * scale
            thick = (0.5 + 1.3 * down) * scale
            pen.rounded_rectangle((x, y, x + wide, y + thick), thick / 2, 255)

    box = (0, top, canvas.width, canvas.height)
    canvas.stamp(box, bright, draw=draw, opacity=0.3, scale=2)


def paint_glitter(
    canvas: Canvas, colours: SceneColours, *, x: float, level: float, seed: int
) -> None:
    """The path of light on the water, wider and sparser towards the viewer."""
    rng = stream(seed, "glitter")
    rows = canvas.height - int(level)
    dashes = [(rng.normal(), rng.random(), rng.random()) for _ in range(210)]

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        for across, down, size in dashes:
            y = (1 + down**1.6 * (rows - 2)) * scale
            spread = canvas.width * (0.018 + 0.06 * down)
            wide = (5 + 30 * size) * (0.4 + down) * scale
            middle = (x + across * spread) * scale
            thick = (0.8 + 1.9 * down) * scale
            box = (middle - wide / 2, y, middle + wide / 2, y + thick)
            pen.rounded_rectangle(box, thick / 2, 255)

    box = (0, int(level), canvas.width, canvas.height)
    canvas.stamp(box, colours.light, draw=draw, opacity=0.62, scale=2)
