"""The node that makes the paper a card is printed on."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import finish, inputs
from .host import Steps, image_out
from .palette import PALETTE_INPUT, THEMES, read_palette
from .reading import choice, number, whole

TALLEST = 16384
"""What ComfyUI's own nodes take; a story may be long."""


class TripPaper:
    """Makes a sheet of fine-grained paper in the palette's colour."""

    CATEGORY = "comfyclient/trip"
    DESCRIPTION = (
        "A sheet of paper in the colour of a card's palette, the ground of it."
    )
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    FUNCTION = "make"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "width": inputs.pixels(1080),
                "height": inputs.pixels(1440, high=TALLEST),
                "style": inputs.one_of(
                    THEMES, "light", tooltip="The colour, where no palette is."
                ),
                "seed": inputs.seed("Another seed, another grain."),
            },
            "optional": {
                "palette": PALETTE_INPUT,
                "grain": inputs.decimal(
                    0.6, "How coarse the paper is.", high=3.0, step=0.1
                ),
            },
        }

    def make(
        self,
        *,
        width: int,
        height: int,
        style: str,
        seed: int,
        palette: str = "",
        grain: float = 0.6,
    ) -> tuple[Any]:
        """Make the sheet.

        Raises:
            ValueError: an input is impossible; the message names it.
        """
        wide = whole("width", width, low=64, high=4096)
        tall = whole("height", height, low=64, high=TALLEST)
        theme = choice("style", style, among=THEMES)
        colours = read_palette("palette", palette, theme=theme)
        pixels = np.empty((tall, wide, 3), np.float32)
        pixels[:] = colours.colour("paper")
        strength = number("grain", grain, low=0, high=3)
        number_of = whole("seed", seed, low=0, high=2**64 - 1)
        finish.grain(pixels, seed=number_of, strength=strength)
        Steps(1).done()
        return (image_out(pixels),)
