"""The node that sets the title, texts and figures of a card."""

from __future__ import annotations

from typing import Any

from . import inputs
from .fonts import FONT_INPUT, check_glyphs, find_font, normalised
from .host import Steps, image_out, mask_out
from .layer import Layer
from .palette import PALETTE_INPUT, THEMES, read_palette
from .panel import Panel, Words
from .reading import (
    Figure,
    choice,
    read_figures,
    read_lines,
    read_profile,
    text,
    verdict,
    whole,
)
from .typesetting import ELLIPSIS

ALIGNS = ["left", "center", "right"]
_MOST_FIGURES = 6
_MOST_LINES = 24
# More signs than these never fit; they would only cost time.
_MOST_SIGNS = {"title": 240, "kicker": 200, "footer": 300, "footer_right": 200}
_MOST_SIGNS_ELSEWHERE = 900


class TripTextPanel:
    """Sets title, subtitle, lines, figures and footer on a transparent panel."""

    CATEGORY = "comfyclient/trip"
    DESCRIPTION = (
        "Titles, texts and figures in Chinese and Latin type. Texts wrap and shrink to "
        "fit; a character that the font lacks is an error that names it."
    )
    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "mask")
    FUNCTION = "set"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What the node takes."""
        return {
            "required": {
                "width": inputs.pixels(952, "In pixels; all sizes follow it."),
                "height": inputs.pixels(364, low=48),
                "title": inputs.line("The large line; wraps to two."),
                "subtitle": inputs.line("The line below the title."),
                "lines": inputs.json_text('JSON list of further lines, ["…"].'),
                "figures": inputs.json_text(
                    'JSON list of {"label", "value", "unit"}, at most 6.'
                ),
                "footer": inputs.line("Small print at the lower left."),
                "style": inputs.one_of(
                    THEMES, "light", tooltip="The ground, where no palette is."
                ),
                "align": inputs.one_of(ALIGNS, "left", tooltip="Of the texts."),
            },
            "optional": {
                "kicker": inputs.line("The small spaced line above the title."),
                "footer_right": inputs.line("Small print at the lower right."),
                "altitude_profile": inputs.json_text(
                    "JSON list of metres along the way, drawn above the footer."
                ),
                "title_size": inputs.pixels(
                    84, "The largest size of the title in pixels.", low=16, high=400
                ),
                "palette": PALETTE_INPUT,
                "font": FONT_INPUT,
            },
        }

    @classmethod
    def VALIDATE_INPUTS(
        cls,
        lines: str | None = None,
        figures: str | None = None,
        altitude_profile: str | None = None,
    ) -> bool | str:
        """Check the constants that the server cannot check by itself."""
        wrong = verdict(read_lines, "lines", lines)
        wrong = wrong or verdict(read_figures, "figures", figures)
        wrong = wrong or verdict(read_profile, "altitude_profile", altitude_profile)
        return True if wrong is None else wrong

    def set(
        self,
        *,
        width: int,
        height: int,
        title: str,
        subtitle: str,
        lines: str,
        figures: str,
        footer: str,
        style: str,
        align: str,
        kicker: str = "",
        footer_right: str = "",
        altitude_profile: str = "[]",
        title_size: int = 84,
        palette: str = "",
        font: str = "",
    ) -> tuple[Any, Any]:
        """Set the panel.

        Raises:
            ValueError: an input is impossible or has a character the font lacks.
        """
        path = find_font(text("font", font))
        words = Words(
            kicker=_clean("kicker", kicker, path=path),
            title=_clean("title", title, path=path),
            subtitle=_clean("subtitle", subtitle, path=path),
            lines=[
                _clean(f"lines[{i}]", line, path=path)
                for i, line in enumerate(read_lines("lines", lines)[:_MOST_LINES])
            ],
            figures=_clean_figures(read_figures("figures", figures), path=path),
            footer=_clean("footer", footer, path=path),
            footer_right=_clean("footer_right", footer_right, path=path),
            profile=read_profile("altitude_profile", altitude_profile),
        )
        layer = Layer(
            whole("width", width, low=64, high=4096),
            whole("height", height, low=48, high=4096),
        )
        colours = read_palette(
            "palette", palette, theme=choice("style", style, among=THEMES)
        )
        panel = Panel(
            layer, colours, path=path, align=choice("align", align, among=ALIGNS)
        )
        steps = Steps(1)
        panel.compose(words, size=whole("title_size", title_size, low=16, high=400))
        steps.done()
        return image_out(layer.pixels), mask_out(layer.alpha)


def _clean(name: str, value: Any, *, path: str) -> str:
    plain = normalised(text(name, value))
    check_glyphs(name, plain, path=path)
    most = _MOST_SIGNS.get(name, _MOST_SIGNS_ELSEWHERE)
    return plain if len(plain) <= most else plain[:most].rstrip() + ELLIPSIS


def _clean_figures(figures: list[Figure], *, path: str) -> list[Figure]:
    return [
        Figure(
            label=_clean(f"figures[{i}].label", figure.label, path=path),
            value=_clean(f"figures[{i}].value", figure.value, path=path),
            unit=_clean(f"figures[{i}].unit", figure.unit, path=path),
        )
        for i, figure in enumerate(figures[:_MOST_FIGURES])
    ]
