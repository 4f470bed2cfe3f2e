"""Geometry on the globe."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.trip.geography import (
    METRES_PER_DEGREE,
    bounds_of,
    climb_m,
    distance_m,
    projected,
    resampled,
    simplified,
    steps_m,
    unwrapped,
)

positions = st.tuples(
    st.floats(-80, 80, allow_nan=False), st.floats(-180, 180, allow_nan=False)
)
nearby = st.tuples(st.floats(47, 48), st.floats(7, 8))


def test_distance_between_known_cities() -> None:
    """Paris and London lie 343.6 km apart on the mean sphere."""
    assert distance_m((48.8566, 2.3522), (51.5074, -0.1278)) == pytest.approx(
        343_556, rel=1e-4
    )


def test_distance_across_the_180_meridian_is_short() -> None:
    """Two degrees of longitude at the equator stay two degrees across 180°."""
    way = distance_m((0, 179), (0, -179))
    assert way == pytest.approx(2 * METRES_PER_DEGREE)


def test_distance_of_antipodes_is_half_the_circle() -> None:
    """Rounding never takes the root of more than one."""
    assert distance_m((0.1, 0), (-0.1, 180)) == pytest.approx(180 * METRES_PER_DEGREE)


@given(positions, positions)
def test_distance_is_symmetric(a: tuple[float, float], b: tuple[float, float]) -> None:
    """The way there is as long as the way back."""
    assert distance_m(a, b) == pytest.approx(distance_m(b, a), abs=1e-6)


def test_steps_are_one_fewer_than_positions() -> None:
    """Each step leads from one position to the next."""
    assert steps_m([(0, 0), (0, 1), (0, 3)]) == pytest.approx(
        [METRES_PER_DEGREE, 2 * METRES_PER_DEGREE]
    )


def test_longitudes_become_continuous() -> None:
    """A track that goes round stays without jumps in both directions."""
    assert unwrapped([179, -179, -178, 179]) == [179, 181, 182, 179]
    assert unwrapped([-179, 179]) == [-179, -181]


def test_bounds_take_the_short_way_across_180() -> None:
    """A track from Fiji's west to its east has a narrow box."""
    box = bounds_of([(-16.7, 179.9), (-16.8, -179.9), (-16.9, 180.0)])
    assert box is not None
    assert (box.west, box.east) == (179.9, -179.9)
    assert (box.south, box.north) == (-16.9, -16.7)
    assert box.crosses_180


@given(st.lists(positions, min_size=1, max_size=30))
def test_bounds_hold_every_position(points: list[tuple[float, float]]) -> None:
    """Whatever side of 180° the positions are on, the box has them all."""
    box = bounds_of(points)
    assert box is not None
    for lat, lon in points:
        assert box.south <= lat <= box.north
        inside = box.west <= lon <= box.east
        wrapped = box.crosses_180 and (lon >= box.west or lon <= box.east)
        assert inside or wrapped


def test_bounds_of_nothing_are_none() -> None:
    """No position has no box."""
    assert bounds_of([]) is None


@given(st.lists(nearby, min_size=2, max_size=60), st.floats(0, 20_000))
def test_simplified_line_stays_within_the_tolerance(
    points: list[tuple[float, float]], tolerance: float
) -> None:
    """Both ends stay, and no dropped point is farther off than allowed."""
    kept = simplified(points, tolerance_m=tolerance)
    assert kept[0] == 0
    assert kept[-1] == len(points) - 1
    assert kept == sorted(set(kept))
    flat = projected(points)
    for a, b in pairwise(kept):
        for index in range(a + 1, b):
            off = _off_chord(flat[index], flat[a], flat[b])
            assert off <= tolerance + 1e-6


@given(st.lists(nearby, min_size=2, max_size=60), st.integers(2, 20))
def test_simplified_line_keeps_no_more_than_asked(
    points: list[tuple[float, float]], limit: int
) -> None:
    """The number of points is a hard limit, and both ends count."""
    kept = simplified(points, max_points=limit)
    assert len(kept) <= limit
    assert {0, len(points) - 1} <= set(kept)


def test_simplified_keeps_the_worst_corner_first() -> None:
    """With room for three points the farthest one is the third."""
    line = [(0.0, 0.0), (0.1, 1.0), (1.0, 2.0), (0.2, 3.0), (0.0, 4.0)]
    assert simplified(line, max_points=3) == [0, 2, 4]


def test_simplified_across_180_is_a_straight_line() -> None:
    """The jump of the number from 180 to -180 is no corner."""
    line = [(0.0, 179.0), (0.0, 179.5), (0.0, -179.9), (0.0, -179.0)]
    assert simplified(line, tolerance_m=1.0) == [0, 3]


def test_simplified_loop_keeps_its_far_point() -> None:
    """A loop that ends where it began does not collapse to its ends."""
    assert 2 in simplified([(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)], max_points=3)


def test_noise_is_no_climb() -> None:
    """A thousand wobbles of four metres climb nothing."""
    assert climb_m([100 + 4 * (i % 2) for i in range(1000)]) == 0


def test_climb_adds_the_hills_and_not_the_dips_between() -> None:
    """Two hills of 100 and 50 metres, with a dip too shallow to count."""
    assert climb_m([0, 50, 45, 100, 20, 70]) == 150


def test_climb_without_points_is_nothing() -> None:
    """Neither no point nor a single one climbs."""
    assert climb_m([]) == 0
    assert climb_m([812.0]) == 0


@given(st.lists(st.floats(-400, 8000), max_size=50))
def test_climb_is_never_less_than_net_and_never_negative(
    altitudes: list[float],
) -> None:
    """The sum holds at least the net rise, less what lies under the threshold."""
    climb = climb_m(altitudes)
    net = altitudes[-1] - altitudes[0] if altitudes else 0.0
    assert climb >= max(0.0, net - 20)
    ups = sum(max(0.0, b - a) for a, b in pairwise(altitudes))
    assert climb <= ups + 1e-6


def test_resampling_is_linear_between_points() -> None:
    """Uneven distances give even samples."""
    assert resampled([0, 10, 100], [0, 10, 100], samples=5) == pytest.approx(
        (0, 25, 50, 75, 100)
    )


def test_resampling_survives_points_in_one_place() -> None:
    """Steps of no length divide nothing by zero."""
    assert resampled([0, 0, 0], [1, 2, 3], samples=3)[0] == 1
    assert resampled([], [], samples=3) == ()
    assert resampled([5], [7.0], samples=3) == (7.0, 7.0, 7.0)


def _off_chord(
    point: tuple[float, float], a: tuple[float, float], b: tuple[float, float]
) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    along = 0.0
    if square:
        along = ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / square
    along = min(1.0, max(0.0, along))
    return math.hypot(point[0] - a[0] - along * dx, point[1] - a[1] - along * dy)
