"""Composes a painted scene of a terrain, back to front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import growth, landmarks, relief, road, sky, water
from .canvas import Canvas, curve, stream
from .colour import Floats, mix, rgb
from .scene_colours import SceneColours

_WATERY = {"lake", "coast", "city"}


@dataclass(frozen=True)
class Brief:
    """What a scene is to show."""

    season: str
    daylight: str
    terrain: str
    weather: str
    profile: list[float]
    seed: int
    horizon: float
    """Where the horizon lies, in pixels from the top."""


def paint_background(canvas: Canvas, colours: SceneColours, *, brief: Brief) -> float:
    """The sky and what stands in it; returns where the light is across."""
    seed, horizon = brief.seed, brief.horizon
    sky.paint_sky(canvas, colours, horizon=horizon)
    if brief.daylight == "night" and brief.weather in {"clear", "cloudy"}:
        sky.paint_stars(canvas, colours, seed=seed, horizon=horizon)
    # clouds stay behind the light: the edge of one would cut its disc in two
    sky.paint_clouds(canvas, colours, seed=seed, horizon=horizon, weather=brief.weather)
    if brief.weather not in {"clear", "cloudy"}:
        return canvas.width * 0.7
    light, _ = sky.paint_light(
        canvas, colours, daylight=brief.daylight, seed=seed, horizon=horizon
    )
    return light


def paint_land(
    canvas: Canvas, colours: SceneColours, *, brief: Brief, light: float
) -> None:
    """Everything between the sky and the foreground."""
    sunward = 1 if light > canvas.width / 2 else -1
    if brief.terrain == "city":
        landmarks.paint_skyline(canvas, colours, level=brief.horizon, seed=brief.seed)
    else:
        _ridges(canvas, colours, brief=brief, sunward=sunward)
    if brief.terrain == "plain":
        _fields(canvas, colours, brief=brief)
        landmarks.paint_turbines(canvas, colours, level=brief.horizon, seed=brief.seed)
    if brief.terrain in _WATERY:
        calm = {"lake": 0.85, "coast": 0.2, "city": 0.7}[brief.terrain]
        water.paint_water(
            canvas, colours, level=brief.horizon, seed=brief.seed, calm=calm
        )
        if brief.weather in {"clear", "cloudy"}:
            water.paint_glitter(
                canvas, colours, x=light, level=brief.horizon, seed=brief.seed
            )


def _ridges(
    canvas: Canvas, colours: SceneColours, *, brief: Brief, sunward: int
) -> None:
    form = relief.FORMS[brief.terrain]
    detail = 70 if form.sharp > 0.5 else 26
    shape = relief.echo(brief.profile, count=canvas.width, detail=detail)
    watery = brief.terrain in _WATERY
    for layer in range(form.layers):
        nearness = layer / max(1, form.layers - 1)
        tall = form.tall * canvas.height * (1 - 0.5 * nearness)
        drop = 0.0 if watery else (canvas.height - brief.horizon) * 0.5 * nearness
        foot = brief.horizon + drop + (0 if watery else tall * 0.12)
        line = relief.ridge(canvas, form, layer=layer, seed=brief.seed, shape=shape)
        if brief.terrain == "coast":
            line = _headland(line, layer=layer, seed=brief.seed)
        crest = foot - line * np.float32(tall)
        _ridge(
            canvas,
            colours,
            brief=brief,
            crest=crest,
            foot=foot,
            layer=layer,
            sunward=sunward,
        )


def _fields(canvas: Canvas, colours: SceneColours, *, brief: Brief) -> None:
    """Strips of different crops that widen towards the viewer."""
    rng = stream(brief.seed, "fields")
    room = (canvas.height - brief.horizon) * 0.56
    crops = [colours.ground, colours.middle, colours.near, *colours.flowers[:2]]
    for i in range(10):
        near = i / 10
        edge = brief.horizon + room * (0.04 + near**1.5)
        swell = curve(rng, canvas.width, waves=1.6) - 0.5
        tilt = (canvas.xs / canvas.width - 0.5) * (rng.random() - 0.5)
        crest = edge + (swell * 0.09 + tilt * 0.16) * room * (0.25 + near)
        crop = mix(crops[(i * 2 + i // 5) % len(crops)], colours.ground, share=0.35)
        relief.paint_ridge(
            canvas,
            crest,
            base=edge + room * 0.3,
            colour=mix(crop, colours.haze, share=0.6 * (1 - near)),
            haze=colours.ground,
            haziness=0.3,
        )


def _headland(line: Floats, *, layer: int, seed: int) -> Floats:
    rng = stream(seed, f"headland {layer}")
    side = 1 if (seed + layer) % 2 else -1
    along = np.linspace(0, 1, len(line), dtype=np.float32)
    if side < 0:
        along = along[::-1]
    reach = np.float32(0.34 + 0.2 * rng.random() - 0.1 * layer)
    taper = np.clip((reach - along) / reach, 0, 1) ** np.float32(0.6)
    return np.asarray((0.35 + 0.65 * line) * taper - (taper <= 0) * 0.3)


def _ridge(
    canvas: Canvas,
    colours: SceneColours,
    *,
    brief: Brief,
    crest: Floats,
    foot: float,
    layer: int,
    sunward: int,
) -> None:
    form = relief.FORMS[brief.terrain]
    nearness = layer / max(1, form.layers - 1)
    distance = 0.5 * (1 - nearness) ** 1.2
    colour = mix(colours.slope(0.1 + 0.8 * nearness), colours.haze, share=distance)
    reach = foot + (brief.horizon * 0.03 if brief.terrain not in _WATERY else 0)
    relief.paint_ridge(
        canvas,
        crest,
        base=reach,
        colour=colour,
        haze=mix(colours.haze, colour, share=0.25),
        haziness=0.75 - 0.35 * nearness,
    )
    _snow(
        canvas,
        colours,
        brief=brief,
        crest=crest,
        foot=foot,
        layer=layer,
        sunward=sunward,
    )
    if form.facets and not (form.snow and layer == 0 and brief.season == "winter"):
        relief.paint_sides(
            canvas,
            crest,
            base=foot,
            sunward=sunward,
            light=mix(colour, colours.light, share=0.7),
            strength=form.facets * (0.55 + 0.45 * nearness),
            seed=brief.seed + layer,
        )
    if layer:
        _clothe(
            canvas, colours, brief=brief, crest=crest, nearness=nearness, colour=colour
        )


def _snow(
    canvas: Canvas,
    colours: SceneColours,
    *,
    brief: Brief,
    crest: Floats,
    foot: float,
    layer: int,
    sunward: int,
) -> None:
    form = relief.FORMS[brief.terrain]
    more = {"winter": 0.45, "spring": 0.1, "autumn": 0.06, "summer": 0.0}[brief.season]
    share = form.snow + (more if form.snow else 0.0) - 0.16 * layer
    if share <= 0.02:
        return
    top = float(crest.min())
    relief.paint_snow(
        canvas,
        crest,
        line=top + (foot - top) * min(share, 0.8),
        colours=colours,
        sunward=sunward,
        seed=brief.seed + layer,
    )


def _clothe(
    canvas: Canvas,
    colours: SceneColours,
    *,
    brief: Brief,
    crest: Floats,
    nearness: float,
    colour: Floats,
) -> None:
    rng = stream(brief.seed, f"trees {nearness:.3f}")
    tall = canvas.height * (0.008 + 0.03 * nearness**1.5)
    dark = mix(relief.shaded(colour, share=0.55), colours.haze, share=0.1)
    if brief.terrain in {"forest", "mountains"}:
        dense = 420 if brief.terrain == "forest" else int(150 * nearness)
        count = int(dense * (1.15 - 0.5 * nearness))
        sink = canvas.height * 0.06 if brief.terrain == "forest" else tall * 0.7
        clumps = 0 if brief.terrain == "forest" else 7
        spots = growth.along(
            crest, rng=rng, count=count, tall=tall * 1.3, clumps=clumps, sink=sink
        )
        if brief.terrain == "forest" and brief.season == "autumn":
            _mixed_wood(canvas, colours, spots=spots, dark=dark)
        else:
            growth.plant(canvas, spots, shape=growth.fir, colour=dark)
    elif brief.terrain in {"hills", "lake"} and nearness > 0.3:
        spots = growth.along(
            crest, rng=rng, count=70, tall=tall, clumps=6, sink=tall * 0.8
        )
        shape = growth.bare if brief.season == "winter" else growth.broad
        leaf = mix(colours.foliage[0], colour, share=0.45)
        leaf = mix(leaf, colours.haze, share=0.35 * (1 - nearness))
        growth.plant(canvas, spots, shape=shape, colour=relief.shaded(leaf, share=0.3))
    elif brief.terrain == "plain":
        spots = growth.along(crest, rng=rng, count=110, tall=tall * 0.9, clumps=8)
        growth.plant(canvas, spots, shape=growth.shrub, colour=dark)


def _mixed_wood(
    canvas: Canvas, colours: SceneColours, *, spots: list[growth.Spot], dark: Floats
) -> None:
    firs = [spot for spot in spots if spot.turn < 0.5]
    leafy = [spot for spot in spots if spot.turn >= 0.5]
    growth.plant(canvas, firs, shape=growth.fir, colour=dark)
    for i, leaf in enumerate(colours.foliage[:3]):
        some = [s for s in leafy if int(s.turn * 997) % 3 == i]
        growth.plant(
            canvas, some, shape=growth.broad, colour=mix(leaf, dark, share=0.35)
        )


def paint_foreground(
    canvas: Canvas, colours: SceneColours, *, brief: Brief, light: float
) -> None:
    """The ground at the viewer's feet, its road and what grows beside it."""
    rng = stream(brief.seed, "ground")
    room = canvas.height - brief.horizon
    share = {"lake": 0.5, "coast": 0.5, "city": 0.56}.get(brief.terrain, 0.46)
    swell = (curve(rng, canvas.width, waves=1.3) - 0.5) * room * 0.16
    tilt = (canvas.xs / canvas.width - 0.5) * room * 0.22
    tilt = tilt * (1 if rng.random() < 0.5 else -1)
    crest = brief.horizon + room * share + swell + tilt * (brief.terrain != "city")
    ground = mix(colours.ground, colours.haze, share=0.12)
    relief.paint_ridge(
        canvas,
        crest,
        base=float(canvas.height),
        colour=ground,
        haze=relief.shaded(colours.ground, share=0.55),
        haziness=0.85,
    )
    _foreground_life(canvas, colours, brief=brief, crest=crest)
    way = road.plan_road(canvas, crest, seed=brief.seed)
    road.paint_road(canvas, way, colours=colours)
    if colours.dark:
        road.paint_trails(canvas, way)
    _roadside(canvas, colours, brief=brief, way=way, crest=crest, light=light)
    paint = rgb("#e8e4da") if colours.dark else rgb("#c93f2e")
    road.paint_car(
        canvas, way, colour=mix(paint, colours.road, share=0.12), lit=colours.dark
    )
    blades = relief.shaded(colours.near, share=0.8)
    if brief.terrain not in {"city", "desert"}:
        growth.grass(canvas, colour=blades, seed=brief.seed, tall=canvas.height * 0.07)


def _foreground_life(
    canvas: Canvas, colours: SceneColours, *, brief: Brief, crest: Floats
) -> None:
    flowery = brief.terrain in {"lake", "hills", "mountains", "plain", "coast"}
    if flowery and brief.season != "winter":
        thick = 420 if brief.season in {"spring", "summer"} else 160
        growth.flowers(
            canvas,
            crest,
            colours=colours.flowers,
            seed=brief.seed,
            count=thick,
            size=canvas.height * 0.0024,
        )
    if brief.terrain == "hills":
        landmarks.paint_village(canvas, colours, crest=crest, seed=brief.seed)
    if brief.terrain == "coast":
        side = 1 if brief.seed % 2 else -1
        x = canvas.width * (0.5 + side * 0.33)
        y = float(crest[int(x)]) + canvas.height * 0.012
        tall = canvas.height * 0.16
        landmarks.paint_lighthouse(canvas, colours, x=x, y=y, tall=tall, side=-side)


def _roadside(
    canvas: Canvas,
    colours: SceneColours,
    *,
    brief: Brief,
    way: road.Road,
    crest: Floats,
    light: float,
) -> None:
    rng = stream(brief.seed, "roadside")
    spots = _beside(canvas, way, crest=crest, rng=rng, terrain=brief.terrain)
    shape, lit = _tree_of(brief)
    leaves = colours.foliage
    if brief.terrain == "plain" and brief.season == "spring":
        leaves = (leaves[0], leaves[3])
    growth.grove(
        canvas,
        spots,
        shape=shape,
        light=lit,
        colours=[relief.shaded(leaf, share=0.1) for leaf in leaves],
        sun=colours.light,
    )


def _tree_of(brief: Brief) -> tuple[growth.Shape, growth.Shape | None]:
    leafy = brief.season == "spring" or (brief.season, brief.terrain) == (
        "autumn",
        "forest",
    )
    if brief.terrain in {"mountains", "forest", "lake"} and not leafy:
        return growth.fir, growth.fir_light
    if brief.terrain in {"desert", "coast"}:
        return growth.shrub, None
    if brief.season == "winter":
        return growth.bare, None
    if brief.terrain == "plain":
        return growth.poplar, None
    return growth.broad, growth.broad_light


_TREES = {"lake": 16, "forest": 46, "mountains": 34, "coast": 26, "desert": 18}


def _beside(
    canvas: Canvas,
    way: road.Road,
    *,
    crest: Floats,
    rng: np.random.Generator,
    terrain: str,
) -> list[growth.Spot]:
    """Places off the road; what is near stands at the sides, as in a frame."""
    spots: list[growth.Spot] = []
    for _ in range(_TREES.get(terrain, 30) * 3):
        row = int(len(way.near) * (0.02 + 0.84 * rng.random() ** 1.7))
        near = float(way.near[row])
        x = float(rng.random() * canvas.width)
        tall = canvas.height * (0.028 + 0.13 * near**1.3) * (0.7 + 0.5 * rng.random())
        gap = abs(x - float(way.middle[row])) - float(way.half[row]) * 1.35
        edge = abs(x / canvas.width - 0.5) * 2
        y = float(way.top + row)
        if gap < tall * 0.34 or edge < near * 0.8 or y < float(crest[int(x)]) + 2:
            continue
        if all(abs(x - s.x) > (tall + s.tall) * 0.16 for s in spots if s.y > y - tall):
            spots.append(growth.Spot(x, y, tall, float(rng.random())))
    return spots[: _TREES.get(terrain, 30)]
