"""Paints the land: ridge behind ridge, their lit sides, snow and haze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .canvas import Canvas, crag, curve, stream, zigzag
from .colour import Floats, mix
from .scene_colours import SceneColours


@dataclass(frozen=True)
class Form:
    """How the ridges of one terrain are shaped."""

    layers: int
    """How many ridges stand behind the foreground."""
    tall: float
    """The height of the farthest, as a share of the picture's height."""
    waves: float
    """How many swings a ridge has across the picture."""
    rough: float
    """How much its small swings count."""
    sharp: float
    """From rounded (0) to peaked (1)."""
    facets: float
    """How much its lit and shaded sides differ."""
    snow: float
    """How far down from the peaks there is snow, in summer."""


FORMS = {
    "lake": Form(3, 0.17, 3.2, 0.44, 0.55, 0.5, 0.15),
    "hills": Form(5, 0.15, 1.8, 0.22, 0.0, 0.14, 0.0),
    "mountains": Form(5, 0.31, 3.0, 0.47, 0.9, 1.0, 0.34),
    "coast": Form(2, 0.11, 2.0, 0.4, 0.2, 0.35, 0.0),
    "plain": Form(2, 0.05, 2.2, 0.25, 0.0, 0.1, 0.0),
    "city": Form(2, 0.08, 2.0, 0.3, 0.0, 0.1, 0.0),
    "desert": Form(4, 0.13, 1.7, 0.12, 0.1, 0.75, 0.0),
    "forest": Form(5, 0.17, 2.2, 0.34, 0.15, 0.2, 0.0),
}


def echo(profile: list[float], *, count: int, detail: int = 90) -> Floats | None:
    """The real altitudes along the way as a curve from 0 to 1, None where flat.

    The more `detail`, the less the curve is smoothed.
    """
    if len(profile) < 3 or max(profile) - min(profile) < 5:
        return None
    values = np.asarray(profile, np.float64)
    values = (values - values.min()) / (values.max() - values.min())
    knots = np.linspace(0, 1, len(values))
    line = np.interp(np.linspace(0, 1, count), knots, values)
    reach = max(1, count // detail)
    padded = np.pad(line, reach, mode="edge")
    window = np.hanning(2 * reach + 3)[1:-1]
    smooth = np.convolve(padded, window / window.sum(), mode="valid")
    return smooth.astype(np.float32)


def ridge(
    canvas: Canvas, form: Form, *, layer: int, seed: int, shape: Floats | None
) -> Floats:
    """How high one ridge stands above its base, from 0 to 1, per column."""
    rng = stream(seed, f"ridge {layer}")
    count = canvas.width
    waves = form.waves * (1 + 0.35 * layer / max(1, form.layers))
    line = crag(rng, count, waves=waves, rough=form.rough)
    if form.sharp:
        peaks = 1 - np.abs(2 * crag(rng, count, waves=waves * 0.8, rough=0.45) - 1)
        line = line * (1 - form.sharp) + peaks**1.4 * form.sharp
    if shape is not None and layer <= 2:
        turned = shape if layer != 1 else shape[::-1]
        share = (0.6, 0.45, 0.3)[layer]
        line = line * (1 - share) + turned * share
    low, high = float(line.min()), float(line.max())
    return ((line - low) / max(high - low, 1e-6)).astype(np.float32)


def paint_ridge(
    canvas: Canvas,
    crest: Floats,
    *,
    base: float,
    colour: Floats,
    haze: Floats,
    haziness: float,
) -> None:
    """One ridge in one colour that dissolves into the haze towards its base."""
    top = int(max(0, crest.min() - 1))
    rows = canvas.ys[top:, None]
    coverage = np.clip(rows - crest[None, :] + 0.5, 0, 1)
    depth = np.clip((rows - crest.min()) / max(base - float(crest.min()), 1), 0, 1)
    share = (depth ** np.float32(1.4)) * np.float32(haziness)
    paint = colour + (haze - colour) * share[..., None]
    canvas.lay(coverage, np.broadcast_to(paint, (*coverage.shape, 3)), top=top)


def paint_sides(
    canvas: Canvas,
    crest: Floats,
    *,
    base: float,
    sunward: int,
    light: Floats,
    strength: float,
    seed: int,
) -> None:
    """The lit and the shaded sides of a ridge, parted along lines down its peaks."""
    rng = stream(seed, "sides")
    top, bottom = int(max(0, crest.min())), int(min(canvas.height, base))
    if bottom <= top:
        return
    rows = canvas.ys[top:bottom, None]
    depth = np.maximum(rows - crest[None, :], 0)
    smooth = _smooth(crest, max(2, canvas.width // 120))
    wander = (zigzag(rng, bottom - top, waves=7) - 0.5)[:, None]
    shift = depth * (0.22 * sunward) + wander * np.minimum(depth, 30) * 0.45
    source = np.clip(canvas.xs[None, :] + shift, 0, canvas.width - 1).astype(int)
    slope = np.gradient(smooth)[source] * sunward
    lit = 1 / (1 + np.exp(-slope * 7))
    tall = np.maximum(base - crest, 1)[None, :]
    fade = np.clip(1 - depth / (tall * 0.92), 0, 1) ** 0.7
    edge = np.clip(rows - crest[None, :], 0, 1)
    alpha = np.abs(lit - 0.5) * 2 * strength * fade * edge
    shade = np.array([0.06, 0.08, 0.2], np.float32)
    paint = np.where((lit > 0.5)[..., None], light, shade)
    canvas.lay(alpha * np.where(lit > 0.5, 0.4, 0.3), paint, top=top)


def _smooth(line: Floats, reach: int) -> Floats:
    window = np.hanning(2 * reach + 3)[1:-1]
    padded = np.pad(line, reach, mode="edge")
    return np.convolve(padded, window / window.sum(), mode="valid").astype(np.float32)


def paint_snow(
    canvas: Canvas,
    crest: Floats,
    *,
    line: float,
    colours: SceneColours,
    sunward: int,
    seed: int,
) -> None:
    """Snow above a line that is jagged as snow is in gullies."""
    rng = stream(seed, "snow")
    jag = (zigzag(rng, canvas.width, waves=canvas.width / 14) - 0.5) * 0.03
    jag += (curve(rng, canvas.width, waves=7) - 0.5) * 0.05
    edge = line + jag * canvas.height
    top, bottom = int(max(0, crest.min() - 1)), int(min(canvas.height, edge.max() + 2))
    if bottom <= top:
        return
    rows = canvas.ys[top:bottom, None]
    coverage = np.clip(rows - crest[None, :] + 0.5, 0, 1)
    coverage = coverage * np.clip(edge[None, :] - rows + 0.5, 0, 1)
    depth = np.maximum(rows - crest[None, :], 0)
    smooth = _smooth(crest, max(2, canvas.width // 160))
    shift = depth * (0.34 * sunward)
    source = np.clip(canvas.xs[None, :] + shift, 0, canvas.width - 1).astype(int)
    lit = np.clip(np.gradient(smooth)[source] * sunward * 6 + 0.5, 0, 1)[..., None]
    paint = colours.snow_shade + (colours.snow - colours.snow_shade) * lit
    canvas.lay((coverage * 0.93).astype(np.float32), paint.astype(np.float32), top=top)


def shaded(colour: Floats, *, share: float) -> Floats:
    """A colour in the shade."""
    return mix(colour, colour * np.array([0.45, 0.5, 0.62], np.float32), share=share)
