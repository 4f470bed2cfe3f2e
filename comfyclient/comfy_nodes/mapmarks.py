"""Draws the small things of a map: marks, scale bar, north, legend, compass rose."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import ImageDraw

from .colour import Floats, ramp
from .fonts import Font
from .glyphs import glyph_of
from .layer import Layer, advance
from .palette import Palette


def mark(
    layer: Layer, palette: Palette, *, x: float, y: float, radius: float, kind: str
) -> None:
    """The mark of a stop: a disc with the sign of its kind."""
    ring, fill = palette.colour("map_ink"), palette.colour("map_halo")
    disc(layer, fill, x=x, y=y, radius=radius + 2.2, opacity=0.9)
    disc(layer, ring, x=x, y=y, radius=radius)
    glyph = glyph_of(kind)
    size = radius * 0.6
    box = (x - radius, y - radius, x + radius, y + radius)
    left, top = math.floor(box[0]), math.floor(box[1])

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        glyph(pen, (x - left) * scale, (y - top) * scale, size * scale)

    layer.stamp(box, fill, draw=draw, scale=6)


def disc(
    layer: Layer,
    colour: Floats,
    *,
    x: float,
    y: float,
    radius: float,
    opacity: float = 1.0,
) -> None:
    """A filled circle."""
    box = (x - radius - 1, y - radius - 1, x + radius + 1, y + radius + 1)
    left, top = math.floor(box[0]), math.floor(box[1])

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        cx, cy, r = (x - left) * scale, (y - top) * scale, radius * scale
        pen.ellipse((cx - r, cy - r, cx + r, cy + r), 255)

    layer.stamp(box, colour, draw=draw, opacity=opacity)


def cap(
    layer: Layer, palette: Palette, *, x: float, y: float, radius: float, end: bool
) -> None:
    """The start (a ring) or the end (a filled disc) of the route."""
    casing, ink = palette.colour("map_halo"), palette.colour("map_ink")
    fill = palette.route[-1] if end else palette.route[0]
    disc(layer, ink, x=x, y=y, radius=radius + 3.2)
    disc(layer, casing, x=x, y=y, radius=radius + 0.4)
    disc(layer, fill, x=x, y=y, radius=radius * (0.66 if end else 0.62))


def scale_bar(
    layer: Layer,
    palette: Palette,
    *,
    right: float,
    y: float,
    length: float,
    label: str,
    font: Font,
) -> None:
    """A scale bar that ends at `right`, its length written to its left."""
    ink, halo = palette.colour("map_ink"), palette.colour("map_halo")
    left = right - length

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        pen.rectangle((6 * scale, 10 * scale, (6 + length) * scale, 12 * scale), 255)
        for x in (6.0, 6 + length - 2):
            pen.rectangle((x * scale, 4 * scale, (x + 2) * scale, 12 * scale), 255)

    layer.stamp(
        (left - 6, y - 12, right + 6, y + 6), halo, draw=_grown(length), opacity=0.5
    )
    layer.stamp((left - 6, y - 12, right + 6, y + 6), ink, draw=draw)
    x = left - advance(label, font=font) - 12
    layer.write(label, at=(x, y), font=font, colour=ink, halo=halo, halo_width=2)


def _grown(length: float) -> Callable[[ImageDraw.ImageDraw, float], None]:
    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        box = (4.5 * scale, 2.5 * scale, (7.5 + length) * scale, 13.5 * scale)
        pen.rounded_rectangle(box, 2 * scale, 255)

    return draw


def legend(
    layer: Layer,
    palette: Palette,
    *,
    left: float,
    y: float,
    low: str,
    high: str,
    title: str,
    font: Font,
) -> float:
    """What the colours of the route mean; returns where it ends."""
    ink, halo = palette.colour("map_ink"), palette.colour("map_halo")
    x = left
    for text, gap in ((title, 14.0), (low, 10.0)):
        layer.write(text, at=(x, y), font=font, colour=ink, halo=halo, halo_width=2)
        x += advance(text, font=font) + gap
    _bar(layer, palette, left=x, y=y - 11, length=118, thick=8)
    x += 118 + 10
    layer.write(high, at=(x, y), font=font, colour=ink, halo=halo, halo_width=2)
    return x + advance(high, font=font)


def _bar(
    layer: Layer, palette: Palette, *, left: float, y: float, length: int, thick: int
) -> None:
    at = np.linspace(0, 1, length + 4, dtype=np.float32)
    paint = np.repeat(ramp(palette.route, at=at)[None], thick + 4, axis=0)

    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        box = (2 * scale, 2 * scale, (length + 2) * scale, (thick + 2) * scale)
        pen.rounded_rectangle(box, thick * scale / 2, 255)

    from_canvas = _covered(length + 4, thick + 4, draw=draw)
    outline = _covered(length + 4, thick + 4, draw=_whole(length, thick))
    x, top = round(left) - 2, round(y) - 2
    layer.lay(outline * np.float32(0.9), palette.colour("casing"), left=x, top=top)
    layer.lay(from_canvas, paint, left=x, top=top)


def _whole(length: int, thick: int) -> Callable[[ImageDraw.ImageDraw, float], None]:
    def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
        box = (0, 0, (length + 4) * scale - 1, (thick + 4) * scale - 1)
        pen.rounded_rectangle(box, (thick / 2 + 2) * scale, 255)

    return draw


def north(layer: Layer, palette: Palette, *, x: float, y: float, font: Font) -> None:
    """A small compass whose needle points north."""
    ink, halo = palette.colour("map_ink"), palette.colour("map_halo")
    r = font.size * 0.82
    left, top = math.floor(x - r) - 3, math.floor(y - r) - 3

    def ring(pen: ImageDraw.ImageDraw, scale: float) -> None:
        cx, cy, reach = (x - left) * scale, (y - top) * scale, r * scale
        box = (cx - reach, cy - reach, cx + reach, cy + reach)
        pen.ellipse(box, None, 255, max(1, round(1.5 * scale)))

    def needle(side: int) -> Callable[[ImageDraw.ImageDraw, float], None]:
        def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
            cx, cy, reach = (x - left) * scale, (y - top) * scale, r * scale
            tip, tail = (cx, cy - reach * 0.72), (cx, cy + reach * 0.28)
            pen.polygon([tip, (cx + side * reach * 0.4, cy + reach * 0.55), tail], 255)

        return draw

    box = (left, top, x + r + 3, y + r + 3)
    disc(layer, halo, x=x, y=y, radius=r, opacity=0.4)
    layer.stamp(box, ink, draw=ring, opacity=0.85)
    layer.stamp(box, ink, draw=needle(-1), opacity=0.95)
    layer.stamp(box, ink, draw=needle(1), opacity=0.5)


def rose(layer: Layer, palette: Palette, *, x: float, y: float, radius: float) -> None:
    """A compass rose in fine lines: what a map shows that has no route."""
    ink = palette.colour("map_ink")
    box = (x - radius - 2, y - radius - 2, x + radius + 2, y + radius + 2)
    left, top = math.floor(box[0]), math.floor(box[1])
    half = radius + 2

    def at(angle: float, share: float, scale: float) -> tuple[float, float]:
        cx, cy = (x - left) * scale, (y - top) * scale
        reach = radius * share * scale
        return cx + math.sin(angle) * reach, cy - math.cos(angle) * reach

    def rings(pen: ImageDraw.ImageDraw, scale: float) -> None:
        for share, thick in ((1.0, 2.0), (0.93, 1.0), (0.5, 1.0)):
            r, middle = radius * share * scale, half * scale
            circle = (middle - r, middle - r, middle + r, middle + r)
            pen.ellipse(circle, None, 255, max(1, round(thick * scale)))
        for i in range(72):
            inner = 0.86 if i % 6 == 0 else 0.9
            a = math.tau * i / 72
            line = (at(a, inner, scale), at(a, 0.93, scale))
            pen.line(line, 255, max(1, round(scale * (1.6 if i % 6 == 0 else 1))))

    def points(side: int, start: int) -> Callable[[ImageDraw.ImageDraw, float], None]:
        def draw(pen: ImageDraw.ImageDraw, scale: float) -> None:
            for i in range(start, 8, 2):
                a = math.tau * i / 8
                long = 0.83 if i % 2 == 0 else 0.5
                tip, heart = at(a, long, scale), at(a, 0.0, scale)
                waist = at(a + side * math.pi / 8, 0.17, scale)
                pen.polygon([tip, waist, heart], 255)

        return draw

    layer.stamp(box, ink, draw=rings, opacity=0.42)
    layer.stamp(box, ink, draw=points(-1, 1), opacity=0.3)
    layer.stamp(box, ink, draw=points(1, 1), opacity=0.16)
    layer.stamp(box, ink, draw=points(-1, 0), opacity=0.62)
    layer.stamp(box, ink, draw=points(1, 0), opacity=0.28)


def _covered(
    width: int, height: int, *, draw: Callable[[ImageDraw.ImageDraw, float], None]
) -> Floats:
    layer = Layer(width, height)
    one = np.ones(3, np.float32)
    layer.stamp((0, 0, width, height), one, draw=draw)
    return layer.alpha
