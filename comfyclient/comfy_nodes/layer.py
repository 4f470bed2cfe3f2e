"""A transparent layer: colours with coverage, laid over each other."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .canvas import Draw, cover, overlap
from .colour import Floats
from .fonts import Font


class Layer:
    """Pixels and their coverage, as IMAGE and MASK carry them."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._paint = np.zeros((height, width, 3), np.float32)
        self.alpha = np.zeros((height, width), np.float32)

    @property
    def pixels(self) -> Floats:
        """The colours, not darkened where the coverage is partial."""
        alpha = np.maximum(self.alpha, 1e-4)[..., None]
        return np.where(self.alpha[..., None] > 1e-4, self._paint / alpha, 0)

    def lay(
        self, coverage: Floats, colour: Floats, *, left: int = 0, top: int = 0
    ) -> None:
        """Lay a colour (or a picture) over what is there, cut at the edges."""
        part, place = overlap(coverage, self.alpha.shape, left=left, top=top)
        alpha = coverage[part]
        paint = colour[part] if colour.ndim == 3 else colour
        below = self._paint[place]
        below *= (1 - alpha)[..., None]
        below += paint * alpha[..., None]
        under = self.alpha[place]
        under += alpha * (1 - under)

    def stamp(
        self,
        box: tuple[float, float, float, float],
        colour: Floats,
        *,
        draw: Draw,
        opacity: float = 1.0,
        scale: int = 4,
    ) -> None:
        """Draw shapes inside a box; `draw` gets the layer's own coordinates."""
        left, top = math.floor(box[0]), math.floor(box[1])
        width, height = math.ceil(box[2]) - left, math.ceil(box[3]) - top
        if width <= 0 or height <= 0:
            return
        coverage = cover(width, height, draw=draw, scale=scale)
        self.lay(coverage * np.float32(opacity), colour, left=left, top=top)

    def write(
        self,
        text: str,
        *,
        at: tuple[float, float],
        font: Font,
        colour: Floats,
        opacity: float = 1.0,
        tracking: float = 0.0,
        halo: Floats | None = None,
        halo_width: int = 0,
    ) -> None:
        """Write a line, its baseline's left end at `at`, with a halo if asked."""
        pad = halo_width * 3 + 4
        ascent, descent = font.getmetrics()
        wide = math.ceil(advance(text, font=font, tracking=tracking)) + 2 * pad
        tall = ascent + descent + 2 * pad
        left, top = math.floor(at[0]) - pad, math.floor(at[1]) - ascent - pad
        start = (at[0] - left, at[1] - top)
        size = (wide, tall)
        if halo is not None and halo_width:
            ring = _written(
                text,
                size=size,
                start=start,
                font=font,
                tracking=tracking,
                stroke=halo_width,
            )
            soft = ring.filter(ImageFilter.GaussianBlur(halo_width * 0.6))
            both = np.maximum(np.asarray(soft, np.float32) * 1.15, np.asarray(ring))
            self.lay(
                np.clip(both / 255, 0, 1).astype(np.float32) * np.float32(0.82),
                halo,
                left=left,
                top=top,
            )
        ink = np.asarray(
            _written(
                text, size=size, start=start, font=font, tracking=tracking, stroke=0
            ),
            np.float32,
        )
        self.lay(ink / 255 * np.float32(opacity), colour, left=left, top=top)


def advance(text: str, *, font: Font, tracking: float = 0.0) -> float:
    """How far a line reaches."""
    return float(font.getlength(text)) + tracking * max(0, len(text) - 1)


def _written(
    text: str,
    *,
    size: tuple[int, int],
    start: tuple[float, float],
    font: Font,
    tracking: float,
    stroke: int,
) -> Image.Image:
    sheet = Image.new("L", size, 0)
    pen = ImageDraw.Draw(sheet)
    if not tracking:
        pen.text(start, text, 255, font=font, anchor="ls", stroke_width=stroke)
        return sheet
    x = start[0]
    for sign in text:
        pen.text((x, start[1]), sign, 255, font=font, anchor="ls", stroke_width=stroke)
        x += float(font.getlength(sign)) + tracking
    return sheet
