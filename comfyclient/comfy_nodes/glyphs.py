"""The small signs of stops, drawn around a point within a radius."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import ImageDraw

Glyph = Callable[[ImageDraw.ImageDraw, float, float, float], None]


def _bolt(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    shape = [(0.15, -1), (-0.62, 0.15), (-0.08, 0.15), (-0.2, 1), (0.62, -0.2)]
    shape.append((0.08, -0.2))
    pen.polygon([(x + dx * r, y + dy * r) for dx, dy in shape], 255)


def _bed(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    pen.rectangle((x - r, y - 0.75 * r, x - 0.78 * r, y + 0.75 * r), 255)
    pen.rectangle((x - r, y + 0.12 * r, x + r, y + 0.42 * r), 255)
    pen.rectangle((x + 0.78 * r, y - 0.1 * r, x + r, y + 0.75 * r), 255)
    pen.ellipse((x - 0.66 * r, y - 0.42 * r, x - 0.16 * r, y + 0.06 * r), 255)
    box = (x - 0.08 * r, y - 0.32 * r, x + r, y + 0.2 * r)
    pen.rounded_rectangle(box, 0.2 * r, 255)


def _star(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    points = []
    for i in range(10):
        size = r * (1.08 if i % 2 == 0 else 0.46)
        angle = math.pi * i / 5
        points.append((x + math.sin(angle) * size, y - math.cos(angle) * size))
    pen.polygon(points, 255)


def _cup(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    box = (x - 0.8 * r, y - 0.55 * r, x + 0.4 * r, y + 0.6 * r)
    pen.rounded_rectangle(box, 0.32 * r, 255)
    pen.rectangle((x - 0.8 * r, y - 0.55 * r, x + 0.4 * r, y), 255)
    ring = (x + 0.15 * r, y - 0.4 * r, x + 0.95 * r, y + 0.3 * r)
    pen.ellipse(ring, None, 255, max(1, int(0.2 * r)))
    pen.rectangle((x - r, y + 0.74 * r, x + 0.7 * r, y + 0.92 * r), 255)


def _peak(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    pen.polygon(
        [(x - r, y + 0.7 * r), (x - 0.2 * r, y - 0.8 * r), (x + 0.6 * r, y + 0.7 * r)],
        255,
    )
    pen.polygon(
        [(x, y + 0.7 * r), (x + 0.5 * r, y - 0.15 * r), (x + r, y + 0.7 * r)], 255
    )


def _dot(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    pen.ellipse((x - 0.6 * r, y - 0.6 * r, x + 0.6 * r, y + 0.6 * r), 255)


def _house(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    roof = [(x - 1.05 * r, y), (x, y - 0.95 * r), (x + 1.05 * r, y)]
    pen.polygon(roof, 255)
    pen.rectangle((x - 0.72 * r, y, x - 0.2 * r, y + 0.8 * r), 255)
    pen.rectangle((x + 0.2 * r, y, x + 0.72 * r, y + 0.8 * r), 255)
    pen.rectangle((x - 0.72 * r, y, x + 0.72 * r, y + 0.25 * r), 255)


def _tree(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    pen.rectangle((x - 0.13 * r, y, x + 0.13 * r, y + r), 255)
    for top, low, half in ((-1.05, -0.1, 0.55), (-0.55, 0.55, 0.78)):
        points = [(x, y + top * r), (x + half * r, y + low * r)]
        pen.polygon([*points, (x - half * r, y + low * r)], 255)


def _waves(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    for row in (-0.5, 0.05, 0.6):
        line = [
            (x + i / 12 * r, y + (row + 0.16 * math.sin(i / 12 * math.pi * 2)) * r)
            for i in range(-12, 13)
        ]
        pen.line(line, 255, max(1, round(0.26 * r)), joint="curve")


def _pump(pen: ImageDraw.ImageDraw, x: float, y: float, r: float) -> None:
    box = (x - 0.75 * r, y - 0.9 * r, x + 0.25 * r, y + 0.85 * r)
    pen.rounded_rectangle(box, 0.18 * r, 255)
    pen.rectangle((x - 0.52 * r, y - 0.62 * r, x + 0.02 * r, y - 0.18 * r), 0)
    hose = [
        (0.25, 0.1),
        (0.55, 0.1),
        (0.55, 0.6),
        (0.82, 0.6),
        (0.82, -0.3),
        (0.5, -0.7),
    ]
    line = [(x + dx * r, y + dy * r) for dx, dy in hose]
    pen.line(line, 255, max(1, round(0.2 * r)), joint="curve")


_KINDS: dict[Glyph, tuple[str, ...]] = {
    _bolt: ("charge", "charging"),
    _pump: ("fuel",),
    _bed: ("stay", "lodging", "hotel", "overnight", "camp"),
    _cup: ("meal", "rest", "food", "restaurant", "cafe", "coffee"),
    _star: ("sight", "attraction", "highlight"),
    _peak: ("viewpoint", "pass", "summit", "mountain"),
    _waves: ("lake", "beach", "coast"),
    _tree: ("forest", "park"),
    _house: ("village", "city", "home"),
}
GLYPHS = {kind: glyph for glyph, kinds in _KINDS.items() for kind in kinds}


def glyph_of(kind: str) -> Glyph:
    """The sign for a kind of stop; a dot for one that has none."""
    return GLYPHS.get(kind.lower(), _dot)
