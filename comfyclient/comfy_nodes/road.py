"""Paints the road through the foreground, and the car or its lights on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from .canvas import Canvas, stream
from .colour import Floats, mix, rgb
from .scene_colours import SceneColours


@dataclass(frozen=True)
class Road:
    """A road in perspective: its middle and half its width, row by row."""

    top: int
    middle: Floats
    half: Floats
    near: Floats
    """0 at the far end, 1 at the lower edge."""


def plan_road(canvas: Canvas, crest: Floats, *, seed: int) -> Road:
    """A road that winds from the lower edge to the crest of the foreground."""
    rng = stream(seed, "road")
    side = 1 if rng.random() < 0.5 else -1
    far = int(np.clip((0.5 + side * 0.16) * canvas.width, 0, canvas.width - 1))
    top = int(crest[far]) + 1
    rows = max(2, canvas.height - top)
    near = ((np.arange(rows) + 0.5) / rows).astype(np.float32)
    half = canvas.width * (0.0035 + 0.082 * near**1.45)
    start = canvas.width * (0.5 - side * (0.1 + 0.05 * rng.random()))
    bend = canvas.width * 0.15 * side * np.sin(near**0.72 * np.pi * 2.05)
    bend *= (1 - near) ** 0.35 * near**0.22
    middle = far + (start - far) * near**1.15 + bend
    return Road(top, middle.astype(np.float32), half.astype(np.float32), near)


def paint_road(canvas: Canvas, road: Road, *, colours: SceneColours) -> None:
    """The carriageway, its edge lines and dashes."""
    away = np.abs(canvas.xs[None, :] - road.middle[:, None])
    half = road.half[:, None]
    verge = mix(colours.ground, colours.line, share=0.35)
    canvas.lay(
        np.clip(half * 1.22 - away + 0.5, 0, 1) * np.float32(0.5), verge, top=road.top
    )
    far = mix(colours.road, colours.haze, share=0.45)
    paint = far + (colours.road - far) * road.near[:, None, None] ** np.float32(0.5)
    canvas.lay(
        np.clip(half - away + 0.5, 0, 1),
        np.broadcast_to(paint, (*away.shape, 3)),
        top=road.top,
    )
    thin = np.maximum(half * 0.022, 0.35)
    edge = np.clip(thin - np.abs(away - half * 0.9) + 0.5, 0, 1) * np.minimum(
        1, half / 6
    )
    canvas.lay((edge * 0.85).astype(np.float32), colours.line, top=road.top)
    beat = (np.log(road.near + 0.05) * 7) % 1 < 0.5
    dash = (
        np.clip(thin * 1.25 - away + 0.5, 0, 1)
        * beat[:, None]
        * np.minimum(1, half / 5)
    )
    canvas.lay((dash * 0.9).astype(np.float32), colours.line, top=road.top)


def paint_trails(canvas: Canvas, road: Road) -> None:
    """The long traces of head and tail lights, as a patient camera sees them."""
    for lane, tint in ((0.46, "#ff4d3d"), (-0.46, "#ffe9b8")):
        place = road.middle + lane * road.half
        away = np.abs(canvas.xs[None, :] - place[:, None])
        wide = road.half[:, None] * 0.055 + 0.6
        rise = np.clip(road.near * 9, 0, 1)[:, None]
        glow = np.exp(-((away / (wide * 6)) ** 2)) * 0.42 * rise
        core = np.exp(-((away / wide) ** 2)) * rise
        colour = rgb(tint)
        canvas.lay(glow.astype(np.float32), colour, top=road.top)
        bright = mix(colour, rgb("#ffffff"), share=0.35)
        canvas.lay(core.astype(np.float32), bright, top=road.top)


def paint_car(canvas: Canvas, road: Road, *, colour: Floats, lit: bool) -> None:
    """A small car seen from behind, in the right-hand lane."""
    row = int(len(road.near) * 0.47)
    x = float(road.middle[row] + 0.46 * road.half[row])
    y = float(road.top + row)
    size = float(road.half[row]) * 0.82
    if lit:
        beam = rgb("#ffe9b8")
        canvas.glow(x, y - size * 0.9, radius=size * 2.4, colour=beam, strength=0.4)
    for part, shade, opacity in (
        (_shadow, np.zeros(3, np.float32), 0.35),
        (_body, colour, 1.0),
        (_glass, rgb("#24323c"), 0.92),
        (_plate, rgb("#f3efe4"), 0.85),
        (_lamps, rgb("#ff4a38"), 1.0),
    ):
        _stamp(canvas, part, x=x, y=y, size=size, colour=shade, opacity=opacity)
    if lit:
        for side in (-1, 1):
            lamp = rgb("#ff5a45")
            at = x + side * size * 0.36
            canvas.glow(
                at, y - size * 0.4, radius=size * 0.6, colour=lamp, strength=0.6
            )


def _stamp(
    canvas: Canvas,
    part: Callable[[ImageDraw.ImageDraw, float, float, float], None],
    *,
    x: float,
    y: float,
    size: float,
    colour: Floats,
    opacity: float,
) -> None:
    left, top = int(x - size), int(y - size)

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        part(pen, (x - left) * scale, (y - top) * scale, size * scale)

    box = (left, top, left + 2 * size + 2, top + 1.3 * size + 2)
    canvas.stamp(box, colour, draw=draw, opacity=opacity, scale=4)


def _shadow(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    pen.ellipse((x - size * 0.6, y - size * 0.1, x + size * 0.6, y + size * 0.12), 255)


def _body(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    for side in (-1, 1):
        wheel = x + side * size * 0.36
        box = (wheel - size * 0.08, y - size * 0.22, wheel + size * 0.08, y)
        pen.rounded_rectangle(box, size * 0.03, 255)
    box = (x - size * 0.5, y - size * 0.56, x + size * 0.5, y - size * 0.1)
    pen.rounded_rectangle(box, size * 0.12, 255)
    roof, belt = y - size * 0.88, y - size * 0.45
    pen.polygon(
        [
            (x - size * 0.46, belt),
            (x - size * 0.33, roof),
            (x + size * 0.33, roof),
            (x + size * 0.46, belt),
        ],
        255,
    )


def _glass(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    roof, belt = y - size * 0.81, y - size * 0.54
    pen.polygon(
        [
            (x - size * 0.38, belt),
            (x - size * 0.29, roof),
            (x + size * 0.29, roof),
            (x + size * 0.38, belt),
        ],
        255,
    )


def _plate(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    pen.rectangle(
        (x - size * 0.13, y - size * 0.3, x + size * 0.13, y - size * 0.2), 255
    )


def _lamps(pen: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    box = (x - size * 0.44, y - size * 0.45, x + size * 0.44, y - size * 0.4)
    pen.rounded_rectangle(box, size * 0.03, 255)
