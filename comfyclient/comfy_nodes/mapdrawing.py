"""Draws the route, its stops and its key onto a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from . import mapmarks
from .colour import Floats
from .fonts import Font
from .geometry import (
    Frame,
    Points,
    Projection,
    bounds,
    flowing,
    length_text,
    project,
    round_length,
    smoothed,
    thinned,
    unwrapped,
)
from .layer import Layer, advance
from .palette import Palette
from .placement import Ink, Request, place
from .reading import Stop
from .routeline import dashed_line, route_line
from .typesetting import shortened

_WORDS = {
    "zh": {"speed": "速度", "altitude": "海拔"},
    "en": {"speed": "Speed", "altitude": "Altitude"},
}
_UNITS = {"speed": "km/h", "altitude": "m"}
_FIRST = ("start", "end", "home", "destination")
_THEN = (
    "stay",
    "lodging",
    "hotel",
    "overnight",
    "camp",
    "sight",
    "attraction",
    "highlight",
)
_LAST = ("charging", "charge", "fuel", "parking", "toll")


@dataclass(frozen=True)
class MapStyle:
    """How a map is to look."""

    palette: Palette
    label: Font
    small: Font
    colour_by: str
    line_width: float
    padding: int
    show_scale: bool
    language: str
    unit: float


@dataclass(frozen=True)
class Leg:
    """One segment of the track in pixels, each point with its place in the ramp."""

    points: Points
    shades: Floats


def draw_map(
    layer: Layer,
    segments: Sequence[Points],
    *,
    stops: Sequence[Stop],
    style: MapStyle,
) -> None:
    """Draw the whole map; where there is nothing to show, a compass rose."""
    tracks = [segment for segment in segments if len(segment)]
    if not tracks and not stops:
        radius = min(layer.width, layer.height) * 0.3
        x, y = layer.width / 2, layer.height * 0.5
        mapmarks.rose(layer, style.palette, x=x, y=y, radius=radius)
        return
    view, legs, places = _projected(layer, tracks, stops=stops, style=style)
    _route(layer, legs, style=style)
    drawn = layer.alpha.copy()
    taken = _key(layer, tracks, view=view, style=style) if style.show_scale else []
    taken += _caps(layer, legs, style=style)
    _stops(layer, stops, places=places, style=style, taken=taken, drawn=drawn)


def _projected(
    layer: Layer,
    tracks: Sequence[Points],
    *,
    stops: Sequence[Stop],
    style: MapStyle,
) -> tuple[Projection, list[Leg], Points]:
    lat = np.concatenate([*(t[:, 0] for t in tracks), [s.lat for s in stops]])
    runs = np.concatenate([t[:, 1] for t in tracks]) if tracks else np.zeros(0)
    runs = unwrapped(runs)
    near = float((runs.min() + runs.max()) / 2) if len(runs) else None
    beside = np.array([s.lon for s in stops], np.float64)
    if near is not None:
        beside = beside + 360 * np.round((near - beside) / 360)
    else:
        beside = unwrapped(beside)
    lon = np.concatenate([runs, beside])
    pad = min(style.padding, layer.width * 0.3, layer.height * 0.3)
    key = 40 * style.unit if style.show_scale else 0
    low = layer.height - pad * 0.8
    frame = Frame(pad, min(pad + key, low - 8), layer.width - pad, low)
    view = project(lat, lon, frame=frame)
    xy = view(lat, lon)
    legs, start = [], 0
    spread = bounds([_values(t, style=style) for t in tracks])
    for track in tracks:
        points = xy[start : start + len(track)]
        legs.append(_leg(points, _values(track, style=style), spread=spread))
        start += len(track)
    return view, legs, xy[start:]


def _values(track: Points, *, style: MapStyle) -> Points:
    column = {"speed": 3, "altitude": 2}.get(style.colour_by)
    return np.full(len(track), np.nan) if column is None else track[:, column]


def _leg(points: Points, values: Points, *, spread: tuple[float, float] | None) -> Leg:
    keep = thinned(points, apart=1.5)
    if spread is None:
        shades = np.full(len(keep), 0.62)
    else:
        even = smoothed(values, reach=max(2, len(values) // 160))[keep]
        low, high = spread
        shades = np.clip((even - low) / (high - low), 0, 1)
    if len(keep) < 4:
        return Leg(points[keep], shades)
    line, places = flowing(points[keep], step=1.2, reach=7)
    return Leg(line, np.interp(places, np.arange(len(keep)), shades))


def _route(layer: Layer, legs: Sequence[Leg], *, style: MapStyle) -> None:
    width = style.line_width * max(style.unit, 0.4)
    full = [leg for leg in legs if len(leg.points) > 3]
    for before, after in pairwise(legs):
        gap = np.stack([before.points[-1], after.points[0]])
        dashed_line(layer, gap, width=width * 0.4, palette=style.palette, bend=0.0)
    for leg in legs:
        if 2 <= len(leg.points) <= 3:
            bend = 0.14 if len(leg.points) == 2 else 0.0
            dashed_line(
                layer, leg.points, width=width * 0.62, palette=style.palette, bend=bend
            )
    if full:
        route_line(
            layer,
            [(leg.points, leg.shades) for leg in full],
            width=width,
            palette=style.palette,
        )


def _caps(layer: Layer, legs: Sequence[Leg], *, style: MapStyle) -> list[Frame]:
    if not legs:
        return []
    radius = (style.line_width * 0.5 + 5.5) * max(style.unit, 0.5)
    first, last = legs[0].points[0], legs[-1].points[-1]
    boxes = []
    for point, end in ((first, False), (last, True)):
        x, y = float(point[0]), float(point[1])
        if end and float(np.hypot(*(first - last))) < radius * 1.2:
            continue
        mapmarks.cap(layer, style.palette, x=x, y=y, radius=radius, end=end)
        boxes.append(_around(x, y, reach=radius + 3))
    return boxes


def _around(x: float, y: float, *, reach: float) -> Frame:
    return Frame(x - reach, y - reach, x + reach, y + reach)


def _key(
    layer: Layer, tracks: Sequence[Points], *, view: Projection, style: MapStyle
) -> list[Frame]:
    """The legend at the upper left, scale and north at the upper right."""
    inset = max(14.0, style.padding * 0.5)
    tall = float(style.small.getmetrics()[0])
    y = inset + tall
    taken = _legend(layer, tracks, style=style, inset=inset, y=y)
    north = layer.width - inset - 10 * style.unit
    mapmarks.north(layer, style.palette, x=north, y=y - tall * 0.42, font=style.small)
    left = north - 22 * style.unit
    if tracks:
        length = round_length(view.metres_per_pixel * layer.width * 0.13)
        pixels = length / view.metres_per_pixel
        left -= 14 * style.unit
        label = length_text(length)
        mapmarks.scale_bar(
            layer,
            style.palette,
            right=left,
            y=y,
            length=pixels,
            label=label,
            font=style.small,
        )
        left -= pixels + advance(label, font=style.small) + 24
    return [*taken, Frame(left, 0, float(layer.width), y + tall * 1.2)]


def _legend(
    layer: Layer,
    tracks: Sequence[Points],
    *,
    style: MapStyle,
    inset: float,
    y: float,
) -> list[Frame]:
    spread = bounds([_values(t, style=style) for t in tracks])
    if spread is None:
        return []
    step = 10 if style.colour_by == "altitude" else 5
    low, high = (round(value / step) * step for value in spread)
    end = mapmarks.legend(
        layer,
        style.palette,
        left=inset,
        y=y,
        low=f"{low:,}",
        high=f"{high:,} {_UNITS[style.colour_by]}",
        title=_WORDS[style.language][style.colour_by],
        font=style.small,
    )
    return [Frame(0, 0, end + 12, y + 12)]


def rank(stop: Stop) -> int:
    """How important the label of a stop is; 0 comes first."""
    kind = stop.kind.lower()
    if kind in _FIRST:
        return 0
    if kind in _THEN:
        return 1
    return 3 if kind in _LAST else 2


def _stops(
    layer: Layer,
    stops: Sequence[Stop],
    *,
    places: Points,
    style: MapStyle,
    taken: list[Frame],
    drawn: Floats,
) -> None:
    order = sorted(range(len(stops)), key=lambda i: (rank(stops[i]), i))
    radius = 11.5 * max(style.unit, 0.5)
    marks = {i: (float(places[i][0]), float(places[i][1])) for i in order}
    boxes = [_around(x, y, reach=radius + 2) for x, y in marks.values()]
    texts = _texts(stops, style=style)
    named = [i for i in order if texts[i]]
    ascent, descent = style.label.getmetrics()
    tall = (ascent + descent) * 0.82
    requests = [
        Request(
            *marks[i],
            width=advance(texts[i], font=style.label) + 10 * style.unit,
            height=tall,
            reach=radius + 3,
        )
        for i in named
    ]
    edge = 8.0
    frame = Frame(edge, edge, layer.width - edge, layer.height - edge)
    spots = place(requests, frame=frame, taken=[*taken, *boxes], ink=Ink(drawn))
    for i, spot in zip(named, spots, strict=True):
        if spot is not None and spot.led:
            _leader(layer, marks[i], box=spot.box, style=style)
    for i in reversed(order):
        x, y = marks[i]
        mapmarks.mark(layer, style.palette, x=x, y=y, radius=radius, kind=stops[i].kind)
    for i, spot in zip(named, spots, strict=True):
        if spot is not None:
            _label(layer, texts[i], box=spot.box, style=style)
    _count(layer, spots.count(None), style=style)


def _texts(stops: Sequence[Stop], *, style: MapStyle) -> list[str]:
    def measure(line: str) -> float:
        return advance(line, font=style.label)

    most = 300 * style.unit
    return [
        shortened(s.text, width=most, measure=measure) if s.text else "" for s in stops
    ]


def _label(layer: Layer, text: str, *, box: Frame, style: MapStyle) -> None:
    ascent, descent = style.label.getmetrics()
    baseline = (box.top + box.bottom) / 2 + (ascent - descent) * 0.42
    layer.write(
        text,
        at=(box.left + 5 * style.unit, baseline),
        font=style.label,
        colour=style.palette.colour("map_ink"),
        halo=style.palette.colour("map_halo"),
        halo_width=max(2, round(3 * style.unit)),
    )


def _leader(
    layer: Layer, mark: tuple[float, float], *, box: Frame, style: MapStyle
) -> None:
    x = min(max(mark[0], box.left), box.right)
    y = min(max(mark[1], box.top), box.bottom)
    left, top = int(min(x, mark[0])) - 4, int(min(y, mark[1])) - 4
    area = (left, top, max(x, mark[0]) + 4, max(y, mark[1]) + 4)
    ends = ((mark[0] - left, mark[1] - top), (x - left, y - top))
    for wide, name, opacity in ((4.0, "map_halo", 0.7), (1.5, "map_ink", 0.9)):
        layer.stamp(
            area,
            style.palette.colour(name),
            draw=lambda pen, scale, wide=wide: pen.line(  # type: ignore[misc]
                [(px * scale, py * scale) for px, py in ends], 255, round(wide * scale)
            ),
            opacity=opacity,
        )


def _count(layer: Layer, missing: int, *, style: MapStyle) -> None:
    if not missing:
        return
    inset = max(14.0, style.padding * 0.5)
    layer.write(
        f"+{missing}",
        at=(inset, layer.height - inset * 0.6),
        font=style.small,
        colour=style.palette.colour("map_ink"),
        halo=style.palette.colour("map_halo"),
        halo_width=2,
    )
