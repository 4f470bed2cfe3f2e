"""What a node showed: the files and values of a ui result. Pure.

One rule for every node, known or not: whatever names a `filename` is a file, and
everything else is a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import JsonValue

from ..events import NodeOutput
from ..files.outputs import OutputRef
from .wire import JsonObject, text_or

_SHAPES_3D = (".obj", ".fbx", ".gltf", ".glb", ".usdz")


def output_refs(node_id: str, ui: JsonValue) -> NodeOutput:
    """The files and values of one node's ui result, told under the given node."""
    found = _Found(node_id)
    if isinstance(ui, dict):
        for key, shown in ui.items():
            found.take(key, shown)
    return NodeOutput(node_id, tuple(found.refs), found.values)


def merged(first: NodeOutput, second: NodeOutput) -> NodeOutput:
    """Two results of one node as one: those of an expansion's inner nodes."""
    values = dict(first.values)
    for key, value in second.values.items():
        values[key] = _joined(values[key], value) if key in values else value
    return NodeOutput(first.node_id, first.refs + second.refs, values)


def _joined(first: JsonValue, second: JsonValue) -> JsonValue:
    left = first if isinstance(first, list) else [first]
    return [*left, *(second if isinstance(second, list) else [second])]


@dataclass(slots=True)
class _Found:
    node_id: str
    refs: list[OutputRef] = field(default_factory=list)
    values: dict[str, JsonValue] = field(default_factory=dict)

    def take(self, key: str, shown: JsonValue) -> None:
        """Sort what stands under one key into files and values."""
        if not isinstance(shown, list):
            if shown is not None and not self._file(key, shown):
                self.values[key] = shown
            return
        rest: list[JsonValue] = [
            v for v in shown if v is not None and not self._file(key, v)
        ]
        if rest:
            self.values[key] = rest

    def _file(self, key: str, item: JsonValue) -> bool:
        if isinstance(item, str):
            # a 3D node names its file by a bare string; a text node may mention one
            if key == "text" or not item.lower().endswith(_SHAPES_3D):
                return False
            item = {"filename": item, "mediaType": "3d"}
        if not isinstance(item, dict):
            return False
        name = item.get("filename")
        if not isinstance(name, str) or not name:
            return False
        self.refs.append(_ref(self.node_id, key, name, item))
        return True


def _ref(node_id: str, key: str, name: str, item: JsonObject) -> OutputRef:
    subfolder = text_or(item.get("subfolder"), "")
    if item.get("mediaType") == "3d" and not subfolder:
        subfolder, name = _split(name)
    return OutputRef(
        node_id=node_id,
        key=key,
        filename=name,
        subfolder=subfolder,
        type=text_or(item.get("type"), "") or "output",
        extra={k: v for k, v in item.items() if k not in _FILE_KEYS},
    )


_FILE_KEYS = frozenset({"filename", "subfolder", "type"})


def _split(path: str) -> tuple[str, str]:
    """Folder and name of a 3D path: /view drops a folder that stands in the name."""
    *folders, name = path.split("/")
    if not name or any(part in {"", ".", ".."} for part in folders):
        return "", path
    return "/".join(folders), name
