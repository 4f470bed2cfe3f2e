"""The node that sets the title, texts and figures of a card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .fonts import Font, check_glyphs, face, find_font, normalised
from .host import Steps, image_out, mask_out
from .layer import Layer, advance
from .palette import THEMES, Palette, read_palette
from .reading import Figure, choice, read_figures, read_lines, text, verdict, whole
from .typesetting import Measure, fit, shortened, wrap

ALIGNS = ["left", "center", "right"]
_MOST_FIGURES = 6


@dataclass(frozen=True)
class Words:
    """The texts of a panel, checked and normalised."""

    kicker: str
    title: str
    subtitle: str
    lines: list[str]
    figures: list[Figure]
    footer: str
    footer_right: str


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
                "width": ("INT", {"default": 952, "min": 64, "max": 4096}),
                "height": ("INT", {"default": 364, "min": 48, "max": 4096}),
                "title": _string("The large line; wraps to two."),
                "subtitle": _string("The line below the title."),
                "lines": _json('JSON list of further lines, ["…"].'),
                "figures": _json('JSON list of {"label", "value", "unit"}, at most 6.'),
                "footer": _string("Small print at the lower left."),
                "style": (
                    THEMES,
                    {"default": "light", "tooltip": "The ground, where no palette is."},
                ),
                "align": (ALIGNS, {"default": "left", "tooltip": "Of the texts."}),
            },
            "optional": {
                "kicker": _string("The small spaced line above the title."),
                "footer_right": _string("Small print at the lower right."),
                "title_size": (
                    "INT",
                    {
                        "default": 84,
                        "min": 16,
                        "max": 400,
                        "tooltip": "The largest size of the title in pixels.",
                    },
                ),
                "palette": _string(
                    "Link TripBackdrop's palette; empty for the style's own."
                ),
                "font": _string("Path of a font file; empty to find one."),
            },
        }

    @classmethod
    def VALIDATE_INPUTS(
        cls, lines: str | None = None, figures: str | None = None
    ) -> bool | str:
        """Check the constants that the server cannot check by itself."""
        wrong = verdict(read_lines, "lines", lines)
        wrong = wrong or verdict(read_figures, "figures", figures)
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
                for i, line in enumerate(read_lines("lines", lines))
            ],
            figures=_clean_figures(read_figures("figures", figures), path=path),
            footer=_clean("footer", footer, path=path),
            footer_right=_clean("footer_right", footer_right, path=path),
        )
        layer = Layer(
            whole("width", width, low=64, high=4096),
            whole("height", height, low=48, high=4096),
        )
        colours = read_palette(
            "palette", palette, theme=choice("style", style, among=THEMES)
        )
        panel = _Panel(layer, colours, path, choice("align", align, among=ALIGNS))
        steps = Steps(1)
        panel.compose(words, size=whole("title_size", title_size, low=16, high=400))
        steps.done()
        return image_out(layer.pixels), mask_out(layer.alpha)


def _string(tooltip: str) -> tuple[str, dict[str, Any]]:
    return "STRING", {"default": "", "tooltip": tooltip}


def _json(tooltip: str) -> tuple[str, dict[str, Any]]:
    return "STRING", {"default": "[]", "multiline": True, "tooltip": tooltip}


def _clean(name: str, value: Any, *, path: str) -> str:
    plain = normalised(text(name, value))
    check_glyphs(name, plain, path=path)
    return plain


def _clean_figures(figures: list[Figure], *, path: str) -> list[Figure]:
    return [
        Figure(
            label=_clean(f"figures[{i}].label", figure.label, path=path),
            value=_clean(f"figures[{i}].value", figure.value, path=path),
            unit=_clean(f"figures[{i}].unit", figure.unit, path=path),
        )
        for i, figure in enumerate(figures[:_MOST_FIGURES])
    ]


class _Panel:
    """Sets words on a layer, the texts from above and the figures from below."""

    def __init__(self, layer: Layer, colours: Palette, path: str, align: str) -> None:
        self._layer, self._colours, self._path = layer, colours, path
        self._align = align
        self._unit = layer.width / 952

    def compose(self, words: Words, *, size: int) -> None:
        """Set everything."""
        floor = float(self._layer.height)
        floor = self._footer(words, floor=floor)
        floor = self._figures(words.figures, floor=floor)
        self._texts(words, size=size, floor=floor)

    def _px(self, size: float) -> int:
        return max(8, round(size * self._unit))

    def _face(self, size: int, weight: int) -> Font:
        return face(self._path, size=size, weight=weight)

    def _gauge(self, size: int, weight: int) -> Measure:
        font = self._face(size, weight)
        return lambda line: advance(line, font=font)

    def _start(self, wide: float) -> float:
        room = self._layer.width - wide
        return {"left": 0.0, "center": room / 2, "right": room}[self._align]

    def _line(
        self, line: str, *, y: float, font: Font, ink: str, tracking: float = 0.0
    ) -> None:
        x = self._start(advance(line, font=font, tracking=tracking))
        colour = self._colours.colour(ink)
        self._layer.write(line, at=(x, y), font=font, colour=colour, tracking=tracking)

    def _footer(self, words: Words, *, floor: float) -> float:
        if not words.footer and not words.footer_right:
            return floor
        font = self._face(self._px(21), 400)
        muted = self._colours.colour("muted")
        width, y = self._layer.width, floor - font.getmetrics()[1] * 0.8
        tracking = 0.6 * self._unit
        right = shortened(
            words.footer_right,
            width=width * 0.45,
            measure=lambda line: advance(line, font=font, tracking=tracking),
        )
        reach = advance(right, font=font, tracking=tracking)
        self._layer.write(
            right, at=(width - reach, y), font=font, colour=muted, tracking=tracking
        )
        left = shortened(
            words.footer,
            width=width - reach - self._px(24) * bool(right),
            measure=lambda line: advance(line, font=font, tracking=tracking),
        )
        self._layer.write(left, at=(0, y), font=font, colour=muted, tracking=tracking)
        top = y - font.getmetrics()[0] - self._px(13)
        self._rule(top, opacity=0.22)
        return top - self._px(20)

    def _rule(self, y: float, *, opacity: float) -> None:
        width = self._layer.width
        thick = max(1.0, 1.5 * self._unit)
        self._layer.stamp(
            (0, y - thick, width, y),
            self._colours.colour("ink"),
            draw=lambda pen, scale: pen.rectangle((0, 0, width * scale, 99), 255),
            opacity=opacity,
            scale=1,
        )

    def _figures(self, figures: list[Figure], *, floor: float) -> float:
        if not figures:
            return floor
        columns = max(len(figures), 3)
        cell = self._layer.width / columns
        size = self._figure_size(figures, room=cell - self._px(26))
        label = self._face(self._px(21), 400)
        base = floor - self._px(34)
        for i, figure in enumerate(figures):
            self._figure(figure, x=i * cell, y=base, size=size, room=cell)
            short = shortened(
                figure.label,
                width=cell - self._px(20),
                measure=lambda line: advance(line, font=label),
            )
            muted = self._colours.colour("muted")
            self._layer.write(short, at=(i * cell, floor - 2), font=label, colour=muted)
        return base - size * 0.9 - self._px(14)

    def _figure_size(self, figures: list[Figure], *, room: float) -> int:
        for size in range(self._px(54), self._px(24), -2):
            number, unit = self._face(size, 700), self._face(_small(size), 500)
            if all(
                advance(f.value, font=number)
                + advance(f.unit, font=unit)
                + size * 0.14 * bool(f.unit)
                <= room
                for f in figures
            ):
                return size
        return self._px(24)

    def _figure(
        self, figure: Figure, *, x: float, y: float, size: int, room: float
    ) -> None:
        number, unit = self._face(size, 700), self._face(_small(size), 500)
        beside = advance(figure.unit, font=unit) + size * 0.14 * bool(figure.unit)
        value = shortened(
            figure.value,
            width=room - beside - self._px(20),
            measure=lambda line: advance(line, font=number),
        )
        ink, muted = self._colours.colour("ink"), self._colours.colour("muted")
        self._layer.write(value, at=(x, y), font=number, colour=ink)
        after = x + advance(value, font=number) + size * 0.14
        self._layer.write(figure.unit, at=(after, y), font=unit, colour=muted)

    def _texts(self, words: Words, *, size: int, floor: float) -> None:
        y = 0.0
        if words.kicker:
            font = self._face(self._px(23), 600)
            spaced = 2.4 * self._unit
            line = shortened(
                words.kicker,
                width=self._layer.width,
                measure=lambda line: advance(line, font=font, tracking=spaced),
            )
            y += self._px(23)
            self._line(line, y=y, font=font, ink="accent", tracking=spaced)
            y += self._px(14)
        y = self._title(words.title, size=size, top=y, floor=floor)
        y = self._block([words.subtitle], top=y, floor=floor, size=31, ink="ink")
        self._block(words.lines, top=y, floor=floor, size=25, ink="muted")

    def _title(self, title: str, *, size: int, top: float, floor: float) -> float:
        if not title:
            return top
        room = floor - top
        most = 2 if room > size * 1.9 * self._unit else 1
        sizes = range(self._px(size), self._px(min(size, 40)) - 1, -2)
        set_in = fit(
            title,
            width=self._layer.width,
            most_lines=most,
            sizes=sizes,
            measure=lambda points: self._gauge(points, 800),
        )
        font = self._face(set_in.size, 800)
        y = top
        for line in set_in.lines:
            y += set_in.size * 1.14
            self._line(line, y=y - set_in.size * 0.14, font=font, ink="ink")
        return y + self._px(4)

    def _block(
        self, lines: list[str], *, top: float, floor: float, size: int, ink: str
    ) -> float:
        font = self._face(self._px(size), 400)
        step = self._px(size) * 1.42
        room = max(0, int((floor - top) / step))

        def measure(line: str) -> float:
            return advance(line, font=font)

        width = self._layer.width
        wrapped = [
            piece
            for line in lines
            for piece in wrap(line, width=width, measure=measure)
        ]
        kept = wrapped[:room]
        if kept and len(wrapped) > room:
            kept[-1] = shortened(kept[-1] + "……", width=width, measure=measure)
        y = top
        for line in kept:
            y += step
            self._line(line, y=y - step * 0.22, font=font, ink=ink)
        return y


def _small(size: int) -> int:
    return max(10, round(size * 0.5))
