"""The inputs that nodes declare, in the form that ComfyUI reads. Pure."""

from __future__ import annotations

from typing import Any

Input = tuple[Any, dict[str, Any]]
"""A type, or the words to choose among; and what else ComfyUI is to know of it."""


def integer(default: int, tooltip: str, *, low: int, high: int, **more: Any) -> Input:
    """A whole number in a range."""
    limits = {"default": default, "min": low, "max": high}
    return "INT", {**limits, **more, "tooltip": tooltip}


def pixels(
    default: int, tooltip: str = "In pixels.", *, low: int = 64, high: int = 4096
) -> Input:
    """A length of a picture."""
    return integer(default, tooltip, low=low, high=high)


def seed(tooltip: str) -> Input:
    """As large as ComfyUI's own seeds."""
    return integer(0, tooltip, low=0, high=2**64 - 1)


def decimal(
    default: float, tooltip: str, *, low: float = 0.0, high: float = 1.0, step: float
) -> Input:
    """A number in a range."""
    limits = {"default": default, "min": low, "max": high, "step": step}
    return "FLOAT", {**limits, "tooltip": tooltip}


def one_of(words: list[str], default: str, *, tooltip: str) -> Input:
    """One of some words."""
    return words, {"default": default, "tooltip": tooltip}


def switch(tooltip: str, *, default: bool) -> Input:
    """On or off."""
    return "BOOLEAN", {"default": default, "tooltip": tooltip}


def line(tooltip: str, *, default: str = "") -> Input:
    """A text in one line."""
    return "STRING", {"default": default, "tooltip": tooltip}


def lines(tooltip: str) -> Input:
    """A text of several lines."""
    return "STRING", {"default": "", "multiline": True, "tooltip": tooltip}


def json_text(tooltip: str) -> Input:
    """A list in JSON, as `reading` reads it."""
    return "STRING", {"default": "[]", "multiline": True, "tooltip": tooltip}
