"""The graph of one running prompt, with the nodes that its nodes add. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .graph import Graph, Node


@dataclass(frozen=True, slots=True)
class _Origin:
    parent: str
    display: str


class RunGraph:
    """The prompt's own nodes, and those that replaced one of them."""

    def __init__(self, graph: Graph) -> None:
        self._own = graph
        self._added: Graph = {}
        self._origins: dict[str, _Origin] = {}

    @property
    def original(self) -> Graph:
        """The prompt as it was sent."""
        return self._own

    def node(self, node_id: str) -> Node:
        """One node, the prompt's own or an added one."""
        return self._added[node_id] if node_id in self._added else self._own[node_id]

    def add(self, node_id: str, node: Node, *, parent: str) -> None:
        """Add a node on behalf of another."""
        display = node.get("override_display_id") or self.display_id(parent)
        self._added[node_id] = node
        self._origins[node_id] = _Origin(parent, display)

    def has(self, node_id: str) -> bool:
        """Whether there is such a node."""
        return node_id in self._added or node_id in self._own

    def parent_id(self, node_id: str) -> str | None:
        """The node that added this one; None for the prompt's own."""
        origin = self._origins.get(node_id)
        return None if origin is None else origin.parent

    def display_id(self, node_id: str) -> str:
        """The node of the prompt under which this one is shown."""
        origin = self._origins.get(node_id)
        return node_id if origin is None else origin.display

    def real_id(self, node_id: str) -> str:
        """The node of the prompt that this one descends from."""
        while (parent := self.parent_id(node_id)) is not None:
            node_id = parent
        return node_id

    def meta(self, node_id: str) -> dict[str, Any]:
        """The ids of a node as history shows them."""
        return {
            "node_id": node_id,
            "display_node": self.display_id(node_id),
            "parent_node": self.parent_id(node_id),
            "real_node_id": self.real_id(node_id),
        }
