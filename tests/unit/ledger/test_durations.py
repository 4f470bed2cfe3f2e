"""Durations in the ledger: what one process learns, the next one knows."""

from __future__ import annotations

from comfyclient.jobs.estimates import Estimates, Learned
from comfyclient.ledger.ledger import Ledger
from comfyclient.testing.clock import FakeClock


def test_the_last_word_counts(ledger: Ledger, clock: FakeClock) -> None:
    """Each place is kept once, for its own environment."""
    warm, cold = (Learned("card@1.0.0", "a", cold, 2.5, 3) for cold in (False, True))
    ledger.learned("test", [warm, cold])
    clock.advance(1)
    later = Learned("card@1.0.0", "a", False, 4.0, 9)
    ledger.learned("test", [later])
    assert ledger.durations("test") == [cold, later]
    assert ledger.durations("prod") == []


def test_it_is_what_a_router_begins_with(ledger: Ledger) -> None:
    """An estimate made from what was kept is the one that was learned."""
    first = Estimates()
    first.learn("card@1.0.0", "a", 7.0, loading=False)
    ledger.learned("test", first.fresh())
    assert Estimates(ledger.durations("test")).work("card@1.0.0", "a") == 7.0
