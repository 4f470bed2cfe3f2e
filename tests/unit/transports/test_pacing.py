"""How often a server is asked: bounds that hold at any age and any number of jobs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from comfyclient.transports.pacing import (
    AT_LEAST,
    AT_MOST,
    FEW,
    GATHER,
    OFTEN,
    RARELY,
    interval,
    rest,
)

AGES = st.floats(0, 1e6)


@given(AGES)
def test_a_job_that_is_heard_is_asked_for_rarely(age: float) -> None:
    """While the websocket tells of it, looks are seconds apart."""
    assert RARELY * 0.8 <= interval(age=age, heard=True) <= AT_MOST * 1.2


@given(AGES)
def test_a_job_that_is_not_heard_is_asked_for_often(age: float) -> None:
    """Without the websocket a look follows within two seconds or so."""
    assert OFTEN * 0.8 <= interval(age=age, heard=False) <= AT_LEAST * 1.2


def test_it_is_jittered() -> None:
    """Jobs that were sent at once are not asked for in step."""
    assert len({interval(age=5, heard=True) for _ in range(20)}) > 10


def test_few_jobs_need_no_rest() -> None:
    """One or two jobs may be looked for at any moment."""
    assert rest(followed=FEW, cost=0) == 0
    assert rest(followed=FEW + 1, cost=0) == GATHER


def test_a_large_queue_is_read_rarely() -> None:
    """Twenty megabytes of queue are not read every half second."""
    assert rest(followed=1000, cost=20_000_000) == 5.0
