"""A node pack that makes cards of trips; runs in ComfyUI and in the embedded engine.

The folder stands alone: copied into a ComfyUI's `custom_nodes` it needs numpy, Pillow
and requests, which ComfyUI has, and a font with the characters of your texts.
"""

from __future__ import annotations

from .backdrop import TripBackdrop
from .page import TripPage, TripPlace
from .paper import TripPaper
from .photo import TripPhoto
from .qwen import QwenText, QwenVision
from .routemap import TripRouteMap
from .shade import TripShade
from .textpanel import TripTextPanel
from .timeline import TripTimeline
from .wan import WanImage

__version__ = "0.2.1"
"""Of the pack: templates say which they need."""

NODE_CLASS_MAPPINGS = {
    "QwenText": QwenText,
    "QwenVision": QwenVision,
    "TripBackdrop": TripBackdrop,
    "TripPage": TripPage,
    "TripPaper": TripPaper,
    "TripPhoto": TripPhoto,
    "TripPlace": TripPlace,
    "TripRouteMap": TripRouteMap,
    "TripShade": TripShade,
    "TripTextPanel": TripTextPanel,
    "TripTimeline": TripTimeline,
    "WanImage": WanImage,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "QwenText": "Qwen Text",
    "QwenVision": "Qwen Vision",
    "TripBackdrop": "Trip Backdrop",
    "TripPage": "Trip Page",
    "TripPaper": "Trip Paper",
    "TripPhoto": "Trip Photo",
    "TripPlace": "Trip Place",
    "TripRouteMap": "Trip Route Map",
    "TripShade": "Trip Shade",
    "TripTextPanel": "Trip Text Panel",
    "TripTimeline": "Trip Timeline",
    "WanImage": "Wan Image",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
