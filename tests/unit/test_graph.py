"""What is wrong with a graph before any server sees it."""

from __future__ import annotations

from typing import Any

import pytest

from comfyclient.graph import find_cycle, graph_problems, links, with_meta


def node(class_type: Any = "EmptyImage", **inputs: Any) -> dict[str, Any]:
    """A node as ComfyUI exports it."""
    return {"class_type": class_type, "inputs": inputs}


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ({}, "no nodes"),
        ({1: node()}, "the node id 1 is not a string"),
        ({"1": []}, "node '1': is not an object"),
        ({"1": None}, "node '1': is not an object"),
        ({"1": {"inputs": {}}}, "node '1': has no class_type"),
        ({"1": node(7)}, "node '1': has no class_type"),
        ({"1": node("")}, "node '1': has no class_type"),
        ({"1": {"class_type": "A"}}, "node '1': has no inputs object"),
        ({"1": {"class_type": "A", "inputs": []}}, "node '1': has no inputs object"),
        ({"1": node(image=["9", 0])}, "node '1'.image: links to node '9'"),
        ({"1": node(), "2": node(image=[1, 0])}, "node '2'.image: links to node 1 by"),
        ({"1": node(image=["1", -1])}, "node '1'.image: links to output -1"),
        ({"1": node(x=float("nan"))}, "node '1': holds a value that JSON does not"),
        ({"1": node(x={"deep": [float("inf")]})}, "holds a value"),
        ({"1": node(x={3: 4})}, "holds a value"),
        ({"1": node(x=b"bytes")}, "holds a value"),
        ({"1": node(x="\ud800")}, "holds a value"),
        ({"1": node(image=["1", 0])}, "in a circle: 1 → 1"),
    ],
)
def test_each_malformed_graph_is_told_with_its_node(graph: Any, said: str) -> None:
    """No body that a server would answer with a bare 500 passes."""
    assert any(said in str(problem) for problem in graph_problems(graph))


@pytest.mark.parametrize(
    "value",
    [
        [],
        [1, 2, 3],
        [1.5, 2.5],
        ["a", "b"],
        ["1", 0.5],
        {"__value__": ["9", 0]},
        [[0, 1], [2, 3]],
        "\ue000 \U0001f697 \u0000",
        10**30,
    ],
)
def test_values_that_are_no_links_pass(value: Any) -> None:
    """Only a list of a text and a whole number is read as a link."""
    assert not list(graph_problems({"1": node(value=value)}))


def test_a_bottomless_value_is_told() -> None:
    """Nesting that no JSON writer can follow is a problem, not a crash."""
    deep: list[Any] = []
    deep.append(deep)
    problems = [str(p) for p in graph_problems({"1": node(x=deep)})]
    assert problems == ["node '1': is nested too deeply"]


def test_every_problem_of_a_graph_is_told() -> None:
    """Two bad nodes give two problems."""
    problems = list(graph_problems({"1": node(a=["8", 0]), "2": node(a=["9", 0])}))
    assert [p.node_id for p in problems] == ["1", "2"]


def test_a_circle_is_found_behind_a_long_chain() -> None:
    """The circle's nodes are told in order, without those that lead to it."""
    graph: dict[str, Any] = {str(i): node(a=[str(i + 1), 0]) for i in range(3000)}
    graph["3000"] = node(a=["2998", 0])
    assert find_cycle(graph) == ["2998", "2999", "3000", "2998"]


def test_a_diamond_is_no_circle() -> None:
    """Two ways to the same node are fine, however many diamonds follow each other."""
    graph: dict[str, Any] = {"0": node()}
    for i in range(1, 60):
        graph[str(i)] = node(a=[str(i - 1), 0], b=[str(i - 1), 1])
    assert find_cycle(graph) == []
    assert list(links(graph["5"])) == [("a", "4"), ("b", "4")]


def test_each_node_gets_a_meta_object() -> None:
    """A missing or null `_meta` becomes the class name; a present one stays."""
    graph: dict[str, Any] = {
        "1": node(),
        "2": node() | {"_meta": None},
        "3": node() | {"_meta": {"title": "Mine", "more": 1}},
    }
    metas = [n["_meta"] for n in with_meta(graph).values()]  # type: ignore[index]
    assert metas == [
        {"title": "EmptyImage"},
        {"title": "EmptyImage"},
        {"title": "Mine", "more": 1},
    ]
