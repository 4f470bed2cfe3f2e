"""Draws the altitudes along the way as a fine strip."""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw

from .colour import Floats
from .fonts import Font
from .layer import Layer, advance
from .palette import Palette
from .relief import echo

_LEAST_CLIMB_M = 40.0


def draw_profile(
    layer: Layer,
    profile: list[float],
    *,
    base: float,
    tall: float,
    palette: Palette,
    font: Font,
) -> float:
    """Draw the strip on a baseline and mark its highest point; returns its height.

    A profile of too few points or too flat to tell anything is left out.
    """
    if len(profile) < 8 or max(profile) - min(profile) < _LEAST_CLIMB_M:
        return 0.0
    line = echo(profile, count=layer.width)
    if line is None:
        return 0.0
    crest = base - 2 - line * (tall - 2)
    rows = np.arange(layer.height, dtype=np.float32)[:, None] + 0.5
    under = np.clip(rows - crest[None, :] + 0.5, 0, 1) * (rows < base)
    accent = palette.colour("accent")
    fade = np.clip(1 - (rows - (base - tall)) / (tall * 1.25), 0.12, 1)
    layer.lay(under * fade * 0.3, accent)
    slope = np.hypot(1, np.gradient(crest))[None, :]
    edge = np.clip(1.1 - np.abs(rows - crest[None, :]) / slope + 0.5, 0, 1)
    layer.lay(edge * (rows < base), accent)
    _peak(layer, crest, highest=max(profile), palette=palette, font=font)
    return tall + font.size + 6


def _peak(
    layer: Layer, crest: Floats, *, highest: float, palette: Palette, font: Font
) -> None:
    x = int(np.argmin(crest))
    y = float(crest[x])
    accent, paper = palette.colour("accent"), palette.colour("paper")
    for radius, colour in ((5.0, paper), (3.6, accent)):

        def draw(pen: ImageDraw.ImageDraw, scale: float, r: float = radius) -> None:
            middle = 7 * scale
            box = (middle - r * scale, middle - r * scale)
            pen.ellipse((*box, middle + r * scale, middle + r * scale), 255)

        layer.stamp((x - 7, y - 7, x + 7, y + 7), colour, draw=draw)
    label = f"{highest:,.0f} m"
    wide = advance(label, font=font)
    left = min(max(x - wide / 2, 0.0), layer.width - wide)
    muted = palette.colour("muted")
    layer.write(label, at=(left, y - 11), font=font, colour=muted)
