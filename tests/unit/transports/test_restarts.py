"""A server's counter of prompts: when its fall means a restart."""

from __future__ import annotations

import pytest

from comfyclient.transports.restarts import Counter


def test_it_rises() -> None:
    """A counter that rises says nothing."""
    counter = Counter()
    signs = [counter.took(n, after=counter.last) for n in (0, 1, 5, 5, 17)]
    assert signs == [None] * 5
    assert counter.last == 17


def test_it_falls() -> None:
    """A lower number than before is a restart, told once."""
    counter = Counter()
    counter.took(17, after=None)
    assert counter.took(0, after=17) == "its counter fell from 17 to 0"
    assert counter.took(1, after=counter.last) is None


def test_answers_out_of_order() -> None:
    """Two prompts sent at once may be answered in any order: no restart."""
    counter = Counter()
    counter.took(16, after=None)
    assert counter.took(18, after=16) is None
    assert counter.took(17, after=16) is None
    assert counter.last == 18


@pytest.mark.parametrize("number", [None, float("nan"), float("inf")])
def test_odd_numbers(number: float | None) -> None:
    """A server that tells no number, or an odd one, is not taken for a new one."""
    counter = Counter()
    counter.took(3, after=None)
    assert counter.took(number, after=3) is None
