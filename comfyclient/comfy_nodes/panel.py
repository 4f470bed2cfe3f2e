"""Arranges the texts and figures of a panel: texts from above, figures from below."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

from .fonts import Font, face
from .layer import Layer, advance
from .palette import Palette
from .profile import draw_profile
from .reading import Figure
from .typesetting import Fitted, Measure, cropped, fit, shortened, wrap

_TITLE_WEIGHT = 800
_LEAD = 1.16
"""The title's line height, as a multiple of its size."""
_TEXT_LEAD = 1.4


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
    profile: list[float]
    """The altitudes along the way, which the rule above the footer echoes."""


class Panel:
    """Sets words on a layer."""

    def __init__(
        self, layer: Layer, colours: Palette, *, path: str, align: str
    ) -> None:
        self._layer, self._colours, self._path = layer, colours, path
        self._align = align
        self._width = float(layer.width)
        self._unit = layer.width / 952
        self._gauges: dict[tuple[int, int, float], Measure] = {}

    def compose(self, words: Words, *, size: int) -> None:
        """Set everything, the title no larger than `size` at the common width."""
        floor = self._footer(words, floor=float(self._layer.height))
        floor = self._figures(words.figures, floor=floor)
        self._texts(words, size=self._px(size), floor=floor)

    def _px(self, size: float) -> int:
        return max(8, round(size * self._unit))

    def _face(self, size: int, weight: int) -> Font:
        return face(self._path, size=size, weight=weight)

    def _gauge(self, size: int, weight: int, *, tracking: float = 0.0) -> Measure:
        """How wide lines are; words are measured once, as they come again and again."""
        key = (size, weight, tracking)
        if key not in self._gauges:
            width = partial(advance, font=self._face(size, weight), tracking=tracking)
            self._gauges[key] = lru_cache(maxsize=4096)(width)
        return self._gauges[key]

    def _line(
        self, line: str, *, y: float, font: Font, ink: str, tracking: float = 0.0
    ) -> None:
        room = self._width - advance(line, font=font, tracking=tracking)
        x = {"left": 0.0, "center": room / 2, "right": room}[self._align]
        colour = self._colours.colour(ink)
        self._layer.write(line, at=(x, y), font=font, colour=colour, tracking=tracking)

    def _footer(self, words: Words, *, floor: float) -> float:
        if not words.footer and not words.footer_right:
            return floor - self._px(7)  # room below the lowest baseline
        size, spaced = self._px(21), 0.6 * self._unit
        font, gauge = self._face(size, 400), self._gauge(size, 400, tracking=spaced)
        y = floor - font.getmetrics()[1] * 0.8
        muted = self._colours.colour("muted")
        right = shortened(words.footer_right, width=self._width * 0.45, measure=gauge)
        reach = gauge(right)
        room = self._width - reach - self._px(24) * bool(right)
        left = shortened(words.footer, width=room, measure=gauge)
        for line, x in ((left, 0.0), (right, self._width - reach)):
            self._layer.write(line, at=(x, y), font=font, colour=muted, tracking=spaced)
        top = y - size - self._px(19)
        self._rule(top)
        rise = self._profile(words.profile, base=top)
        return top - rise - self._px(22)

    def _profile(self, profile: list[float], *, base: float) -> float:
        return draw_profile(
            self._layer,
            profile,
            base=base,
            tall=self._px(38),
            palette=self._colours,
            font=self._face(self._px(17), 500),
        )

    def _rule(self, y: float) -> None:
        thick = max(1.0, 1.5 * self._unit)
        self._layer.stamp(
            (0, y - thick, self._width, y),
            self._colours.colour("ink"),
            draw=lambda pen, scale: pen.rectangle((0, 0, 9999 * scale, 99), 255),
            opacity=0.2,
            scale=1,
        )

    def _figures(self, figures: list[Figure], *, floor: float) -> float:
        if not figures:
            return floor
        gap = self._px(24)
        cell = (self._width + gap) / max(len(figures), 3)
        size = self._figure_size(figures, room=cell - gap)
        label, gauge = self._face(self._px(21), 400), self._gauge(self._px(21), 400)
        base = floor - self._px(33)
        muted = self._colours.colour("muted")
        for i, figure in enumerate(figures):
            self._figure(figure, x=i * cell, y=base, size=size, room=cell - gap)
            short = shortened(figure.label, width=cell - gap, measure=gauge)
            self._layer.write(short, at=(i * cell, floor - 2), font=label, colour=muted)
        return base - size * 0.78 - self._px(26)

    def _figure_size(self, figures: list[Figure], *, room: float) -> int:
        smallest = self._px(26)
        for size in range(self._px(54), smallest, -2):
            if all(self._figure_width(each, size=size) <= room for each in figures):
                return size
        return smallest

    def _figure_width(self, figure: Figure, *, size: int) -> float:
        beside = self._gauge(_small(size), 500)(figure.unit) + size * 0.14
        return self._gauge(size, 700)(figure.value) + beside * bool(figure.unit)

    def _figure(
        self, figure: Figure, *, x: float, y: float, size: int, room: float
    ) -> None:
        number, unit = self._face(size, 700), self._face(_small(size), 500)
        gauge, small = self._gauge(size, 700), self._gauge(_small(size), 500)
        beside = (small(figure.unit) + size * 0.14) * bool(figure.unit)
        value = shortened(
            figure.value, width=max(room - beside, room * 0.5), measure=gauge
        )
        ink, muted = self._colours.colour("ink"), self._colours.colour("muted")
        self._layer.write(value, at=(x, y), font=number, colour=ink)
        after = gauge(value) + size * 0.14
        short = shortened(figure.unit, width=room - after, measure=small)
        if figure.unit and small(short) <= room - after:
            self._layer.write(short, at=(x + after, y), font=unit, colour=muted)

    def _texts(self, words: Words, *, size: int, floor: float) -> None:
        y = self._kicker(words.kicker)
        small = self._subtitle_height(words)
        title = self._title(words.title, size=size, room=floor - y - small)
        font = self._face(title.size, _TITLE_WEIGHT)
        for line in title.lines:
            y += title.size * _LEAD
            self._line(line, y=y - title.size * 0.24, font=font, ink="ink")
        y += self._px(6) * bool(title.lines)
        y = self._block([words.subtitle], top=y, floor=floor, size=30, ink="ink")
        y += self._px(4)
        self._block(words.lines, top=y, floor=floor, size=24, ink="muted")

    def _kicker(self, kicker: str) -> float:
        if not kicker:
            return 0.0
        size, spaced = self._px(23), 2.2 * self._unit
        gauge = self._gauge(size, 600, tracking=spaced)
        line = shortened(kicker, width=self._width, measure=gauge)
        y = float(size)
        font = self._face(size, 600)
        self._line(line, y=y, font=font, ink="accent", tracking=spaced)
        return y + self._px(16)

    def _subtitle_height(self, words: Words) -> float:
        if not words.subtitle:
            return 0.0
        gauge = self._gauge(self._px(30), 400)
        count = len(wrap(words.subtitle, width=self._width, measure=gauge))
        return min(count, 2) * self._px(30) * _TEXT_LEAD + self._px(6)

    def _title(self, title: str, *, size: int, room: float) -> Fitted:
        """The title on as few lines as keep it large, cut where nothing helps."""
        smallest = self._px(34)
        if not title:
            return Fitted(smallest, [])
        best, most_worth = None, 0.0
        for lines, worth in ((1, 1.3), (2, 1.0), (3, 0.75)):
            largest = round(
                min(size * (1.0, 0.9, 0.7)[lines - 1], room / lines / _LEAD)
            )
            found = fit(
                title,
                width=self._width,
                most_lines=lines,
                sizes=range(largest, smallest - 1, -2),
                measure=lambda points: self._gauge(points, _TITLE_WEIGHT),
            )
            if found is not None and found.size * worth > most_worth:
                best, most_worth = found, found.size * worth
        if best is not None:
            return best
        most = max(1, int(room / (smallest * _LEAD)))
        gauge = self._gauge(smallest, _TITLE_WEIGHT)
        cut = cropped(title, width=self._width, most_lines=most, measure=gauge)
        return Fitted(smallest, cut)

    def _block(
        self, lines: list[str], *, top: float, floor: float, size: int, ink: str
    ) -> float:
        font, gauge = self._face(self._px(size), 400), self._gauge(self._px(size), 400)
        step = self._px(size) * _TEXT_LEAD
        y = top
        for line in lines:
            most = int((floor - y) / step + 0.12)
            if most < 1:
                break
            for piece in cropped(
                line, width=self._width, most_lines=most, measure=gauge
            ):
                y += step
                self._line(piece, y=y - step * 0.24, font=font, ink=ink)
        return y


def _small(size: int) -> int:
    return max(10, round(size * 0.48))
