"""The node that paints a scene for a trip."""

from __future__ import annotations

from typing import Any

from . import inputs
from .canvas import Canvas
from .finish import grain, paint_weather, rounded
from .host import Steps, image_out, mask_out
from .reading import choice, number, read_profile, verdict, whole
from .scene import Brief, paint_background, paint_foreground, paint_land
from .scene_colours import (
    DAYLIGHTS,
    SEASONS,
    TERRAINS,
    WEATHERS,
    card_palette,
    scene_colours,
)

LARGEST = 4096


class TripBackdrop:
    """Paints a travel-poster landscape from season, daylight, terrain and altitudes."""

    CATEGORY = "comfyclient/trip"
    DESCRIPTION = (
        "A landscape in the manner of a travel poster. The same inputs and seed give "
        "the same picture, to the byte. Its palette keeps the rest of a card in tune."
    )
    RETURN_TYPES = ("IMAGE", "MASK", "STRING")
    RETURN_NAMES = ("image", "mask", "palette")
    FUNCTION = "paint"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "width": inputs.pixels(
                    1008, "Width of the scene in pixels.", high=LARGEST
                ),
                "height": inputs.pixels(
                    960, "Height of the scene in pixels.", high=LARGEST
                ),
                "season": inputs.one_of(
                    SEASONS, "summer", tooltip="Colours of land and leaf."
                ),
                "daylight": inputs.one_of(
                    DAYLIGHTS, "day", tooltip="Colours of sky and light."
                ),
                "terrain": inputs.one_of(
                    TERRAINS, "hills", tooltip="What the land is."
                ),
                "weather": inputs.one_of(
                    WEATHERS, "clear", tooltip="What is in the air."
                ),
                "altitude_profile": inputs.json_text(
                    "JSON list of metres; the ridges echo it."
                ),
                "seed": inputs.seed("Another seed, another picture."),
            },
            "optional": {
                "horizon": inputs.decimal(
                    0.66,
                    "Where the horizon lies, from the top.",
                    low=0.4,
                    high=0.85,
                    step=0.01,
                ),
                "corner_radius": inputs.pixels(
                    28, "Rounding of the mask's corners in pixels.", low=0, high=400
                ),
            },
        }

    @classmethod
    def VALIDATE_INPUTS(cls, altitude_profile: str | None = None) -> bool | str:
        """Check the constants that the server cannot check by itself."""
        wrong = verdict(read_profile, "altitude_profile", altitude_profile)
        return True if wrong is None else wrong

    def paint(
        self,
        *,
        width: int,
        height: int,
        season: str,
        daylight: str,
        terrain: str,
        weather: str,
        altitude_profile: str,
        seed: int,
        horizon: float = 0.66,
        corner_radius: int = 28,
    ) -> tuple[Any, Any, str]:
        """Paint the scene.

        Raises:
            ValueError: an input is impossible; the message names it.
        """
        wide = whole("width", width, low=64, high=LARGEST)
        tall = whole("height", height, low=64, high=LARGEST)
        brief = Brief(
            season=choice("season", season, among=SEASONS),
            daylight=choice("daylight", daylight, among=DAYLIGHTS),
            terrain=choice("terrain", terrain, among=TERRAINS),
            weather=choice("weather", weather, among=WEATHERS),
            profile=read_profile("altitude_profile", altitude_profile),
            seed=whole("seed", seed, low=0, high=2**64 - 1),
            horizon=tall * number("horizon", horizon, low=0.4, high=0.85),
        )
        radius = whole("corner_radius", corner_radius, low=0, high=400)
        canvas = _painted(brief, width=wide, height=tall)
        palette = card_palette(brief.season, brief.daylight).to_json()
        mask = rounded(wide, tall, radius=radius)
        return image_out(canvas.pixels), mask_out(mask), palette


def _painted(brief: Brief, *, width: int, height: int) -> Canvas:
    steps = Steps(4)
    colours = scene_colours(
        brief.season, brief.daylight, terrain=brief.terrain, weather=brief.weather
    )
    canvas = Canvas(width, height)
    light = paint_background(canvas, colours, brief=brief)
    steps.done()
    paint_land(canvas, colours, brief=brief, light=light)
    steps.done()
    paint_foreground(canvas, colours, brief=brief, light=light)
    steps.done()
    paint_weather(
        canvas, colours, weather=brief.weather, seed=brief.seed, horizon=brief.horizon
    )
    grain(canvas.pixels, seed=brief.seed, strength=1.0)
    steps.done()
    return canvas
