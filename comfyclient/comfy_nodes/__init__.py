"""A node pack that makes cards of trips; runs in ComfyUI and in the embedded engine.

The folder stands alone: copied into a ComfyUI's `custom_nodes` it needs numpy and
Pillow, which ComfyUI has, and a font with the characters of your texts.
"""

from __future__ import annotations

from .backdrop import TripBackdrop
from .paper import TripPaper
from .routemap import TripRouteMap
from .textpanel import TripTextPanel

NODE_CLASS_MAPPINGS = {
    "TripBackdrop": TripBackdrop,
    "TripPaper": TripPaper,
    "TripRouteMap": TripRouteMap,
    "TripTextPanel": TripTextPanel,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "TripBackdrop": "Trip Backdrop",
    "TripPaper": "Trip Paper",
    "TripRouteMap": "Trip Route Map",
    "TripTextPanel": "Trip Text Panel",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
