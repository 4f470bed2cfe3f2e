"""The models that a DashScope stand-in has, and what each of them accepts. Pure.

Written down from Alibaba Cloud's model pages of autumn 2026, apart from what the client
believes of them, so that a mistake there is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "vision", "picture"]


@dataclass(frozen=True, slots=True)
class StandInModel:
    """What the stand-in knows of a model."""

    kind: Kind
    routes: tuple[str, ...]
    """The routes that have it, without `POST /`."""
    asynchronous: bool | None = None
    """Whether it must be asked with the header for tasks, must not, or may (None)."""
    sides: tuple[int, int] | None = None
    """The least and most pixels of a side."""
    pixels: tuple[int, int] | None = None
    """The least and most pixels of the whole."""
    sizes: frozenset[str] = frozenset()
    """The only sizes that there are."""
    most: int = 4
    """Pictures of one request."""
    default_size: str = "1024*1024"

    def wrong_size(self, size: str) -> str | None:
        """What is wrong with a size; None where nothing is."""
        found = re.fullmatch(r"(\d+)\*(\d+)", size)
        if found is None:
            return f"size must be in the format of width*height, got {size}"
        width, height = int(found[1]), int(found[2])
        if self.sizes and size not in self.sizes:
            return f"size must be one of {', '.join(sorted(self.sizes))}"
        if self.sides and not all(
            self.sides[0] <= side <= self.sides[1] for side in (width, height)
        ):
            return f"width and height must be in {list(self.sides)}"
        if self.pixels and not self.pixels[0] <= width * height <= self.pixels[1]:
            return f"total pixels must be in {list(self.pixels)}"
        if self.pixels and not width / 4 <= height <= width * 4:
            return "the aspect ratio must be from 1:4 to 4:1"
        return None


TEXT = "services/aigc/text-generation/generation"
MULTIMODAL = "services/aigc/multimodal-generation/generation"
TEXT2IMAGE = "services/aigc/text2image/image-synthesis"
IMAGE2IMAGE = "services/aigc/image2image/image-synthesis"
IMAGE = "services/aigc/image-generation/generation"

_TEXT = StandInModel("text", (TEXT,))
_VISION = StandInModel("vision", (MULTIMODAL,))
_WAN_OLD = StandInModel("picture", (TEXT2IMAGE,), asynchronous=True, sides=(512, 1440))
_QWEN_IMAGE = StandInModel(
    "picture",
    (MULTIMODAL, TEXT2IMAGE),
    sizes=frozenset({"1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664"}),
    most=1,
    default_size="1664*928",
)

MODELS: Mapping[str, StandInModel] = {
    **dict.fromkeys(
        ("qwen3.6-plus", "qwen3.6-flash", "qwen3.7-plus", "qwen3.8", "qwen-plus"), _TEXT
    ),
    **dict.fromkeys(("qwen3-vl-plus", "qwen3-vl-flash"), _VISION),
    "wan2.6-t2i": StandInModel(
        "picture",
        (MULTIMODAL, IMAGE),
        pixels=(1280 * 1280, 1440 * 1440),
        default_size="1280*1280",
    ),
    "wan2.6-image": StandInModel(
        "picture",
        (MULTIMODAL, IMAGE),
        pixels=(768 * 768, 1280 * 1280),
        default_size="1280*1280",
    ),
    "wan2.5-t2i-preview": StandInModel(
        "picture",
        (TEXT2IMAGE,),
        asynchronous=True,
        pixels=(1280 * 1280, 1440 * 1440),
        default_size="1280*1280",
    ),
    **dict.fromkeys(
        ("wan2.2-t2i-flash", "wan2.2-t2i-plus", "wanx2.1-t2i-turbo"), _WAN_OLD
    ),
    **dict.fromkeys(("wanx2.1-t2i-plus", "wanx2.0-t2i-turbo"), _WAN_OLD),
    **dict.fromkeys(
        ("wan2.5-i2i-preview", "wanx2.1-imageedit"),
        StandInModel("picture", (IMAGE2IMAGE,), asynchronous=True),
    ),
    **dict.fromkeys(("qwen-image", "qwen-image-plus"), _QWEN_IMAGE),
    "qwen-image-max": StandInModel(
        "picture",
        (MULTIMODAL,),
        asynchronous=False,
        sizes=_QWEN_IMAGE.sizes,
        most=1,
        default_size="1664*928",
    ),
    **dict.fromkeys(
        ("qwen-image-edit-plus", "qwen-image-edit-max"),
        StandInModel(
            "picture", (MULTIMODAL,), asynchronous=False, sides=(512, 2048), most=6
        ),
    ),
    "qwen-image-edit": StandInModel(
        "picture", (MULTIMODAL,), asynchronous=False, sides=(512, 2048), most=1
    ),
}
"""By name. The mainline names that were retired in July 2026 are not among them."""
