"""Draws the line of a route: its shadow, its casing and its colours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .colour import Floats, luminance, mix, ramp, to_bytes
from .geometry import Points
from .layer import Layer
from .palette import Palette

_SCALE = 3
_SHADES = 64
_CASING = 3.4


def route_line(
    layer: Layer,
    legs: Sequence[tuple[Points, Floats]],
    *,
    width: float,
    palette: Palette,
) -> None:
    """The route in the colours of its shades, from 0 to 1 per point."""
    casing = _CASING * max(0.6, width / 9)
    outer = _coverage(layer, [leg[0] for leg in legs], width=width + 2 * casing)
    inner = _coverage(layer, [leg[0] for leg in legs], width=width)
    _shadow(layer, outer, width=width, palette=palette)
    layer.lay(outer * np.float32(0.96), palette.colour("casing"))
    layer.lay(inner, _paint(layer, legs, width=width + 6, palette=palette))


def _coverage(layer: Layer, lines: Sequence[Points], *, width: float) -> Floats:
    sheet = Image.new("L", (layer.width * _SCALE, layer.height * _SCALE), 0)
    pen = ImageDraw.Draw(sheet)
    for line in lines:
        _stroke(pen, line, width=width, ink=255)
    return np.asarray(sheet.reduce(_SCALE), np.float32) / 255


def _stroke(
    pen: ImageDraw.ImageDraw,
    line: Points,
    *,
    width: float,
    ink: int | tuple[int, int, int],
) -> None:
    points = line * _SCALE
    r = width * _SCALE / 2
    pen.line([(float(x), float(y)) for x, y in points], ink, round(width * _SCALE))
    for x, y in points:
        pen.ellipse((x - r, y - r, x + r, y + r), ink)


def _paint(
    layer: Layer,
    legs: Sequence[tuple[Points, Floats]],
    *,
    width: float,
    palette: Palette,
) -> Floats:
    """The colours under the line, wider than it, so that its edges stay pure."""
    sheet = Image.new("RGB", (layer.width * _SCALE, layer.height * _SCALE))
    pen = ImageDraw.Draw(sheet)
    steps = np.linspace(0, 1, _SHADES, dtype=np.float32)
    inks = [to_bytes(colour) for colour in ramp(palette.route, at=steps)]
    for points, shades in legs:
        index = np.round(shades * (_SHADES - 1)).astype(int)
        cuts = [0, *(np.flatnonzero(np.diff(index)) + 1), len(index)]
        for start, end in pairwise(cuts):
            ink = inks[index[start]]
            _stroke(pen, points[start : end + 1], width=width, ink=ink)
    return np.asarray(sheet.reduce(_SCALE), np.float32) / 255


def _shadow(layer: Layer, outer: Floats, *, width: float, palette: Palette) -> None:
    sheet = Image.fromarray((outer * 255).astype(np.uint8))
    soft = sheet.filter(ImageFilter.GaussianBlur(width * 0.75))
    coverage = np.asarray(soft, np.float32) / 255
    if luminance(palette.colour("casing")) > 0.5:
        dark = np.array([0.05, 0.1, 0.16], np.float32)
        layer.lay(coverage * np.float32(0.34), dark, top=max(1, round(width * 0.3)))
    else:
        glow = mix(palette.route[0], palette.route[-2], share=0.4)
        layer.lay(coverage * np.float32(0.42), glow)


def dashed_line(
    layer: Layer, points: Points, *, width: float, palette: Palette, bend: float
) -> None:
    """A dashed line where the way between the points is not known."""
    line = _arc(points[0], points[-1], bend=bend) if len(points) == 2 else points
    steps = np.hypot(*np.diff(line, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    total = float(travelled[-1])
    if total < 1:
        return
    dash = max(width * 2.2, 3.0)
    count = max(1, round(total / (dash * 2)))
    pieces = []
    for i in range(count):
        at = np.linspace(i + 0.22, i + 0.78, 8) * total / count
        xs, ys = (np.interp(at, travelled, line[:, axis]) for axis in (0, 1))
        pieces.append(np.stack([xs, ys], axis=-1))
    for wide, colour in (
        (width + 4, palette.colour("casing")),
        (width, palette.route[-1]),
    ):
        layer.lay(_coverage(layer, pieces, width=wide), colour)


def _arc(first: Points, last: Points, *, bend: float) -> Points:
    across = last - first
    normal = np.array([across[1], -across[0]])
    if normal[1] > 0:
        normal = -normal
    middle = (first + last) / 2 + normal * bend * 2
    t = np.linspace(0, 1, 80)[:, None]
    return np.asarray((1 - t) ** 2 * first + 2 * t * (1 - t) * middle + t**2 * last)
