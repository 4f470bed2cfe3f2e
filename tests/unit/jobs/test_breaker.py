"""When an instance is left alone, and when it is tried again."""

from __future__ import annotations

from comfyclient.jobs.breaker import (
    FAULTS_ALLOWED,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    TRIAL_S,
    Breaker,
)


def test_one_failure_opens_it_for_a_while() -> None:
    """An instance that did not answer is left alone."""
    breaker = Breaker()
    assert breaker.admits(0)
    breaker.failed(0)
    assert not breaker.admits(FIRST_PAUSE_S - 0.1)
    assert breaker.admits(FIRST_PAUSE_S)


def test_then_one_job_at_a_time_is_a_trial() -> None:
    """Until it is answered nothing else is sent; one that is lost is repeated."""
    breaker = Breaker()
    breaker.failed(0)
    breaker.trying(FIRST_PAUSE_S)
    assert not breaker.admits(FIRST_PAUSE_S + 1)
    assert breaker.admits(FIRST_PAUSE_S + TRIAL_S)
    breaker.took()
    assert breaker.admits(FIRST_PAUSE_S + 1)
    assert not breaker.failing


def test_each_failure_doubles_the_pause_up_to_a_limit() -> None:
    """A dead instance is not asked more often than once a minute."""
    breaker = Breaker()
    for _ in range(8):
        breaker.failed(0)
    assert breaker.opens_in(0) == LONGEST_PAUSE_S


def test_faults_open_it_only_in_a_row() -> None:
    """A single 5xx is bad luck."""
    breaker = Breaker()
    for _ in range(FAULTS_ALLOWED - 1):
        breaker.fault(0)
    assert breaker.admits(0)
    breaker.answered()
    breaker.fault(0)
    assert breaker.admits(0)
    for _ in range(FAULTS_ALLOWED):
        breaker.fault(0)
    assert not breaker.admits(0)


def test_a_busy_one_is_left_alone_as_long_as_it_asks() -> None:
    """Busy is no failure: it is asked again by everybody afterwards."""
    breaker = Breaker()
    breaker.busy(0, seconds=25)
    assert not breaker.admits(24)
    assert breaker.opens_in(24) == 1
    assert breaker.admits(25)
    assert not breaker.failing
