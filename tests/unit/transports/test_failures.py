"""What a node raised: class, message, and what must not be told."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from comfyclient.errors import ExecutionError, OutOfMemoryError, Retry, TemplatePlace
from comfyclient.transports.failures import (
    Failure,
    read_execution_error,
    read_failure,
)


class Graph:
    """One titled node."""

    def class_type(self, node_id: str) -> str | None:
        """The class."""
        return "KSampler" if node_id == "3" else None

    def title(self, node_id: str) -> str | None:
        """The title."""
        return "Paint" if node_id == "3" else None

    def value(self, node_id: str, input_name: str) -> str | None:
        """The value."""
        return "'given'" if input_name == "title" else None

    def place(
        self, node_id: str, input_name: str | None = None
    ) -> TemplatePlace | None:
        """The place."""
        if node_id == "3" and input_name == "stops":
            return TemplatePlace("t@1.0.0", 9, "trip.stops")
        return TemplatePlace("t@1.0.0", 7) if node_id == "3" else None


def test_message() -> None:
    """Node, class, title, exception, first line and place stand in the message."""
    failure = Failure("3", "KSampler", "ValueError", "boom\nand a long story")
    error = read_execution_error(failure, Graph())

    assert str(error) == (
        "node 3 (KSampler “Paint”) raised ValueError: boom [t@1.0.0 line 7]"
    )
    assert error.exception_message == "boom\nand a long story"
    assert type(error) is ExecutionError


def test_the_input_and_its_value_are_told() -> None:
    """Where the message names an input of the node, the error carries both."""
    named = read_execution_error(Failure("3", "X", "ValueError", "title: no"), Graph())
    other = read_execution_error(Failure("3", "X", "ValueError", "CUDA: no"), Graph())

    assert (named.input_name, named.value) == ("title", "'given'")
    assert (other.input_name, other.value) == (None, None)


@pytest.mark.parametrize("said", ["stops: no", "stops[1].name: no\nmore"])
def test_an_input_that_the_node_names(said: str) -> None:
    """A message that opens with an input leads to the slot of that input."""
    error = read_execution_error(Failure("3", "X", "ValueError", said), Graph())

    assert error.place == TemplatePlace("t@1.0.0", 9, "trip.stops")


@pytest.mark.parametrize("said", ["CUDA error: no", "no stops: none", "stops", ""])
def test_no_input_named(said: str) -> None:
    """Any other message leads to the node."""
    error = read_execution_error(Failure("3", "X", "ValueError", said), Graph())

    assert error.place == TemplatePlace("t@1.0.0", 7)


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (Failure(), "a node raised an exception"),
        (Failure("8"), "node 8 raised an exception"),
        (Failure("8", "X"), "node 8 (X) raised an exception"),
        (Failure("8", None, "KeyError", ""), "node 8 raised KeyError"),
        (Failure(None, None, None, "boom"), "a node raised an exception: boom"),
    ],
)
def test_little_known(failure: Failure, message: str) -> None:
    """What the server did not say is left out."""
    assert str(read_execution_error(failure, Graph())) == message


def test_class_from_the_graph() -> None:
    """A class that the server left out is known from the graph."""
    assert read_execution_error(Failure("3"), Graph()).class_type == "KSampler"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("torch.OutOfMemoryError", "boom"),
        ("torch.cuda.OutOfMemoryError", "boom"),
        ("MemoryError", ""),
        ("numpy._core._exceptions._ArrayMemoryError", "Unable to allocate"),
        ("RuntimeError", "CUDA error: out of memory"),
        ("torch.AcceleratorError", "CUDA error: out of memory"),
        ("RuntimeError", "[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        ("OSError", "[Errno 12] Cannot allocate memory"),
        ("Own.Error", "x\nThis error means you ran out of memory on your GPU.\n\nTIPS"),
    ],
)
def test_out_of_memory(kind: str, text: str) -> None:
    """Every way to run out of memory is one error, which another instance may cure."""
    error = read_execution_error(Failure("3", "K", kind, text), Graph())

    assert type(error) is OutOfMemoryError
    assert error.retry is Retry.ELSEWHERE
    assert error.hint


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ValueError", "the prompt says: out of memory"),
        ("RuntimeError", "shape mismatch"),
        ("FileNotFoundError", "model.safetensors"),
        (None, None),
        ("MemoryErrorLike", "x"),
    ],
)
def test_not_out_of_memory(kind: str | None, text: str | None) -> None:
    """Words alone, in an error of another kind, do not make it one."""
    failure = Failure("3", "K", kind, text)

    assert type(read_execution_error(failure, Graph())) is ExecutionError


def test_facts() -> None:
    """Inputs and outputs of the node are left out: they may hold keys."""
    data: dict[str, JsonValue] = {
        "node_id": "3.0.0.1",
        "node_type": "K",
        "exception_type": "m.E",
        "exception_message": "boom \ud800\n",
        "traceback": ["a", 5, "b"],
        "current_inputs": {"api_key": ["sk-1"]},
        "current_outputs": ["sk-1"],
    }
    failure = read_failure(data)

    assert failure == Failure("3", "K", "m.E", "boom \\ud800", ("a", "b"))
    assert "sk-1" not in repr(read_execution_error(failure, Graph()).__dict__)


@pytest.mark.parametrize("odd", [None, 5, [], {}, True])
def test_odd_facts(odd: JsonValue) -> None:
    """Facts of another type are as good as missing."""
    keys = ("node_type", "exception_type", "exception_message", "traceback")

    assert read_failure(dict.fromkeys(keys, odd)) == Failure()


def test_long_message() -> None:
    """A message as long as a picture does not flood the log."""
    error = read_execution_error(Failure("3", "K", "E", "x" * 100_000), Graph())

    assert len(str(error)) < 700
    assert len(error.exception_message or "") == 100_000
