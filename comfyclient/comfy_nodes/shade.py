"""The node that veils a side of a picture, so that texts can be read on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import inputs
from .host import Steps, image_out, mask_out
from .palette import PALETTE_INPUT, THEMES, read_palette
from .reading import choice, number, whole

SIDES = ["top", "bottom", "left", "right"]


class TripShade:
    """Makes a veil in the paper's colour that fades out from one side."""

    CATEGORY = "comfyclient/trip"
    DESCRIPTION = (
        "A transparent layer in the colour of the palette's paper: dense at one side, "
        "nothing at the other. Lay it on a picture, and texts on it."
    )
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "mask")
    FUNCTION = "veil"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "width": inputs.pixels(1080),
                "height": inputs.pixels(600),
                "side": inputs.one_of(SIDES, "bottom", tooltip="Where it is dense."),
                "strength": inputs.decimal(0.92, "How dense it is there.", step=0.01),
                "hold": inputs.decimal(
                    0.35, "The share of the way that stays dense.", step=0.01
                ),
                "style": inputs.one_of(
                    THEMES, "light", tooltip="The colour, where no palette is."
                ),
            },
            "optional": {"palette": PALETTE_INPUT},
        }

    def veil(
        self,
        *,
        width: int,
        height: int,
        side: str,
        strength: float,
        hold: float,
        style: str,
        palette: str = "",
    ) -> tuple[Any, Any]:
        """Make the veil.

        Raises:
            ValueError: an input is impossible; the message names it.
        """
        wide = whole("width", width, low=64, high=4096)
        tall = whole("height", height, low=64, high=4096)
        where = choice("side", side, among=SIDES)
        dense = number("strength", strength, low=0, high=1)
        held = number("hold", hold, low=0, high=1)
        theme = choice("style", style, among=THEMES)
        colours = read_palette("palette", palette, theme=theme)
        along = tall if where in {"top", "bottom"} else wide
        away = (np.arange(along, dtype=np.float32) + 0.5) / along
        away = away[::-1] if where in {"bottom", "right"} else away
        share = np.clip((away - held) / max(1 - held, 1e-3), 0, 1)
        fade = dense * (1 - share * share * (3 - 2 * share))
        across = fade[:, None] if where in {"top", "bottom"} else fade[None, :]
        mask = np.broadcast_to(across, (tall, wide))
        pixels = np.broadcast_to(colours.colour("paper"), (tall, wide, 3))
        Steps(1).done()
        return image_out(pixels), mask_out(mask)
