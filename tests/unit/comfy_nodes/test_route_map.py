"""TripRouteMap: any track gives a layer, hostile ones an error that names the point."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import numpy as np
import pytest

from comfyclient.comfy_nodes.mapdrawing import rank
from comfyclient.comfy_nodes.reading import Stop, read_stops, read_track
from comfyclient.comfy_nodes.routemap import TripRouteMap

LOOP = [
    [
        36.9 + 0.3 * math.sin(i / 64),
        100.2 + 0.7 * math.cos(i / 64),
        3200 + i,
        30 + i / 8,
    ]
    for i in range(400)
]
STOPS = [
    {"name": "黑马河", "lat": 36.73, "lon": 99.8, "kind": "hotel"},
    {"name": "Bird Island", "lat": 36.98, "lon": 99.88, "kind": "sight"},
    {"name": "", "lat": 37.1, "lon": 100.4, "kind": "unheard-of"},
]
PLAIN: dict[str, Any] = {
    "width": 420,
    "height": 300,
    "track": json.dumps([LOOP]),
    "stops": json.dumps(STOPS),
    "colour_by": "speed",
    "line_width": 8.0,
    "padding": 30,
    "show_scale": True,
    "language": "zh",
    "theme": "light",
}


def draw(**changes: Any) -> tuple[Any, Any]:
    """A small map."""
    return TripRouteMap().draw(**PLAIN | changes)


@pytest.mark.parametrize("colour_by", ["speed", "altitude", "none"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_same_inputs_same_bytes(colour_by: str, theme: str) -> None:
    """A map is the same to the byte when drawn again, and within range."""
    first = draw(colour_by=colour_by, theme=theme)
    second = draw(colour_by=colour_by, theme=theme)
    assert first[0].shape == (1, 300, 420, 3)
    assert first[1].shape == (1, 300, 420)
    for one, other in zip(first, second, strict=True):
        assert one.tobytes() == other.tobytes()
        assert one.dtype == np.float32
        assert 0 <= one.min() <= one.max() <= 1


@pytest.mark.parametrize(
    "track",
    [
        [],
        [[]],
        [[], []],
        [[[36.5, 100.1, None, None]]],
        [[[36.5, 100.1], [36.6, 100.3]]],
        [[[36.5, 100.1], [36.5, 100.1]]],
        [[[36.5, 100.1, None, None]] * 50],
        [[[36.5 + i * 1e-7, 100.1, None, None] for i in range(50)]],
        [[[i * 0.5, 10.0, None, 50] for i in range(100)]],
        [[[20.0, i * 3.0 - 150, 10, None] for i in range(100)]],
        [[[-17.0, lon, 5, 60] for lon in (179.7, 179.9, -179.9, -179.6, -179.5)]],
        [[[90, 0, None, None], [89, 180, None, None], [-90, -180, 1, 1]]],
        [[[36.5, 100.1], [36.6, 100.2]], [[37.0, 101.0]], [[37.0, 101.5], [37, 102]]],
    ],
)
@pytest.mark.parametrize("stops", [[], STOPS])
def test_every_track_gives_a_layer(track: Any, stops: Any) -> None:
    """Empty, single, repeated, tiny, elongated, polar and split tracks are drawn."""
    image, mask = draw(track=json.dumps(track), stops=json.dumps(stops))
    assert np.isfinite(image).all()
    assert 0.001 < mask.mean() < 0.7


def test_an_empty_map_is_a_quiet_ornament() -> None:
    """Without track and stops a compass rose stands in the middle, and no scale."""
    _, mask = draw(track="[]", stops="[]")
    assert mask[0, 60:240, 120:300].sum() > 0.98 * mask.sum()
    assert mask.max() < 0.9


def test_the_meridian_makes_no_detour() -> None:
    """A short track across 180° is as large on the map as the same one elsewhere."""

    def shown(shift: float) -> Any:
        lon = [(179.6 + shift + i * 0.01 + 180) % 360 - 180 for i in range(80)]
        track = [[[-17 + i * 0.002, x, None, None] for i, x in enumerate(lon)]]
        return draw(track=json.dumps(track), stops="[]", show_scale=False)[1]

    assert np.abs(shown(0.0) - shown(-40.0)).max() < 0.02


def test_colours_follow_the_speed() -> None:
    """A slow beginning and a fast end have the colours of the ramp's two ends."""
    track = [[[30.0, 120 + i * 0.001, 5, 20 if i < 200 else 120] for i in range(400)]]
    image, mask = draw(track=json.dumps(track), stops="[]", show_scale=False)
    row = int(mask[0, :, 120].argmax() + mask[0, :, 120].astype(bool).sum() // 2)
    rows = np.flatnonzero(mask[0, :, 120] > 0.9)
    row = int(rows[len(rows) // 2])
    slow, fast = image[0, row, 80], image[0, row, 340]
    assert slow[2] > slow[0]
    assert fast[0] > fast[2]


def test_many_points_are_fast() -> None:
    """Fifty thousand points take a few seconds of work at full size."""
    points = [
        [
            36 + 0.4 * math.sin(i / 900),
            100 + i / 30000 + 0.1 * math.cos(i / 70),
            3000,
            60,
        ]
        for i in range(50_000)
    ]
    track = json.dumps([points])
    begun = time.thread_time()
    draw(track=track, width=1008, height=690)
    assert time.thread_time() - begun < 6


def test_a_crowd_of_stops_shows_how_many_are_left_out() -> None:
    """Where labels find no room, a count in the corner tells how many."""
    crowd = [
        {"name": f"Stop number {i}", "lat": 36.9, "lon": 100.2, "kind": "food"}
        for i in range(60)
    ]
    few = draw(stops=json.dumps(crowd[:2]))[1]
    many = draw(stops=json.dumps(crowd))[1]
    corner = (0, slice(270, 300), slice(0, 60))
    assert few[corner].max() == 0
    assert many[corner].max() > 0.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"track": "[[[91, 0]]]"}, ["track[0][0] lat", "91", "-90 to 90"]),
        ({"track": "[[[0, 0], [0, 181]]]"}, ["track[0][1] lon", "181"]),
        ({"track": "[[[0, NaN]]]"}, ["track[0][0] lon", "not finite"]),
        ({"track": "[[[0, 0, 1, NaN]]]"}, ["track[0][0] speed", "not finite"]),
        ({"track": "[[[0, 0, 1, -3]]]"}, ["track[0][0] speed", "-3"]),
        ({"track": '[[["0", 0]]]'}, ["track[0][0] lat", "not a number"]),
        ({"track": "[[[true, 0, 1, 1]]]"}, ["track[0][0] lat", "not a number"]),
        ({"track": "[[[null, 0, 1, 1]]]"}, ["track[0][0] lat", "not a number"]),
        ({"track": "[[[0]]]"}, ["track[0][0]", "not a point"]),
        ({"track": "[[0, 0]]"}, ["track[0][0]", "not a point"]),
        ({"track": "[7]"}, ["track[0]", "not a list of points"]),
        ({"track": "[[[1e400, 0, 0, 0]]]"}, ["track[0][0] lat", "not finite"]),
        ({"track": f"[[[{'9' * 400}, 0, 0, 0]]]"}, ["track[0][0] lat", "out of range"]),
        ({"stops": "[3]"}, ["stops[0]", "not an object"]),
        ({"stops": '[{"name": "A"}]'}, ["stops[0].lat", "not a number"]),
        ({"stops": '[{"name": 5, "lat": 1, "lon": 1}]'}, ["stops[0].name", "not text"]),
        (
            {"stops": '[{"name": "Go \\ud83d\\ude80", "lat": 1, "lon": 1}]'},
            ["stops[0].name", "emoji", "U+1F680"],
        ),
        ({"colour_by": "mood"}, ["colour_by", "mood", "altitude"]),
        ({"line_width": 0}, ["line_width", "1 to 60"]),
        ({"font": "/nowhere/font.ttf"}, ["font", "/nowhere/font.ttf", "pip install"]),
    ],
)
def test_impossible_inputs_are_named(changes: dict[str, Any], words: list[str]) -> None:
    """An impossible point, stop or setting is an error that says which and why."""
    with pytest.raises(ValueError, match=next(iter(changes))) as caught:
        draw(**changes)
    for word in words:
        assert word in str(caught.value)


def test_constants_are_checked_before_the_run() -> None:
    """VALIDATE_INPUTS names a bad constant and lets links pass."""
    check = TripRouteMap.VALIDATE_INPUTS
    assert check(track=None, stops=None) is True
    assert check(track="[]", stops="[]") is True
    assert "track[0][0] lat" in str(check(track="[[[91, 0]]]", stops=None))
    assert "stops[0]" in str(check(track=None, stops="[1]"))


def test_fast_and_careful_reading_agree() -> None:
    """A full segment is read as the same numbers as its points with parts left out."""
    full = read_track("track", json.dumps([[[1, 2.5, None, 4], [3, 4, 5, None]]]))
    part = read_track("track", json.dumps([[[1, 2.5, None, 4], [3, 4, 5]]]))
    assert np.array_equal(full[0], part[0], equal_nan=True)


def test_label_of_a_stop_wins_over_its_name() -> None:
    """A stop with a label of its own is shown by that."""
    (stop,) = read_stops(
        "stops", '[{"name": "long name", "label": "short", "lat": 1, "lon": 2}]'
    )
    assert stop == Stop("short", 1.0, 2.0, "")


def test_ends_and_nights_matter_most() -> None:
    """Start and end rank before nights and sights, those before meals and charging."""
    kinds = ["start", "hotel", "food", "charging"]
    ranks = [rank(Stop("", 0, 0, kind)) for kind in kinds]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 4
