"""What sizes and prompts each painting model takes. Pure.

From Model Studio's pages on text-to-image, as of October 2026. A model that is not
known here is asked as it is: the service then says what it does not take.
"""

from __future__ import annotations

NEWER = ("wan2.6", "wan2.7")
"""Models that take messages; older ones take a prompt."""

_BY_PIXELS = ("wan2.5-t2i", "wan2.6-t2i")
_BY_SIDES = ("wan2.2-t2i", "wanx2.")
_LISTED = "qwen-image"
_SIZES = ((1664, 928), (1472, 1104), (1328, 1328), (1104, 1472), (928, 1664))
_PROMPTS = {
    "wan2.6": 2100,
    "wan2.5": 2000,
    "wan2.2": 500,
    "wanx2.1": 500,
    "wanx2.0": 800,
    "qwen-image": 800,
}
_LONGEST_PROMPT = 2100


def longest_prompt(model: str) -> int:
    """How many characters a prompt may have."""
    limits = (most for start, most in _PROMPTS.items() if model.startswith(start))
    return next(limits, _LONGEST_PROMPT)


def check_size(model: str, width: int, height: int) -> None:
    """Let a size pass that the model makes.

    Raises:
        ValueError: it does not; says what it makes.
    """
    why = None
    if model.startswith(_BY_PIXELS):
        why = _wrong_pixels(width, height)
    elif model.startswith(_BY_SIDES) and not (
        512 <= width <= 1440 and 512 <= height <= 1440
    ):
        why = "sides are from 512 to 1440"
    elif model.startswith(_LISTED) and (width, height) not in _SIZES:
        sizes = ", ".join(f"{w}×{h}" for w, h in _SIZES)
        why = f"there are only {sizes}"
    if why is not None:
        raise ValueError(f"width, height: {model} makes no {width}×{height}; {why}")


def _wrong_pixels(width: int, height: int) -> str | None:
    if not 1280**2 <= width * height <= 1440**2:
        return f"width × height is from {1280**2} to {1440**2}"
    if not height / 4 <= width <= height * 4:
        return "the shape is from 1:4 to 4:1"
    return None
