"""Paints the sky: its gradient, sun or moon, stars and clouds."""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw

from .canvas import Canvas, stream
from .colour import Floats, mix, ramp
from .scene_colours import SceneColours


def paint_sky(canvas: Canvas, colours: SceneColours, *, horizon: float) -> None:
    """The gradient from the zenith to the horizon."""
    at = np.clip(canvas.ys / np.float32(horizon), 0, 1) ** np.float32(1.15)
    top, middle, low = colours.sky
    stops = [top, mix(top, middle, share=0.55), middle, mix(middle, low, share=0.6)]
    canvas.pixels[:] = ramp([*stops, low], at=at)[:, None, :]


def paint_light(
    canvas: Canvas, colours: SceneColours, *, daylight: str, seed: int, horizon: float
) -> tuple[float, float]:
    """The sun or the moon; returns where it stands."""
    rng = stream(seed, "light")
    side = 1 if rng.random() < 0.6 else -1
    width, height = canvas.width, canvas.height
    share = {"dawn": 0.9, "day": 0.2, "dusk": 0.9, "night": 0.17}[daylight]
    reach = {"dawn": 0.2, "day": 0.33, "dusk": 0.16, "night": 0.34}[daylight]
    x = width * (0.5 + side * (reach + 0.03 * rng.random()))
    y = horizon * (share + 0.02 * rng.random())
    radius = (
        height * {"dawn": 0.075, "day": 0.06, "dusk": 0.1, "night": 0.042}[daylight]
    )
    if daylight == "night":
        _moon(canvas, colours, x=x, y=y, radius=radius)
    else:
        _sun(canvas, colours, x=x, y=y, radius=radius)
    return x, y


def _sun(
    canvas: Canvas, colours: SceneColours, *, x: float, y: float, radius: float
) -> None:
    canvas.glow(x, y, radius=radius * 6.5, colour=colours.light, strength=0.55)
    for times, opacity in ((2.1, 0.10), (1.5, 0.16), (1.0, 0.92)):
        _disc(canvas, colours.light, x=x, y=y, radius=radius * times, opacity=opacity)


def _disc(
    canvas: Canvas, colour: Floats, *, x: float, y: float, radius: float, opacity: float
) -> None:
    away = np.hypot(canvas.xs[None, :] - x, canvas.ys[:, None] - y)
    canvas.lay(np.clip(radius - away + 0.5, 0, 1) * np.float32(opacity), colour)


def _moon(
    canvas: Canvas, colours: SceneColours, *, x: float, y: float, radius: float
) -> None:
    canvas.glow(x, y, radius=radius * 7, colour=colours.light, strength=0.28)
    away = np.hypot(canvas.xs[None, :] - x, canvas.ys[:, None] - y)
    bite = np.hypot(
        canvas.xs[None, :] - (x - radius * 0.5), canvas.ys[:, None] - (y - radius * 0.3)
    )
    crescent = np.clip(radius - away + 0.5, 0, 1) * np.clip(
        bite - radius * 0.92 + 0.5, 0, 1
    )
    canvas.lay(np.clip(radius - away + 0.5, 0, 1) * np.float32(0.07), colours.light)
    canvas.lay(crescent, colours.light)


def paint_stars(
    canvas: Canvas, colours: SceneColours, *, seed: int, horizon: float
) -> None:
    """Stars, fewer and fainter towards the horizon."""
    rng = stream(seed, "stars")
    count = int(canvas.width * horizon / 2600)
    for _ in range(count):
        x, y = rng.random() * canvas.width, rng.random() ** 1.3 * horizon * 0.95
        size = 0.55 + 1.5 * rng.random() ** 6
        fade = (1 - y / horizon) ** 0.7 * (0.35 + 0.65 * rng.random())
        _star(canvas, colours.light, x=x, y=y, size=size, fade=fade)


def _star(
    canvas: Canvas, colour: Floats, *, x: float, y: float, size: float, fade: float
) -> None:
    reach = int(np.ceil(size + 1))
    left, top = int(x) - reach, int(y) - reach
    ys, xs = np.mgrid[0 : 2 * reach + 1, 0 : 2 * reach + 1].astype(np.float32)
    away = np.hypot(xs + left + 0.5 - x, ys + top + 0.5 - y)
    canvas.lay(
        np.clip(size + 0.5 - away, 0, 1) * np.float32(fade), colour, left=left, top=top
    )


def paint_clouds(
    canvas: Canvas, colours: SceneColours, *, seed: int, horizon: float, weather: str
) -> None:
    """Flat-based clouds, mostly low, so that the sky above stays calm."""
    rng = stream(seed, "clouds")
    count = {"clear": 4, "cloudy": 11, "rain": 12, "snow": 9, "fog": 5}[weather]
    bright = mix(colours.sky[2], colours.light, share=0.25 if colours.dark else 0.6)
    for i in range(count):
        low = rng.random()
        y = horizon * (0.12 + 0.72 * low)
        wide = canvas.width * (0.12 + 0.2 * rng.random()) * (0.6 + 0.6 * (1 - low))
        x = canvas.width * (rng.random() * 1.2 - 0.1)
        tint = mix(colours.sky[1], bright, share=0.25 + 0.6 * low)
        opacity = (0.3 if colours.dark else 0.5) * (0.45 + 0.55 * low)
        if i % 2 and weather == "clear":
            _streak(canvas, tint, x=x, y=y, wide=wide * 1.5, opacity=opacity, rng=rng)
        else:
            _cloud(canvas, tint, x=x, y=y, wide=wide, opacity=opacity, rng=rng)


def _cloud(
    canvas: Canvas,
    colour: Floats,
    *,
    x: float,
    y: float,
    wide: float,
    opacity: float,
    rng: np.random.Generator,
) -> None:
    tall = wide * 0.36
    bumps = [
        (0.14 + 0.72 * (i + rng.random() * 0.6) / 6, 0.14 + 0.16 * rng.random())
        for i in range(6)
    ]

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        base = tall * 0.92 * scale
        pen.rounded_rectangle(
            (0, base - 0.13 * wide * scale, wide * scale, base),
            0.065 * wide * scale,
            255,
        )
        for at, size in bumps:
            swell = size * (1 - abs(at - 0.48) * 1.1) * wide * scale
            cx, cy = at * wide * scale, base - swell * 0.72
            box = (cx - swell, cy - swell * 0.82, cx + swell, cy + swell * 0.82)
            pen.ellipse(box, 255)
        pen.rectangle((0, base, wide * scale, tall * 2 * scale), 0)

    box = (x - wide / 2, y - tall, x + wide / 2, y + 2)
    canvas.stamp(box, colour, draw=draw, opacity=opacity, scale=2)


def _streak(
    canvas: Canvas,
    colour: Floats,
    *,
    x: float,
    y: float,
    wide: float,
    opacity: float,
    rng: np.random.Generator,
) -> None:
    thick = canvas.height * 0.008
    bars = [(rng.random() * 0.4, 0.4 + 0.6 * rng.random(), i) for i in range(3)]

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        for start, end, row in bars:
            y0 = row * thick * 1.75 * scale
            box = (start * wide * scale, y0, end * wide * scale, y0 + thick * scale)
            pen.rounded_rectangle(box, thick * scale / 2, 255)

    box = (x - wide / 2, y, x + wide / 2, y + thick * 6)
    canvas.stamp(box, colour, draw=draw, opacity=opacity * 0.8, scale=2)
