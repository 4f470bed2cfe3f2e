"""What a job asks of the instance that runs it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from ..preflight.model_folders import is_model_file
from ..workflow import Workflow


@dataclass(frozen=True, slots=True)
class Demand:
    """What is known of a job before it is placed."""

    kind: str
    """Jobs of one kind take about as long: a template's, or a graph's of one shape."""
    models: frozenset[str] = frozenset()
    """The model files that it loads, by name."""
    classes: frozenset[str] = frozenset()
    """The node classes that it is made of."""


def demand_of(workflow: Workflow) -> Demand:
    """What a workflow asks of an instance."""
    classes = frozenset(map(str, _classes(workflow)))
    models = frozenset(_models(workflow))
    kind = workflow.template
    return Demand(_shape(classes, models) if kind is None else kind, models, classes)


def _shape(classes: frozenset[str], models: frozenset[str]) -> str:
    """A name for graphs that nobody gave one: by what they are made of."""
    parts = "\n".join([*sorted(classes), "", *sorted(models)])
    return f"graph:{hashlib.sha256(parts.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _classes(workflow: Workflow) -> Iterator[JsonValue]:
    for node in workflow.graph.values():
        if isinstance(node, dict):
            yield node.get("class_type")


def _models(workflow: Workflow) -> Iterator[str]:
    for node in workflow.graph.values():
        inputs = node.get("inputs") if isinstance(node, dict) else None
        if isinstance(inputs, dict):
            yield from (str(v) for v in inputs.values() if is_model_file(v))
