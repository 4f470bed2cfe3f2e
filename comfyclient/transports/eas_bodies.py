"""A graph as the queue takes it: bare, in short JSON, within its limit. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from ..errors import TooLargeError


def fitting_body(graph: Mapping[str, JsonValue], limit: int | None) -> bytes:
    """The graph in no more than so many bytes; titles go where it is too long.

    Raises:
        TooLargeError: the queue takes no item of that size.
    """
    body = _compact(graph)
    if limit is None or len(body) <= limit:
        return body
    bare = _compact(_without_meta(graph))
    if len(bare) <= limit:
        return bare
    raise TooLargeError(
        f"the graph has {len(bare)} bytes as JSON, the queue takes {limit} "
        f"(meta.maxPayloadBytes); the largest inputs: {_largest(graph)}",
        hint="give pictures and long texts as files, by the storage; or use the "
        "standard edition",
    )


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
