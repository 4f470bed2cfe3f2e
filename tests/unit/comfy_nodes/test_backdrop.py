"""TripBackdrop and TripPaper: the same inputs give the same bytes."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest

from comfyclient.comfy_nodes.backdrop import TripBackdrop
from comfyclient.comfy_nodes.colour import contrast, rgb
from comfyclient.comfy_nodes.palette import read_palette
from comfyclient.comfy_nodes.paper import TripPaper
from comfyclient.comfy_nodes.scene_colours import DAYLIGHTS, SEASONS, TERRAINS, WEATHERS

PLAIN: dict[str, Any] = {
    "width": 160,
    "height": 144,
    "season": "summer",
    "daylight": "day",
    "terrain": "lake",
    "weather": "clear",
    "altitude_profile": "[3200, 3400, 3817, 3300, 3195]",
    "seed": 7,
}


def paint(**changes: Any) -> tuple[Any, Any, str]:
    """A small scene."""
    return TripBackdrop().paint(**PLAIN | changes)


@pytest.mark.parametrize("terrain", TERRAINS)
def test_same_seed_same_bytes(terrain: str) -> None:
    """A scene is the same to the byte when painted again."""
    first, second = paint(terrain=terrain)[0], paint(terrain=terrain)[0]
    assert first.tobytes() == second.tobytes()


def test_other_seed_other_picture() -> None:
    """Another seed, even the largest there is, gives another scene."""
    one, other = paint(seed=0)[0], paint(seed=2**64 - 1)[0]
    assert float(np.abs(one - other).mean()) > 0.01


@pytest.mark.parametrize("terrain", TERRAINS)
def test_every_kind_of_scene_can_be_painted(terrain: str) -> None:
    """Every season, daylight and weather of a terrain gives a whole, varied picture."""
    for season, daylight, weather in itertools.islice(
        itertools.product(SEASONS, DAYLIGHTS, WEATHERS), 0, None, 7
    ):
        image, mask, _ = paint(
            width=72,
            height=72,
            terrain=terrain,
            season=season,
            daylight=daylight,
            weather=weather,
        )
        assert np.isfinite(image).all()
        assert image.min() >= 0
        assert image.max() <= 1
        assert image.std() > 0.02
        assert mask.shape == (1, 72, 72)


def test_profile_shapes_the_ridges() -> None:
    """Another altitude profile changes the land, not the sky above it."""
    up = paint(altitude_profile="[0, 900, 1800, 2700]", terrain="mountains")[0]
    down = paint(altitude_profile="[2700, 1800, 900, 0]", terrain="mountains")[0]
    assert np.array_equal(up[0, :20], down[0, :20])
    assert not np.array_equal(up, down)


@pytest.mark.parametrize("profile", ["", "[]", "[12]", "[5, 5, 5, 5]", "[1, null, 3]"])
def test_poor_profiles_are_no_trouble(profile: str) -> None:
    """A profile that is empty, short, flat or has gaps paints a scene all the same."""
    assert paint(altitude_profile=profile)[0].shape == (1, 144, 160, 3)


def test_corners_are_rounded() -> None:
    """The mask leaves the corners out and keeps the middle."""
    mask = paint(corner_radius=20)[1]
    assert mask[0, 0, 0] == 0
    assert mask[0, 72, 80] == 1
    assert paint(corner_radius=0)[1].min() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"altitude_profile": "{"}, ["altitude_profile", "not JSON", "JSON list"]),
        ({"altitude_profile": '{"a": 1}'}, ["altitude_profile", "not a list"]),
        ({"altitude_profile": "[1, NaN]"}, ["altitude_profile[1]", "not finite"]),
        ({"altitude_profile": '["9"]'}, ["altitude_profile[0]", "not a number"]),
        ({"altitude_profile": "[99999]"}, ["99999", "-500 to 9000"]),
        ({"terrain": "moon"}, ["terrain", "'moon'", "lake"]),
        ({"season": "monsoon"}, ["season", "monsoon", "winter"]),
        ({"width": 10}, ["width", "10", "64 to 4096"]),
        ({"width": 100.5}, ["width", "100.5", "whole"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": 2**64}, ["seed", "out of range"]),
        ({"horizon": float("nan")}, ["horizon", "not finite"]),
        ({"altitude_profile": "[" * 100_000}, ["altitude_profile", "not JSON"]),
    ],
)
def test_impossible_inputs_are_named(changes: dict[str, Any], words: list[str]) -> None:
    """An impossible input is an error that names it, its value and the remedy."""
    with pytest.raises(ValueError, match=next(iter(changes))) as caught:
        paint(**changes)
    for word in words:
        assert word in str(caught.value)


def test_constants_are_checked_before_the_run() -> None:
    """VALIDATE_INPUTS returns the message for a bad constant, and passes a link."""
    check = TripBackdrop.VALIDATE_INPUTS
    assert check(altitude_profile="[1, 2]") is True
    assert check(altitude_profile=None) is True
    assert "altitude_profile" in str(check(altitude_profile="[1,"))


@pytest.mark.parametrize("season", SEASONS)
@pytest.mark.parametrize("daylight", DAYLIGHTS)
def test_palette_is_legible(season: str, daylight: str) -> None:
    """Texts stand out from the paper, and map labels from their halo."""
    palette = read_palette(
        "palette",
        paint(width=64, height=64, season=season, daylight=daylight)[2],
        theme="light",
    )
    paper = rgb(palette.paper)
    assert contrast(rgb(palette.ink), paper) > 9
    assert contrast(rgb(palette.muted), paper) > 4.5
    assert contrast(rgb(palette.accent), paper) > 4
    assert contrast(rgb(palette.map_ink), rgb(palette.map_halo)) > 7


def test_paper_takes_the_palettes_colour() -> None:
    """The sheet has the palette's paper colour under its grain."""
    palette = paint(daylight="night")[2]
    (sheet,) = TripPaper().make(
        width=64, height=80, style="light", seed=1, palette=palette
    )
    assert sheet.shape == (1, 80, 64, 3)
    wanted = rgb(json.loads(palette)["paper"])
    assert np.allclose(sheet[0].mean((0, 1)), wanted, atol=0.01)
    assert sheet.std(axis=(1, 2)).max() > 0.001


@pytest.mark.parametrize(
    "palette",
    ["{", "[]", '{"paper": "#fff"}', '{"ramp": 3}', "null", "7"],
)
def test_bad_palettes_are_named(palette: str) -> None:
    """What is not a palette is an error that says where palettes come from."""
    with pytest.raises(ValueError, match=r"palette.*TripBackdrop"):
        TripPaper().make(width=64, height=64, style="light", seed=1, palette=palette)


def test_bad_colours_in_a_palette_are_named() -> None:
    """A palette with a colour that is none is refused, the colour named."""
    parts = json.loads(paint()[2])
    parts["ink"] = "javascript:alert(1)"
    with pytest.raises(ValueError, match=r"ink is not a colour.*javascript"):
        TripPaper().make(
            width=64, height=64, style="light", seed=1, palette=json.dumps(parts)
        )
