"""Which core classes look at their inputs themselves, which object_info does not show.

Pure. A server leaves out its own checks of range and choice for every input that such
a class asks to see, or for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .object_info import InputInfo, NodeInfo

EVERYTHING = "*"
"""The class looks at every input."""

OWN_CHECKS: Mapping[str, frozenset[str]] = {
    name: frozenset(seen.split())
    for name, seen in {
        "ComfySoftSwitchNode": "switch on_false on_true",
        "ComfySwitchNode": "switch on_false on_true",
        "CustomCombo": EVERYTHING,
        "FluxKontextMaxImageNode": "aspect_ratio",
        "FluxKontextProImageNode": "aspect_ratio",
        "FluxProUltraImageNode": "aspect_ratio",
        "KlingCameraControls": (
            "horizontal_movement vertical_movement pan tilt roll zoom"
        ),
        "Load3D": EVERYTHING,
        "Load3DAdvanced": EVERYTHING,
        "LoadAudio": "audio",
        "LoadImage": "image",
        "LoadImageMask": "image",
        "LoadImageOutput": "image",
        "LoadImageSetNode": "images resize_method",
        "LoadLatent": "latent",
        "LoadVideo": "file",
        "ModelAttentionBackend": "attention",
        "SelectCLIPDevice": "device",
        "SelectModelDevice": "device",
        "SelectVAEDevice": "device",
        "WebcamCapture": "image",
    }.items()
}

NOT_CHECKED = frozenset(
    {
        ("FluxKontextMultiReferenceLatentMethod", "reference_latents_method"),
        ("LoraSave", "lora_type"),
    }
)
"""Choices that older releases write as a tuple: servers check those in a list alone."""

LATELY = frozenset({"Load3D", "Load3DAdvanced"})
"""Classes that look at their inputs since a release between 0.9 and 0.26."""

ASPECT_RATIOS = frozenset(
    {"FluxKontextMaxImageNode", "FluxKontextProImageNode", "FluxProUltraImageNode"}
)
"""Classes whose `aspect_ratio` is text of two numbers, such as `16:9`."""

LINK_CHECKS: Mapping[str, str] = {
    "TripoConversionNode": "original_model_task_id",
}
"""Classes that decide which types may be linked to them, and the input they ask for.

Servers then leave the types of all their links to them."""

_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


@dataclass(frozen=True, slots=True)
class FileCheck:
    """An input whose file must be in the server's input folder."""

    input_name: str
    suffixes: tuple[str, ...]
    """What the class lists of the folder; another file may be there unlisted."""


FILE_CHECKS: Mapping[str, FileCheck] = {
    "LoadAudio": FileCheck("audio", (".wav", ".mp3")),
    "LoadImage": FileCheck("image", _PICTURES),
    "LoadImageMask": FileCheck("image", _PICTURES),
    "LoadImageOutput": FileCheck("image", ()),
    "LoadLatent": FileCheck("latent", (".latent",)),
    "LoadVideo": FileCheck("file", (".mp4", ".webm", ".mov")),
}
"""Core classes that look whether a file is there."""

OUR_PACK = frozenset(
    {
        "QwenText", "QwenVision", "TripBackdrop", "TripPage", "TripPaper", "TripPhoto",
        "TripPlace", "TripRouteMap", "TripShade", "TripTextPanel", "TripTimeline",
        "WanImage",
    }
)  # fmt: skip
"""Classes of our own node pack: they look at texts alone, and into these."""


def is_known(node: NodeInfo) -> bool:
    """Whether the class's habits are known; any other may look at any input itself."""
    return node.core or node.name in OUR_PACK


def is_checked(class_type: str, one: InputInfo) -> bool:
    """Whether servers of every release look at a choice of this input."""
    return not (one.listed and (class_type, one.name) in NOT_CHECKED)


def looks_itself(class_type: str, input_name: str) -> bool:
    """Whether a core class decides on this input, in place of the server."""
    seen = OWN_CHECKS.get(class_type, frozenset())
    return EVERYTHING in seen or input_name in seen
