"""A graph as the queue takes it: bare, in short JSON, within its limit. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from ..errors import TooLargeError
from ..packed_text import packed
from .wire import object_or_empty

LISTS: Mapping[str, frozenset[str]] = {
    "TripBackdrop": frozenset({"altitude_profile"}),
    "TripRouteMap": frozenset({"track", "stops"}),
    "TripTextPanel": frozenset({"lines", "figures", "altitude_profile"}),
    "TripTimeline": frozenset({"marks"}),
}
"""The inputs of our own nodes that are JSON lists."""


def fitting_body(graph: Mapping[str, JsonValue], limit: int | None) -> bytes:
    """The graph in no more than so many bytes.

    Where it is too long, titles go first; then the long lists of our own nodes are
    packed, which their pack can read since its version 0.2.1.

    Raises:
        TooLargeError: the queue takes no item of that size.
    """
    body = _compact(graph)
    if limit is None or len(body) <= limit:
        return body
    bare = _without_meta(graph)
    body = _compact(bare)
    if len(body) > limit:
        body = _compact(_packed_lists(bare))
    if len(body) <= limit:
        return body
    raise TooLargeError(
        f"the graph has {len(body)} bytes as JSON, the queue takes {limit} "
        f"(meta.maxPayloadBytes); the largest inputs: {_largest(graph)}",
        hint="give pictures and long texts as files, by the storage; or use the "
        "standard edition",
    )


def _packed_lists(graph: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The graph with the JSON lists of our own nodes packed."""
    return {node_id: _packed_node(node) for node_id, node in graph.items()}


def _packed_node(node: JsonValue) -> JsonValue:
    if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict):
        return node
    names = LISTS.get(str(node.get("class_type")), frozenset())
    inputs = {
        name: packed(value) if name in names and isinstance(value, str) else value
        for name, value in object_or_empty(node["inputs"]).items()
    }
    return {**node, "inputs": inputs}


def _largest(graph: Mapping[str, JsonValue]) -> str:
    """The inputs that take most of the room, by node."""
    sizes = [
        (
            len(_compact({name: value})),
            f"node {node_id} ({node.get('class_type')})",
            name,
        )
        for node_id, node in graph.items()
        if isinstance(node, dict) and isinstance(inputs := node.get("inputs"), dict)
        for name, value in inputs.items()
    ]
    sizes.sort(reverse=True)
    return ", ".join(f"{name} of {node}: {size}" for size, node, name in sizes[:2])


def _compact(graph: Mapping[str, JsonValue]) -> bytes:
    """The shortest JSON: Chinese takes half the bytes as UTF-8."""
    try:
        text = json.dumps(graph, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(graph, separators=(",", ":")).encode()


def _without_meta(graph: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    return {
        node_id: {key: value for key, value in node.items() if key != "_meta"}
        if isinstance(node, dict)
        else node
        for node_id, node in graph.items()
    }
