"""Makes the photos of the sample trips: landscapes by ray casting, with no camera.

    python docs/images/sample_photos.py FOLDER [NAME …]

Heights come from noise with a mountain's spectrum; each column of the picture walks
over them from near to far. The same code gives the same pictures.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
SIDE = 1024
"""Of the square of heights, which repeats."""
WIDTH, HEIGHT = 1080, 810
FAR = 900


@dataclass(frozen=True)
class View:
    """One photo: where the camera stands, what the land and the light are."""

    seed: int
    rough: float = 2.15
    """The spectrum's fall: the larger, the smoother the land."""
    tall: float = 150.0
    eye: float = 26.0
    """Of the camera above the ground."""
    pitch: float = 0.46
    """Where the horizon lies, from the top."""
    zoom: float = 1.15
    water: float | None = None
    """The lake's level as a share of the heights."""
    road: bool = False
    sun: tuple[float, float] = (0.72, 0.3)
    """Where the light comes from: across, and how high."""
    light: str = "#fff1d6"
    zenith: str = "#4f87bf"
    horizon: str = "#d9e5ec"
    air: str | None = None
    """The colour of the haze; the horizon's if none."""
    haze: float = 0.0021
    mist: float = 0.0
    low: str = "#56702f"
    high: str = "#3c5227"
    trees: float = 0.8
    tints: tuple[str, ...] = ()
    """What leaves are mixed with."""
    snow: float | None = None
    clouds: float = 0.45
    stars: bool = False
    exposure: float = 1.0
    offset: tuple[float, float] = field(default=(512.0, 100.0))


VIEWS = {
    "morning-mist": View(
        seed=11, rough=2.3, tall=150, eye=52, pitch=0.36, sun=(0.3, 0.16),
        light="#ffd9a3", zenith="#6f9cc9", horizon="#f4c79c", haze=0.0019, mist=0.8,
        air="#d9c3b4", low="#55663a", high="#3d5231", clouds=0.35, zoom=1.35,
    ),
    "road-to-the-pass": View(
        seed=23, rough=2.25, tall=140, eye=7, pitch=0.47, road=True, sun=(0.8, 0.42),
        low="#6b7141", high="#4a5a31", tints=("#a86b22", "#8f7d2c"), clouds=0.62,
        zenith="#3f7fc0", horizon="#d3e3ee", haze=0.0016,
    ),
    "lake-at-noon": View(
        seed=38, rough=2.25, tall=150, eye=14, pitch=0.46, water=0.44, sun=(0.65, 0.5),
        zenith="#3977b8", horizon="#cfe0ea", haze=0.0014, low="#5a6a3a",
        high="#2f4a26", tints=("#b5782a",), clouds=0.58, zoom=1.05,
    ),
    "autumn-woods": View(
        seed=42, rough=2.3, tall=170, eye=60, pitch=0.3, sun=(0.2, 0.34),
        light="#ffe0b0", low="#8a7034", high="#4b5a2a", trees=1.0,
        tints=("#c8641e", "#d99a2b", "#9c3f1c", "#5c6b2c"), haze=0.0007, clouds=0.4,
        zenith="#6ea0cf", horizon="#efe2cd", zoom=1.5,
    ),
    "evening-ridges": View(
        seed=53, rough=2.35, tall=170, eye=70, pitch=0.4, sun=(0.62, 0.07),
        light="#ff9a52", zenith="#3c4f80", horizon="#ffb37a", haze=0.0026, mist=0.2,
        air="#94666f", low="#3c4634", high="#2c3830",
        clouds=0.5, zoom=1.7, exposure=0.7,
    ),
    "night-at-the-lake": View(
        seed=67, rough=2.2, tall=170, eye=10, pitch=0.52, water=0.38, sun=(0.35, 0.4),
        light="#9db4e0", zenith="#070d22", horizon="#27406b", haze=0.002,
        low="#18241f", high="#10191a", clouds=0.0, stars=True, exposure=0.92,
    ),
}  # fmt: skip


def main(folder: str, *names: str) -> None:
    """Make the photos of these names, or all."""
    for name in names or VIEWS:
        path = Path(folder) / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray((render(VIEWS[name]) * 255 + 0.5).astype(np.uint8))
        small = picture.resize((900, 675), Image.Resampling.LANCZOS)
        small.save(path, quality=80, optimize=True, progressive=True)


def render(view: View) -> Floats:
    """The photo, developed."""
    rng = np.random.default_rng(view.seed)
    heights = spectrum(rng, rough=view.rough)
    ridged = 1 - np.abs(2 * spectrum(rng, rough=view.rough - 0.15) - 1)
    heights = 0.55 * heights + 0.45 * ridged**1.5
    heights = (heights - heights.min()) / np.ptp(heights)
    sky = paint_sky(view, rng)
    picture, depth, is_water = cast(view, heights, sky, rng)
    if view.water is not None:
        mirror(picture, is_water, view, rng)
    return developed(picture, depth, view, rng)


def spectrum(rng: np.random.Generator, *, rough: float) -> Floats:
    """Noise from 0 to 1 whose strength falls with its frequency."""
    fx = np.fft.fftfreq(SIDE)[:, None] * SIDE
    fy = np.fft.rfftfreq(SIDE)[None, :] * SIDE
    away = np.hypot(fx, fy)
    away[0, 0] = 1
    turns = rng.random(away.shape) * 2j * np.pi
    field_ = np.fft.irfft2(np.exp(turns) * away**-rough * (away > 1.4), s=(SIDE, SIDE))
    low, high = np.percentile(field_, (0.5, 99.5))
    return np.clip((field_ - low) / (high - low), 0, 1).astype(np.float32)


def rgb(text: str) -> Floats:
    """A colour, as light: linear."""
    parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return np.array(parts, np.float32) ** np.float32(2.2)


def paint_sky(view: View, rng: np.random.Generator) -> Floats:
    """The sky above the horizon, and a little below."""
    ys = np.arange(HEIGHT, dtype=np.float32)[:, None] / (HEIGHT * view.pitch)
    xs = np.arange(WIDTH, dtype=np.float32)[None, :] / WIDTH
    fade = np.clip(ys, 0, 1)[..., None] ** 1.6
    sky = rgb(view.zenith) * (1 - fade) + rgb(view.horizon) * fade
    sky = np.repeat(sky, WIDTH, axis=1)
    up = np.clip(1 - ys, 0, 1)
    away = np.hypot((xs - view.sun[0]) * 1.4, (up - view.sun[1]) * 0.9)
    light = rgb(view.light)
    glow = 0.55 * np.exp(-((away / 0.24) ** 1.3)) + 1.6 * np.exp(-((away / 0.035) ** 2))
    if not view.stars:
        sky += glow[..., None] * light
    if view.clouds:
        sky = clouded(sky, view, rng, light, away)
    if view.stars:
        starry(sky, view, rng)
    return sky.astype(np.float32)


def clouded(
    sky: Floats, view: View, rng: np.random.Generator, light: Floats, away: Floats
) -> Floats:
    """Clouds on a plane above, in perspective."""
    noise = spectrum(rng, rough=1.7)
    rows = np.arange(HEIGHT, dtype=np.float32)
    up = np.clip(1 - rows / (HEIGHT * view.pitch), 0.015, 1)[:, None]
    across = (np.arange(WIDTH, dtype=np.float32)[None, :] / WIDTH - 0.5) / (up + 0.12)
    z = 1 / (up + 0.12)
    cover = sample(noise, across * 150 + 300, np.repeat(z * 120, WIDTH, axis=1))
    thick = np.clip((cover - (1 - view.clouds)) * 3.2, 0, 1) * np.clip(up * 7, 0, 1)
    lit = sample(noise, across * 150 + 312, np.repeat(z * 120 - 9, WIDTH, axis=1))
    shade = np.clip(0.72 + (cover - lit) * 1.6 - thick * 0.18, 0.3, 1.25)
    near = np.exp(-((away / 0.4) ** 1.5))[..., None]
    white = rgb(view.horizon) * 0.75 + light * (0.3 + 0.5 * near)
    return sky + (white * shade[..., None] - sky) * (thick * 0.9)[..., None]


def starry(sky: Floats, view: View, rng: np.random.Generator) -> None:
    """Stars, and the band of the Milky Way; in place."""
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    columns = np.arange(WIDTH, dtype=np.float32)[None, :]
    band = (columns - WIDTH * 0.62) * 0.8 + (rows - HEIGHT * 0.2) * 0.55
    veil = np.exp(-((band / 120) ** 2))
    dust = spectrum(rng, rough=1.5)[:HEIGHT, :]
    dust = np.concatenate([dust, dust], axis=1)[:HEIGHT, :WIDTH]
    milky = veil * np.clip(dust * 1.5 - 0.35, 0, 1)
    sky += milky[..., None] * rgb("#6d7fb5") * 0.8
    count = 1500
    y = (rng.random(count) ** 1.1 * HEIGHT * view.pitch).astype(int)
    x = rng.integers(0, WIDTH, count)
    bright = rng.random(count) ** 7 * 1.6 + 0.06
    for dy, dx, share in ((0, 0, 1.0), (0, 1, 0.35), (1, 0, 0.35)):
        at = (np.minimum(y + dy, HEIGHT - 1), np.minimum(x + dx, WIDTH - 1))
        tint = np.array([0.85, 0.92, 1.1], np.float32)
        sky[at] += bright[:, None] * np.float32(share) * tint


def sample(grid: Floats, x: Floats, y: Floats) -> Floats:
    """The grid's values between its points; it repeats."""
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
    x0, y0 = x0 % SIDE, y0 % SIDE
    x1, y1 = (x0 + 1) % SIDE, (y0 + 1) % SIDE
    above = grid[y0, x0] * (1 - fx) + grid[y0, x1] * fx
    below = grid[y1, x0] * (1 - fx) + grid[y1, x1] * fx
    return above * (1 - fy) + below * fy


def lane(z: Floats) -> Floats:
    """Where the road's middle runs."""
    return 14 * np.sin(z / 47.0) * np.clip(z / 40, 0, 1) + 22 * np.sin(z / 131.0)


def cast(
    view: View, heights: Floats, sky: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Walk over the land from near to far; each column keeps how high it is filled."""
    picture, depth = sky.copy(), np.full((HEIGHT, WIDTH), np.inf, np.float32)
    is_water = np.zeros((HEIGHT, WIDTH), bool)
    speckle = rng.random((SIDE, SIDE), dtype=np.float32)
    patches = spectrum(rng, rough=1.3)
    level = None if view.water is None else view.water * view.tall
    x0, y0 = view.offset
    ground = float(sample(heights, np.array([x0]), np.array([y0]))[0]) * view.tall
    if level is not None:
        ground = max(ground, level)
    eye = ground + view.eye
    horizon = HEIGHT * view.pitch
    filled = np.full(WIDTH, HEIGHT, np.float32)
    rows = np.arange(HEIGHT, dtype=np.float32)[:, None]
    spread = (np.arange(WIDTH, dtype=np.float32) - WIDTH / 2) / (WIDTH / 2)
    z = 2.0
    while z < FAR:
        wide = z / view.zoom * 0.62
        mx = x0 + spread * wide
        my = np.full(WIDTH, y0 + z, np.float32)
        land = sample(heights, mx, my) * view.tall
        on_road = np.full(WIDTH, np.inf, np.float32)
        if view.road:
            on_road = np.abs(mx - x0 - lane(np.float32(z)) + lane(np.float32(0)))
            bed = sample(heights, np.array([x0 + lane(np.float32(z))]),
                         np.array([y0 + z]))[0] * view.tall  # fmt: skip
            blend = np.clip((on_road - 4.5) / 16, 0, 1)
            land = bed * (1 - blend) + land * blend
        wet = np.zeros(WIDTH, bool)
        wood = trees = np.zeros(WIDTH, np.float32)
        if level is not None:
            wet = land < level
            land = np.maximum(land, level)
        detail = speckle[(my * 6.3).astype(int) % SIDE, (mx * 6.3).astype(int) % SIDE]
        wood = np.clip(sample(patches, mx * 2.2, my * 2.2) * 2.6 - 0.75, 0, 1)
        wood = wood * view.trees * ~wet * np.clip((on_road - 7) / 6, 0, 1)
        wood = wood * min(1.0, max(0.0, (z - 30) / 50))
        fine = sample(speckle, mx * 4.7, my * 4.7)
        detail = np.where(wood > 0.3, detail, fine)
        trees = wood * (0.6 + 2.3 * detail)
        top = horizon - (land + trees - eye) / z * HEIGHT * view.zoom * 0.8
        seen = np.minimum(top, filled)
        new = (rows >= np.floor(seen)[None, :]) & (rows < filled[None, :])
        if new.any():
            colour = shaded(view, heights, mx, my, land, wood, detail, wet, on_road, z)
            at = np.nonzero(new)
            picture[at] = colour[at[1]]
            depth[at] = z
            is_water[at] = wet[at[1]]
        filled = np.minimum(filled, np.floor(seen))
        z += max(0.22, z * 0.0042)
    return picture, depth, is_water


def shaded(
    view: View,
    heights: Floats,
    mx: Floats,
    my: Floats,
    land: Floats,
    wood: Floats,
    detail: Floats,
    wet: NDArray[np.bool_],
    on_road: Floats,
    z: float,
) -> Floats:
    """The colours of one step of all columns, lit."""
    step = 1.0 + z * 0.004
    east = sample(heights, mx + step, my) - sample(heights, mx - step, my)
    north = sample(heights, mx, my + step) - sample(heights, mx, my - step)
    east, north = east * view.tall / (2 * step), north * view.tall / (2 * step)
    toward = np.array([view.sun[0] * 2 - 1, 0.55 + view.sun[1], 0.75])
    toward = toward / np.linalg.norm(toward)
    lit = (-east * toward[0] + toward[1] - north * toward[2]) / np.sqrt(
        1 + east**2 + north**2
    )
    share = np.clip(land / view.tall, 0, 1)[:, None]
    grass = rgb(view.low) * (1 - share) + rgb(view.high) * share
    grass = grass * (0.8 + 0.4 * detail[:, None])
    leaf = np.repeat(rgb(view.high)[None] * 0.55, WIDTH, axis=0)
    if view.tints:
        which = (detail * 977 % 1 * (len(view.tints) + 1)).astype(int)
        for i, tint in enumerate(view.tints):
            leaf[which == i] = rgb(tint) * 0.42
    leaf = leaf * (0.45 + 1.1 * detail[:, None])
    colour = grass + (leaf - grass) * np.clip(wood * 1.6, 0, 1)[:, None]
    steep = np.clip((np.hypot(east, north) - 1.2) * 1.6, 0, 1)[:, None]
    colour = colour + (rgb("#7b746b") * (0.6 + 0.6 * detail[:, None]) - colour) * steep
    if view.snow is not None:
        white = np.clip((share - view.snow) * 8 + detail[:, None] * 0.6, 0, 1)
        colour = colour + (rgb("#f4f6fa") - colour) * white * (1 - steep * 0.7)
    colour = paved(colour, view, on_road, detail, z)
    sun = rgb(view.light) * np.clip(lit, 0, 1.3)[:, None] * 1.25
    shade = rgb(view.zenith) * 0.55 + rgb(view.horizon) * 0.18
    colour = colour * (sun + shade)
    fog = 1 - np.exp(-((view.haze * z) ** 1.15))
    valley = view.mist * np.exp(-np.clip(share[:, 0] - 0.2, 0, 1) * 7)
    valley = valley * (1 - np.exp(-z * 0.012))
    veil = np.clip(fog + (1 - fog) * valley, 0, 1)[:, None]
    air = rgb(view.horizon) * 0.82 + rgb(view.light) * 0.10
    air = air if view.air is None else rgb(view.air)
    colour = colour + (air - colour) * veil
    colour[wet] = rgb(view.zenith) * 0.4
    return colour.astype(np.float32)


def paved(
    colour: Floats, view: View, on_road: Floats, detail: Floats, z: float
) -> Floats:
    """Asphalt, its edge lines, its dashes, and the gravel beside it."""
    if not view.road:
        return colour
    soft = 0.05 + z * 0.0016
    gravel = np.clip((5.6 - on_road) / 0.8, 0, 1)[:, None]
    colour = colour + (rgb("#8d8468") * (0.7 + 0.5 * detail[:, None]) - colour) * gravel
    tar = np.clip((4.5 - on_road) / soft, 0, 1)[:, None]
    colour = colour + (rgb("#56585b") * (0.9 + 0.2 * detail[:, None]) - colour) * tar
    line = np.clip(1 - np.abs(on_road - 4.05) / (0.1 + soft * 0.6), 0, 1)
    if z % 14 < 6:
        line = np.maximum(line, np.clip(1 - on_road / (0.11 + soft * 0.6), 0, 1))
    paint = np.clip(line * 1.4, 0, 1)[:, None] * min(1.0, 30 / (z + 8))
    return colour + (rgb("#eeeee6") - colour) * paint


def mirror(
    picture: Floats, is_water: NDArray[np.bool_], view: View, rng: np.random.Generator
) -> None:
    """Water shows what stands above it, upside down and shaken; in place."""
    source = picture.copy()
    waves = spectrum(rng, rough=1.5)
    horizon = HEIGHT * view.pitch
    shore = int(np.nonzero(is_water.any(axis=1))[0][0])
    for x in range(WIDTH):
        wet = np.nonzero(is_water[:, x])[0]
        if not len(wet):
            continue
        down = (wet - shore).astype(np.float32)
        near = np.clip((wet - horizon) / (HEIGHT - horizon), 0.02, 1)
        wave = waves[(wet * (1.2 / near) % SIDE).astype(int) % SIDE,
                     (x * (0.25 / near) % SIDE).astype(int) % SIDE] - 0.5  # fmt: skip
        up = shore - 1 - down * 0.9 + wave * 46 * near
        across = np.clip(x + wave * 26 * near, 0, WIDTH - 1).astype(int)
        seen = source[np.clip(up, 0, max(shore - 1, 0)).astype(int), across]
        deep = rgb(view.zenith) * 0.32
        clear = np.clip(0.9 - 0.5 * near, 0, 1)[:, None]
        glint = np.clip(wave - 0.24, 0, 1)[:, None] * rgb(view.light) * 0.5
        picture[wet, x] = deep + (seen - deep) * clear + glint


def developed(
    picture: Floats, depth: Floats, view: View, rng: np.random.Generator
) -> Floats:
    """What a camera makes of the light: exposure, curve, vignette, grain."""
    light = picture * np.float32(1.12 * view.exposure)
    toned = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    shown = np.clip(toned, 0, 1) ** np.float32(1 / 2.2)
    grey = shown.mean(axis=2, keepdims=True)
    shown = grey + (shown - grey) * np.float32(1.02)
    y = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :]
    shown *= (1 - 0.14 * (x**2 + y**2))[..., None]
    shown += rng.standard_normal((HEIGHT, WIDTH, 1)).astype(np.float32) * 0.009
    return np.clip(shown, 0, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
