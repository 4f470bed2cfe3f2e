"""Recorded judgements of real servers: their node classes, graphs, what they said."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from comfyclient.preflight.object_info import ObjectInfo

from .judging import Judgement

DATA = Path(__file__).parents[2] / "data" / "preflight"

_TEXTS = {
    "tooltip", "description", "output_tooltips", "search_aliases", "category",
    "price_badge", "essentials_category", "display_name", "input_order", "name",
    "deprecated", "experimental", "api_node", "dev_only", "output_name",
}  # fmt: skip
"""What a server tells for people."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One server's classes, and what it said of some graphs."""

    info: ObjectInfo
    graphs: list[tuple[dict[str, Any], Judgement]]

    @classmethod
    def read(cls, version: str) -> Recording:
        """The recording of a version."""
        said = json.loads(lzma.decompress((DATA / f"v{version}.json.xz").read_bytes()))
        info = ObjectInfo(
            said["object_info"], version=version, replacements=said["replacements"]
        )
        graphs = [(graph, Judgement(*answer)) for graph, *answer in said["graphs"]]
        return cls(info, graphs)

    def write(self, path: Path) -> None:
        """Write it, small."""
        said = {
            "object_info": dict(self.info.entries),
            "replacements": self.info.replacements,
            "graphs": [
                [graph, one.verdict, dict(one.errors)] for graph, one in self.graphs
            ],
        }
        text = json.dumps(said, separators=(",", ":")).encode()
        path.write_bytes(lzma.compress(text, preset=9 | lzma.PRESET_EXTREME))


def versions() -> list[str]:
    """Every version that was recorded."""
    return sorted(
        (path.name.removeprefix("v").removesuffix(".json.xz"))
        for path in DATA.glob("v*.json.xz")
    )


def without_texts(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The core's classes, without what is there for people."""
    return {
        name: _bare(entry)
        for name, entry in entries.items()
        if not str(entry.get("python_module")).startswith("custom_nodes")
    }


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {key: one for key, one in value.items() if key not in _TEXTS}
        if isinstance(value.get("input"), dict) and "output" in value:
            kept["input"] = {
                section: {name: _spec(spec) for name, spec in inputs.items()}
                if section != "hidden"
                else dict.fromkeys(inputs)
                for section, inputs in value["input"].items()
            }
        return kept
    return value


def _spec(spec: Any) -> Any:
    if not isinstance(spec, list) or len(spec) < 2 or not isinstance(spec[1], dict):
        return spec
    return [spec[0], _options(spec[1]), *spec[2:]]


def _options(options: dict[str, Any]) -> dict[str, Any]:
    kept = {key: one for key, one in options.items() if key not in _TEXTS}
    if isinstance(kept.get("options"), list):
        kept["options"] = [
            {**one, "inputs": _sections(one["inputs"])}
            if isinstance(one, dict) and "inputs" in one
            else one
            for one in kept["options"]
        ]
    return kept


def _sections(sections: dict[str, Any]) -> dict[str, Any]:
    return {
        section: {name: _spec(spec) for name, spec in inputs.items()}
        for section, inputs in sections.items()
    }
