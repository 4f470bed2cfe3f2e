"""Graphs as ComfyUI exports them: those of the recorded traffic, and made-up ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from pydantic import JsonValue

from comfyclient.errors import ComfyClientError
from comfyclient.templating.hostile import HOSTILE_TEXTS
from comfyclient.workflow import Workflow

TRACES = Path(__file__).parents[2] / "data" / "traces"

HOSTILE = (
    *HOSTILE_TEXTS,
    *("{{", "}}", "{%", "%}", "{#", "#}", "{{{", "{%{#{{", "\\{{", "\\\\{%", '\\"{#'),
    *(
        "{{ 1 }}",
        "{% raw %}",
        "{#- x -#}",
        "{{- '}}' -}}",
        "\\u007b{",
        "\\N{DIGIT ONE}",
    ),
    *("'", "''", '"""', "'''", "a\\", "\r", "\x7f", "\x85", "# a", "## a", "line\n% b"),
    *("seed", "params.x", "{", "}", "a.safetensors", "{{ trip }}.ckpt", "x" * 20_000),
)

TEXTS = st.text(
    st.sampled_from('{}%#"\\\n -') | st.characters(exclude_categories=["Cs"]),
    max_size=12,
) | st.sampled_from(HOSTILE)
SCALARS = (
    TEXTS
    | st.none()
    | st.booleans()
    | st.integers(-5, 1 << 64)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
NAMES = (
    st.sampled_from(
        ["seed", "noise_seed", "text", "text_g", "width", "height", "ckpt_name", "cfg"]
    )
    | st.sampled_from(["image", "denoise", "strength_model", "prompt", "a.b", "models"])
    | TEXTS
)
CLASSES = (
    st.sampled_from(
        ["KSampler", "CLIPTextEncode", "EmptyLatentImage", "LoadImage", "SaveImage"]
    )
    | st.sampled_from(["PreviewImage", "LoraLoader", "SaveVideo"])
    | TEXTS.filter(bool)
)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Graphs of a few nodes, each linked to those before it."""
    ids = draw(st.lists(TEXTS, min_size=1, max_size=5, unique=True))
    graph: dict[str, Any] = {}
    for node_id in ids:
        inputs: dict[str, Any] = draw(st.dictionaries(NAMES, VALUES, max_size=4))
        for source in draw(st.lists(st.sampled_from(ids), max_size=2)):
            if source in graph:
                name = draw(st.sampled_from(["model", "positive", "negative", "x"]))
                inputs[name] = [source, 0]
        graph[node_id] = {"class_type": draw(CLASSES), "inputs": inputs}
        if draw(st.booleans()):
            graph[node_id]["_meta"] = {"title": draw(TEXTS)}
    return graph


@cache
def recorded(most: int = 3) -> tuple[Workflow, ...]:
    """Sound graphs of the recorded traffic: so many at most of each shape."""
    found: dict[str, dict[str, Workflow]] = {}
    for path in sorted(TRACES.rglob("*.json*")):
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        for graph in _graphs_in(json.loads(content)):
            try:
                workflow = Workflow.from_graph(graph)
            except ComfyClientError:
                continue  # those that the server was to refuse
            alike = found.setdefault(_shape(workflow), {})
            if len(alike) < most:
                alike[workflow.digest] = workflow
    return tuple(one for alike in found.values() for one in alike.values())


def _shape(workflow: Workflow) -> str:
    """Classes, and the names and types of their inputs."""
    return repr(
        [
            (node["class_type"], [(k, type(v)) for k, v in node["inputs"].items()])
            for node in workflow.graph.values()
            if isinstance(node, dict) and isinstance(node["inputs"], dict)
        ]
    )


def _graphs_in(value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    if isinstance(value, dict):
        nodes = [node for node in value.values() if isinstance(node, dict)]
        if nodes and all("class_type" in node for node in nodes):
            yield value
        for inner in value.values():
            yield from _graphs_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _graphs_in(inner)
