"""The colours of a painted scene, by season, daylight and terrain. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .colour import Floats, mix, rgb, to_hex
from .palette import DARK_RAMP, LIGHT_RAMP, Palette

SEASONS = ["spring", "summer", "autumn", "winter"]
DAYLIGHTS = ["dawn", "day", "dusk", "night"]
TERRAINS = [
    "lake",
    "hills",
    "mountains",
    "coast",
    "plain",
    "city",
    "desert",
    "forest",
]
WEATHERS = ["clear", "cloudy", "rain", "snow", "fog"]

# Zenith, middle and horizon; kept calm at the top, where the route is drawn.
_SKIES = {
    ("spring", "day"): ("#7fbfd2", "#bfe0da", "#fbeed3"),
    ("summer", "day"): ("#5cb0cf", "#a9d9de", "#fdf0d0"),
    ("autumn", "day"): ("#8fb9bd", "#dfd9bb", "#f9dca6"),
    ("winter", "day"): ("#9cbad4", "#cfdfea", "#f5efe9"),
    ("spring", "dawn"): ("#9db3d8", "#e9c3cd", "#ffe3c2"),
    ("summer", "dawn"): ("#89b1d6", "#f2c6b6", "#ffe6b3"),
    ("autumn", "dawn"): ("#a3a5c0", "#ecb79c", "#ffdda6"),
    ("winter", "dawn"): ("#97abcf", "#d9c6d9", "#fbe7da"),
    ("spring", "dusk"): ("#33346a", "#8f4f82", "#f0a079"),
    ("summer", "dusk"): ("#27356b", "#98486e", "#fb9d5d"),
    ("autumn", "dusk"): ("#2f2552", "#8c3c55", "#ee8640"),
    ("winter", "dusk"): ("#243256", "#66528b", "#e79a9c"),
    ("spring", "night"): ("#0c1830", "#1a3150", "#3a6078"),
    ("summer", "night"): ("#081629", "#123052", "#2f6680"),
    ("autumn", "night"): ("#12122a", "#27274f", "#5d4c72"),
    ("winter", "night"): ("#0a1630", "#1a3759", "#5583a0"),
}

# Far, middle, near slopes and open ground of green country in full daylight.
_GREENS = {
    "spring": ("#9cc3b4", "#6faa7c", "#3f8159", "#9fc45c"),
    "summer": ("#86b5b3", "#4f9377", "#2c6b55", "#86b04c"),
    "autumn": ("#c3a98a", "#b9793f", "#8c4a2c", "#d3a044"),
    "winter": ("#b6c8d8", "#8fa9c1", "#5f7f9d", "#eaf0f4"),
}
_FOLIAGE = {
    "spring": ("#7fb15a", "#a9cb6b", "#f2b9c4", "#4f8f56"),
    "summer": ("#2f7350", "#438c55", "#235a47", "#69a355"),
    "autumn": ("#c9612b", "#e39a34", "#a83f2a", "#94762f"),
    "winter": ("#3f6176", "#54788d", "#2f4d63", "#6d8ea2"),
}
_FLOWERS = {
    "spring": ("#f6c1cf", "#fff3e2", "#e9899c"),
    "summer": ("#f7cf3c", "#f2b927", "#fff0a8"),
    "autumn": ("#e9b44c", "#d9772f", "#f6e0a4"),
    "winter": ("#ffffff", "#dfe9f1", "#c9d8e4"),
}
# Terrain's own far, middle, near and ground, and how much it overrules the green.
_LANDS = {
    "lake": (("#7fa6bd", "#5d8ba3", "#3d7166", "#a9b85a"), 0.35),
    "hills": (("#a9c0ac", "#8fae6e", "#5f8f50", "#b5bd5c"), 0.25),
    "mountains": (("#8ea6bd", "#627f9b", "#3f5a70", "#5d8264"), 0.65),
    "coast": (("#8db1bf", "#6f958c", "#4f7a5e", "#c4b271"), 0.45),
    "plain": (("#a9bfb2", "#c9b566", "#a3a04e", "#d8b954"), 0.45),
    "city": (("#a8b9c7", "#7d93a8", "#51677f", "#3e4f63"), 0.9),
    "desert": (("#d3a98c", "#c98456", "#a9572f", "#dca466"), 0.95),
    "forest": (("#8fb0ad", "#55857a", "#2d5f55", "#4f7a4f"), 0.4),
}
_AMBIENT = {
    "dawn": ((1.0, 0.9, 0.9), "#d79aa2", 0.16),
    "day": ((1.0, 1.0, 1.0), "#ffffff", 0.0),
    "dusk": ((0.52, 0.42, 0.52), "#4c2a58", 0.34),
    "night": ((0.2, 0.29, 0.42), "#0d2340", 0.36),
}
_LIGHTS = {
    "dawn": "#fff3da",
    "day": "#fff8e2",
    "dusk": "#ffc978",
    "night": "#f5efd8",
}
_PAPERS = {
    "dawn": ("#fbf1ea", "#3a2a3c", "#6e5b69"),
    "day": ("#f7f1e3", "#1f2d36", "#5b666d"),
    "dusk": ("#241a38", "#fbeedd", "#b7a3b5"),
    "night": ("#0d182b", "#edf2f7", "#91a3b9"),
}
_PAPER_TINTS = {
    "spring": "#faf3f0",
    "summer": "#f7f1e3",
    "autumn": "#f7ead2",
    "winter": "#ecf1f5",
}
_ACCENTS = {
    "spring": ("#c2476b", "#ff9fb5"),
    "summer": ("#bd4322", "#ffc247"),
    "autumn": ("#b5451f", "#ffb057"),
    "winter": ("#28648f", "#9fd3f5"),
}


@dataclass(frozen=True)
class SceneColours:
    """Every colour that the scene's painters use."""

    sky: tuple[Floats, Floats, Floats]
    light: Floats
    haze: Floats
    far: Floats
    middle: Floats
    near: Floats
    ground: Floats
    snow: Floats
    snow_shade: Floats
    foliage: tuple[Floats, ...]
    flowers: tuple[Floats, ...]
    road: Floats
    line: Floats
    dark: bool

    def slope(self, nearness: float) -> Floats:
        """The colour of a slope, 0 the farthest and 1 the nearest."""
        if nearness < 0.5:
            return mix(self.far, self.middle, share=nearness * 2)
        return mix(self.middle, self.near, share=nearness * 2 - 1)


def scene_colours(
    season: str, daylight: str, *, terrain: str, weather: str
) -> SceneColours:
    """The colours of one scene."""
    sky = _sky(season, daylight, weather=weather)
    slopes = _slopes(season, daylight, terrain=terrain)
    snow = _snowy("#fdfdff", sky, daylight=daylight)
    ground = slopes[3]
    if season == "winter" and terrain not in {"city", "desert"}:
        ground = mix(ground, snow, share=0.45)
    foliage = _FOLIAGE["summer" if terrain == "desert" else season]
    return SceneColours(
        sky=sky,
        light=rgb(_LIGHTS[daylight]),
        haze=mix(sky[2], sky[1], share=0.35),
        far=slopes[0],
        middle=slopes[1],
        near=slopes[2],
        ground=ground,
        snow=snow,
        snow_shade=_snowy("#b4cbe3", sky, daylight=daylight),
        foliage=tuple(_toned(rgb(leaf), daylight) for leaf in foliage),
        flowers=tuple(_toned(rgb(petal), daylight) for petal in _FLOWERS[season]),
        road=_toned(rgb("#56616b"), daylight),
        line=_toned(rgb("#fff6e0"), daylight),
        dark=daylight in {"dusk", "night"},
    )


def _sky(season: str, daylight: str, *, weather: str) -> tuple[Floats, Floats, Floats]:
    grey = {"clear": 0.0, "cloudy": 0.18, "rain": 0.66, "snow": 0.4, "fog": 0.45}
    stops = [rgb(stop) for stop in _SKIES[season, daylight]]
    dull = stops[1] * 0.35 + float(stops[1].mean()) * 0.6
    top, middle, low = (mix(stop, dull, share=grey[weather]) for stop in stops)
    return top, middle, low


def _toned(colour: Floats, daylight: str) -> Floats:
    times, tint, share = _AMBIENT[daylight]
    lit = colour * np.array(times, np.float32)
    return mix(lit, rgb(tint), share=share)


def _snowy(white: str, sky: tuple[Floats, Floats, Floats], *, daylight: str) -> Floats:
    """Snow, which shows the sky's colours more than its own."""
    bright = mix(_toned(rgb(white), daylight), rgb(white), share=0.5)
    return mix(bright, sky[2], share={"night": 0.3, "dusk": 0.3}.get(daylight, 0.1))


def _slopes(season: str, daylight: str, *, terrain: str) -> list[Floats]:
    own, share = _LANDS[terrain]
    if season == "winter" and terrain not in {"city", "desert"}:
        share *= 0.35
    return [
        _toned(mix(rgb(green), rgb(land), share=share), daylight)
        for green, land in zip(_GREENS[season], own, strict=True)
    ]


def card_palette(season: str, daylight: str) -> Palette:
    """The colours of the card around a scene."""
    dark = daylight in {"dusk", "night"}
    paper, ink, muted = _PAPERS[daylight]
    top = _SKIES[season, daylight][0]
    if not dark:
        tint = rgb(_PAPER_TINTS[season])
        paper = to_hex(mix(rgb(paper), tint, share=0.5))
    return Palette(
        paper=paper,
        ink=ink,
        muted=muted,
        accent=_ACCENTS[season][dark],
        map_ink="#fbf7ef" if dark else "#14242f",
        map_halo=to_hex(rgb(top) * 0.55) if dark else "#fdf8ec",
        casing=to_hex(rgb(top) * 0.5) if dark else "#fffaf0",
        ramp=DARK_RAMP if dark else LIGHT_RAMP,
    )
