"""What a node class says about its inputs, as validation and description read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .versions import Behaviour

NodeClass = type[Any]
"""A class of ComfyUI's node interface; it has no common base to name."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One input of a node class."""

    name: str
    required: bool
    kind: Any
    """The type's name, or the list of a combo's options."""
    options: dict[str, Any]

    @property
    def choices(self) -> list[Any] | None:
        """A combo's options; None for any other input, or one listed elsewhere."""
        if isinstance(self.kind, list | tuple):
            return list(self.kind)
        if self.kind == "COMBO" and "options" in self.options:
            return list(self.options["options"])
        return None

    @property
    def config(self) -> list[Any]:
        """The input as error bodies quote it."""
        return [self.kind, self.options]


class NodeSchema:
    """The inputs of one class, as its INPUT_TYPES says at this moment."""

    def __init__(self, node_class: NodeClass, *, behaviour: Behaviour) -> None:
        self._types = node_class.INPUT_TYPES()
        self._plain_combos = not behaviour.v3_schema

    def input_specs(self) -> list[InputSpec]:
        """The required and optional inputs, in the class's own order."""
        names = [
            name
            for section in ("required", "optional")
            for name in self._types.get(section, {})
        ]
        return [spec for name in names if (spec := self.spec(name)) is not None]

    def spec(self, name: str) -> InputSpec | None:
        """One input; None if the class has none of that name.

        Asks with `in`, because packs pass dictionaries that claim to hold any name.
        """
        for section in ("required", "optional"):
            if name in self._types.get(section, {}):
                entry = self._types[section][name]
                return self._read(name, entry, required=section == "required")
        return None

    def hidden(self) -> dict[str, str]:
        """Hidden input names to what they ask for."""
        return {
            name: kind if isinstance(kind, str) else kind[0]
            for name, kind in self._types.get("hidden", {}).items()
        }

    def described(self) -> dict[str, dict[str, Any]]:
        """All sections as object_info shows them."""
        return {
            section: {
                name: self._described(entry) if section != "hidden" else entry
                for name, entry in entries.items()
            }
            for section, entries in self._types.items()
        }

    def _read(self, name: str, entry: Any, *, required: bool) -> InputSpec:
        shown = self._described(entry)
        options = shown[1] if len(shown) > 1 else {}
        return InputSpec(name, required, shown[0], options)

    def _described(self, entry: Any) -> Any:
        # Before the second node schema, the same inputs were written as plain lists.
        if self._plain_combos and len(entry) > 1 and entry[0] == "COMBO":
            rest = {
                key: value
                for key, value in entry[1].items()
                if key not in ("options", "multiselect")
            }
            listed = entry[1].get("options", [])
            return (listed, rest) if rest else (listed,)
        return entry
