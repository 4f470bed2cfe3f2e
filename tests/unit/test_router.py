"""The order in which instances are asked."""

from __future__ import annotations

import pytest

from comfyclient.router import DOWN_FOR, Router
from comfyclient.testing.clock import FakeClock


class Named:
    """A transport with a name and nothing else."""

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still."""
    return FakeClock()


def router_of(clock: FakeClock, **weights: float) -> tuple[Router, dict[str, Named]]:
    """A router over instances of these weights."""
    named = {name: Named(name) for name in weights}
    seats = [(named[name], weight) for name, weight in weights.items()]
    return Router(seats, clock=clock), named


def order(router: Router) -> list[str]:
    """The names, the best first."""
    return [transport.name for transport in router.in_order()]


def test_the_least_loaded_comes_first(clock: FakeClock) -> None:
    """Jobs spread by load; equal ones stay as configured."""
    router, named = router_of(clock, a=1, b=1)
    assert order(router) == ["a", "b"]
    router.took(named["a"])
    assert order(router) == ["b", "a"]
    router.done(named["a"])
    assert order(router) == ["a", "b"]


def test_a_weight_counts(clock: FakeClock) -> None:
    """An instance of twice the weight takes twice the jobs."""
    router, named = router_of(clock, big=2, small=1)
    taken = []
    for _ in range(6):
        first = order(router)[0]
        router.took(named[first])
        taken.append(first)
    assert (taken.count("big"), taken.count("small")) == (4, 2)


def test_one_that_is_down_comes_last_for_a_while(clock: FakeClock) -> None:
    """An instance that did not answer is still there, behind all others."""
    router, named = router_of(clock, a=1, b=1)
    router.down(named["a"])
    router.took(named["b"])
    assert order(router) == ["b", "a"]
    clock.advance(DOWN_FOR + 0.1)
    assert order(router) == ["a", "b"]


def test_a_failed_try_gives_its_place_back(clock: FakeClock) -> None:
    """A submission counts while it is tried, and after it only if it succeeded."""
    router, named = router_of(clock, a=1, b=1)
    orders: list[list[str]] = []

    def interrupted() -> None:
        with router.trying(named["a"]):
            orders.append(order(router))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert orders == [["b", "a"]]
    assert order(router) == ["a", "b"]
    with router.trying(named["a"]):
        pass
    assert order(router) == ["b", "a"]


def test_done_too_often_is_not_below_nothing(clock: FakeClock) -> None:
    """A load does not fall below zero."""
    router, named = router_of(clock, a=1, b=1)
    router.done(named["b"])
    router.took(named["a"])
    router.took(named["b"])
    assert order(router) == ["a", "b"]
