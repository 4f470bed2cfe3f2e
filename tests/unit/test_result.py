"""What a job brought: names, order, and what is missing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from comfyclient.errors import OutputMissingError
from comfyclient.events import NodeOutput
from comfyclient.files.outputs import OutputRef
from comfyclient.result import Provenance, Result, gather
from comfyclient.testing.bench import GRAPH
from comfyclient.transports.base import Verdict
from comfyclient.workflow import NamedOutput, Workflow

ORIGIN = Provenance(
    "j", "test", "a", None, "0" * 64, 7, "p", datetime(2026, 5, 1, tzinfo=UTC)
)


def ref(
    node: str, name: str, *, key: str = "images", kind: str = "output"
) -> OutputRef:
    """A file of a node."""
    return OutputRef(node, key, name, type=kind)


def result_of(*outputs: NodeOutput, named: tuple[NamedOutput, ...] = ()) -> Result:
    """The result of a job with these outputs."""
    workflow = Workflow.from_graph(GRAPH, outputs=named)
    verdict = Verdict(None, {output.node_id: output for output in outputs})
    return gather(verdict, workflow, ORIGIN, opener=lambda ref, deadline: None)


def names(result: Result) -> list[tuple[str | None, str]]:
    """Names and file names, in order."""
    return [(output.name, output.ref.filename) for output in result.outputs]


def test_named_ones_come_first_then_saved_then_temp() -> None:
    """The manifest's order, then what was saved, then what was only shown."""
    found = result_of(
        NodeOutput("1", (ref("1", "t.png", kind="temp"), ref("1", "s.png"))),
        NodeOutput("2", (ref("2", "card.png"),)),
        named=(NamedOutput("card", "2"),),
    )
    assert names(found) == [("card", "card.png"), (None, "s.png"), (None, "t.png")]


def test_a_key_picks_of_a_node() -> None:
    """A named output may take one list of a node's result."""
    shown = NodeOutput("2", (ref("2", "a.png"), ref("2", "a.wav", key="audio")))
    found = result_of(shown, named=(NamedOutput("sound", "2", key="audio"),))
    assert names(found) == [("sound", "a.wav"), (None, "a.png")]


@pytest.mark.parametrize("shown", [[], [NodeOutput("2", ())]])
def test_a_required_one_that_is_missing(shown: list[NodeOutput]) -> None:
    """A required output that is not there names itself, node and job."""
    with pytest.raises(OutputMissingError, match=r"node 2 gave no 'card'.*job j"):
        result_of(*shown, named=(NamedOutput("card", "2"),))


def test_an_optional_one_that_is_missing() -> None:
    """An optional output may be missing."""
    found = result_of(named=(NamedOutput("card", "2", required=False),))
    assert found.outputs == ()
    with pytest.raises(OutputMissingError, match="named ones: none"):
        found.output("card")


def test_by_name() -> None:
    """An output is found by its name; a wrong name lists the right ones."""
    found = result_of(
        NodeOutput("2", (ref("2", "a.png"),)), named=(NamedOutput("card", "2"),)
    )
    assert found.output("card").ref.filename == "a.png"
    with pytest.raises(OutputMissingError, match="named ones: card"):
        found.output("poster")


def test_values_of_nodes() -> None:
    """What nodes showed besides files is there by node; empty ones are not."""
    found = result_of(
        NodeOutput("1", (), {"text": ["hi"]}), NodeOutput("2", (ref("2", "a.png"),))
    )
    assert found.values == {"1": {"text": ["hi"]}}
