"""What a ComfyUI graph in API format must be, before any server sees it. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from pydantic import JsonValue

Graph: TypeAlias = Mapping[str, JsonValue]
"""`{node id: {"class_type": …, "inputs": {…}, "_meta": {"title": …}}}`."""


@dataclass(frozen=True, slots=True)
class GraphProblem:
    """One thing that is wrong with a graph, before any server saw it."""

    message: str
    node_id: str | None = None
    input_name: str | None = None

    def __str__(self) -> str:
        if self.node_id is None:
            return self.message
        dot = "" if self.input_name is None else f".{self.input_name}"
        return f"node {self.node_id!r}{dot}: {self.message}"


def canonical(graph: Graph) -> bytes:
    """The one JSON text of a graph: sorted keys, no spaces, ASCII."""
    return json.dumps(
        graph, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def with_meta(graph: dict[str, JsonValue]) -> Graph:
    """The graph with a `_meta` object in each node.

    ComfyUI >= 0.14 answers 500 where a node that it replaces has none, or null.
    """
    for node in graph.values():
        if isinstance(node, dict) and not isinstance(node.get("_meta"), dict):
            node["_meta"] = {"title": node.get("class_type", "")}
    return graph


def graph_problems(graph: Graph) -> Iterator[GraphProblem]:
    """What would make a server answer 500, or fail without naming the node."""
    if not graph:
        yield GraphProblem("it has no nodes")
    sound = True
    for node_id, node in graph.items():
        for problem in _node_problems(graph, node_id, node):
            sound = False
            yield problem
    if sound and (cycle := find_cycle(graph)):
        way = " → ".join(cycle)
        yield GraphProblem(f"its links run in a circle: {way}", cycle[0])


def links(node: JsonValue) -> Iterator[tuple[str, str]]:
    """The links into a node of a checked graph: input name and source node id."""
    inputs = node.get("inputs") if isinstance(node, dict) else None
    if isinstance(inputs, dict):
        for name, value in inputs.items():
            if is_link(value):
                yield name, str(value[0])


def find_cycle(graph: Graph) -> list[str]:
    """Node ids along one circle of links, the first repeated last; else empty."""
    done: set[str] = set()
    for root in graph:
        trail: dict[str, None] = {}
        ways = [iter([root])]
        while ways:
            node_id = next(ways[-1], None)
            if node_id is None:
                ways.pop()
                if trail:
                    done.add(trail.popitem()[0])
            elif node_id in trail:
                circle = list(trail)
                return [*circle[circle.index(node_id) :], node_id]
            elif node_id not in done:
                trail[node_id] = None
                ways.append(iter([source for _, source in links(graph[node_id])]))
    return []


def _node_problems(
    graph: Graph, node_id: object, node: JsonValue
) -> Iterator[GraphProblem]:
    if not isinstance(node_id, str):
        yield GraphProblem(f"the node id {node_id!r} is not a string")
    elif not _is_text(node_id):
        yield GraphProblem(f"the node id {node_id!r} is no text")
    elif not isinstance(node, dict):
        yield GraphProblem(f"is not an object but {short(node)}", node_id)
    else:
        class_type = node.get("class_type")
        if not isinstance(class_type, str) or not class_type:
            yield GraphProblem("has no class_type", node_id)
        inputs = node.get("inputs")
        if not isinstance(inputs, dict):
            yield GraphProblem("has no inputs object", node_id)
        else:
            for name, value in inputs.items():
                message = _input_problem(graph, value)
                if message is not None:
                    yield GraphProblem(message, node_id, str(name))
        try:
            if not _is_json(node):
                yield GraphProblem("holds a value that JSON does not have", node_id)
        except RecursionError:
            yield GraphProblem("is nested too deeply", node_id)


def _input_problem(graph: Graph, value: JsonValue) -> str | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    source, slot = value
    if isinstance(slot, bool) or not isinstance(slot, int):
        return None
    if isinstance(source, int) and not isinstance(source, bool):
        return f'links to node {source} by number; write it as text: "{source}"'
    if not isinstance(source, str):
        return None
    if source not in graph:
        return f"links to node {source!r}, which the graph does not have"
    return None if slot >= 0 else f"links to output {slot} of node {source!r}"


def is_link(value: JsonValue) -> TypeGuard[list[JsonValue]]:
    """As the server reads it: any list of a string and a number is a link."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def _is_json(value: object) -> bool:
    match value:
        case None | bool() | int():
            return True
        case str():
            return _is_text(value)
        case float():
            return math.isfinite(value)
        case list() | tuple():
            return all(map(_is_json, value))
        case dict():
            return all(
                isinstance(key, str) and _is_text(key) and _is_json(item)
                for key, item in value.items()
            )
    return False


def _is_text(value: str) -> bool:
    """Half of a surrogate pair is no text: no server could encode its answer."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def short(value: object) -> str:
    """A value as text that fits into a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
