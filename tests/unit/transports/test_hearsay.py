"""What was heard of a job: when it is enough for a verdict, and when it is not."""

from __future__ import annotations

import pytest

from comfyclient.events import NodeOutput, NodesCached, NodeStarted
from comfyclient.files.outputs import OutputRef
from comfyclient.transports.failures import Failure
from comfyclient.transports.hearsay import Hearsay
from comfyclient.transports.messages import Ended, Heard

PICTURE = NodeOutput("2", (OutputRef("2", "images", "a.png"),))
OTHER = NodeOutput("2", (OutputRef("2", "images", "b.png"),))


def heard(*signals: object, whole: bool = True) -> Hearsay:
    """A hearsay that took these in."""
    hearsay = Hearsay(whole=whole)
    for signal in signals:
        taken = signal if isinstance(signal, Ended) else Heard("p", signal)
        hearsay.take(taken)
    return hearsay


def test_a_success_with_its_outputs() -> None:
    """Outputs, cached nodes and the end make an outcome."""
    hearsay = heard(NodesCached(("1",)), PICTURE, Ended("p", False, "success"))
    outcome = hearsay.outcome()
    assert (outcome.state, outcome.cached_nodes) == ("success", ("1",))
    assert outcome.outputs == {"2": PICTURE}


def test_no_end_was_heard() -> None:
    """Outputs alone end nothing, nor does an end that does not say how."""
    assert heard(NodeStarted("1"), PICTURE).outcome() is None
    assert heard(PICTURE, Ended("p", settled=True)).outcome() is None


def test_how_is_not_forgotten() -> None:
    """The null `executing` after the end takes nothing back."""
    hearsay = heard(Ended("p", False, "cancelled"), Ended("p", settled=True))
    assert hearsay.outcome().state == "cancelled"


def test_a_success_that_may_lack_outputs_is_none() -> None:
    """Where frames may have been missed, a success is not believed."""
    ended = Ended("p", False, "success")
    assert heard(PICTURE, ended, whole=False).outcome() is None


@pytest.mark.parametrize("how", ["error", "cancelled"])
def test_a_failure_needs_no_outputs(how) -> None:
    """What went wrong is certain, whatever else was missed."""
    failure = Failure(node_id="2", exception_type="ValueError")
    outcome = heard(Ended("p", False, how, failure), whole=False).outcome()
    assert outcome.state == how
    assert outcome.failure == (failure if how == "error" else None)


def test_frames_that_come_twice() -> None:
    """The same result twice is one; two results of a node are both kept."""
    ended = Ended("p", False, "success")
    outcome = heard(PICTURE, PICTURE, OTHER, ended).outcome()
    assert outcome.outputs["2"].refs == (*PICTURE.refs, *OTHER.refs)
