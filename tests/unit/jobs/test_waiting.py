"""Whose turn it is among the jobs that wait."""

from __future__ import annotations

from comfyclient.jobs.demands import Demand
from comfyclient.jobs.routing import LOOKAHEAD, Wish
from comfyclient.jobs.waiting import Line, Waiter


def joined(line: Line, lane: str, count: int = 1, priority: int = 0) -> list[Waiter]:
    """Jobs that wait in a lane."""
    waiters = [Waiter(Wish(Demand("k")), lane, priority) for _ in range(count)]
    for waiter in waiters:
        line.join(waiter)
    return waiters


def served(line: Line, count: int) -> str:
    """The lanes that have the next turns."""
    lanes = []
    for _ in range(count):
        first = line.first()[0]
        line.serve(first)
        lanes.append(str(first.lane))
    return "".join(lanes)


def test_lanes_take_turns() -> None:
    """Whoever has many jobs does not hold up whoever has few."""
    line: Line = Line()
    joined(line, "a", 6)
    joined(line, "b", 2)
    assert served(line, 8) == "ababaaaa"


def test_who_comes_late_does_not_catch_up() -> None:
    """A lane that was not there has no turns to make up for."""
    line: Line = Line()
    joined(line, "a", 8)
    assert served(line, 4) == "aaaa"
    joined(line, "b", 2)
    assert served(line, 4) in {"abab", "baba"}


def test_who_was_served_much_waits_for_its_turn() -> None:
    """Leaving and coming back gives no fresh start."""
    line: Line = Line()
    joined(line, "b", 2)
    joined(line, "a", 4)
    assert served(line, 2) in {"ab", "ba"}
    [leaver] = [w for w in line if w.lane == "b"]
    assert line.leave(leaver)
    assert not line.leave(leaver)
    joined(line, "b", 1)
    assert served(line, 2) in {"ab", "ba"}


def test_a_higher_priority_goes_first() -> None:
    """Whoever's it is, and before what came earlier in its own lane."""
    line: Line = Line()
    joined(line, "a", 2)
    joined(line, "b", 1, priority=1)
    [urgent] = joined(line, "a", 1, priority=2)
    assert line.first()[0] is urgent
    assert served(line, 2) == "ab"


def test_the_line_shows_its_beginning_only() -> None:
    """However many wait, the policy looks at a few."""
    line: Line = Line()
    joined(line, "a", LOOKAHEAD)
    joined(line, "b", LOOKAHEAD)
    first = line.first()
    assert len(first) == LOOKAHEAD
    assert {waiter.lane for waiter in first} == {"a", "b"}
    assert len(line) == 2 * LOOKAHEAD


def test_lanes_are_forgotten() -> None:
    """A service with a lane for each request does not grow."""
    line: Line = Line()
    for number in range(1000):
        joined(line, str(number))
        served(line, 1)
    assert len(line._served) < 300
