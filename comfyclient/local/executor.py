"""Runs one prompt: node after node, with cache, expansion, blocking, interruption."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from typing import Any

from .announcer import Announcer
from .blocker import ExecutionBlocker
from .caching import CachedRun, CacheEntry, NodeCache, Signatures
from .context import Preview, ProcessingInterruptedError, Surroundings, entered
from .failures import error_message
from .folders import Folders
from .graph import Graph, is_link
from .interruption import Interruption
from .node_call import (
    HiddenValues,
    Inputs,
    NodeResult,
    gather_inputs,
    map_over_lists,
    merge_results,
)
from .node_table import NodeTable
from .plan import ExecutionPlan
from .prompt_queue import QueueItem
from .run_graph import RunGraph
from .schema import NodeClass, NodeSchema
from .socket_hub import SocketHub
from .versions import Behaviour


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a prompt ended, as the history tells it."""

    succeeded: bool
    outputs: dict[str, Any]
    meta: dict[str, Any]
    messages: list[list[Any]]


_MOST_OBJECTS = 2000
"""Node objects kept from run to run; beyond that all are made anew."""


class Executor:
    """Runs prompts one after the other, keeping node objects and outputs."""

    def __init__(
        self,
        *,
        nodes: NodeTable,
        behaviour: Behaviour,
        folders: Folders,
        hub: SocketHub,
        interruption: Interruption,
    ) -> None:
        self.nodes = nodes
        self.behaviour = behaviour
        self.folders = folders
        self.hub = hub
        self.interruption = interruption
        self._cache = NodeCache(keeps_older=behaviour.keeps_older_outputs)
        self._objects: dict[tuple[str, str], Any] = {}

    def reset(self) -> None:
        """Forget outputs and node objects."""
        self._cache.clear()
        self._objects.clear()

    def run(self, item: QueueItem) -> Outcome:
        """Run one prompt to its end, whatever that is."""
        self.interruption.reset()
        if len(self._objects) > _MOST_OBJECTS:
            self._objects.clear()
        self.hub.client_id = item.client_id
        try:
            return _PromptRun(self, item, cache=self._cache).run()
        finally:
            self.hub.running_node = None

    def node_object(self, node_id: str, class_type: str) -> Any:
        """The object of a node, the same for the same id and class in every run."""
        key = (node_id, class_type)
        if key not in self._objects:
            self._objects[key] = self.nodes[class_type]()
        return self._objects[key]


class _PromptRun:
    """One prompt on its way; also what its nodes see as the execution."""

    def __init__(
        self, executor: Executor, item: QueueItem, *, cache: NodeCache
    ) -> None:
        self._executor = executor
        self._item = item
        self._graph = RunGraph(item.prompt)
        self._tell = Announcer(
            executor.hub,
            self._graph,
            behaviour=executor.behaviour,
            prompt_id=item.prompt_id,
            client_id=item.client_id,
        )
        self._surroundings = Surroundings(executor.folders, self)
        self._cached = CachedRun(cache)
        self._plan = ExecutionPlan(
            upstream=self._upstream,
            is_cached=lambda each: self._cached.get(each) is not None,
            is_output=self._is_output,
        )
        self._executed: list[str] = []
        self._shown: dict[str, CacheEntry] = {}
        self._inputs: Inputs = {}
        self._node_id = ""
        self._expanded: dict[str, NodeResult] = {}

    def run(self) -> Outcome:
        """Run it."""
        self._tell.milestone("execution_start", {})
        with entered(self._surroundings):
            succeeded = self._run_to_its_end()
        if succeeded:
            self._tell.milestone("execution_success", {})
        return self._outcome(succeeded=succeeded)

    # What the nodes see

    def report_progress(
        self,
        value: float,
        total: float,
        *,
        preview: Preview | None = None,
        node_id: str | None = None,
    ) -> None:
        """Tell the client how far the node is; raises when interrupted."""
        self._executor.interruption.check()
        self._tell.progress(
            self._node_id if node_id is None else node_id,
            value=value,
            total=total,
            preview=preview,
        )

    def report_text(self, text: str, *, node_id: str | None = None) -> None:
        """Show the client a line of text at the node."""
        self._tell.text(self._node_id if node_id is None else node_id, text)

    def report_message(self, kind: str, data: Any) -> None:
        """Send the client a message of the node's own kind."""
        self._tell.own_message(kind, data)

    def check_interrupted(self) -> None:
        """Raise when the prompt was interrupted."""
        self._executor.interruption.check()

    def is_interrupted(self) -> bool:
        """Whether the prompt was interrupted."""
        return self._executor.interruption.is_set()

    # The run itself

    def _run_to_its_end(self) -> bool:
        try:
            self._run_nodes()
        except ProcessingInterruptedError:
            self._tell.milestone(
                "execution_interrupted", self._place(), to_everyone=True
            )
            return False
        except Exception as error:  # noqa: BLE001 - any node may fail in any way
            self._report(error)
            return False
        return True

    def _run_nodes(self) -> None:
        signatures = Signatures(
            nodes=self._executor.nodes, behaviour=self._executor.behaviour
        )
        self._cached.begin(signatures.of_graph(self._item.prompt))
        self._tell.milestone("execution_cached", {"nodes": self._cached.cached()})
        for output in self._item.outputs:
            self._plan.add(output)
        while (node_id := self._plan.next()) is not None:
            self._node_id = node_id
            self._inputs = {}
            if self._run_node(node_id):
                self._plan.done(node_id)

    def _upstream(self, node_id: str) -> list[str]:
        node = self._graph.node(node_id)
        schema = self._schema(node["class_type"])
        return [
            value[0]
            for name, value in node["inputs"].items()
            if is_link(value) and schema.spec(name) is not None
        ]

    def _is_output(self, node_id: str) -> bool:
        class_type = self._graph.node(node_id)["class_type"]
        return bool(getattr(self._executor.nodes[class_type], "OUTPUT_NODE", False))

    def _schema(self, class_type: str) -> NodeSchema:
        return NodeSchema(
            self._executor.nodes[class_type], behaviour=self._executor.behaviour
        )

    def _run_node(self, node_id: str) -> bool:
        """Run one node; False if it waits for nodes that it added."""
        if node_id in self._expanded:
            result = self._expanded.pop(node_id)
            result.outputs = self._resolved(node_id, result)
        elif (entry := self._cached.get(node_id)) is not None:
            self._tell.executed(node_id, entry.ui)
            self._tell.finished(node_id)
            self._show(node_id, entry)
            return True
        else:
            self._tell.started(node_id)
            result = self._called(node_id)
            if result.ui is not None:
                self._tell.executed(node_id, result.ui)
            if result.expansions:
                self._expand(node_id, result)
                return False
        entry = CacheEntry(result.outputs, result.ui, self._graph.meta(node_id))
        self._cached.put(node_id, entry)
        self._show(node_id, entry)
        self._executed.append(node_id)
        self._tell.finished(node_id)
        return True

    def _called(self, node_id: str) -> NodeResult:
        node = self._graph.node(node_id)
        class_type = node["class_type"]
        node_class: NodeClass = self._executor.nodes[class_type]
        self._inputs = gather_inputs(
            node,
            self._schema(class_type),
            node_id=node_id,
            linked=self._linked,
            hidden=HiddenValues(
                self._graph.original, self._item.extra_data.get("extra_pnginfo")
            ),
        )
        target = self._executor.node_object(node_id, class_type)
        results = map_over_lists(
            target,
            node_class.FUNCTION,
            inputs=self._inputs,
            allow_interrupt=self._executor.interruption.check,
            on_blocker=self._block,
        )
        if any(inspect.iscoroutine(each) for each in results):
            results = asyncio.run(_awaited(results))
        return merge_results(node_class, results)

    def _linked(self, node_id: str, slot: int) -> list[Any]:
        entry = self._cached.get(node_id)
        if entry is None:
            raise KeyError(f"node {node_id} has given nothing")
        return entry.outputs[slot]

    def _block(self, blocker: ExecutionBlocker) -> ExecutionBlocker:
        if blocker.message is None:
            return blocker
        self._tell.blocked(
            self._node_id,
            class_type=self._graph.node(self._node_id)["class_type"],
            message=blocker.message,
            executed=list(self._executed),
        )
        return ExecutionBlocker(None)

    def _show(self, node_id: str, entry: CacheEntry) -> None:
        if entry.ui is not None:
            self._shown[node_id] = entry

    # Nodes that replace themselves

    def _expand(self, node_id: str, result: NodeResult) -> None:
        for call in result.expansions:
            if call.graph is None:
                continue
            self._adopt(node_id, call.graph)
            for value in call.row:
                if is_link(value):
                    self._plan.wait(node_id, value[0])
                    self._plan.add(value[0])
        self._expanded[node_id] = result

    def _adopt(self, node_id: str, graph: Graph) -> None:
        for added_id, node in graph.items():
            if self._graph.has(added_id):
                raise ValueError(
                    f"node {node_id} adds a node {added_id}, which exists already; "
                    "use ids that start with its own"
                )
            self._graph.add(added_id, node, parent=node_id)
        for added_id in graph:
            if self._is_output(added_id):
                self._plan.add(added_id)
                self._plan.wait(node_id, added_id)

    def _resolved(self, node_id: str, result: NodeResult) -> list[list[Any]]:
        class_type = self._graph.node(node_id)["class_type"]
        width = len(self._executor.nodes[class_type].RETURN_TYPES)
        columns: list[list[Any]] = [[] for _ in range(width)]
        for call in result.expansions:
            for column, value in zip(columns, call.row, strict=False):
                if call.graph is not None and is_link(value):
                    column += self._linked(value[0], int(value[1]))
                else:
                    column.append(value)
        return columns

    # How it ended

    def _place(self) -> dict[str, Any]:
        return {
            "node_id": self._node_id,
            "node_type": self._graph.node(self._node_id)["class_type"],
            "executed": list(self._executed),
        }

    def _report(self, error: Exception) -> None:
        place = {"node_id": None, "node_type": None, "executed": list(self._executed)}
        if self._node_id:
            place = self._place()
        told = error_message(
            error, inputs=self._inputs, behaviour=self._executor.behaviour
        )
        outputs = list(self._item.prompt)
        self._tell.milestone(
            "execution_error", place | told | {"current_outputs": outputs}
        )

    def _outcome(self, *, succeeded: bool) -> Outcome:
        shown = self._shown
        if not self._executor.behaviour.outputs_of_this_run:
            ids = [*self._item.prompt, *self._cached.own()]
            held = {each: self._cached.get(each) for each in ids}
            shown = {
                each: entry
                for each, entry in held.items()
                if entry is not None and entry.ui is not None
            }
        return Outcome(
            succeeded,
            {node_id: entry.ui for node_id, entry in shown.items()},
            {node_id: entry.meta for node_id, entry in shown.items()},
            self._tell.messages,
        )


async def _awaited(results: list[Any]) -> list[Any]:
    return [await each if inspect.iscoroutine(each) else each for each in results]
