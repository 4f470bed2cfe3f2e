"""GET /object_info: a node class described in the server's shape. Pure."""

from __future__ import annotations

import logging
from typing import Any

from .node_table import NodeEntry, NodeTable
from .schema import NodeClass, NodeSchema
from .versions import Behaviour

_LOGGER = logging.getLogger("comfyclient.local")


def return_types(node_class: NodeClass, *, behaviour: Behaviour) -> tuple[Any, ...]:
    """The types of a class's outputs, in this release."""
    if getattr(node_class, "RETURNS_SINCE_SAVING_DOES", False) and not (
        behaviour.save_nodes_return
    ):
        return ()
    return tuple(node_class.RETURN_TYPES)


def describe_all(nodes: NodeTable, *, behaviour: Behaviour) -> dict[str, Any]:
    """Every class that can describe itself; one that raises is left out."""
    described: dict[str, Any] = {}
    for entry in nodes.entries():
        try:
            described[entry.name] = describe(entry, behaviour=behaviour)
        except Exception:  # noqa: BLE001 - any pack may fail in any way here
            _LOGGER.warning("node class %s cannot describe itself", entry.name)
    return described


def describe(entry: NodeEntry, *, behaviour: Behaviour) -> dict[str, Any]:
    """One class's inputs, outputs and labels."""
    node_class = entry.node_class
    sections = NodeSchema(node_class, behaviour=behaviour).described()
    outputs = return_types(node_class, behaviour=behaviour)
    info: dict[str, Any] = {
        "input": sections,
        "input_order": {name: list(inputs) for name, inputs in sections.items()},
    }
    if behaviour.input_list_flag:
        info["is_input_list"] = bool(getattr(node_class, "INPUT_IS_LIST", False))
    info |= {
        "output": outputs,
        "output_is_list": [False] * len(outputs)
        if not hasattr(node_class, "OUTPUT_IS_LIST")
        else node_class.OUTPUT_IS_LIST,
        "output_name": [
            str(name) for name in getattr(node_class, "RETURN_NAMES", outputs)
        ][: len(outputs)],
        "name": entry.name,
        "display_name": entry.display_name,
        "description": getattr(node_class, "DESCRIPTION", ""),
        "python_module": entry.python_module,
        "category": getattr(node_class, "CATEGORY", "sd"),
        "output_node": bool(getattr(node_class, "OUTPUT_NODE", False)),
    }
    return info | _labels(node_class, behaviour=behaviour)


def _labels(node_class: NodeClass, *, behaviour: Behaviour) -> dict[str, Any]:
    labels: dict[str, Any] = {}
    if behaviour.intermediate_flag:
        flag = getattr(node_class, "HAS_INTERMEDIATE_OUTPUT", False)
        labels["has_intermediate_output"] = bool(flag)
    if hasattr(node_class, "OUTPUT_TOOLTIPS"):
        labels["output_tooltips"] = node_class.OUTPUT_TOOLTIPS
    second_schema = behaviour.v3_schema and getattr(node_class, "SECOND_SCHEMA", False)
    for key in ("deprecated", "experimental", "api_node", "dev_only"):
        if getattr(node_class, key.upper(), False):
            labels[key] = True
        elif second_schema and (key != "dev_only" or behaviour.input_list_flag):
            labels[key] = False
    if not behaviour.input_list_flag:
        return labels
    category = getattr(node_class, "ESSENTIALS_CATEGORY", None)
    if category is not None or second_schema:
        labels["essentials_category"] = category
    if second_schema:
        labels |= {"output_matchtypes": None, "price_badge": None}
    labels["search_aliases"] = list(getattr(node_class, "SEARCH_ALIASES", ()))
    return labels
