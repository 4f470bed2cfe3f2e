"""What nodes gave before, found again by the content that they were given."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from .blocker import ExecutionBlocker
from .graph import Graph, Node, is_link, links_of, post_order
from .node_call import gather_inputs, map_over_lists
from .node_table import NodeTable
from .schema import NodeSchema
from .versions import Behaviour

_LOGGER = logging.getLogger("comfyclient.local")

_KEPT_RUNS = 20
_KEPT_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What one node gave, and what it showed."""

    outputs: list[list[Any]]
    ui: dict[str, Any] | None
    meta: dict[str, Any]
    """The ids of the run that made it, as history shows them."""


class NodeCache:
    """Signature to entry, forgetting what newer runs did not use."""

    def __init__(self, *, keeps_older: bool) -> None:
        self._keeps_older = keeps_older
        self._entries: OrderedDict[str, tuple[int, CacheEntry]] = OrderedDict()
        self._run = 0

    def get(self, signature: str) -> CacheEntry | None:
        """The entry, which counts as used by this run; None if there is none."""
        if (found := self._entries.get(signature)) is None:
            return None
        self._entries[signature] = (self._run, found[1])
        self._entries.move_to_end(signature)
        return found[1]

    def put(self, signature: str, entry: CacheEntry) -> None:
        """Remember an entry."""
        self._entries[signature] = (self._run, entry)
        self._entries.move_to_end(signature)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    def begin_run(self, used: set[str]) -> None:
        """Start another run; forget entries that are old and not used by it."""
        self._run += 1
        oldest = self._run - (_KEPT_RUNS if self._keeps_older else 0)
        size = 0
        for signature in reversed(list(self._entries)):
            run, entry = self._entries[signature]
            size += _size_of(entry)
            if signature not in used and (run < oldest or size > _KEPT_BYTES):
                del self._entries[signature]


class Signatures:
    """The content signature of every node of one graph.

    Node ids are no part of it, so a graph with renamed ids is found again.
    """

    def __init__(self, *, nodes: NodeTable, behaviour: Behaviour) -> None:
        self._nodes = nodes
        self._behaviour = behaviour

    def of_graph(self, graph: Graph) -> dict[str, str]:
        """Node id to signature."""

        def upstream(node_id: str) -> list[str]:
            return [other for other in links_of(graph[node_id]) if other in graph]

        known: dict[str, str] = {}
        for node_id in post_order(graph, upstream):
            known[node_id] = self._signature(node_id, graph[node_id], known=known)
        return known

    def _signature(self, node_id: str, node: Node, *, known: dict[str, str]) -> str:
        try:
            parts = self._parts(node_id, node, known=known)
            text = json.dumps(parts, sort_keys=True, allow_nan=False)
        except Exception:  # noqa: BLE001 - nodes that do not run may be anything
            # NaN equals nothing, not even itself: such a node always runs.
            text = uuid4().hex
        return hashlib.blake2b(text.encode()).hexdigest()

    def _parts(self, node_id: str, node: Node, *, known: dict[str, str]) -> list[Any]:
        node_class = self._nodes[node["class_type"]]
        schema = NodeSchema(node_class, behaviour=self._behaviour)
        parts: list[Any] = [
            node["class_type"],
            self._changed(node_id, node, schema=schema),
        ]
        if (
            getattr(node_class, "NOT_IDEMPOTENT", False)
            or "UNIQUE_ID" in schema.hidden().values()
        ):
            parts.append(node_id)
        for name, value in sorted(node["inputs"].items()):
            if is_link(value):
                parts.append([name, "link", known.get(value[0]), value[1]])
            else:
                parts.append([name, "value", value])
        return parts

    def _changed(self, node_id: str, node: Node, *, schema: NodeSchema) -> Any:
        node_class = self._nodes[node["class_type"]]
        if not hasattr(node_class, "IS_CHANGED"):
            return None
        try:
            inputs = gather_inputs(node, schema, node_id=node_id)
            answers = map_over_lists(node_class, "IS_CHANGED", inputs=inputs)
        except Exception as error:  # noqa: BLE001 - any pack may fail in any way here
            _LOGGER.warning("IS_CHANGED of node %s failed: %s", node_id, error)
            return math.nan
        return [None if isinstance(a, ExecutionBlocker) else a for a in answers]


class CachedRun:
    """The cache as one run sees it: by node id."""

    def __init__(self, cache: NodeCache) -> None:
        self._cache = cache
        self._signatures: dict[str, str] = {}
        self._own: dict[str, CacheEntry] = {}

    def begin(self, signatures: dict[str, str]) -> None:
        """Find the nodes by these signatures from now on."""
        self._signatures = signatures
        self._cache.begin_run(set(signatures.values()))

    def get(self, node_id: str) -> CacheEntry | None:
        """What the node gave, in this run or an earlier one."""
        signature = self._signatures.get(node_id)
        if signature is None:
            return self._own.get(node_id)
        return self._cache.get(signature)

    def put(self, node_id: str, entry: CacheEntry) -> None:
        """Remember what a node gave; nodes made by other nodes only for this run."""
        signature = self._signatures.get(node_id)
        if signature is None:
            self._own[node_id] = entry
        else:
            self._cache.put(signature, entry)

    def cached(self) -> list[str]:
        """The nodes of the graph that need not run."""
        return [each for each in self._signatures if self.get(each) is not None]

    def own(self) -> list[str]:
        """The nodes that other nodes made in this run."""
        return list(self._own)


def _size_of(entry: CacheEntry) -> int:
    return sum(
        int(getattr(value, "nbytes", 0)) for column in entry.outputs for value in column
    )
