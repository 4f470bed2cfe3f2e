"""The node that draws the track of a trip as a layer of a card."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import inputs
from .fonts import FONT_INPUT, check_glyphs, face, find_font, normalised
from .host import Steps, image_out, mask_out
from .layer import Layer
from .mapdrawing import MapStyle, draw_map
from .palette import PALETTE_INPUT, THEMES, read_palette
from .reading import (
    Stop,
    choice,
    number,
    read_stops,
    read_track,
    text,
    verdict,
    whole,
)

COLOURS = ["speed", "altitude", "none"]
LANGUAGES = ["zh", "en"]


class TripRouteMap:
    """Draws the track, coloured by speed or altitude, with its stops and a scale."""

    CATEGORY = "comfyclient/trip"
    DESCRIPTION = (
        "A transparent map layer: the route in colours, its stops with labels that "
        "never cover each other, a scale of a round length. Without a track it shows "
        "a compass rose."
    )
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "mask")
    FUNCTION = "draw"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "width": inputs.pixels(1008),
                "height": inputs.pixels(680),
                "track": inputs.json_text(
                    "JSON list of segments, each a list of "
                    "[lat, lon, altitude or null, speed in km/h or null]."
                ),
                "stops": inputs.json_text(
                    'JSON list of {"name", "lat", "lon", "kind"}.'
                ),
                "colour_by": inputs.one_of(
                    COLOURS, "speed", tooltip="What the route's colours mean."
                ),
                "line_width": inputs.decimal(
                    9.0,
                    "Of the route, at a width of 1008.",
                    low=1.0,
                    high=60.0,
                    step=0.5,
                ),
                "padding": inputs.pixels(
                    64, "Room around the route in pixels.", low=0, high=1024
                ),
                "show_scale": inputs.switch(
                    "Scale bar, legend and north.", default=True
                ),
                "language": inputs.one_of(LANGUAGES, "zh", tooltip="Of the legend."),
                "theme": inputs.one_of(
                    THEMES, "light", tooltip="The ground, where no palette is."
                ),
            },
            "optional": {
                "palette": PALETTE_INPUT,
                "font": FONT_INPUT,
            },
        }

    @classmethod
    def VALIDATE_INPUTS(
        cls, track: str | None = None, stops: str | None = None
    ) -> bool | str:
        """Check the constants that the server cannot check by itself."""
        wrong = verdict(read_track, "track", track)
        wrong = wrong or verdict(read_stops, "stops", stops)
        return True if wrong is None else wrong

    def draw(
        self,
        *,
        width: int,
        height: int,
        track: str,
        stops: str,
        colour_by: str,
        line_width: float,
        padding: int,
        show_scale: bool,
        language: str,
        theme: str,
        palette: str = "",
        font: str = "",
    ) -> tuple[Any, Any]:
        """Draw the layer.

        Raises:
            ValueError: an input is impossible or has a character the font lacks.
        """
        steps = Steps(2)
        path = find_font(text("font", font))
        wide = whole("width", width, low=64, high=4096)
        tall = whole("height", height, low=64, high=4096)
        unit = min(wide / 1008, tall / 560, 2.5)
        style = MapStyle(
            palette=read_palette(
                "palette", palette, theme=choice("theme", theme, among=THEMES)
            ),
            label=face(path, size=max(9, round(22 * unit)), weight=650),
            small=face(path, size=max(8, round(19 * unit)), weight=500),
            colour_by=choice("colour_by", colour_by, among=COLOURS),
            line_width=number("line_width", line_width, low=1, high=60),
            padding=whole("padding", padding, low=0, high=1024),
            show_scale=bool(show_scale),
            language=choice("language", language, among=LANGUAGES),
            unit=unit,
        )
        segments = read_track("track", track)
        places = _checked(read_stops("stops", stops), path=path)
        steps.done()
        layer = Layer(wide, tall)
        draw_map(layer, segments, stops=places, style=style)
        steps.done()
        return image_out(layer.pixels.astype(np.float32)), mask_out(layer.alpha)


def _checked(stops: list[Stop], *, path: str) -> list[Stop]:
    clean = [
        Stop(normalised(s.text).replace("\n", " "), s.lat, s.lon, s.kind) for s in stops
    ]
    for i, stop in enumerate(clean):
        check_glyphs(f"stops[{i}].name", stop.text, path=path)
    return clean
