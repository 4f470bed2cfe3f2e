"""The colours of a card, which the backdrop chooses and the other nodes take. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from . import inputs
from .colour import Floats, is_hex, rgb
from .reading import bad

THEMES = ["light", "dark"]
PALETTE_INPUT = inputs.line("Link TripBackdrop's palette; empty for the default.")


@dataclass(frozen=True)
class Palette:
    """The colours of a card, each written #rrggbb."""

    paper: str
    """The ground that the texts stand on."""
    ink: str
    """Titles and figures."""
    muted: str
    """Labels and small print."""
    accent: str
    """Rules, marks and whatever should be noticed."""
    map_ink: str
    """Labels on the map."""
    map_halo: str
    """What keeps the labels apart from the scene."""
    casing: str
    """The edge of the route."""
    ramp: tuple[str, ...]
    """The colours of the route, from low to high."""

    def to_json(self) -> str:
        """The palette as the text that goes from node to node."""
        return json.dumps(asdict(self), sort_keys=True)

    def colour(self, name: str) -> Floats:
        """One of the colours as floats."""
        return rgb(getattr(self, name))

    @property
    def route(self) -> list[Floats]:
        """The colours of the route as floats."""
        return [rgb(stop) for stop in self.ramp]


LIGHT_RAMP = ("#1f6f8b", "#2f9e8f", "#e0a526", "#e2632f", "#b3263a")
DARK_RAMP = ("#4cc9f0", "#6fe3c1", "#ffe27a", "#ff9f5a", "#ff5d73")

DEFAULTS = {
    "light": Palette(
        paper="#f7f1e3",
        ink="#1d2b36",
        muted="#5b666d",
        accent="#c8502f",
        map_ink="#14242f",
        map_halo="#f9f4e8",
        casing="#fffaf0",
        ramp=LIGHT_RAMP,
    ),
    "dark": Palette(
        paper="#0d1829",
        ink="#eef3f7",
        muted="#93a4b8",
        accent="#ffb454",
        map_ink="#f4f7fa",
        map_halo="#0b1524",
        casing="#0b1524",
        ramp=DARK_RAMP,
    ),
}


def read_palette(name: str, value: Any, *, theme: str) -> Palette:
    """The palette in a STRING input; the theme's own where it is empty.

    Raises:
        ValueError: not a palette as TripBackdrop gives it.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return DEFAULTS[theme]
    remedy = "link the palette output of TripBackdrop, or leave it empty"
    try:
        parts = json.loads(value)
        parts["ramp"] = tuple(parts["ramp"])
        palette = Palette(**parts)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise bad(name, value=value, why="not a palette", remedy=remedy) from error
    _check(name, palette, remedy=remedy)
    return palette


def _check(name: str, palette: Palette, *, remedy: str) -> None:
    if len(palette.ramp) < 2:
        why = "ramp has fewer than two colours"
        raise bad(name, value=list(palette.ramp), why=why, remedy=remedy)
    for key, value in asdict(palette).items():
        for colour in value if key == "ramp" else [value]:
            if not isinstance(colour, str) or not is_hex(colour):
                why = f"{key} is not a colour written #rrggbb"
                raise bad(name, value=colour, why=why, remedy=remedy)
