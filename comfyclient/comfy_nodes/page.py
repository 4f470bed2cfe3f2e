"""The nodes that put layers on a sheet: all at once, so that a long page stays cheap.

Laying one picture on another copies the whole sheet each time, and a server keeps each
copy. A list of layers is kept instead, and the sheet is copied once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import inputs
from .colour import Floats
from .host import Steps, image_in, image_out, mask_in
from .reading import bad, number, whole

LAYERS = "TRIP_LAYERS"
"""The type of the link that carries the list."""
_FARTHEST = 16384
_MOST_LAYERS = 200


@dataclass(frozen=True)
class Placed:
    """A layer and where its upper left corner lies."""

    pixels: Floats
    coverage: Floats
    x: int
    y: int


class TripPlace:
    """Adds a layer to a list of layers."""

    CATEGORY = "comfyclient/trip"
    DESCRIPTION = "Adds a picture at a place; Trip Page puts all of them on paper."
    RETURN_TYPES = (LAYERS,)
    RETURN_NAMES = ("layers",)
    FUNCTION = "place"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        far = {"default": 0, "min": -_FARTHEST, "max": _FARTHEST}
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "The layer's colours."}),
                "mask": ("MASK", {"tooltip": "Where it covers what is below."}),
                "x": ("INT", {**far, "tooltip": "Its left edge on the page."}),
                "y": ("INT", {**far, "tooltip": "Its upper edge on the page."}),
            },
            "optional": {
                "layers": (LAYERS, {"tooltip": "The layers below; none to begin."}),
                "opacity": inputs.decimal(1.0, "How much of it is seen.", step=0.01),
            },
        }

    def place(
        self,
        *,
        image: Any,
        mask: Any,
        x: int,
        y: int,
        layers: tuple[Placed, ...] = (),
        opacity: float = 1.0,
    ) -> tuple[tuple[Placed, ...]]:
        """Add the layer on top.

        Raises:
            ValueError: picture and mask differ in size, or there are too many layers.
        """
        pixels, coverage = image_in("image", image), mask_in("mask", mask)
        if pixels.shape[:2] != coverage.shape:
            why = f"has another size than the image, {_size(pixels)}"
            remedy = "link the mask that belongs to the image"
            raise bad("mask", value=_size(coverage), why=why, remedy=remedy)
        if len(layers) >= _MOST_LAYERS:
            remedy = "make two pages of it"
            raise bad("layers", value=len(layers), why="too many", remedy=remedy)
        strength = number("opacity", opacity, low=0, high=1)
        placed = Placed(
            pixels,
            coverage * strength,
            whole("x", x, low=-_FARTHEST, high=_FARTHEST),
            whole("y", y, low=-_FARTHEST, high=_FARTHEST),
        )
        return ((*layers, placed),)


class TripPage:
    """Puts a list of layers on a sheet, the first one lowest."""

    CATEGORY = "comfyclient/trip"
    DESCRIPTION = "Puts all layers of a list on a sheet of paper; cuts what sticks out."
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("image",)
    FUNCTION = "lay_out"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "paper": ("IMAGE", {"tooltip": "The sheet, as Trip Paper makes it."}),
                "layers": (LAYERS, {"tooltip": "What Trip Place collected."}),
            },
        }

    def lay_out(self, *, paper: Any, layers: tuple[Placed, ...]) -> tuple[Any]:
        """Lay them out.

        Raises:
            ValueError: the paper is no picture.
        """
        sheet = image_in("paper", paper)
        steps = Steps(max(1, len(layers)))
        for layer in layers:
            _lay(sheet, layer)
            steps.done()
        return (image_out(sheet),)


def _lay(sheet: Floats, layer: Placed) -> None:
    rows, columns = layer.coverage.shape
    y0, y1 = max(0, layer.y), min(sheet.shape[0], layer.y + rows)
    x0, x1 = max(0, layer.x), min(sheet.shape[1], layer.x + columns)
    if y0 >= y1 or x0 >= x1:
        return
    part = (slice(y0 - layer.y, y1 - layer.y), slice(x0 - layer.x, x1 - layer.x))
    below = sheet[y0:y1, x0:x1]
    below += (layer.pixels[part] - below) * layer.coverage[part][..., None]


def _size(array: Floats) -> str:
    return f"{array.shape[1]}×{array.shape[0]}"
