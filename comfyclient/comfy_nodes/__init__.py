"""A node pack that makes cards of trips; runs in ComfyUI and in the embedded engine.

The folder stands alone: copied into a ComfyUI's `custom_nodes` it needs numpy and
Pillow, which ComfyUI has, and a font with the characters of your texts.
"""

from __future__ import annotations

from .backdrop import TripBackdrop
from .page import TripPage, TripPlace
from .paper import TripPaper
from .photo import TripPhoto
from .routemap import TripRouteMap
from .textpanel import TripTextPanel
from .timeline import TripTimeline

NODE_CLASS_MAPPINGS = {
    "TripBackdrop": TripBackdrop,
    "TripPage": TripPage,
    "TripPaper": TripPaper,
    "TripPhoto": TripPhoto,
    "TripPlace": TripPlace,
    "TripRouteMap": TripRouteMap,
    "TripTextPanel": TripTextPanel,
    "TripTimeline": TripTimeline,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "TripBackdrop": "Trip Backdrop",
    "TripPage": "Trip Page",
    "TripPaper": "Trip Paper",
    "TripPhoto": "Trip Photo",
    "TripPlace": "Trip Place",
    "TripRouteMap": "Trip Route Map",
    "TripTextPanel": "Trip Text Panel",
    "TripTimeline": "Trip Timeline",
}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
