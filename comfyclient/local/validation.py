"""POST /prompt's judgement of a graph: which outputs run, and what is wrong. Pure."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .graph import Graph, find_cycle, post_order
from .input_checks import InputChecks, NodeCheck
from .node_table import NodeTable
from .versions import Behaviour

Problem = dict[str, Any]
"""`{"type", "message", "details", "extra_info"}`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What POST /prompt answers, apart from the ids."""

    error: Problem | None
    """Why nothing runs; None when something does."""
    outputs: list[str] = field(default_factory=list)
    """The output nodes that run."""
    node_errors: dict[str, Any] = field(default_factory=dict)


class Validator:
    """Judges one graph; writes coerced values back into it."""

    def __init__(self, graph: Graph, *, nodes: NodeTable, behaviour: Behaviour) -> None:
        self._graph = graph
        self._nodes = nodes
        self._behaviour = behaviour
        self._checks = InputChecks(graph, nodes=nodes, behaviour=behaviour)
        self._known: dict[str, NodeCheck] = {}
        self._reported: dict[str, list[Problem]] = {}

    def judge(self, targets: Iterable[str] | None = None) -> Verdict:
        """The verdict; targets limit the output nodes that are looked at."""
        if (refusal := self._unknown_class()) is not None:
            return Verdict(refusal)
        outputs = self._output_nodes(None if targets is None else list(targets))
        if not outputs:
            return Verdict(_problem("prompt_no_outputs", "Prompt has no outputs"))
        good: list[str] = []
        node_errors: dict[str, Any] = {}
        for output in outputs:
            if self._is_valid(output):
                good.append(output)
            else:
                self._blame(output, node_errors)
        if good:
            return Verdict(None, good, node_errors)
        details = [
            f"{problem['message']}: {problem['details']}"
            for output in outputs
            for problem in self._reported.get(output, [])
            if problem["type"] != "dependency_cycle"
        ]
        refusal = _problem(
            "prompt_outputs_failed_validation",
            "Prompt outputs failed validation",
            details="\n".join(details),
        )
        return Verdict(refusal, [], node_errors)

    def _unknown_class(self) -> Problem | None:
        for node_id, node in self._graph.items():
            if "class_type" not in node:
                return self._no_class_type(node_id)
            if node["class_type"] not in self._nodes:
                return self._no_such_class(node_id)
        return None

    def _no_class_type(self, node_id: str) -> Problem:
        if not self._behaviour.missing_node_type:
            return _problem(
                "invalid_prompt",
                "Cannot execute because a node is missing the class_type property.",
                details=f"Node ID '#{node_id}'",
            )
        title = self._graph[node_id].get("_meta", {}).get("title")
        label = f"ID #{node_id}" if title is None else title
        return _problem(
            "missing_node_type",
            f"Node '{label}' has no class_type. The workflow may be corrupted "
            "or a custom node is missing.",
            details=f"Node ID '#{node_id}'",
            extra={"node_id": node_id, "class_type": None, "node_title": title},
        )

    def _no_such_class(self, node_id: str) -> Problem:
        class_type = self._graph[node_id]["class_type"]
        if not self._behaviour.missing_node_type:
            return _problem(
                "invalid_prompt",
                f"Cannot execute because node {class_type} does not exist.",
                details=f"Node ID '#{node_id}'",
            )
        # A `_meta` of null gives the 500 that the real server gives.
        title = self._graph[node_id].get("_meta", {}).get("title", class_type)
        return _problem(
            "missing_node_type",
            f"Node '{title}' not found. The custom node may not be installed.",
            details=f"Node ID '#{node_id}'",
            extra={"node_id": node_id, "class_type": class_type, "node_title": title},
        )

    def _output_nodes(self, targets: list[str] | None) -> list[str]:
        return [
            node_id
            for node_id, node in self._graph.items()
            if getattr(self._nodes[node["class_type"]], "OUTPUT_NODE", False)
            and (targets is None or node_id in targets)
        ]

    def _is_valid(self, output: str) -> bool:
        reached = post_order([output], self._followed)
        if cycle := find_cycle(output, self._followed):
            self._report_cycle(cycle)
        for node_id in reached:
            problems = self._problems_of(node_id, at_output=node_id == output)
            if problems:
                self._reported.setdefault(node_id, problems)
        return not cycle and not any(node_id in self._reported for node_id in reached)

    def _followed(self, node_id: str) -> list[str]:
        return self._check(node_id).followed

    def _check(self, node_id: str) -> NodeCheck:
        if node_id not in self._known:
            self._known[node_id] = self._checks.check(node_id)
        return self._known[node_id]

    def _problems_of(self, node_id: str, *, at_output: bool) -> list[Problem]:
        check = self._check(node_id)
        if check.exception is None:
            return check.problems
        kind, where = (
            ("during_validation", "node")
            if at_output
            else (
                "during_inner_validation",
                "inner node",
            )
        )
        extra: dict[str, Any] = {
            "exception_type": type(check.exception).__name__,
            "traceback": traceback.format_tb(check.exception.__traceback__),
        }
        if not at_output and (taker := self._taker_of(node_id)) is not None:
            extra = taker | {"exception_message": str(check.exception)} | extra
        return [
            _problem(
                f"exception_{kind}",
                f"Exception when validating {where}",
                details=str(check.exception),
                extra=extra,
            )
        ]

    def _taker_of(self, node_id: str) -> dict[str, Any] | None:
        """The first input that takes from this node, as inner errors quote it."""
        for taker_id, check in self._known.items():
            if check.exception is None and node_id in check.followed:
                return self._checks.link_quote(taker_id, node_id)
        return None

    def _report_cycle(self, cycle: list[str]) -> None:
        if not self._behaviour.cycles_named:
            return
        path = " -> ".join(
            f"{node_id} ({self._graph[node_id]['class_type']})"
            for node_id in [*cycle, cycle[0]]
        )
        for node_id in cycle:
            self._reported.setdefault(node_id, []).append(
                _problem(
                    "dependency_cycle",
                    "Dependency cycle detected",
                    details=path,
                    extra={"node_id": node_id, "cycle_nodes": cycle},
                )
            )

    def _blame(self, output: str, node_errors: dict[str, Any]) -> None:
        # As on the server, every node found bad so far is held against the output.
        for node_id, problems in self._reported.items():
            entry = node_errors.setdefault(
                node_id,
                {
                    "errors": problems,
                    "dependent_outputs": [],
                    "class_type": self._graph[node_id]["class_type"],
                },
            )
            entry["dependent_outputs"].append(output)


def _problem(
    kind: str, message: str, *, details: str = "", extra: dict[str, Any] | None = None
) -> Problem:
    return {
        "type": kind,
        "message": message,
        "details": details,
        "extra_info": {} if extra is None else extra,
    }
