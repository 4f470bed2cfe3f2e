"""What all core nodes share: labels, and short ways to write an input. Pure."""

from __future__ import annotations

from typing import Any, ClassVar

MOST_PIXELS = 16384
"""The largest width, height or offset that nodes take."""

Inputs = dict[str, dict[str, Any]]
Input = tuple[Any, ...]


class CoreNode:
    """Labels of a class written in ComfyUI's first schema."""

    NEEDS: ClassVar[str | None] = None
    """The behaviour of a release that has this class; None if all have it."""
    RELATIVE_PYTHON_MODULE: ClassVar[str] = "nodes"
    DISPLAY_NAME: ClassVar[str] = ""
    ESSENTIALS_CATEGORY: ClassVar[str | None] = None
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("IMAGE",)
    FUNCTION: ClassVar[str] = "run"
    CATEGORY: ClassVar[str] = "image"


class SecondSchemaNode(CoreNode):
    """Labels of a class that the server has in its second schema."""

    SECOND_SCHEMA: ClassVar[bool] = True


def whole(
    default: int, *, least: int = 0, most: int = MOST_PIXELS, **more: Any
) -> Input:
    """An INT input with steps of one."""
    limits = {"default": default, "min": least, "max": most, "step": 1}
    return ("INT", limits | more)


def fraction(default: float, *, least: float = 0.0, most: float = 1.0) -> Input:
    """A FLOAT input with steps of a hundredth."""
    return ("FLOAT", {"default": default, "min": least, "max": most, "step": 0.01})


def choice(*options: str) -> Input:
    """A combo as the second schema writes it."""
    return ("COMBO", {"multiselect": False, "options": list(options)})
