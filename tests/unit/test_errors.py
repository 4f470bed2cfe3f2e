"""The error tree: one root, names that say error, words that help."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from comfyclient import errors
from comfyclient.errors import ComfyClientError, NodeIssue, Retry, TemplatePlace

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, BaseException)
]


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_the_root(kind: type[Exception]) -> None:
    """Whatever the package raises can be caught as one class."""
    assert issubclass(kind, ComfyClientError)
    assert kind.__name__.endswith("Error")
    assert kind.__name__ in errors.__doc__
    assert kind.__doc__


def test_the_drawn_tree_is_the_real_one() -> None:
    """The tree in the docstring has each class under its parent."""
    path: list[str] = []
    for line in errors.__doc__.splitlines():
        found = re.search(r"[A-Z]\w+Error\b", line)
        if found is None or not re.match(r"^[│├└─ ]*[A-Z]", line):
            continue
        depth = found.start() // 4
        path[depth:] = [found[0]]
        kind = getattr(errors, found[0])
        if depth:
            assert issubclass(kind, getattr(errors, path[depth - 1]))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_raiser_did_not_know(kind: type[ComfyClientError]) -> None:
    """Job and instance may be filled in later; what is set stays."""
    error = kind("what happened", hint="do this")
    error.attach(job_id="j", instance="a").attach(job_id="k", instance="b")
    assert (error.job_id, error.instance) == ("j", "a")
    assert "what happened" in str(error)
    assert "job j, instance a" in str(error)
    assert str(error).endswith("hint: do this")


@pytest.mark.parametrize("kind", KINDS)
def test_none_shadows_a_builtin(kind: type[ComfyClientError]) -> None:
    """No name is one of Python's own."""
    assert kind.__name__ not in dir(__builtins__)


def test_retrying_is_a_matter_of_the_class() -> None:
    """The router reads one word of each class."""
    assert not errors.ValidationError("x").retryable
    assert errors.MissingNodeError("x").retry is Retry.ELSEWHERE
    assert errors.UnclearAnswerError("x").retry is Retry.HERE
    assert not errors.ClosedError("x").retryable
    assert isinstance(errors.JobTimeoutError("x"), TimeoutError)


def test_an_issue_in_words() -> None:
    """An issue names node, class, title, input, value, limits and place."""
    place = TemplatePlace("t@1.0.0", 12, "trip.title")
    issue = NodeIssue(
        "k", "too big", "3", "Resize", "Big", "width", "9", "INT up to 4", place
    )
    assert str(issue) == (
        "node 3 (Resize “Big”).width: too big; got 9; allowed: INT up to 4 "
        "[t@1.0.0 line 12 {{ trip.title }}]"
    )
    assert str(NodeIssue("k", "wrong")) == "graph: wrong"


def test_a_validation_error_lists_its_issues() -> None:
    """Every issue stands on its own line."""
    issues = (NodeIssue("k", "one"), NodeIssue("k", "two"))
    text = str(errors.ValidationError("refused", issues=issues))
    assert text.splitlines() == ["refused", "  - graph: one", "  - graph: two"]


@pytest.mark.parametrize("kind", KINDS)
def test_they_travel_between_processes(kind: type[ComfyClientError]) -> None:
    """An error can be pickled, as process pools do, and says the same after it."""
    error = kind("what happened", hint="do this").attach(job_id="j")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_what_they_carry_travels_too(kind: type[ComfyClientError]) -> None:
    """Every argument a class takes is there again after pickling."""
    takes = set(inspect.signature(kind).parameters) - {"message"}
    place = TemplatePlace("t@1.0.0", 3, "trip.title")
    carried = {
        "issues": (NodeIssue("k", "m", node_id="1", place=place),),
        "traceback": ("a", "b"),
        "place": place,
        "line": 7,
        "status": 503,
        "retry_after": 2.5,
    }
    given = {name: carried.get(name, f"a {name}") for name in takes}
    error = kind("what happened", **given)

    again = pickle.loads(pickle.dumps(error))

    assert {name: getattr(again, name) for name in takes} == given
    assert str(again) == str(error)
