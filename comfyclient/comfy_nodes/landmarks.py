"""Paints what people built: skylines, villages, lighthouses, wind turbines."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import ImageDraw

from .canvas import Canvas, stream
from .colour import Floats, luminance, mix, rgb
from .scene_colours import SceneColours


def paint_skyline(
    canvas: Canvas, colours: SceneColours, *, level: float, seed: int
) -> None:
    """Three rows of buildings, the farther the paler, with windows after dark."""
    for row, (tall, share) in enumerate(((0.25, 0.62), (0.19, 0.32), (0.11, 0.0))):
        tint = mix(colours.slope(0.35 + 0.3 * row), colours.haze, share=share)
        _row(canvas, colours, row=row, tall=tall, tint=tint, level=level, seed=seed)


def _row(
    canvas: Canvas,
    colours: SceneColours,
    *,
    row: int,
    tall: float,
    tint: Floats,
    level: float,
    seed: int,
) -> None:
    rng = stream(seed, f"skyline {row}")
    x = -rng.random() * canvas.width * 0.05
    while x < canvas.width:
        wide = canvas.width * (0.028 + 0.045 * rng.random())
        centre = 1 - abs((x + wide / 2) / canvas.width - 0.5) * (0.9 - 0.3 * row)
        high = canvas.height * tall * (0.25 + 0.75 * rng.random() ** 1.6) * centre
        top = int(level - high)
        _house(canvas, tint, x=x, wide=wide, top=top, level=level, roof=rng.random())
        _windows(canvas, colours, x=x, wide=wide, top=top, level=level, rng=rng)
        x += wide * (1.02 + 0.35 * rng.random())


def _house(
    canvas: Canvas,
    tint: Floats,
    *,
    x: float,
    wide: float,
    top: int,
    level: float,
    roof: float,
) -> None:
    rise = wide * 0.9

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        w, up = wide * scale, rise * scale
        pen.rectangle((0, up, w, (level - top + rise) * scale), 255)
        if roof < 0.2:
            pen.polygon([(0, up), (w / 2, up * 0.35), (w, up)], 255)
            pen.rectangle((w / 2 - scale * 0.6, 0, w / 2 + scale * 0.6, up), 255)
        elif roof < 0.4:
            pen.rectangle((w * 0.2, up * 0.7, w * 0.8, up), 255)
        elif roof < 0.55:
            pen.polygon([(0, up), (w, up * 0.45), (w, up)], 255)

    canvas.stamp((x, top - rise, x + wide, level), tint, draw=draw)
    shade = np.zeros(3, np.float32)

    def side(pen: ImageDraw.ImageDraw, scale: float) -> None:
        pen.rectangle(
            (wide * 0.64 * scale, 0, wide * scale, (level - top) * scale), 255
        )

    canvas.stamp((x, top, x + wide, level), shade, draw=side, opacity=0.09)


def _windows(
    canvas: Canvas,
    colours: SceneColours,
    *,
    x: float,
    wide: float,
    top: int,
    level: float,
    rng: np.random.Generator,
) -> None:
    step = max(5.0, canvas.height * 0.0085)
    columns, rows = int(wide / step) - 1, int((level - top) / step) - 1
    if columns < 1 or rows < 1:
        return
    lit = rng.random((rows, columns)) < (0.42 if colours.dark else 0.8)
    margin = (wide - columns * step) / 2

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        for r, c in zip(*np.nonzero(lit), strict=True):
            left, high = (margin + c * step) * scale, (step * 0.7 + r * step) * scale
            box = (left, high, left + step * 0.5 * scale, high + step * 0.5 * scale)
            pen.rectangle(box, 255)

    warm = rgb("#ffd98a") if colours.dark else colours.haze
    opacity = 0.85 if colours.dark else 0.3
    canvas.stamp((x, top, x + wide, level), warm, draw=draw, opacity=opacity)


def paint_turbines(
    canvas: Canvas, colours: SceneColours, *, level: float, seed: int
) -> None:
    """A row of wind turbines on the far land."""
    rng = stream(seed, "turbines")
    white = mix(colours.snow, colours.haze, share=0.1)
    if luminance(colours.haze) > 0.5:
        white = mix(colours.middle, colours.haze, share=0.3)
    place = 0.08 + 0.1 * rng.random()
    for i in range(6):
        tall = canvas.height * (0.075 + 0.05 * rng.random()) * (1 - 0.07 * i)
        x = canvas.width * (place + 0.145 * i + 0.03 * rng.random())
        _turbine(canvas, white, x=x, y=level + 6, tall=tall, turn=rng.random() * 2.1)


def _turbine(
    canvas: Canvas, colour: Floats, *, x: float, y: float, tall: float, turn: float
) -> None:
    reach = tall * 0.55
    left, top = int(x - reach) - 1, int(y - tall - reach) - 1

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        hub = ((x - left) * scale, (y - tall - top) * scale)
        foot = (y - top) * scale
        slim, stout = tall * 0.009 * scale, tall * 0.016 * scale
        pen.polygon(
            [
                (hub[0] - slim, hub[1]),
                (hub[0] + slim, hub[1]),
                (hub[0] + stout, foot),
                (hub[0] - stout, foot),
            ],
            255,
        )
        for i in range(3):
            angle = turn + i * math.tau / 3
            ahead = (math.sin(angle), -math.cos(angle))
            tip = (hub[0] + ahead[0] * reach * scale, hub[1] + ahead[1] * reach * scale)
            root = reach * 0.2 * scale
            broad = tall * 0.02 * scale
            bulge = (
                hub[0] + ahead[0] * root - ahead[1] * broad,
                hub[1] + ahead[1] * root + ahead[0] * broad,
            )
            pen.polygon([hub, bulge, tip], 255)
        knob = tall * 0.02 * scale
        pen.ellipse((hub[0] - knob, hub[1] - knob, hub[0] + knob, hub[1] + knob), 255)

    box = (left, top, x + reach + 2, y)
    canvas.stamp(box, colour, draw=draw, scale=4)


def paint_lighthouse(
    canvas: Canvas, colours: SceneColours, *, x: float, y: float, tall: float, side: int
) -> None:
    """A lighthouse, whose beam sweeps the sky after dark."""
    lamp = (x, y - tall * 0.93)
    if colours.dark:
        _beam(canvas, x=lamp[0], y=lamp[1], side=side)
    body = mix(colours.snow, colours.haze, share=0.12)
    red = mix(rgb("#c8402f"), colours.near, share=0.35 if colours.dark else 0.0)
    dark = mix(rgb("#22303a"), colours.near, share=0.2)
    parts = ((_tower, body), (_bands, red), (_gallery, dark), (_lamp, rgb("#ffe9a8")))
    left, top = int(x - tall / 2), int(y - tall * 1.1)
    for part, colour in parts:
        drawn = partial(_drawn, part=part, x=x - left, y=y - top, tall=tall)
        canvas.stamp((left, top, x + tall / 2, y + 1), colour, draw=drawn, scale=4)
    if colours.dark:
        warm = rgb("#fff0bf")
        canvas.glow(*lamp, radius=tall * 0.75, colour=warm, strength=0.85)


def _drawn(
    pen: ImageDraw.ImageDraw,
    scale: float,
    *,
    part: Callable[[ImageDraw.ImageDraw, float, float, float], None],
    x: float,
    y: float,
    tall: float,
) -> None:
    part(pen, x * scale, y * scale, tall * scale)


def _beam(canvas: Canvas, *, x: float, y: float, side: int) -> None:
    for way, strength in ((side, 0.5), (-side, 0.24)):
        ahead = (canvas.xs[None, :] - x) * way
        off = np.abs(canvas.ys[:, None] - (y - ahead * 0.10))
        wide = 1.5 + np.maximum(ahead, 0) * 0.07
        core = np.clip(1 - off / wide, 0, 1) * (ahead > 0)
        fade = np.exp(-np.maximum(ahead, 0) / (canvas.width * 0.42))
        canvas.lay((core * fade * strength).astype(np.float32), rgb("#fff1c4"))


def _tower(pen: ImageDraw.ImageDraw, x: float, y: float, tall: float) -> None:
    top = y - tall * 0.84
    low, high = tall * 0.105, tall * 0.068
    pen.polygon([(x - high, top), (x + high, top), (x + low, y), (x - low, y)], 255)


def _bands(pen: ImageDraw.ImageDraw, x: float, y: float, tall: float) -> None:
    for start in (0.1, 0.42, 0.72):
        low, high = y - tall * start, y - tall * (start + 0.14)
        wide = tall * (0.105 - 0.044 * start)
        slim = tall * (0.105 - 0.044 * (start + 0.14))
        points = [(x - wide, low), (x + wide, low), (x + slim, high), (x - slim, high)]
        pen.polygon(points, 255)


def _gallery(pen: ImageDraw.ImageDraw, x: float, y: float, tall: float) -> None:
    pen.rectangle(
        (x - tall * 0.1, y - tall * 0.86, x + tall * 0.1, y - tall * 0.83), 255
    )
    pen.rectangle(
        (x - tall * 0.06, y - tall * 0.97, x + tall * 0.06, y - tall * 0.86), 255
    )
    roof = y - tall * 0.965
    points = [(x - tall * 0.08, roof), (x, y - tall * 1.06), (x + tall * 0.08, roof)]
    pen.polygon(points, 255)


def _lamp(pen: ImageDraw.ImageDraw, x: float, y: float, tall: float) -> None:
    pen.rectangle(
        (x - tall * 0.04, y - tall * 0.96, x + tall * 0.04, y - tall * 0.87), 255
    )


def paint_village(
    canvas: Canvas, colours: SceneColours, *, crest: Floats, seed: int
) -> None:
    """A few gabled houses and a church in a fold of the hills."""
    rng = stream(seed, "village")
    centre = canvas.width * (0.24 + 0.5 * rng.random())
    walls = mix(colours.snow, rgb("#d9b98c"), share=0.45)
    if colours.dark:
        walls = mix(walls, colours.near, share=0.55)
    roofs = mix(rgb("#a34a35"), colours.near, share=0.35)
    for i in range(9):
        wide = canvas.width * (0.012 + 0.008 * rng.random())
        x = float(np.clip(centre + (i - 4) * wide * 1.45, 2, canvas.width - 3))
        y = float(crest[int(x)]) + canvas.height * (0.008 + 0.012 * rng.random())
        _cottage(canvas, walls, roofs=roofs, x=x, y=y, wide=wide, church=i == 4)
        if colours.dark:
            warm = rgb("#ffd27a")
            canvas.glow(
                x, y - wide * 0.25, radius=wide * 0.8, colour=warm, strength=0.9
            )


def _cottage(
    canvas: Canvas,
    walls: Floats,
    *,
    roofs: Floats,
    x: float,
    y: float,
    wide: float,
    church: bool,
) -> None:
    high = wide * 0.55
    left, top = int(x - wide), int(y - wide * 3)

    def wall(pen: ImageDraw.ImageDraw, scale: float) -> None:
        cx, cy, w = (x - left) * scale, (y - top) * scale, wide * scale
        pen.rectangle((cx - w / 2, cy - high * scale, cx + w / 2, cy), 255)
        if church:
            pen.rectangle((cx - w * 0.2, cy - w * 1.5, cx + w * 0.2, cy), 255)

    def roof(pen: ImageDraw.ImageDraw, scale: float) -> None:
        cx, cy, w = (x - left) * scale, (y - top) * scale, wide * scale
        eave = cy - high * scale
        pen.polygon(
            [(cx - w * 0.6, eave), (cx, eave - w * 0.5), (cx + w * 0.6, eave)], 255
        )
        if church:
            base = cy - w * 1.5
            pen.polygon(
                [(cx - w * 0.24, base), (cx, base - w * 1.1), (cx + w * 0.24, base)],
                255,
            )

    box = (left, top, x + wide + 1, y + 1)
    canvas.stamp(box, walls, draw=wall, scale=4)
    canvas.stamp(box, roofs, draw=roof, scale=4)
