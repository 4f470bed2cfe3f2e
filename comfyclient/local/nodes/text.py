"""Core nodes of plain values: numbers, words, and showing them."""

# ruff: noqa: N802 - ComfyUI's node interface fixes these names

from __future__ import annotations

import json
from typing import Any, ClassVar

from .interface import CoreNode, Inputs, SecondSchemaNode

_LIMIT = 2**63 - 1


class _PrimitiveNode(SecondSchemaNode):
    """A value that several inputs share."""

    NEEDS = "value_nodes"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_primitive"
    CATEGORY = "utilities/primitive"
    _OPTIONS: ClassVar[dict[str, Any]] = {}

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"value": (cls.RETURN_TYPES[0], cls._OPTIONS)}}

    def run(self, value: Any) -> tuple[Any]:
        """Run the node."""
        return (value,)


class PrimitiveInt(_PrimitiveNode):
    """A whole number."""

    DISPLAY_NAME = "Int"
    RETURN_TYPES = ("INT",)
    _OPTIONS: ClassVar[dict[str, Any]] = {
        "min": -_LIMIT,
        "max": _LIMIT,
        "control_after_generate": "fixed",
    }


class PrimitiveFloat(_PrimitiveNode):
    """A number."""

    DISPLAY_NAME = "Float"
    RETURN_TYPES = ("FLOAT",)
    _OPTIONS: ClassVar[dict[str, Any]] = {"min": -_LIMIT, "max": _LIMIT, "step": 0.1}


class PrimitiveString(_PrimitiveNode):
    """A line of text."""

    DISPLAY_NAME = "Text"
    RETURN_TYPES = ("STRING",)
    _OPTIONS: ClassVar[dict[str, Any]] = {"multiline": False}


class PrimitiveStringMultiline(_PrimitiveNode):
    """Several lines of text."""

    DISPLAY_NAME = "Text (Multiline)"
    ESSENTIALS_CATEGORY = "Basics"
    RETURN_TYPES = ("STRING",)
    _OPTIONS: ClassVar[dict[str, Any]] = {"multiline": True}


class PrimitiveBoolean(_PrimitiveNode):
    """Yes or no."""

    DISPLAY_NAME = "Boolean"
    RETURN_TYPES = ("BOOLEAN",)


class _StringNode(SecondSchemaNode):
    """Labels of the string nodes."""

    NEEDS = "value_nodes"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_string"
    CATEGORY = "text"
    RETURN_TYPES = ("STRING",)


class StringConcatenate(_StringNode):
    """Two texts joined."""

    DISPLAY_NAME = "Concatenate Text"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "string_a": ("STRING", {"multiline": True}),
                "string_b": ("STRING", {"multiline": True}),
                "delimiter": ("STRING", {"default": "", "multiline": False}),
            }
        }

    def run(self, string_a: str, string_b: str, delimiter: str) -> tuple[str]:
        """Run the node."""
        return (delimiter.join((string_a, string_b)),)


class StringReplace(_StringNode):
    """A text with a part of it replaced."""

    DISPLAY_NAME = "Replace Text"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        text = ("STRING", {"multiline": True})
        return {"required": {"string": text, "find": text, "replace": text}}

    def run(self, string: str, find: str, replace: str) -> tuple[str]:
        """Run the node."""
        return (string.replace(find, replace),)


class PreviewAny(CoreNode):
    """Any value as text."""

    NEEDS = "value_nodes"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_preview_any"
    DISPLAY_NAME = "Preview as Text"
    CATEGORY = "utilities"
    RETURN_TYPES = ("STRING",)
    RETURNS_SINCE_SAVING_DOES = True
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"source": ("*", {})}}

    def run(self, source: Any = None) -> dict[str, Any]:
        """Run the node."""
        text = _as_text(source)
        return {"ui": {"text": (text,)}, "result": (text,)}


def _as_text(value: Any) -> str:
    if isinstance(value, str | int | float | bool) or value is None:
        return str(value)
    try:
        return json.dumps(value, indent=4)
    except (TypeError, ValueError):
        return str(value)


CLASSES = (
    PrimitiveInt,
    PrimitiveFloat,
    PrimitiveString,
    PrimitiveStringMultiline,
    PrimitiveBoolean,
    StringConcatenate,
    StringReplace,
    PreviewAny,
)
