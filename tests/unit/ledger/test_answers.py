"""What hosted models answered: kept once, found by digest, counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from comfyclient.errors import LedgerError
from comfyclient.ledger.ledger import Ledger
from comfyclient.steps.answers import Spent, StoredAnswer, Usage
from comfyclient.testing.clock import FakeClock

Opener = Callable[..., Ledger]


def answer(clock: FakeClock, **changes: object) -> StoredAnswer:
    """An answer that is complete."""
    whole = StoredAnswer(
        environment="test",
        digest="d" * 64,
        step="copy",
        model="qwen3.6-plus",
        began_at=clock.now(),
        request_id="r-1",
        value={"title": "墨 \ud800 \0"},
        usage=Usage(10, 20),
        ended_at=clock.now(),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_what_was_kept_is_found(opened: Opener, clock: FakeClock) -> None:
    """In another process too; of another environment there is nothing."""
    given = answer(clock)
    assert opened().answers.keep(given) == given

    other = opened()

    assert other.answers.find("test", given.digest) == given
    assert other.answers.find("prod", given.digest) is None


def test_the_first_answer_stands(ledger: Ledger, clock: FakeClock) -> None:
    """Whoever asked at the same time gets the same words."""
    first, second = answer(clock), answer(clock, value="other", usage=Usage(1, 1))
    ledger.answers.keep(first)

    assert ledger.answers.keep(second) == first
    assert ledger.answers.find("test", first.digest) == first


def test_a_task_is_known_before_it_has_ended(ledger: Ledger, clock: FakeClock) -> None:
    """Its end keeps when it began; a second task does not take its place."""
    task = answer(clock, task_id="t-1", value=None, usage=Usage(), ended_at=None)
    ledger.answers.began(task)
    clock.advance(60)
    later = answer(clock, task_id="t-1", usage=Usage(images=2))

    assert ledger.answers.began(replace(task, task_id="t-2")) == task
    kept = ledger.answers.keep(later)

    assert kept.began_at == task.began_at
    assert kept.ended_at == later.ended_at
    assert ledger.answers.find("test", task.digest) == kept


def test_a_task_that_came_to_nothing_is_forgotten(
    ledger: Ledger, clock: FakeClock
) -> None:
    """Only where it is that task."""
    task = answer(clock, task_id="t-1", value=None, ended_at=None)
    ledger.answers.began(task)

    ledger.answers.drop("test", task.digest, task_id="t-9")
    assert ledger.answers.find("test", task.digest) == task
    ledger.answers.drop("test", task.digest, task_id="t-1")
    assert ledger.answers.find("test", task.digest) is None


def test_costs_are_summed_by_model(ledger: Ledger, clock: FakeClock) -> None:
    """Only answers that are there, of the environment, since a time."""
    ledger.answers.keep(answer(clock, digest="old"))
    clock.advance(3600)
    ledger.answers.keep(answer(clock, digest="a"))
    ledger.answers.keep(answer(clock, digest="b"))
    ledger.answers.keep(answer(clock, digest="c", environment="prod"))
    picture = answer(clock, digest="p", model="wan", usage=Usage(images=3))
    ledger.answers.keep(picture)
    ledger.answers.began(answer(clock, digest="q", ended_at=None))

    since = clock.now() - timedelta(minutes=1)

    assert ledger.answers.spent("test", since=since) == [
        Spent("qwen3.6-plus", 2, Usage(20, 40)),
        Spent("wan", 1, Usage(images=3)),
    ]
    assert ledger.answers.spent("test")[0].answers == 3


def test_an_answer_without_end_is_not_kept(ledger: Ledger, clock: FakeClock) -> None:
    """A megabyte is no answer that anybody uses."""
    with pytest.raises(LedgerError, match="too large"):
        ledger.answers.keep(answer(clock, value="x" * (1 << 20)))
