"""Filling ten slots of a hundred nodes, beside `json.loads` of the finished text."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

from comfyclient.templating.template import Template

NODES, SLOTS, TIMES = 100, 10, 300
TEXT = "a lake between mountains in the evening, painted in oil on canvas"
MANIFEST = """
name = "bench"
version = "1.0.0"
summary = "A hundred nodes"
[parameters.text]
type = "string"
default = "hello"
[outputs.picture]
node = "99"
"""


def measure(folder: Path, runs: int) -> list[tuple[str, ...]]:
    """Rows of the table."""
    template = _template(folder / "bench" / "1.0.0")
    ratios = [_ratio(template) for _ in range(runs)]
    what = f"render {SLOTS} slots in {NODES} nodes"
    return [(what, f"{median(ratios):.2f} × json.loads", "≥ 0.75")]


def _ratio(template: Template) -> float:
    context = {"params": SimpleNamespace(text="hello"), "seed": 1, "template": {}}
    text = template.source.fill(context, None).text
    rendering, loading = [], []
    for _ in range(TIMES):
        begun = time.perf_counter()
        template.render(None, seed=1)
        between = time.perf_counter()
        json.loads(text)
        loading.append(time.perf_counter() - between)
        rendering.append(between - begun)
    return median(loading) / median(rendering)


def _template(folder: Path) -> Template:
    folder.mkdir(parents=True)
    (folder / "manifest.toml").write_text(MANIFEST, encoding="utf-8")
    graph = {str(n): _node(n) for n in range(NODES)}
    head, *rest = json.dumps(graph, indent=2).split(json.dumps(TEXT))
    for number, piece in enumerate(rest):
        slot = f'{{{{ params.text ~ " {number}" }}}}'
        head += (slot if number < SLOTS else json.dumps(TEXT)) + piece
    (folder / "workflow.json.j2").write_text(head, encoding="utf-8")
    return Template(folder)


def _node(number: int) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        "seed": number, "steps": 20, "cfg": 7.5, "sampler_name": "euler",
        "scheduler": "normal", "denoise": 1.0, "text": TEXT,
    }  # fmt: skip
    if number:
        inputs["model"] = [str(number - 1), 0]
    title = {"title": f"Node number {number}"}
    return {"class_type": "KSampler", "inputs": inputs, "_meta": title}
