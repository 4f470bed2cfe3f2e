"""Why no instance took a job: the refusal that promises most, or all of one kind."""

from __future__ import annotations

import pytest

from comfyclient.errors import (
    BadAnswerError,
    BusyError,
    ComfyClientError,
    MissingModelError,
    MissingNodeError,
    NodeIssue,
    UnreachableError,
    ValidationError,
    WrongVersionError,
)
from comfyclient.jobs.unplaced import more_telling

X = NodeIssue("missing_node_type", "no X", node_id="1", class_type="X")
Y = NodeIssue("missing_node_type", "no Y", node_id="2", class_type="Y")


def lacks(
    instance: str, *issues: NodeIssue, kind: type[ValidationError] = MissingNodeError
) -> ValidationError:
    """What an instance misses."""
    return kind("not there", issues=issues, instance=instance, hint="install it")


def test_the_first_is_told() -> None:
    """There is nothing else."""
    error = lacks("a", X)

    assert more_telling(None, error) is error


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        (WrongVersionError("x"), UnreachableError("x")),
        (UnreachableError("x"), lacks("a", X)),
        (UnreachableError("x"), BadAnswerError("x")),
        (lacks("a", X), BusyError("x")),
        (UnreachableError("x"), BusyError("x")),
    ],
)
def test_what_promises_more(
    weaker: ComfyClientError, stronger: ComfyClientError
) -> None:
    """In whatever order they came."""
    assert more_telling(weaker, stronger) is stronger
    assert more_telling(stronger, weaker) is stronger


def test_the_patient_wait_for_whoever_may_come_back() -> None:
    """An instance that is down may have what another one lacks."""
    down, missing = UnreachableError("x"), lacks("a", X)

    assert more_telling(down, missing, patient=True) is down
    assert more_telling(missing, down, patient=True) is down


def test_what_several_miss_is_one_error() -> None:
    """Each problem once, with the instances where it is one, in their order."""
    error = more_telling(lacks("a", X), lacks("b", X, Y))
    error = more_telling(error, lacks("c", Y))

    assert type(error) is MissingNodeError
    told = {issue.class_type: issue.instances for issue in error.issues}
    assert told == {"X": ("a", "b"), "Y": ("b", "c")}
    assert "instances a, b, c" in str(error)
    assert error.hint == "install it"
    assert str(error).endswith("node 2 (Y): no Y (on b, c)")


def test_different_lacks_are_the_broader_error() -> None:
    """A caller that puts models there is not told that models are all."""
    model = lacks("b", Y, kind=MissingModelError)

    assert type(more_telling(lacks("a", X), model)) is ValidationError
