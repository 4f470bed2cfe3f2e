"""The checks of one node's inputs, with the server's own error bodies. Pure."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

from .blocker import ExecutionBlocker
from .graph import Graph, Node
from .node_call import gather_inputs, map_over_lists
from .node_table import NodeTable
from .object_info import return_types
from .schema import InputSpec, NodeClass, NodeSchema
from .versions import Behaviour

_LONG_LIST = 20
"""Combos with more options than this are not quoted."""


@dataclass(slots=True)
class NodeCheck:
    """What is wrong with one node by itself, and where its good links lead."""

    problems: list[dict[str, Any]] = field(default_factory=list)
    followed: list[str] = field(default_factory=list)
    exception: Exception | None = None


@dataclass(frozen=True, slots=True)
class _Validator:
    """What a class's VALIDATE_INPUTS wants to see."""

    names: frozenset[str] = frozenset()
    takes_any: bool = False
    present: bool = False

    def covers(self, name: str) -> bool:
        return self.takes_any or name in self.names


class InputChecks:
    """Checks the nodes of one graph, one at a time."""

    def __init__(self, graph: Graph, *, nodes: NodeTable, behaviour: Behaviour) -> None:
        self._graph = graph
        self._nodes = nodes
        self._behaviour = behaviour

    def check(self, node_id: str) -> NodeCheck:
        """The node's own problems; what a pack raises is kept, not raised."""
        found = NodeCheck()
        try:
            self._check_inputs(node_id, found)
        except Exception as error:  # noqa: BLE001 - any pack may fail in any way here
            found.exception = error
        return found

    def link_quote(self, node_id: str, upstream_id: str) -> dict[str, Any] | None:
        """The input of a node that takes from another, as error bodies quote it."""
        node = self._graph[node_id]
        schema = self._schema(node)
        for spec in schema.input_specs():
            value = node["inputs"].get(spec.name)
            if isinstance(value, list) and value and value[0] == upstream_id:
                return {
                    "input_name": spec.name,
                    "input_config": spec.config,
                    "linked_node": value,
                }
        return None

    def _schema(self, node: Node) -> NodeSchema:
        return NodeSchema(self._nodes[node["class_type"]], behaviour=self._behaviour)

    def _check_inputs(self, node_id: str, found: NodeCheck) -> None:
        node = self._graph[node_id]
        node_class = self._nodes[node["class_type"]]
        schema = self._schema(node)
        inputs = node["inputs"]
        validator = _validator_of(node_class)
        received: dict[str, Any] = {}
        for spec in schema.input_specs():
            if spec.name not in inputs:
                if spec.required:
                    found.problems.append(
                        _problem(
                            "required_input_missing",
                            "Required input is missing",
                            details=spec.name,
                            extra={"input_name": spec.name},
                        )
                    )
            elif isinstance(inputs[spec.name], list):
                self._check_link(
                    spec,
                    inputs[spec.name],
                    found=found,
                    validator=validator,
                    received=received,
                )
            else:
                problem = self._check_value(spec, inputs, validator=validator)
                found.problems += [] if problem is None else [problem]
        if validator.present:
            found.problems += self._custom_problems(
                node_id, node_class, validator=validator, received=received
            )

    def _check_link(
        self,
        spec: InputSpec,
        value: list[Any],
        *,
        found: NodeCheck,
        validator: _Validator,
        received: dict[str, Any],
    ) -> None:
        if len(value) != 2:
            found.problems.append(
                _problem(
                    "bad_linked_input",
                    "Bad linked input, must be a length-2 list of "
                    "[node_id, slot_index]",
                    details=spec.name,
                    extra=_quote(spec) | {"received_value": value},
                )
            )
            return
        source = self._nodes[self._graph[value[0]]["class_type"]]
        kind = return_types(source, behaviour=self._behaviour)[value[1]]
        received[spec.name] = kind
        if "input_types" in validator.names or types_fit(kind, spec.kind):
            found.followed.append(value[0])
            return
        found.problems.append(
            _problem(
                "return_type_mismatch",
                "Return type mismatch between linked nodes",
                details=f"{spec.name}, received_type({kind}) "
                f"mismatch input_type({spec.kind})",
                extra=_quote(spec) | {"received_type": kind, "linked_node": value},
            )
        )

    def _check_value(
        self, spec: InputSpec, inputs: dict[str, Any], *, validator: _Validator
    ) -> dict[str, Any] | None:
        value = inputs[spec.name]
        try:
            if self._behaviour.value_wrapper and (
                isinstance(value, dict) and "__value__" in value
            ):
                value = value["__value__"]
            value = inputs[spec.name] = _coerced(spec.kind, value)
        except (TypeError, ValueError, OverflowError) as error:
            return _problem(
                "invalid_input_type",
                f"Failed to convert an input value to a {spec.kind} value",
                details=f"{spec.name}, {value}, {error}",
                extra=_quote(spec)
                | {"received_value": value, "exception_message": str(error)},
            )
        if validator.covers(spec.name):
            return None
        return _out_of_range(spec, value) or self._not_in_list(spec, value)

    def _not_in_list(self, spec: InputSpec, value: Any) -> dict[str, Any] | None:
        choices = spec.choices
        if choices is None or (
            spec.kind == "COMBO" and not self._behaviour.combos_checked
        ):
            return None
        if spec.options.get("multiselect") and isinstance(value, list):
            wrong = [item for item in value if item not in choices]
        else:
            wrong = [] if value in choices else [value]
        if not wrong:
            return None
        quoted, config = f"{choices}", spec.config
        if len(choices) > _LONG_LIST:
            quoted, config = f"(list of length {len(choices)})", None  # type: ignore[assignment]
        return _problem(
            "value_not_in_list",
            "Value not in list",
            details=f"{spec.name}: '{wrong[0]}' not in {quoted}",
            extra={
                "input_name": spec.name,
                "input_config": config,
                "received_value": value,
            },
        )

    def _custom_problems(
        self,
        node_id: str,
        node_class: NodeClass,
        *,
        validator: _Validator,
        received: dict[str, Any],
    ) -> list[dict[str, Any]]:
        node = self._graph[node_id]
        inputs = gather_inputs(node, self._schema(node), node_id=node_id)
        shown = {name: each for name, each in inputs.items() if validator.covers(name)}
        if "input_types" in validator.names:
            shown["input_types"] = [received]
        answers = map_over_lists(node_class, "VALIDATE_INPUTS", inputs=shown)
        return [
            _problem(
                "custom_validation_failed",
                "Custom validation failed for node",
                details=name if answer is False else f"{name} - {answer}",
                extra={"input_name": name},
            )
            for name in shown
            for answer in answers
            if answer is not True and not isinstance(answer, ExecutionBlocker)
        ]


def types_fit(received: Any, wanted: Any) -> bool:
    """Whether an output of one type may go into an input of another.

    `*` is any type, and `A,B` is either; some packs pass a str whose `!=` never holds.
    """
    if not received != wanted:  # noqa: SIM202 - those packs define `!=` alone
        return True
    if not isinstance(received, str) or not isinstance(wanted, str):
        return False
    if "*" in (received, wanted):
        return True
    return not _parts(received).isdisjoint(_parts(wanted))


def _parts(kind: str) -> set[str]:
    return {part.strip() for part in kind.split(",")}


def _coerced(kind: Any, value: Any) -> Any:
    match kind:
        case "INT":
            return int(value)
        case "FLOAT":
            return float(value)
        case "STRING":
            return str(value)
        case "BOOLEAN":
            return bool(value)
    return value


def _out_of_range(spec: InputSpec, value: Any) -> dict[str, Any] | None:
    least, most = spec.options.get("min"), spec.options.get("max")
    extra = _quote(spec) | {"received_value": value}
    if least is not None and value < least:
        return _problem(
            "value_smaller_than_min",
            f"Value {value} smaller than min of {least}",
            details=spec.name,
            extra=extra,
        )
    if most is not None and value > most:
        return _problem(
            "value_bigger_than_max",
            f"Value {value} bigger than max of {most}",
            details=spec.name,
            extra=extra,
        )
    return None


def _validator_of(node_class: NodeClass) -> _Validator:
    function = getattr(node_class, "VALIDATE_INPUTS", None)
    if function is None:
        return _Validator()
    wanted = inspect.getfullargspec(function)
    return _Validator(frozenset(wanted.args), wanted.varkw is not None, present=True)


def _quote(spec: InputSpec) -> dict[str, Any]:
    return {"input_name": spec.name, "input_config": spec.config}


def _problem(
    kind: str, message: str, *, details: str, extra: dict[str, Any]
) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}
