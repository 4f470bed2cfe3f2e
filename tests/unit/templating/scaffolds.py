"""Templates made of graphs, and whether they give these graphs again."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from comfyclient.templating.folders import new_template
from comfyclient.templating.proposals import (
    Proposal,
)
from comfyclient.templating.scaffolding import Scaffold, scaffold
from comfyclient.templating.template import Template
from comfyclient.trip.trips import load_trip
from comfyclient.workflow import Workflow

KSAMPLER: dict[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.ckpt"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 32}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "cat", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "dog", "clip": ["4", 1]}},
    "8": {
        "class_type": "ConditioningCombine",
        "inputs": {"conditioning_1": ["7", 0], "conditioning_2": ["7", 0]},
    },
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 9,
            "steps": 4,
            "cfg": 8,
            "denoise": 0.5,
            "sampler_name": "euler",
            "add_noise": True,
            "latent_image": ["5", 0],
            "model": ["4", 0],
            "negative": ["8", 0],
            "positive": ["6", 0],
        },
    },
    "10": {"class_type": "LoadImage", "inputs": {"image": "photo {{ 1 }}.png"}},
    "11": {"class_type": "SdkTestSeedNoise", "inputs": {"noise_seed": 5}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}},
}


def scaffolded(workflow: Workflow, proposals: list[Proposal]) -> Scaffold:
    """The files of a template of these proposals."""
    return scaffold(
        workflow, proposals, name="made", version="1.0.0", summary="Made of a graph"
    )


def made(workflow: Workflow, proposals: list[Proposal], root: Path) -> Template:
    """The same, written down."""
    files = scaffolded(workflow, proposals).files
    return new_template(root, name="made", version="1.0.0", files=files)


def check(workflow: Workflow, proposals: list[Proposal]) -> None:
    """Its template gives the graph again, in its order."""
    files = scaffolded(workflow, proposals)
    with tempfile.TemporaryDirectory() as folder:
        template = new_template(
            Path(folder), name="made", version="1.0.0", files=files.files
        )
        trip = None
        if "trip" in template.source.reads.names:
            trip = load_trip(template.sample_trip)
        found = template.render(trip, seed=files.seed)
    assert found.digest == workflow.digest
    assert list(found.graph) == list(workflow.graph)


def places(workflow: Workflow) -> list[str]:
    """The inputs that can be parameters; of those that read alike, none."""
    found: list[str] = []
    for node_id, node in workflow.graph.items():
        assert isinstance(node, dict)
        assert isinstance(node["inputs"], dict)
        for name, value in node["inputs"].items():
            large = isinstance(value, float) and abs(value) >= 1e300
            if isinstance(value, str | int | float) and not large:
                found.append(f"{node_id}.{name}")
    return [place for place in found if found.count(place) == 1]
