"""The last touches: weather in the air, paper grain, rounded corners."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from .canvas import Canvas, cover, stream
from .colour import Floats, mix
from .scene_colours import SceneColours


def paint_weather(
    canvas: Canvas, colours: SceneColours, *, weather: str, seed: int, horizon: float
) -> None:
    """Rain, falling snow or fog in front of the scene."""
    if weather == "rain":
        _rain(canvas, colours, seed=seed)
        canvas.lay(np.full((canvas.height, canvas.width), 0.14), colours.haze)
    elif weather == "snow":
        _snowfall(canvas, colours, seed=seed)
    elif weather == "fog":
        away = np.abs(canvas.ys - horizon * 1.05) / (canvas.height * 0.34)
        band = (np.clip(1 - away, 0, 1) ** 0.8 * 0.6).astype(np.float32)
        canvas.lay(np.repeat(band[:, None], canvas.width, axis=1), colours.haze)


def _rain(canvas: Canvas, colours: SceneColours, *, seed: int) -> None:
    rng = stream(seed, "rain")
    drops = rng.random((int(canvas.width * 0.28), 3))

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        for across, down, size in drops:
            x, y = across * 1.1 * canvas.width * scale, down * canvas.height * scale
            long = canvas.height * (0.014 + 0.026 * size) * scale
            pen.line((x, y, x - long * 0.22, y + long), 255, max(1, round(scale * 0.6)))

    tint = mix(colours.haze, colours.light, share=0.4)
    box = (0, 0, canvas.width, canvas.height)
    canvas.stamp(box, tint, draw=draw, opacity=0.5, scale=2)


def _snowfall(canvas: Canvas, colours: SceneColours, *, seed: int) -> None:
    rng = stream(seed, "snowfall")
    flakes = rng.random((int(canvas.width * 0.42), 3))

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        for across, down, size in flakes:
            x, y = across * canvas.width * scale, down * canvas.height * scale
            r = (0.8 + 2.8 * size**4) * scale
            pen.ellipse((x - r, y - r, x + r, y + r), 255)

    box = (0, 0, canvas.width, canvas.height)
    canvas.stamp(box, colours.snow, draw=draw, opacity=0.72, scale=2)


def grain(pixels: Floats, *, seed: int, strength: float) -> None:
    """Paper grain, which also hides the steps of slow gradients; in place."""
    rng = stream(seed, "grain")
    height, width = pixels.shape[:2]
    noise = rng.standard_normal((height, width), dtype=np.float32) * np.float32(0.011)
    small = rng.standard_normal((height // 3 + 1, width // 3 + 1), dtype=np.float32)
    sheet = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    noise += np.asarray(sheet, np.float32) * np.float32(0.008)
    pixels += noise[..., None] * np.float32(strength)
    np.clip(pixels, 0, 1, out=pixels)


def rounded(width: int, height: int, *, radius: int) -> Floats:
    """The coverage of a rectangle with rounded corners."""
    full = np.ones((height, width), np.float32)
    reach = min(radius, width // 2, height // 2)
    if reach <= 0:
        return full

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        pen.pieslice((0, 0, 2 * reach * scale, 2 * reach * scale), 180, 270, 255)

    corner = cover(reach, reach, draw=draw, scale=4)
    full[:reach, :reach] = corner
    full[:reach, -reach:] = corner[:, ::-1]
    full[-reach:, :reach] = corner[::-1]
    full[-reach:, -reach:] = corner[::-1, ::-1]
    return full
