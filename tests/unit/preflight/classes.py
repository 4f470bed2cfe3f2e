"""Servers with these node classes, and what is found in a graph for them."""

from __future__ import annotations

from typing import Any

from comfyclient.preflight.findings import Report
from comfyclient.preflight.object_info import ObjectInfo
from comfyclient.preflight.preflight import check
from comfyclient.workflow import Workflow

DYNAMIC = {
    "options": [
        {"key": "auto", "inputs": {"required": {}}},
        {
            "key": "mp4",
            "inputs": {
                "required": {
                    "codec": [
                        "COMFY_DYNAMICCOMBO_V3",
                        {
                            "options": [
                                {
                                    "key": "h264",
                                    "inputs": {
                                        "required": {
                                            "crf": ["INT", {"min": 0, "max": 51}]
                                        }
                                    },
                                }
                            ]
                        },
                    ]
                }
            },
        },
    ]
}


GROWING = {
    "template": {
        "input": {"required": {"image": ["IMAGE", {}]}},
        "prefix": "image",
        "min": 2,
        "max": 4,
    }
}


def entry(
    outputs: list[Any] | None = None,
    *,
    module: str = "nodes",
    saves: bool = False,
    optional: dict[str, Any] | None = None,
    **inputs: Any,
) -> dict[str, Any]:
    """What a server says of a class."""
    return {
        "input": {"required": inputs, "optional": {} if optional is None else optional},
        "output": ["IMAGE"] if outputs is None else outputs,
        "output_node": saves,
        "python_module": module,
    }


CLASSES: dict[str, Any] = {
    "Empty": entry(width=["INT", {"min": 16, "max": 64}], tint=[["red", "blue"]]),
    "Invert": entry(image=["IMAGE"]),
    "Save": entry([], saves=True, images=["IMAGE"], filename_prefix=["STRING", {}]),
    "Noise": entry(["LATENT"]),
    "Any": entry(["*"]),
    "CheckpointLoaderSimple": entry(["MODEL"], ckpt_name=[["a.safetensors"]]),
    "LoadImage": entry(image=[["in.png"], {"image_upload": True}]),
    "Video": entry([], saves=True, format=["COMFY_DYNAMICCOMBO_V3", DYNAMIC]),
    "Batch": entry(images=["COMFY_AUTOGROW_V3", GROWING]),
    "Custom": entry(["A"], module="custom_nodes.x", size=["INT", {"min": 1}]),
    "ShowModel": entry([], saves=True, model=["MODEL,CLIP"]),
}


def info(version: str | None = "0.33.0", **more: Any) -> ObjectInfo:
    """A server with a few classes."""
    return ObjectInfo({**CLASSES, **more}, version=version, replacements={})


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A node of a graph."""
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": class_type}}


def saved(**nodes: dict[str, Any]) -> dict[str, Any]:
    """A graph that saves what its node `a` makes."""
    save = node("Save", images=["a", 0], filename_prefix="x")
    return {**nodes, "save": save}


EMPTY = node("Empty", width=16, tint="red")


def found(graph: dict[str, Any], **options: Any) -> list[tuple[Any, ...]]:
    """Outlook, node, kind and input of what is found."""
    report = judge(graph, **options)
    return [
        (one.outlook.value, one.issue.node_id, one.issue.kind, one.issue.input_name)
        for one in report.findings
    ]


def judge(graph: dict[str, Any], **options: Any) -> Report:
    """What the server would make of it."""
    return check(Workflow(graph), info(**options))
