"""Places become pixels, wherever on Earth they are."""

from __future__ import annotations

import numpy as np
import pytest

from comfyclient.comfy_nodes.geometry import (
    Frame,
    bounds,
    flowing,
    length_text,
    project,
    round_length,
    smoothed,
    thinned,
    unwrapped,
)

FRAME = Frame(10, 20, 410, 320)


def test_the_180_meridian_is_no_edge() -> None:
    """A track from 179.9° to -179.9° is a fifth of a degree wide, not 360."""
    lon = unwrapped(np.array([179.8, 179.9, -179.95, -179.9]))
    assert np.ptp(lon) == pytest.approx(0.3)
    view = project(np.full(4, -17.0), lon, frame=FRAME)
    xy = view(np.full(4, -17.0), lon)
    assert (np.diff(xy[:, 0]) > 0).all()
    assert view.metres_per_pixel * 400 == pytest.approx(
        0.3 * 111_195 * np.cos(np.radians(17)), rel=0.01
    )


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        ([36.5, 37.2], [99.6, 101.8]),
        ([50.0, 50.0], [8.0, 8.0]),
        ([0.0, 60.0], [10.0, 10.001]),
        ([47.0, 47.001], [-20.0, 60.0]),
        ([89.9, 89.99], [0.0, 90.0]),
        ([-90.0, 90.0], [-179.0, 179.0]),
    ],
)
def test_everything_lands_inside_the_frame(lat: list[float], lon: list[float]) -> None:
    """Usual, tiny, elongated and polar extents all fit, without distortion or NaN."""
    lats, lons = np.array(lat), np.array(lon)
    xy = project(lats, lons, frame=FRAME)(lats, lons)
    assert np.isfinite(xy).all()
    assert (xy[:, 0] >= FRAME.left - 1e-6).all()
    assert (xy[:, 0] <= FRAME.right + 1e-6).all()
    assert (xy[:, 1] >= FRAME.top - 1e-6).all()
    assert (xy[:, 1] <= FRAME.bottom + 1e-6).all()


def test_north_is_up() -> None:
    """The northern of two places is the higher one on the map."""
    lat, lon = np.array([30.0, 31.0]), np.array([120.0, 120.0])
    xy = project(lat, lon, frame=FRAME)(lat, lon)
    assert xy[1, 1] < xy[0, 1]


@pytest.mark.parametrize(
    ("metres", "wanted"),
    [(47_000, 20_000), (50_000, 50_000), (999, 500), (3, 2), (0, 0)],
)
def test_scale_lengths_are_round(metres: float, wanted: float) -> None:
    """A scale bar has a length of 1, 2 or 5 times a power of ten."""
    assert round_length(metres) == pytest.approx(wanted, abs=1e-6)


def test_lengths_are_written_in_km_or_m() -> None:
    """From a kilometre up a length is written in km, with separators."""
    assert length_text(2000) == "2 km"
    assert length_text(500) == "500 m"
    assert length_text(1_000_000) == "1,000 km"


def test_thinning_keeps_both_ends() -> None:
    """A dense line keeps its ends and no more points than its length asks for."""
    points = np.stack([np.linspace(0, 100, 10_001), np.zeros(10_001)], axis=-1)
    keep = thinned(points, apart=1.0)
    assert keep[0] == 0
    assert keep[-1] == 10_000
    assert 95 <= len(keep) <= 105


def test_smoothing_fills_gaps() -> None:
    """Missing values take those beside them; where all are missing there are zeros."""
    filled = smoothed(np.array([1.0, np.nan, 3.0, np.nan]), reach=0)
    assert filled.tolist() == [1.0, 2.0, 3.0, 3.0]
    assert smoothed(np.full(3, np.nan), reach=2).tolist() == [0, 0, 0]


def test_flat_values_have_no_range() -> None:
    """Values that do not differ, or are not there, give no range to colour by."""
    assert bounds([np.full(10, 80.0)]) is None
    assert bounds([np.full(10, np.nan)]) is None
    assert bounds([]) is None


def test_jitter_is_smoothed_and_the_ends_stay() -> None:
    """A shaky line becomes calm and even, and still begins and ends where it did."""
    rng = np.random.default_rng(1)
    shaky = np.stack([np.arange(200.0), rng.normal(0, 1.5, 200)], axis=-1)
    line, places = flowing(shaky, step=1.2, reach=7)
    assert line[0].tolist() == shaky[0].tolist()
    assert line[-1].tolist() == shaky[-1].tolist()
    assert np.abs(line[20:-20, 1]).max() < np.abs(shaky[:, 1]).max() / 2
    assert places[0] == 0
    assert places[-1] == 199


def test_a_line_of_no_length_stays_as_it_is() -> None:
    """Points that are all at one place are left alone."""
    spot = np.full((5, 2), 3.0)
    line, places = flowing(spot, step=1.2, reach=7)
    assert line.tolist() == spot.tolist()
    assert len(places) == 5
