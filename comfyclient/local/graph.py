"""Graphs in API format: nodes, links, orders. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Node = dict[str, Any]
Graph = dict[str, Node]
"""Node id to `{"class_type": ..., "inputs": {...}}`."""


def is_link(value: object) -> bool:
    """Whether an input's value names another node's output."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int | float)
    )


def links_of(node: Node) -> list[str]:
    """The ids of the nodes that this node takes inputs from, in its own order."""
    inputs = node.get("inputs")
    values = inputs.values() if isinstance(inputs, dict) else ()
    return [value[0] for value in values if is_link(value)]


def post_order(
    roots: Iterable[str], upstream: Callable[[str], Iterable[str]]
) -> list[str]:
    """Every node that the roots lead to, each after what it depends on.

    Nodes of a cycle come in the order in which they are left; none comes twice.
    """
    order: list[str] = []
    seen: set[str] = set()
    for root in roots:
        stack = [] if root in seen else [(root, iter(list(upstream(root))))]
        seen.add(root)
        while stack:
            node_id, remaining = stack[-1]
            following = next((other for other in remaining if other not in seen), None)
            if following is None:
                order.append(node_id)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(list(upstream(following)))))
    return order


def find_cycle(root: str, upstream: Callable[[str], Iterable[str]]) -> list[str]:
    """The first cycle that a root leads to, from its first node on; empty if none."""
    path: list[str] = []
    done: set[str] = set()
    stack = [(root, iter(list(upstream(root))))]
    path.append(root)
    while stack:
        node_id, remaining = stack[-1]
        following = next((other for other in remaining if other not in done), None)
        if following is None:
            done.add(node_id)
            path.pop()
            stack.pop()
        elif following in path:
            return path[path.index(following) :]
        else:
            path.append(following)
            stack.append((following, iter(list(upstream(following)))))
    return []
