"""Classes of older releases that a server replaces before it checks a graph. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from .object_info import ObjectInfo

BUILT_IN: Mapping[str, str] = {
    "ConditioningAverage ": "ConditioningAverage",
    "ImageBatch": "BatchImagesNode",
    "ImageScaleBy": "ResizeImageMaskNode",
    "Load3DAnimation": "Load3D",
    "Preview3DAnimation": "Preview3D",
    "ResizeImagesByLongerEdge": "ImageScaleToMaxDimension",
    "SDV_img2vid_Conditioning": "SVD_img2vid_Conditioning",
    "T2IAdapterLoader": "ControlNetLoader",
}
"""What ComfyUI itself replaces, for servers that were not asked what they replace."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """What stands in for a node of a class that is gone."""

    class_type: str
    inputs: Mapping[str, JsonValue]
    outputs: Mapping[int, int]
    """New numbers of outputs; others stay."""
    missing: tuple[str, ...]
    """Inputs that the replacement takes over and the node does not have."""


def replacement_of(
    class_type: str, inputs: Mapping[str, JsonValue], info: ObjectInfo
) -> Replacement | None:
    """What this server replaces the node by; None where it does not."""
    offered = (info.replacements or {}).get(class_type)
    first = offered[0] if isinstance(offered, list) and offered else None
    new = first.get("new_node_id") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(new, str) or new not in info:
        return None
    taken: dict[str, JsonValue] = {}
    missing: list[str] = []
    for move in _entries(first.get("input_mapping")):
        name, old = str(move.get("new_id")), move.get("old_id")
        if "set_value" in move:
            taken[name] = move["set_value"]
        elif isinstance(old, str) and old in inputs:
            taken[name] = inputs[old]
        elif old is not None:
            missing.append(str(old))
    outputs = {
        old: new_number
        for move in _entries(first.get("output_mapping"))
        if isinstance(old := move.get("old_idx"), int)
        and isinstance(new_number := move.get("new_idx"), int)
    }
    return Replacement(new, taken, outputs, tuple(missing))


def _entries(value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, dict):
            yield entry
