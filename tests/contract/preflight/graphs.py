"""Graphs made at random from a server's object_info: sound ones, then spoilt ones."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from comfyclient.preflight.dynamic_inputs import inputs_of, option_keys
from comfyclient.preflight.object_info import (
    COMBO,
    DYNAMIC,
    InputInfo,
    NodeInfo,
    ObjectInfo,
)

Graph = dict[str, Any]

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 64.9, 1e300, -0.5, 10**19, "", "64", " 7 ", "abc",
    "1e3", "nan", {}, {"a": 1}, {"__value__": 5}, {"__value__": [1, 2]},
    {"__value__": ["a"]}, [], ["1"], ["1", 0, 0], [[]], [1, 0], ["zz", 0], ["1", "0"],
    ["1", None], ["1", True], ["1", 0.0], ["1", 99], ["1", -99], [None, None],
)  # fmt: skip
"""What a graph's input might hold, by mistake."""


@dataclass(slots=True)
class Maker:
    """Makes graphs for one server."""

    info: ObjectInfo
    dice: random.Random
    most_nodes: int = 14
    by_output: dict[str, list[NodeInfo]] = field(default_factory=dict)
    nodes: list[NodeInfo] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    """The nodes that a link may lead to without a circle."""
    gaps: int = 0
    """Required inputs for which there was no source."""

    def __post_init__(self) -> None:
        found = [self.info.node(name) for name in sorted(self.info.entries)]
        self.nodes = [node for node in found if node is not None]
        for node in self.nodes:
            for kind in {str(kind) for kind in node.outputs}:
                self.by_output.setdefault(kind, []).append(node)

    def sound(self) -> Graph:
        """A graph that a server should take, but for files that it does not have."""
        savers = [node for node in self.nodes if node.output_node]
        graph: Graph = {}
        for _ in range(12):  # few graphs close on the first try
            graph, self.done, self.gaps = {}, set(), 0
            for _ in range(self.dice.choice((1, 1, 1, 2))):
                self._add(graph, self.dice.choice(savers), depth=0)
            if not self.gaps:
                break
        return graph

    def spoilt(self) -> Graph:
        """A sound graph with up to three mistakes."""
        graph = self.sound()
        for _ in range(self.dice.choice((0, 1, 1, 1, 2, 3))):
            self.dice.choice(SPOILERS)(self, graph)
        return graph

    def _add(self, graph: Graph, node: NodeInfo, *, depth: int) -> str:
        node_id = str(len(graph) + 1)
        inputs: dict[str, Any] = {}
        graph[node_id] = {
            "class_type": node.name,
            "inputs": inputs,
            "_meta": {"title": node.name},
        }
        for _ in range(4):  # a choice opens inputs, which may be choices again
            waiting = self._waiting(node, inputs)
            if not waiting:
                break
            for one in waiting:
                self._fill(graph, inputs, one, depth=depth)
        self.done.add(node_id)
        return node_id

    def _waiting(self, node: NodeInfo, inputs: Mapping[str, Any]) -> list[InputInfo]:
        found = inputs_of(node, inputs)
        known = [*found.known.values(), *found.choosing]
        return [
            one
            for one in known
            if one.name not in inputs and (one.required or self.dice.random() < 0.15)
        ]

    def _fill(
        self, graph: Graph, inputs: dict[str, Any], one: InputInfo, *, depth: int
    ) -> None:
        if one.kind in DYNAMIC:
            keys = option_keys(one)
            if keys:
                inputs[one.name] = self.dice.choice(keys)
            return
        if one.kind in ("INT", "FLOAT", "STRING", "BOOLEAN", COMBO):
            inputs[one.name] = self.value(one)
            return
        source = self._source(graph, one, depth=depth)
        if source is not None:
            inputs[one.name] = source
        elif one.required:
            self.gaps += 1

    def value(self, one: InputInfo) -> Any:
        """A value that the input takes."""
        options = one.options
        if one.names_a_file:
            return "example.png"
        if one.kind == COMBO:
            return self.dice.choice(one.choices) if one.choices else "none"
        if one.kind in ("INT", "FLOAT"):
            bounds = [options.get(key) for key in ("min", "max", "default")]
            return self.dice.choice([one for one in bounds if one is not None] or [1])
        return options.get("default", "text" if one.kind == "STRING" else True)

    def _source(self, graph: Graph, one: InputInfo, *, depth: int) -> Any:
        kinds = str(one.kind).split(",")
        if one.kind in ("*", "COMFY_MATCHTYPE_V3"):
            kinds = ["IMAGE", "MASK", "INT", "STRING"]
        kind = self.dice.choice(kinds)
        able = self.by_output.get(kind, [])
        there = [
            key
            for key in graph
            if key in self.done
            and (node := self.info.node(graph[key]["class_type"])) is not None
            and node in able
        ]
        if there and (self.dice.random() < 0.3 or len(graph) >= self.most_nodes):
            node_id = self.dice.choice(there)
        elif able and depth < 5 and len(graph) < self.most_nodes:
            choice = self.dice.choice(able)
            node_id = self._add(graph, choice, depth=depth + 1)
        else:
            return None
        node = self.info.node(graph[node_id]["class_type"])
        assert node is not None
        slots = [n for n, out in enumerate(node.outputs) if str(out) == kind]
        return [node_id, self.dice.choice(slots)]


def _any_input(maker: Maker, graph: Graph) -> tuple[dict[str, Any], str] | None:
    nodes = [node for node in graph.values() if node["inputs"]]
    if not nodes:
        return None
    inputs = maker.dice.choice(nodes)["inputs"]
    return inputs, maker.dice.choice(list(inputs))


def _drop(maker: Maker, graph: Graph) -> None:
    if found := _any_input(maker, graph):
        del found[0][found[1]]


def _odd(maker: Maker, graph: Graph) -> None:
    if found := _any_input(maker, graph):
        found[0][found[1]] = copy.deepcopy(maker.dice.choice(ODD_VALUES))


def _rewire(maker: Maker, graph: Graph) -> None:
    if found := _any_input(maker, graph):
        found[0][found[1]] = [maker.dice.choice(list(graph)), maker.dice.randrange(4)]


def _beyond(maker: Maker, graph: Graph) -> None:
    """A number out of its range, or just at its end."""
    node = maker.dice.choice(list(graph.values()))
    known = maker.info.node(node["class_type"])
    if known is None:
        return
    ranged = [
        (one.name, one.options[key])
        for one in inputs_of(known, node["inputs"]).known.values()
        for key in ("min", "max")
        if isinstance(one.options.get(key), int | float)
    ]
    if ranged:
        name, bound = maker.dice.choice(ranged)
        node["inputs"][name] = bound + maker.dice.choice((-1, 0, 1, 1e-9, 0.5))


def _rename_class(maker: Maker, graph: Graph) -> None:
    node = maker.dice.choice(list(graph.values()))
    others = [*sorted(maker.info.entries), "NopeNode"]
    node["class_type"] = maker.dice.choice((maker.dice.choice(others), "NopeNode"))


def _extra(maker: Maker, graph: Graph) -> None:
    node = maker.dice.choice(list(graph.values()))
    value: Any = maker.dice.choice(ODD_VALUES)
    node["inputs"]["extra_thing"] = copy.deepcopy(value)


def _lone(maker: Maker, graph: Graph) -> None:
    """A node that leads nowhere, wrong or not."""
    node_id = str(len(graph) + 50)
    graph[node_id] = {
        "class_type": maker.dice.choice(sorted(maker.info.entries)),
        "inputs": {},
        "_meta": {"title": "lone"},
    }


def _cycle(maker: Maker, graph: Graph) -> None:
    """A link from a node to one that takes from it."""
    links = [
        (key, value[0])
        for key, node in graph.items()
        for value in node["inputs"].values()
        if isinstance(value, list) and value and value[0] in list(graph)
    ]
    if not links:
        return
    taker, source = maker.dice.choice(links)
    inputs = graph[source]["inputs"]
    if inputs:
        inputs[maker.dice.choice(list(inputs))] = [taker, 0]


def _other_choice(maker: Maker, graph: Graph) -> None:
    """A text in the place of another text."""
    texts = [
        (node["inputs"], name)
        for node in graph.values()
        for name, value in node["inputs"].items()
        if isinstance(value, str)
    ]
    if texts:
        inputs, name = maker.dice.choice(texts)
        inputs[name] = maker.dice.choice(("bogus", "nope.png", "nope.safetensors", ""))


SPOILERS: tuple[Callable[[Maker, Graph], None], ...] = (
    _drop, _odd, _odd, _rewire, _rewire, _beyond, _beyond, _rename_class, _extra,
    _lone, _cycle, _other_choice,
)  # fmt: skip
"""Ways to spoil a graph."""
