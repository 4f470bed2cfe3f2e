"""The files of a template made from an exported graph. Pure.

Filled with its defaults and the graph's own seed, the template gives the very graph
that it was made from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from ..config.tomltext import TomlValue, toml_key, toml_lines, toml_value
from ..graph import Graph
from ..preflight.model_folders import model_folder
from ..workflow import Workflow
from .filters import MAX_SEED
from .graphdiff import model_inputs
from .manifest import FILE
from .proposals import MAX_TEXT, SIZES, Proposal, is_seed, outputs_of
from .template import SAMPLE, SOURCE

MINIMAL: Graph = {
    "1": {
        "class_type": "EmptyImage",
        "_meta": {"title": "Plain colour"},
        "inputs": {"width": 512, "height": 512, "batch_size": 1, "color": 3368601},
    },
    "2": {
        "class_type": "SaveImage",
        "_meta": {"title": "Save"},
        "inputs": {"images": ["1", 0], "filename_prefix": "picture"},
    },
}
"""What a new template starts from: it runs on any ComfyUI, without a model."""

_TAG = re.compile(r"\{(?=[{%#])")
_FRACTIONS = re.compile(r"cfg|denoise|guidance|shift|(strength|weight|scale)(_.*)?")
"""Inputs that take fractions: ComfyUI exports 8.0 as 8."""
_LARGEST_SIZE = 16384
_USUAL_TEXT = 200

_TRIP: JsonValue = {
    "id": "sample",
    "language": "en",
    "title": "A day by the sea",
    "start": "2026-05-02T09:00:00+02:00",
    "end": "2026-05-02T17:30:00+02:00",
    "vehicle": {"brand": "Example Motors", "model": "Wander"},
    "stops": [{"name": "The old pier", "place": "Sampletown"}],
}


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A template's files, and the seed that gives the exported picture."""

    files: Mapping[str, bytes]
    seed: int | None


def scaffold(
    workflow: Workflow,
    proposals: Sequence[Proposal],
    *,
    name: str,
    version: str,
    summary: str,
) -> Scaffold:
    """A template that fills these inputs, and leaves the rest of the graph as it is."""
    seed = _first_seed(proposals)
    slots = {(p.node_id, p.input_name): _slot(p, proposals, seed) for p in proposals}
    texts = {
        FILE: _manifest(workflow, proposals, name, version, summary),
        SOURCE: _source(workflow.graph, slots),
        SAMPLE: json.dumps(_TRIP, indent=2) + "\n",
    }
    return Scaffold({file: text.encode() for file, text in texts.items()}, seed)


def _first_seed(proposals: Sequence[Proposal]) -> int | None:
    seeds = (p.value for p in proposals if p.fill == "seed")
    first = next(seeds, None)
    return first if isinstance(first, int) else None


def _slot(one: Proposal, proposals: Sequence[Proposal], seed: int | None) -> str:
    match one.fill:
        case "seed":
            step = (_whole(one.value) - _whole(seed)) & MAX_SEED
            return f"seed | plus({step})" if step else "seed"
        case "photo":
            photos = [p for p in proposals if p.fill == "photo"]
            number = photos.index(one)
            taken = f"trip.photos[{number}] | upload"
            there = f"trip.photos | length > {number}"
            return f"{taken} if {there} else {_expression(one.value)}"
    if _takes_fractions(one):
        return f"params.{one.name} | default({one.value!r})"
    return f"params.{one.name}"


def _source(graph: Graph, slots: Mapping[tuple[str, str], str]) -> str:
    nodes = ",\n".join(_node(key, node, slots) for key, node in graph.items())
    return f"{{\n{nodes}\n}}\n"


def _node(node_id: str, node: JsonValue, slots: Mapping[tuple[str, str], str]) -> str:
    assert isinstance(node, dict)
    members = [
        f"    {_literal(key)}: {_member(node_id, key, value, slots)}"
        for key, value in node.items()
    ]
    return f"  {_literal(node_id)}: {{\n" + ",\n".join(members) + "\n  }"


def _member(
    node_id: str,
    key: str,
    value: JsonValue,
    slots: Mapping[tuple[str, str], str],
) -> str:
    if key != "inputs" or not isinstance(value, dict) or not value:
        return _literal(value)
    lines = []
    for name, constant in value.items():
        slot = slots.get((node_id, name))
        filled = _literal(constant) if slot is None else f"{{{{ {slot} }}}}"
        lines.append(f"      {_literal(name)}: {filled}")
    return "{\n" + ",\n".join(lines) + "\n    }"


def _literal(value: JsonValue) -> str:
    """JSON in which no brace of a text can begin a slot."""
    return _TAG.sub(r"\\u007b", json.dumps(value, ensure_ascii=False))


def _expression(value: JsonValue) -> str:
    """A text as Jinja writes it: what could end the slot, or be escaped, is escaped."""
    return re.sub(
        r"[^ -~]|[{}%#]",
        lambda found: f"\\U{ord(found[0]):08x}",
        json.dumps(value, ensure_ascii=False),
    )


def _manifest(
    workflow: Workflow,
    proposals: Sequence[Proposal],
    name: str,
    version: str,
    summary: str,
) -> str:
    lines = toml_lines({"name": name, "version": version, "summary": summary})
    if any(one.fill == "photo" for one in proposals):
        lines += ["", "[trip]", 'takes = ["photos"]']
    for one in {p.name: p for p in proposals if p.fill == "parameter"}.values():
        lines += ["", f"[{toml_key('parameters', one.name)}]"]
        lines += toml_lines(_parameter(one))
    for output in outputs_of(workflow):
        lines += ["", f"[{toml_key('outputs', output.name)}]"]
        lines += toml_lines({"node": output.node_id, "key": output.key})
        lines += [] if output.required else ["required = false"]
    return "\n".join([*lines, "", *_requirements(workflow)]) + "\n"


def _requirements(workflow: Workflow) -> Iterator[str]:
    graph = workflow.graph
    classes = sorted({str(workflow.class_type(node_id)) for node_id in graph})
    yield "[requirements]"
    yield f"node_classes = {toml_value(classes)}"
    models = dict.fromkeys(
        (model_folder(str(workflow.class_type(node_id)), name), file)
        for node_id, name, file in model_inputs(graph)
    )
    for folder, file in models:
        if folder is not None:
            yield from ("", "[[requirements.models]]")
            yield from toml_lines({"folder": folder, "file": file})


def _parameter(one: Proposal) -> dict[str, TomlValue | None]:
    described = f"{one.input_name} of node {one.node_id}"[:200]
    if _takes_fractions(one):
        return {"type": "number", "description": f"{described}; unset: {one.value}"}
    match one.value:
        case bool():
            kind: dict[str, TomlValue | None] = {"type": "boolean"}
        case int() if is_seed(one.input_name, one.value):
            kind = {"type": "seed"}
        case int():
            sized = one.input_name in SIZES and 1 <= one.value <= _LARGEST_SIZE
            low, high = (1, _LARGEST_SIZE) if sized else (None, None)
            kind = {"type": "integer", "min": low, "max": high}
        case float():
            kind = {"type": "number"}
        case _:
            kind = {"type": "string", "max_length": _room(str(one.value))}
    assert isinstance(one.value, str | int | float)
    return {**kind, "default": one.value, "description": described}


def _takes_fractions(one: Proposal) -> bool:
    whole = isinstance(one.value, int) and not isinstance(one.value, bool)
    return whole and _FRACTIONS.fullmatch(one.input_name) is not None


def _room(text: str) -> int | None:
    """The length that a text may have: its own twice; None is the usual one."""
    most = min(len(text) * 2, MAX_TEXT)
    return most if most > _USUAL_TEXT else None


def _whole(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0
