"""How long nodes took, as far as it was heard."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from comfyclient.events import (
    Event,
    NodeFinished,
    NodeOutput,
    NodeStarted,
    Progress,
    Queued,
)
from comfyclient.jobs.node_times import NodeTimes


def heard(*events: tuple[float, Event]) -> NodeTimes:
    """Times after these events."""
    times = NodeTimes()
    for at, event in events:
        times.apply(event, at)
    return times


def test_a_node_lasts_until_the_next_begins() -> None:
    """A server says when a node begins; that it ended need not be said."""
    times = heard((1, NodeStarted("1")), (3, NodeStarted("2")), (3.5, Queued()))

    assert times.until(4) == {"1": 2, "2": 1}


def test_a_result_or_an_end_ends_it() -> None:
    """What comes between two nodes is nobody's."""
    times = heard(
        (0, NodeStarted("1")),
        (1, NodeOutput("1", ())),
        (5, NodeStarted("2")),
        (6, NodeFinished("1")),
        (7, NodeFinished("2")),
        (9, Progress(0.5)),
    )

    assert times.until(20) == {"1": 1, "2": 2}


def test_a_node_that_runs_again_adds_up() -> None:
    """Loops and lists run a node several times."""
    times = heard((0, NodeStarted("1")), (1, NodeStarted("2")), (2, NodeStarted("1")))

    assert times.until(4) == {"1": 3, "2": 1}


def test_another_attempt_begins_anew() -> None:
    """What a lost attempt did is not counted."""
    times = heard((0, NodeStarted("1")))

    times.restart()

    assert times.until(9) == {}


EVENTS = st.one_of(
    st.builds(NodeStarted, st.sampled_from("123")),
    st.builds(NodeFinished, st.sampled_from("123")),
    st.builds(NodeOutput, st.sampled_from("123"), st.just(())),
)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 100), EVENTS), max_size=20))
def test_never_more_than_passed(events: list[tuple[float, Event]]) -> None:
    """In any order, nodes together take no longer than the whole."""
    ordered = sorted(events, key=lambda one: one[0])

    seconds = heard(*ordered).until(100)

    assert all(s >= 0 for s in seconds.values())
    assert sum(seconds.values()) <= 100.1
