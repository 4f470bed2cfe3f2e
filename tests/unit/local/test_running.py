"""Nodes are called, cached and ordered as ComfyUI does it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from comfyclient.local.blocker import ExecutionBlocker
from comfyclient.local.caching import CacheEntry, NodeCache, Signatures
from comfyclient.local.node_call import map_over_lists, merge_results
from comfyclient.local.node_table import NodeTable
from comfyclient.local.plan import DependencyCycleError, ExecutionPlan
from comfyclient.local.versions import behaviour_of

BEHAVIOUR = behaviour_of("0.33.0")


class Adds:
    """Adds two numbers."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": {"a": ("INT", {}), "b": ("INT", {})}}

    def run(self, a: int, b: int) -> tuple[int]:
        """Run the node."""
        return (a + b,)


# calling


def test_shorter_lists_repeat_their_last_value() -> None:
    """A node runs once per value of its longest input."""
    results = map_over_lists(Adds(), "run", inputs={"a": [1, 2, 3], "b": [10, 20]})

    assert merge_results(Adds, results).outputs == [[11, 22, 23]]


def test_node_without_inputs_runs_once() -> None:
    """No inputs, or only empty lists, is one call without arguments."""

    class Gives(Adds):
        def run(self) -> tuple[int]:  # type: ignore[override]
            """Run the node."""
            return (7,)

    assert map_over_lists(Gives(), "run", inputs={}) == [(7,)]
    assert map_over_lists(Gives(), "run", inputs={"a": []}) == [(7,)]


def test_lists_go_in_and_out_whole_when_the_class_says_so() -> None:
    """INPUT_IS_LIST is one call with lists; OUTPUT_IS_LIST spreads a result."""

    class Lists(Adds):
        INPUT_IS_LIST = True
        RETURN_TYPES = ("INT", "INT")
        OUTPUT_IS_LIST = (True, False)

        def run(self, a: list[int]) -> tuple[list[int], int]:  # type: ignore[override]
            """Run the node."""
            return ([each * 2 for each in a], len(a))

    results = map_over_lists(Lists(), "run", inputs={"a": [1, 2, 3]})

    assert merge_results(Lists, results).outputs == [[2, 4, 6], [3]]


def test_ui_of_several_calls_is_joined_by_key() -> None:
    """Each key of ui holds what all calls showed, in order."""
    results = [{"ui": {"text": ["a"]}}, {"ui": {"text": ("b",)}, "result": (1,)}]

    merged = merge_results(Adds, results)

    assert merged.ui == {"text": ["a", "b"]}
    assert merged.outputs == [[1]]


def test_blocked_values_are_not_run() -> None:
    """A blocker stands for the outputs of its slice; others run."""
    results = map_over_lists(
        Adds(), "run", inputs={"a": [1, ExecutionBlocker(None)], "b": [1]}
    )

    merged = merge_results(Adds, results)

    assert merged.outputs[0][0] == 2
    assert isinstance(merged.outputs[0][1], ExecutionBlocker)


# caching


def signatures(graph: dict[str, Any], *classes: type) -> dict[str, str]:
    """The signature of every node."""
    nodes = NodeTable()
    nodes.add({each.__name__: each for each in (Adds, *classes)}, module="x")
    return Signatures(nodes=nodes, behaviour=BEHAVIOUR).of_graph(graph)


def adds(a: Any, b: Any) -> dict[str, Any]:
    """A node."""
    return {"class_type": "Adds", "inputs": {"a": a, "b": b}}


def test_ids_do_not_matter_and_contents_do() -> None:
    """Renamed nodes keep their signature; a change upstream gives another."""
    first = signatures({"1": adds(1, 2), "2": adds(["1", 0], 5)})
    renamed = signatures({"x": adds(["y", 0], 5), "y": adds(1, 2)})
    changed = signatures({"1": adds(1, 3), "2": adds(["1", 0], 5)})

    assert (renamed["y"], renamed["x"]) == (first["1"], first["2"])
    assert changed["1"] != first["1"]
    assert changed["2"] != first["2"]
    assert first["1"] != signatures({"1": adds(1, "2")})["1"]


@pytest.mark.parametrize("answer", [math.nan, object(), [math.inf], ValueError])
def test_changes_that_equal_nothing_are_never_cached(answer: Any) -> None:
    """NaN, things without a text, and a failing IS_CHANGED always run again."""

    class Changes(Adds):
        @classmethod
        def IS_CHANGED(cls, a: int, b: int) -> Any:  # noqa: N802
            """What is new."""
            if answer is ValueError:
                raise answer("cannot say")
            return answer

    graph = {"1": {"class_type": "Changes", "inputs": {"a": 1, "b": 2}}}

    assert signatures(graph, Changes) != signatures(graph, Changes)


def test_is_changed_sees_values_and_none_for_links() -> None:
    """IS_CHANGED gets every declared input; linked ones are not there yet."""
    seen: list[tuple[Any, Any]] = []

    class Changes(Adds):
        @classmethod
        def IS_CHANGED(cls, a: Any, b: Any) -> int:  # noqa: N802
            """What is new."""
            seen.append((a, b))
            return 1

    node = {"class_type": "Changes", "inputs": {"a": ["1", 0], "b": 2, "zzz": 3}}

    signatures({"1": adds(1, 2), "2": node}, Changes)

    assert seen == [(None, 2)]


def test_class_that_knows_its_id_is_cached_per_id() -> None:
    """UNIQUE_ID makes the id part of the content."""

    class Knows(Adds):
        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
            """Inputs of the node."""
            return {"required": {}, "hidden": {"me": "UNIQUE_ID"}}

    found = signatures(
        {name: {"class_type": "Knows", "inputs": {}} for name in "ab"}, Knows
    )

    assert found["a"] != found["b"]


def test_cycles_have_signatures_too() -> None:
    """A cycle in a part that does not run does no harm."""
    found = signatures({"1": adds(["2", 0], 1), "2": adds(["1", 0], 1)})

    assert set(found) == {"1", "2"}


ENTRY = CacheEntry([[1]], None, {})


@pytest.mark.parametrize("keeps_older", [True, False])
def test_old_entries_are_kept_for_a_while_by_newer_releases(keeps_older: bool) -> None:
    """The classic cache holds the newest graph's nodes only."""
    cache = NodeCache(keeps_older=keeps_older)
    cache.begin_run({"a"})
    cache.put("a", ENTRY)

    cache.begin_run({"b"})

    assert (cache.get("a") is ENTRY) is keeps_older
    for _ in range(50):
        cache.begin_run(set())
    assert cache.get("a") is None


def test_large_entries_push_old_ones_out() -> None:
    """What is held is limited in bytes; what the run uses is never dropped."""

    class Heavy:
        nbytes = 300 * 1024 * 1024

    cache = NodeCache(keeps_older=True)
    for name in "abc":
        cache.begin_run({name, "a"})
        cache.put(name, CacheEntry([[Heavy()]], None, {}))

    cache.begin_run({"a"})

    assert [name for name in "abc" if cache.get(name)] == ["a", "c"]


# the order


def plan_of(edges: dict[str, list[str]], outputs: set[str]) -> ExecutionPlan:
    """A plan of these nodes and what each needs."""
    return ExecutionPlan(
        upstream=lambda node_id: edges[node_id],
        is_cached=lambda node_id: False,
        is_output=lambda node_id: node_id in outputs,
    )


def test_outputs_run_as_soon_as_they_can() -> None:
    """Of what is ready, an output goes first, then what feeds one."""
    edges = {"1": [], "2": ["1"], "3": ["1"], "4": ["3"], "slow": [], "5": ["slow"]}
    plan = plan_of({**edges, "6": ["5"]}, {"2", "4", "6"})
    for output in ("4", "2", "6"):
        plan.add(output)

    order = []
    while (node_id := plan.next()) is not None:
        order.append(node_id)
        plan.done(node_id)

    assert order[0] == "1"
    assert order.index("2") < order.index("3") < order.index("slow")
    assert sorted(order) == sorted([*edges, "6"])


def test_nodes_that_wait_for_each_other_are_an_error() -> None:
    """A cycle ends the run instead of waiting for ever."""
    plan = plan_of({"1": ["2"], "2": ["1"]}, {"1"})
    plan.add("1")

    with pytest.raises(DependencyCycleError, match="1, 2"):
        plan.next()
