"""What is learned of durations."""

from __future__ import annotations

import pytest

from comfyclient.jobs.estimates import REMEMBERED, UNKNOWN_WORK_S, Estimates, Learned


def test_nothing_is_known_at_first() -> None:
    """Then all jobs are alike, and loading models takes longer than using them."""
    estimates = Estimates()
    assert estimates.work("k", "a") == UNKNOWN_WORK_S
    assert estimates.load("k", "a") > estimates.work("k", "a")
    assert estimates.known("k", "a") is None


def test_loading_is_what_a_first_run_takes_longer() -> None:
    """Cold and warm runs are kept apart; their difference is the loading."""
    estimates = Estimates()
    estimates.learn("k", "a", 33, loading=True)
    assert estimates.work("k", "a") + estimates.load("k", "a") == pytest.approx(33)
    estimates.learn("k", "a", 3, loading=False)
    assert (estimates.work("k", "a"), estimates.load("k", "a")) == (3, 30)


def test_others_stand_in_until_there_is_something_of_its_own() -> None:
    """A kind that ran elsewhere is expected to take as long here."""
    estimates = Estimates()
    estimates.learn("k", "a", 2, loading=False)
    estimates.learn("k", "b", 4, loading=False)
    assert estimates.work("k", "new") == 3
    estimates.learn("k", "new", 9, loading=False)
    assert estimates.work("k", "new") == 9


def test_a_new_kind_is_as_the_others_are() -> None:
    """Those that load models tell what one needs that was never run."""
    estimates = Estimates()
    estimates.learn("k", "a", 1.1, loading=True)
    estimates.learn("k", "a", 0.1, loading=False)
    estimates.learn("quick", "a", 0.001, loading=False)
    assert estimates.work("new", "a") == pytest.approx(0.1)
    assert estimates.load("new", "a") == pytest.approx(1.0)
    estimates.learn("new", "a", 4.4, loading=True)
    assert estimates.work("new", "a") == pytest.approx(0.4)
    assert estimates.load("new", "a") == pytest.approx(4.0)


def test_work_of_no_time_is_no_reason_to_fail() -> None:
    """A server may say so; then loading counts as long, not as endless."""
    estimates = Estimates()
    estimates.learn("k", "a", 5.0, loading=True)
    estimates.learn("k", "a", 0.0, loading=False)
    assert estimates.work("new", "b") == 0
    estimates.learn("new", "a", 5.0, loading=True)
    assert 0 < estimates.work("new", "a") < estimates.load("new", "a") < 6


def test_news_count_more() -> None:
    """A server that became slower is believed after a few jobs."""
    estimates = Estimates()
    for seconds in [1.0] * 20 + [5.0] * 8:
        estimates.learn("k", "a", seconds, loading=False)
    assert estimates.work("k", "a") > 4.5


def test_what_is_fresh_is_told_once() -> None:
    """Only what changed is written down again, and taken up by the next process."""
    estimates = Estimates()
    estimates.learn("k", "a", 2, loading=False)
    fresh = estimates.fresh()
    assert fresh == [Learned("k", "a", False, 2.0, 1)]
    assert estimates.fresh() == []
    assert Estimates(fresh).work("k", "a") == 2


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_nonsense_is_not_learned(seconds: float) -> None:
    """A server's clock that jumped says nothing."""
    estimates = Estimates()
    estimates.learn("k", "a", seconds, loading=False)
    assert estimates.known("k", "a") is None


def test_memory_is_bounded() -> None:
    """Graphs of ever new shapes push out the oldest."""
    estimates = Estimates()
    for number in range(REMEMBERED + 10):
        estimates.learn(f"k{number}", "a", 1, loading=False)
    assert estimates.known("k0", "a") is None
    assert estimates.known(f"k{REMEMBERED + 9}", "a") == 1
