"""Progress over a whole graph: monotone, bounded, whatever a server says."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from comfyclient.events import (
    ConnectionLost,
    ConnectionRestored,
    Event,
    Finished,
    NodeBlocked,
    NodeFinished,
    NodeOutput,
    NodeProgress,
    NodesCached,
    NodeStarted,
    NodeText,
    Preview,
    Progress,
    Queued,
    Started,
)
from comfyclient.jobs.course import Course, JobStatus
from comfyclient.jobs.progress import ProgressMeter
from comfyclient.testing.bench import GRAPH
from comfyclient.transports.base import Verdict
from comfyclient.workflow import Workflow

WORKFLOW = Workflow.from_graph(
    {
        **GRAPH,
        "3": {"class_type": "KSampler", "inputs": {"image": ["1", 0]}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
)
NODES = st.sampled_from(["1", "2", "3", "4", "3.0.0.1", "unknown", ""])
NUMBERS = st.floats() | st.integers(-(10**6), 10**6).map(float)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Queued, st.none() | st.integers(0, 9)),
    st.just(Started()),
    st.builds(NodesCached, st.lists(NODES).map(tuple)),
    st.builds(NodeStarted, NODES),
    st.builds(NodeProgress, NODES, NUMBERS, NUMBERS),
    st.builds(NodeFinished, NODES),
    st.builds(NodeOutput, NODES, st.just(())),
    st.builds(NodeText, NODES, st.text()),
    st.builds(NodeBlocked, NODES, st.text()),
    st.builds(Preview, st.binary(max_size=3), st.just("image/png"), NODES),
    st.just(ConnectionLost("x")),
    st.just(ConnectionRestored()),
)


@given(st.lists(EVENTS, max_size=60))
def test_it_never_falls_nor_leaves_its_range(events: list[Event]) -> None:
    """In any order of events, progress rises from 0 and stays below 1 to the end."""
    meter = ProgressMeter(WORKFLOW)
    told = [0.0]
    for event in events:
        progress = meter.apply(event)
        if progress is not None:
            told.append(progress.fraction)
            assert progress.fraction == meter.fraction
    assert all(math.isfinite(fraction) for fraction in told)
    assert told == sorted(told)
    assert told[-1] < 1
    last = meter.apply(Finished(None))
    assert last is not None
    assert last.fraction == meter.fraction == 1.0
    assert meter.apply(Finished(None)) is None


@given(st.lists(EVENTS, max_size=60))
def test_a_course_takes_any_order(events: list[Event]) -> None:
    """A course that hears anything ends once, with the end as its last event."""
    course = Course("j", WORKFLOW, total_s=60, queue_s=60, silence_s=60)
    for event in events:
        course.heard(event)
        assert 0 <= course.progress < 1
        assert not course.status.final
        assert course.doing()
    course.ended(Verdict(None))
    course.ended(Verdict(None))
    course.heard(Started())
    log = [event for event in course._log if event is not None]
    assert [e for e in log if isinstance(e, Finished)] == [Finished(None)]
    assert log[-1] == Finished(None)
    told = [e.fraction for e in log if isinstance(e, Progress)]
    assert told == sorted(told)
    assert sum(isinstance(e, Preview) for e in log) <= 1
    assert course.status is JobStatus.SUCCEEDED


def test_nodes_weigh_what_they_cost() -> None:
    """A sampler is most of the work of a graph with one."""
    meter = ProgressMeter(WORKFLOW)
    meter.apply(NodeFinished("1"))
    assert meter.fraction < 0.1
    meter.apply(NodeProgress("3", 10, 20))
    assert 0.4 < meter.fraction < 0.6


def test_an_old_server_tells_no_node_finished() -> None:
    """A node is done when the next one starts."""
    meter = ProgressMeter(Workflow.from_graph(GRAPH))
    meter.apply(NodeStarted("1"))
    progress = meter.apply(NodeStarted("2"))
    assert (progress.fraction, progress.node_id, progress.title) == (
        0.5,
        "2",
        "Save it",
    )


def test_a_failure_is_no_progress() -> None:
    """A job that failed does not jump to the end."""
    meter = ProgressMeter(WORKFLOW)
    meter.apply(NodeFinished("1"))
    before = meter.fraction
    assert meter.apply(Finished(ValueError("x"))) is None
    assert meter.fraction == before


def test_small_steps_are_not_told() -> None:
    """Thousands of tiny steps give few progress events."""
    meter = ProgressMeter(WORKFLOW)
    told = [meter.apply(NodeProgress("1", n, 100_000)) for n in range(100_000)]
    assert sum(p is not None for p in told) < 60
