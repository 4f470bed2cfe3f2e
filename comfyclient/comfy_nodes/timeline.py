"""The node that draws the road through the days of a story, down its left side."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from . import inputs
from .canvas import stream
from .colour import ramp
from .fonts import FONT_INPUT, Font, check_glyphs, face, find_font, normalised
from .geometry import Points
from .host import Steps, image_out, mask_out
from .layer import Layer, advance
from .mapmarks import cap, disc
from .palette import PALETTE_INPUT, THEMES, Palette, read_palette
from .reading import bad, choice, json_list, number, text, verdict, whole
from .routeline import route_line

_TALLEST = 16384
_MOST_MARKS = 60
_STEP = 6.0


@dataclass(frozen=True)
class Mark:
    """A milestone: how far down it stands, and what is written in it."""

    y: float
    label: str


class TripTimeline:
    """Draws a winding road with numbered milestones."""

    CATEGORY = "comfyclient/trip"
    DESCRIPTION = (
        "A transparent layer: a road that winds down in the colours of the palette's "
        "route, with a milestone for each day."
    )
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "mask")
    FUNCTION = "draw"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "width": inputs.pixels(120, low=48, high=1024),
                "height": inputs.pixels(2000, high=_TALLEST),
                "marks": inputs.json_text('JSON list of {"y", "label"}: milestones.'),
                "line_width": inputs.decimal(
                    9.0, "Width of the road in pixels.", low=1.0, high=60.0, step=0.5
                ),
                "seed": inputs.seed("Another seed, other bends."),
                "style": inputs.one_of(
                    THEMES, "light", tooltip="The ground, where no palette is."
                ),
            },
            "optional": {
                "palette": PALETTE_INPUT,
                "font": FONT_INPUT,
            },
        }

    @classmethod
    def VALIDATE_INPUTS(cls, marks: str | None = None) -> bool | str:
        """Check the constants that the server cannot check by itself."""
        wrong = verdict(read_marks, "marks", marks)
        return True if wrong is None else wrong

    def draw(
        self,
        *,
        width: int,
        height: int,
        marks: str,
        line_width: float,
        seed: int,
        style: str,
        palette: str = "",
        font: str = "",
    ) -> tuple[Any, Any]:
        """Draw the layer.

        Raises:
            ValueError: an input is impossible or has a character the font lacks.
        """
        steps = Steps(1)
        path = find_font(text("font", font))
        layer = Layer(
            whole("width", width, low=48, high=1024),
            whole("height", height, low=64, high=_TALLEST),
        )
        colours = read_palette(
            "palette", palette, theme=choice("style", style, among=THEMES)
        )
        stones = read_marks("marks", marks)
        for i, stone in enumerate(stones):
            check_glyphs(f"marks[{i}].label", stone.label, path=path)
        thick = number("line_width", line_width, low=1, high=60)
        road = winding(layer.width, layer.height, stones, seed=seed, thick=thick)
        shades = np.linspace(0, 1, len(road), dtype=np.float32)
        route_line(layer, [(road, shades)], width=thick, palette=colours)
        for (x, y), end in ((road[0], False), (road[-1], True)):
            radius = thick * 0.5 + 5.5
            cap(layer, colours, x=float(x), y=float(y), radius=radius, end=end)
        letters = face(path, size=round(thick * 2.5), weight=700)
        for stone in stones:
            _milestone(layer, stone, colours, road=road, font=letters, thick=thick)
        steps.done()
        return image_out(layer.pixels), mask_out(layer.alpha)


def read_marks(name: str, value: Any) -> list[Mark]:
    """The milestones.

    Raises:
        ValueError: not a JSON list of objects with y and label.
    """
    items = json_list(name, value)
    if len(items) > _MOST_MARKS:
        remedy = "give the ones that matter"
        raise bad(name, value=len(items), why="too many marks", remedy=remedy)
    return [_mark(f"{name}[{i}]", item) for i, item in enumerate(items)]


def _mark(name: str, item: Any) -> Mark:
    if not isinstance(item, dict):
        remedy = 'give {"y", "label"}'
        raise bad(name, value=item, why="not an object", remedy=remedy)
    label = text(f"{name}.label", item.get("label", ""))
    if len(label) > 4:
        remedy = "give at most 4 characters"
        raise bad(f"{name}.label", value=label, why="too long", remedy=remedy)
    y = number(f"{name}.y", item.get("y"), low=0, high=_TALLEST)
    return Mark(y, normalised(label))


def winding(
    width: int, height: int, stones: list[Mark], *, seed: int, thick: float
) -> Points:
    """The road's points from above to below; at a milestone it passes the middle."""
    rng = stream(seed, "timeline")
    reach = width / 2 - thick * 2.4
    ends = [thick * 2, *sorted(s.y for s in stones), height - thick * 2]
    ys = np.arange(ends[0], ends[-1], _STEP)
    xs = np.full(len(ys), width / 2)
    side = 1.0 if rng.random() < 0.5 else -1.0
    for low, high in pairwise(ends):
        inside = (ys >= low) & (ys < high)
        span = max(high - low, 1.0)
        bends = max(1, round(span / 420))
        at = (ys[inside] - low) / span
        swing = reach * (0.75 + 0.25 * rng.random()) * min(1.0, span / 260)
        xs[inside] += side * swing * np.sin(at * math.pi * bends)
        side = side if bends % 2 == 0 else -side
    return np.stack([xs, ys], axis=-1)


def _milestone(
    layer: Layer,
    stone: Mark,
    palette: Palette,
    *,
    road: Points,
    font: Font,
    thick: float,
) -> None:
    share = float(np.interp(stone.y, road[:, 1], np.linspace(0, 1, len(road))))
    x = float(np.interp(stone.y, road[:, 1], road[:, 0]))
    colour = ramp(palette.route, at=np.array([share], np.float32))[0]
    radius = thick * 2.25
    disc(layer, palette.colour("paper"), x=x, y=stone.y, radius=radius + thick * 0.55)
    disc(layer, colour, x=x, y=stone.y, radius=radius)
    disc(layer, palette.colour("paper"), x=x, y=stone.y, radius=radius - thick * 0.42)
    left = x - advance(stone.label, font=font) / 2
    top, bottom = font.getbbox(stone.label or "0", anchor="ls")[1::2]
    at = (left, stone.y - (top + bottom) / 2)
    layer.write(stone.label, at=at, font=font, colour=palette.colour("ink"))
