"""Whether a server would run a graph, judged by its object_info before it is sent.

Pure. The rules are ComfyUI's own, as its releases differ: `server_rules`. What cannot
be known from outside, such as what the classes of node packs check themselves, is a
doubt, never an error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from ..errors import NodeIssue
from ..workflow import Workflow
from .findings import Finding, Outlook, Report
from .input_values import Problem, nearest
from .node_checks import NodeCheck, Placed, Surroundings
from .node_packs import pack_of
from .object_info import ObjectInfo, bounded
from .replaced_nodes import BUILT_IN, Replacement, replacement_of
from .server_rules import ServerRules, rules_of

DEEPEST = 950
"""Nodes one behind the other; 983 were taken, and their number varies a little."""

_ORDER = (Outlook.REFUSED, Outlook.FAILS, Outlook.DOUBTFUL, Outlook.IGNORED)


def check(workflow: Workflow, info: ObjectInfo) -> Report:
    """What the server that sent this would make of the graph; all problems at once.

    Raises:
        BadAnswerError: a class is nested too deep to be followed.
    """
    with bounded():
        return _Check(workflow, info).report()


@dataclass(slots=True)
class _Check:
    """One graph against one server."""

    workflow: Workflow
    info: ObjectInfo
    findings: list[Finding] = field(default_factory=list)
    bad: set[str] = field(default_factory=set)
    """Nodes with an error."""
    links: dict[str, list[str]] = field(default_factory=dict)
    """The links that the server follows, from the nodes that an output leads to."""

    def report(self) -> Report:
        placed = self._placed()
        outputs = [key for key, one in placed.items() if one.node.output_node]
        whole = len(placed) == len(self.workflow.graph)
        if not outputs and whole:
            self._add(None, Problem("prompt_no_outputs", _NO_OUTPUTS))
        around = Surroundings(
            self.workflow.graph.keys(),
            placed,
            rules_of(self.info),
            {file.name for file in self.workflow.files},
        )
        self._walk(outputs, around)
        self._cycles(around.rules)
        self._depth()
        self._idle(placed)
        lost = [one for one in outputs if not whole or self._is_lost(one)]
        return Report(self._ordered(), tuple(outputs), tuple(lost))

    # -- classes

    def _placed(self) -> dict[str, Placed]:
        """The nodes whose class the server has, or replaces."""
        placed: dict[str, Placed] = {}
        for node_id, node in self.workflow.graph.items():
            class_type, inputs = _read(node)
            if class_type is None or inputs is None:
                message = "the node has no class_type, or no inputs"
                self._add(node_id, Problem("invalid_prompt", message))
                continue
            found = self.info.node(class_type)
            if found is not None:
                placed[node_id] = Placed(found, inputs)
                continue
            other = replacement_of(class_type, inputs, self.info)
            taken = None if other is None else self.info.node(other.class_type)
            if other is None or taken is None:
                self._add(node_id, self._unknown(class_type))
            else:
                self._replaced(node_id, other)
                placed[node_id] = Placed(taken, other.inputs, other.outputs)
        return placed

    def _unknown(self, class_type: str) -> Problem:
        outlook = Outlook.REFUSED
        heir = BUILT_IN.get(class_type)
        message = f"the server has no node class {class_type}"
        if heir is not None and heir in self.info and self.info.replacements is None:
            if rules_of(self.info).replaces_nodes:
                outlook = Outlook.DOUBTFUL
            message += f"; {heir} takes its place"
        elif (pack := pack_of(class_type)) is not None:
            message += f"; it is part of {pack}"
        elif meant := nearest(class_type, list(self.info.entries)):
            message += f"; did you mean {' or '.join(meant)}?"
        return Problem("missing_node_type", message, outlook=outlook, lacks="node")

    def _replaced(self, node_id: str, other: Replacement) -> None:
        message = f"the server puts {other.class_type} in the place of this class"
        outlook = Outlook.IGNORED
        if other.missing:
            message += f", which takes over the missing {', '.join(other.missing)}"
            outlook = Outlook.REFUSED
        self._add(node_id, Problem("replaced_node", message, outlook=outlook))

    # -- links

    def _walk(self, outputs: Iterable[str], around: Surroundings) -> None:
        """Check the nodes that an output leads to, as the server does, each once."""
        waiting = list(outputs)
        while waiting:
            node_id = waiting.pop()
            if node_id in self.links or node_id not in around.placed:
                continue
            node = NodeCheck(around.placed[node_id], around)
            for problem in node.problems():
                self._add(node_id, problem)
            self.links[node_id] = node.followed
            waiting += self.links[node_id]

    def _cycles(self, rules: ServerRules) -> None:
        outlook = Outlook.REFUSED if rules.refuses_circles else Outlook.FAILS
        for node_id in self.links.keys() - set(_sorted(self.links)):
            circle = _circle(node_id, self.links)
            if circle:
                message = f"its links run in a circle: {' → '.join(circle)}"
                self._add(
                    node_id, Problem("dependency_cycle", message, outlook=outlook)
                )

    def _depth(self) -> None:
        """A chain so long that a server, which follows it by recursion, gives up."""
        deepest = _longest(self.links)
        if deepest > DEEPEST:
            message = (
                f"a chain of links is {deepest} nodes long; servers take about 980"
            )
            self._add(
                None, Problem("graph_too_deep", message, outlook=Outlook.DOUBTFUL)
            )

    def _idle(self, placed: Mapping[str, Placed]) -> None:
        """Nodes that the server never runs."""
        for node_id in placed:
            if node_id not in self.links:
                message = "the node leads to no output; the server does not run it"
                self._add(
                    node_id, Problem("idle_node", message, outlook=Outlook.IGNORED)
                )

    def _is_lost(self, output: str) -> bool:
        seen: set[str] = set()
        waiting = [output]
        while waiting:
            node_id = waiting.pop()
            if node_id in self.bad:
                return True
            if node_id not in seen:
                seen.add(node_id)
                waiting += self.links.get(node_id, ())
        return False

    # -- findings

    def _add(self, node_id: str | None, problem: Problem) -> None:
        workflow = self.workflow
        where = "" if node_id is None else node_id
        issue = NodeIssue(
            kind=problem.kind,
            message=problem.message,
            node_id=node_id,
            class_type=workflow.class_type(where),
            title=workflow.title(where),
            input_name=problem.input_name,
            value=problem.value,
            allowed=problem.allowed,
            place=workflow.place(where, problem.input_name),
        )
        finding = Finding(problem.outlook, issue, problem.lacks)
        self.findings.append(finding)
        if finding.is_error and node_id is not None:
            self.bad.add(node_id)

    def _ordered(self) -> tuple[Finding, ...]:
        order = {node_id: at for at, node_id in enumerate(self.workflow.graph)}
        return tuple(
            sorted(
                self.findings,
                key=lambda one: (
                    _ORDER.index(one.outlook),
                    order.get(one.issue.node_id or "", -1),
                ),
            )
        )


_NO_OUTPUTS = "the graph has no output: no node that saves or shows something"


def _read(node: JsonValue) -> tuple[str | None, Mapping[str, JsonValue] | None]:
    """A node's class and inputs, as far as it has them."""
    if not isinstance(node, dict):
        return None, None
    class_type, inputs = node.get("class_type"), node.get("inputs")
    return (
        class_type if isinstance(class_type, str) else None,
        inputs if isinstance(inputs, dict) else None,
    )


def _sorted(links: Mapping[str, list[str]]) -> list[str]:
    """The nodes that are in no circle and take from none, sources first."""
    takers: dict[str, list[str]] = {node_id: [] for node_id in links}
    needs = dict.fromkeys(links, 0)
    for node_id, sources in links.items():
        for source in sources:
            if source in takers:
                takers[source].append(node_id)
                needs[node_id] += 1
    found = [node_id for node_id, count in needs.items() if count == 0]
    for node_id in found:  # it grows meanwhile
        for taker in takers[node_id]:
            needs[taker] -= 1
            if needs[taker] == 0:
                found.append(taker)
    return found


def _longest(links: Mapping[str, list[str]]) -> int:
    """How many nodes stand one behind the other, at most."""
    length: dict[str, int] = {}
    for node_id in _sorted(links):
        behind = (length.get(source, 0) for source in links[node_id])
        length[node_id] = 1 + max(behind, default=0)
    return max(length.values(), default=0)


def _circle(start: str, links: Mapping[str, list[str]]) -> list[str]:
    """The shortest way from a node back to it, both ends named; empty if none."""
    came: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        node_id = waiting.popleft()
        for source in links.get(node_id, ()):
            if source == start:
                way = [start, node_id]
                while way[-1] != start:
                    way.append(came[way[-1]])
                return way[::-1] if len(way) > 1 else way
            if source not in came:
                came[source] = node_id
                waiting.append(source)
    return []
