"""Calling a node class the way ComfyUI does: inputs as lists, results merged. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .blocker import ExecutionBlocker
from .graph import Node, is_link
from .schema import NodeClass, NodeSchema

Inputs = dict[str, list[Any]]
"""Input name to the list of values that the node is run over."""


@dataclass(frozen=True, slots=True)
class HiddenValues:
    """What hidden inputs are filled with."""

    prompt: Any = None
    extra_pnginfo: Any = None

    def of_kind(self, kind: str, *, node_id: str) -> list[Any] | None:
        """The value for one kind of hidden input; None for a kind not known."""
        match kind:
            case "PROMPT" | "DYNPROMPT":
                return [self.prompt]
            case "EXTRA_PNGINFO":
                return [self.extra_pnginfo]
            case "UNIQUE_ID":
                return [node_id]
        return None


@dataclass(frozen=True, slots=True)
class Expansion:
    """What one call returned: outputs, which may be links into the graph it added."""

    row: tuple[Any, ...]
    graph: dict[str, Any] | None


@dataclass(slots=True)
class NodeResult:
    """What one run of a node gave."""

    outputs: list[list[Any]]
    """One list of values per output slot."""
    ui: dict[str, Any] | None = None
    expansions: list[Expansion] = field(default_factory=list)
    """Every call, if one of them replaced the node by a graph; else empty."""


def gather_inputs(
    node: Node,
    schema: NodeSchema,
    *,
    node_id: str,
    linked: Callable[[str, int], list[Any]] | None = None,
    hidden: HiddenValues | None = None,
) -> Inputs:
    """Every declared input as a list of values.

    Without `linked`, linked inputs read as None: their values are not there yet.
    """
    gathered: Inputs = {}
    for name, value in node["inputs"].items():
        if schema.spec(name) is None:
            continue
        if not is_link(value):
            gathered[name] = [value]
        elif linked is None:
            gathered[name] = [None]
        else:
            gathered[name] = linked(value[0], int(value[1]))
    for name, kind in schema.hidden().items():
        filled = (hidden or HiddenValues()).of_kind(kind, node_id=node_id)
        if filled is not None:
            gathered[name] = filled
    return gathered


def map_over_lists(
    target: Any,
    function: str,
    *,
    inputs: Inputs,
    allow_interrupt: Callable[[], None] | None = None,
    on_blocker: Callable[[ExecutionBlocker], ExecutionBlocker] | None = None,
) -> list[Any]:
    """Call a node's function once per value, or once with lists if it wants those."""
    call = getattr(target, function)
    if getattr(target, "INPUT_IS_LIST", False):
        slices: list[dict[str, Any]] = [dict(inputs)]
    else:
        longest = max((len(values) for values in inputs.values()), default=0)
        slices = [
            {name: values[min(i, len(values) - 1)] for name, values in inputs.items()}
            for i in range(longest)
        ] or [{}]
    results: list[Any] = []
    for arguments in slices:
        if allow_interrupt is not None:
            allow_interrupt()
        blocked = _blocker_among(arguments)
        if blocked is not None:
            results.append(blocked if on_blocker is None else on_blocker(blocked))
        else:
            results.append(call(**arguments))
    return results


def merge_results(node_class: NodeClass, results: list[Any]) -> NodeResult:
    """Sort what the calls returned into output slots, ui and expansions."""
    rows: list[Any] = []
    uis: list[dict[str, Any]] = []
    calls: list[Expansion] = []
    for returned in results:
        row, graph = returned, None
        if isinstance(returned, dict):
            if returned.get("ui") is not None:
                uis.append(returned["ui"])
            row, graph = returned.get("result"), returned.get("expand")
        row = _row_of(node_class, row)
        rows.append(row)
        calls.append(Expansion(() if row is None else tuple(row), graph))
    return NodeResult(
        outputs=_columns(node_class, [row for row in rows if row is not None]),
        ui=_merged_ui(uis),
        expansions=calls if any(call.graph is not None for call in calls) else [],
    )


def _blocker_among(arguments: dict[str, Any]) -> ExecutionBlocker | None:
    for value in arguments.values():
        if isinstance(value, ExecutionBlocker):
            return value
        if isinstance(value, list):
            for item in value:
                if isinstance(item, ExecutionBlocker):
                    return item
    return None


def _row_of(node_class: NodeClass, row: Any) -> Any:
    if isinstance(row, ExecutionBlocker):
        return (row,) * len(node_class.RETURN_TYPES)
    return row


def _columns(node_class: NodeClass, rows: list[Any]) -> list[list[Any]]:
    if not rows:
        return []
    width = len(rows[0])
    lists = getattr(node_class, "OUTPUT_IS_LIST", (False,) * width)
    columns: list[list[Any]] = []
    for slot in range(width):
        column: list[Any] = []
        for row in rows:
            value = row[slot]
            if slot < len(lists) and lists[slot]:
                is_blocker = isinstance(value, ExecutionBlocker)
                column += [value] if is_blocker else list(value)
            else:
                column.append(value)
        columns.append(column)
    return columns


def _merged_ui(uis: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not uis:
        return None
    return {name: [item for ui in uis for item in ui[name]] for name in uis[0]}
