"""An axis of time that skips what nobody wants to look at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.report.timeline import Axis, covered_seconds
from comfyclient.timing import Span

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def span(begin: float, end: float) -> Span:
    """Seconds after noon."""
    return Span(NOON + timedelta(seconds=begin), NOON + timedelta(seconds=end))


def at(seconds: float) -> datetime:
    """A moment, in seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def test_an_unbroken_stretch_is_to_scale() -> None:
    """From its first moment at 0 to its last at 1; what lies outside is at the ends."""
    axis = Axis([span(0, 60), span(30, 100)])

    places = [axis.place(at(second)) for second in (-9, 0, 25, 100, 999)]

    assert places == [0, 0, 0.25, 1, 1]
    assert axis.seconds == 100


def test_a_night_without_jobs_is_skipped() -> None:
    """It takes a narrow gap; both evenings keep their scale."""
    axis = Axis([span(0, 100), span(50_000, 50_100)])

    (pause,) = axis.pauses()

    assert pause.span == span(100, 50_000)
    assert axis.place(at(100)) < pause.at < axis.place(at(50_000))
    assert axis.place(at(50_000)) - axis.place(at(100)) == pytest.approx(0.02)
    assert axis.place(at(100)) == pytest.approx(1 - axis.place(at(50_000)))


def test_short_pauses_stay() -> None:
    """Idle minutes between jobs are what one wants to see."""
    axis = Axis([span(0, 10), span(65, 80)])

    assert axis.pauses() == []
    assert axis.place(at(40)) == 0.5


def test_ticks_are_round_and_within() -> None:
    """About ten, at multiples of a step that a clock has; the day is said once."""
    ticks = Axis([span(7, 607)]).ticks()

    assert 5 <= len(ticks) <= 11
    assert all(tick.moment.second % 60 == 0 for tick in ticks)
    assert all(0 <= tick.at <= 1 for tick in ticks)
    assert [tick.day for tick in ticks] == [True] + [False] * (len(ticks) - 1)


def test_nothing_gives_an_empty_axis() -> None:
    """And no division by it."""
    axis = Axis([])

    assert (axis.ticks(), axis.pauses(), axis.seconds) == ([], [], 0)


def test_overlaps_count_once() -> None:
    """Two jobs at a time make an instance no busier than one."""
    assert covered_seconds([span(0, 10), span(5, 12), span(20, 21)]) == 13


SPANS = st.builds(
    lambda begin, length: span(begin, begin + length),
    st.floats(0, 1e6),
    st.floats(0, 1e4) | st.just(0.0),
)


@given(st.lists(SPANS, max_size=12), st.lists(st.floats(-10, 1.1e6), max_size=9))
def test_time_never_runs_backwards(spans: list[Span], seconds: list[float]) -> None:
    """Whatever lies on it: places rise with time, and stay within 0 and 1."""
    axis = Axis(spans)

    places = [axis.place(at(second)) for second in sorted(seconds)]

    assert all(later - earlier > -1e-9 for earlier, later in pairwise(places))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)
    assert len(axis.ticks()) < 400
