"""What a scripted server may offer: answers to `GET /object_info`. Pure."""

from __future__ import annotations

from pydantic import JsonValue

_SIDE: JsonValue = ["INT", {"default": 512, "min": 1, "max": 16384, "step": 1}]
_COLOUR: JsonValue = ["INT", {"default": 0, "min": 0, "max": 0xFFFFFF, "step": 1}]
_KNOWN: dict[str, dict[str, JsonValue]] = {
    "EmptyImage": {
        "width": _SIDE,
        "height": _SIDE,
        "batch_size": ["INT", {"default": 1, "min": 1, "max": 4096}],
        "color": _COLOUR,
    },
    "SaveImage": {
        "images": ["IMAGE"],
        "filename_prefix": ["STRING", {"default": "ComfyUI"}],
    },
}


def offered(*names: str) -> dict[str, JsonValue]:
    """The answer of a server that has these node classes, and no others.

    `EmptyImage` and `SaveImage` are those of ComfyUI; any other takes no inputs and
    gives an image.
    """
    return {name: _entry(name) for name in names}


def _entry(name: str) -> JsonValue:
    inputs = _KNOWN.get(name, {})
    saves = name == "SaveImage"
    return {
        "name": name,
        "display_name": name,
        "input": {"required": {**inputs}},
        "input_order": {"required": [*inputs]},
        "output": [] if saves else ["IMAGE"],
        "output_is_list": [] if saves else [False],
        "output_name": [] if saves else ["IMAGE"],
        "output_node": saves,
        "python_module": "nodes" if name in _KNOWN else f"custom_nodes.{name}",
    }
