"""The node that mounts a photo: cut to a format, framed, turned, with its shadow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from . import inputs
from .colour import Floats, luminance
from .fonts import FONT_INPUT, check_glyphs, face, find_font, normalised
from .host import Steps, image_in, image_out, mask_out
from .layer import Layer
from .palette import PALETTE_INPUT, THEMES, Palette, read_palette
from .reading import choice, number, text, whole
from .typesetting import shortened

MARGIN = 36
"""Room around the frame for its shadow, at the common size."""
_COMMON = 640.0
_SHADOW = np.array([0.05, 0.09, 0.14], np.float32)


class TripPhoto:
    """Mounts a photo as a print: format, white edge, caption, tilt and shadow."""

    CATEGORY = "comfyclient/trip"
    DESCRIPTION = (
        "A photo as a print that lies on the page. Width and height are those of the "
        "whole layer; the print leaves room in it for tilt and shadow."
    )
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "mask")
    FUNCTION = "mount"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "The photo; the first of a batch."}),
                "width": inputs.pixels(640, "Of the layer.", low=96),
                "height": inputs.pixels(480, "Of the layer.", low=96),
                "tilt": inputs.decimal(
                    0.0, "Degrees, clockwise.", low=-12.0, high=12.0, step=0.05
                ),
                "edge": inputs.pixels(
                    14, "The print's white edge in pixels.", low=0, high=200
                ),
                "focus_x": inputs.decimal(
                    0.5, "What stays when cut: 0 is left.", step=0.05
                ),
                "focus_y": inputs.decimal(
                    0.5, "What stays when cut: 0 is above.", step=0.05
                ),
            },
            "optional": {
                "caption": inputs.line("One line below the photo."),
                "style": inputs.one_of(
                    THEMES, "light", tooltip="The ground, where no palette is."
                ),
                "palette": PALETTE_INPUT,
                "font": FONT_INPUT,
            },
        }

    def mount(
        self,
        *,
        image: Any,
        width: int,
        height: int,
        tilt: float,
        edge: int,
        focus_x: float,
        focus_y: float,
        caption: str = "",
        style: str = "light",
        palette: str = "",
        font: str = "",
    ) -> tuple[Any, Any]:
        """Mount the photo.

        Raises:
            ValueError: an input is impossible or has a character the font lacks.
        """
        steps = Steps(2)
        wide = whole("width", width, low=96, high=4096)
        tall = whole("height", height, low=96, high=4096)
        angle = number("tilt", tilt, low=-12, high=12)
        colours = read_palette(
            "palette", palette, theme=choice("style", style, among=THEMES)
        )
        unit = max(0.4, min(wide, tall * 1.3) / _COMMON)
        print_size = _print_size(wide, tall, angle=angle, margin=MARGIN * unit)
        sheet = _print(
            image_in("image", image),
            size=print_size,
            edge=whole("edge", edge, low=0, high=200),
            focus=(
                number("focus_x", focus_x, low=0, high=1),
                number("focus_y", focus_y, low=0, high=1),
            ),
            caption=text("caption", caption),
            font=text("font", font),
            unit=unit,
        )
        steps.done()
        layer = _laid(sheet, wide, tall, angle=angle, unit=unit, palette=colours)
        steps.done()
        return image_out(layer.pixels), mask_out(layer.alpha)


def _print_size(
    width: int, height: int, *, angle: float, margin: float
) -> tuple[int, int]:
    """The largest print of the layer's format that fits when it is turned."""
    a = math.radians(abs(angle))
    wide, tall = width - 2 * margin, height - 2 * margin
    shape = tall / wide
    across = min(
        wide / (math.cos(a) + shape * math.sin(a)),
        tall / (math.sin(a) + shape * math.cos(a)),
    )
    return max(16, int(across)), max(16, int(across * shape))


def _print(
    photo: Floats,
    *,
    size: tuple[int, int],
    edge: int,
    focus: tuple[float, float],
    caption: str,
    font: str,
    unit: float,
) -> Image.Image:
    """The print, lying straight."""
    wide, tall = size
    rim = min(round(edge * unit), wide // 6, tall // 6)
    line = normalised(caption).replace("\n", " ")
    foot = max(rim, round(52 * unit)) if line else rim
    inner = (max(8, wide - 2 * rim), max(8, tall - rim - foot))
    sheet = Image.new("RGB", size, (253, 252, 248))
    sheet.paste(_cut(photo, size=inner, focus=focus), (rim, rim))
    if line:
        path = find_font(font)
        check_glyphs("caption", line, path=path)
        points = max(10, round(23 * unit))
        letters = face(path, size=points, weight=500)
        short = shortened(line, width=inner[0] * 0.94, measure=letters.getlength)
        at = (wide / 2, tall - foot / 2 + rim * 0.05)
        pen = ImageDraw.Draw(sheet)
        pen.text(at, short, (58, 66, 72), font=letters, anchor="mm")
    return sheet


def _cut(photo: Floats, *, size: tuple[int, int], focus: tuple[float, float]) -> Any:
    """The photo filling a format, cut around its focus."""
    rows, columns = photo.shape[:2]
    scale = max(size[0] / columns, size[1] / rows)
    across, down = size[0] / scale, size[1] / scale
    left = (columns - across) * focus[0]
    top = (rows - down) * focus[1]
    picture = Image.fromarray((photo * 255 + 0.5).astype(np.uint8))
    box = (left, top, left + across, top + down)
    return picture.resize(size, Image.Resampling.LANCZOS, box=box)


def _laid(
    sheet: Image.Image,
    width: int,
    height: int,
    *,
    angle: float,
    unit: float,
    palette: Palette,
) -> Layer:
    """The print on a layer of its own, turned, over its shadow."""
    turned = sheet.convert("RGBA").resize(
        (sheet.width * 2, sheet.height * 2), Image.Resampling.LANCZOS
    )
    turned = turned.rotate(-angle, Image.Resampling.BICUBIC, expand=True)
    small = turned.convert("RGBa").reduce(2).convert("RGBA")
    left, top = (width - small.width) // 2, (height - small.height) // 2
    pixels = np.asarray(small, np.float32) / 255
    alpha = pixels[..., 3]
    layer = Layer(width, height)
    spread = np.zeros((height, width), np.float32)
    spread[top : top + small.height, left : left + small.width] = alpha
    dark = luminance(palette.colour("paper")) < 0.2
    for blur, drop, strength in ((14.0, 12.0, 0.30), (3.0, 3.0, 0.26)):
        soft = _blurred(spread, radius=blur * unit)
        shade = soft * np.float32(strength * (1.9 if dark else 1.0))
        layer.lay(np.clip(shade, 0, 1), _SHADOW, top=round(drop * unit))
    layer.lay(alpha, pixels[..., :3], left=left, top=top)
    return layer


def _blurred(coverage: Floats, *, radius: float) -> Floats:
    sheet = Image.fromarray((coverage * 255).astype(np.uint8))
    soft = sheet.filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(soft, np.float32) / 255
