"""What differs between two graphs, or two versions of a template. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import JsonValue

from ..graph import Graph, is_link
from ..preflight.model_folders import is_model_file
from .manifest import Manifest

Kind: TypeAlias = Literal["added", "removed", "changed"]

_MARKS: Mapping[Kind, str] = {"added": "+", "removed": "-", "changed": "~"}
_MAX_SHOWN = 100
_THERE: JsonValue = {}
"""The value of what is there, or is not, and has none."""


@dataclass(frozen=True, slots=True)
class Change:
    """One value that was added, removed or changed."""

    kind: Kind
    path: tuple[str, ...]
    """Its keys, such as `inputs`, `steps`."""
    before: JsonValue = None
    after: JsonValue = None

    def __str__(self) -> str:
        name = ".".join(self.path)
        match self.kind:
            case "added":
                return f"+ {name}{_told(self.after)}"
            case "removed":
                return f"- {name}{_told(self.before)}"
        return f"~ {name}: {_shown(self.before)} → {_shown(self.after)}"

    def as_json(self) -> dict[str, JsonValue]:
        """The change for a script; `before` and `after` where there is one."""
        report: dict[str, JsonValue] = {"kind": self.kind, "path": [*self.path]}
        if self.kind != "added":
            report["before"] = self.before
        if self.kind != "removed":
            report["after"] = self.after
        return report


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A node that was added or removed, or in which something was changed."""

    kind: Kind
    node_id: str
    class_type: str
    """The newer one."""
    title: str
    changes: tuple[Change, ...]

    def lines(self) -> Iterator[str]:
        """The change for a person."""
        title = "" if self.title in ("", self.class_type) else f" “{self.title}”"
        yield f"{_MARKS[self.kind]} node {self.node_id}: {self.class_type}{title}"
        for change in self.changes:
            if self.kind == "changed" or change.path[0] == "inputs":
                yield f"    {change}"

    def as_json(self) -> dict[str, JsonValue]:
        """The change for a script."""
        return {
            "kind": self.kind,
            "node_id": self.node_id,
            "class_type": self.class_type,
            "title": self.title,
            "changes": [change.as_json() for change in self.changes],
        }


@dataclass(frozen=True, slots=True)
class TemplateDiff:
    """What differs between two versions of a template."""

    before: str
    after: str
    nodes: tuple[NodeChange, ...]
    """Of the graphs that both give for one trip."""
    manifest: Mapping[str, tuple[Change, ...]]
    """By its part: models, parameters, outputs, …; parts without a change are left out.
    """

    @property
    def empty(self) -> bool:
        """Whether they are the same but for their version."""
        return not self.nodes and not self.manifest

    def lines(self) -> Iterator[str]:
        """The difference for a person."""
        yield f"{self.before} → {self.after}"
        if self.empty:
            yield "  no difference in graph and manifest"
        for node in self.nodes:
            yield from (f"  {line}" for line in node.lines())
        for part, changes in self.manifest.items():
            yield f"  {part}"
            yield from (f"    {change}" for change in changes)

    def as_json(self) -> dict[str, JsonValue]:
        """The difference for a script."""
        parts: dict[str, JsonValue] = {
            part: [change.as_json() for change in changes]
            for part, changes in self.manifest.items()
        }
        return {
            "before": self.before,
            "after": self.after,
            "same": self.empty,
            "nodes": [node.as_json() for node in self.nodes],
            "manifest": parts,
        }


def diff_graphs(before: Graph, after: Graph) -> tuple[NodeChange, ...]:
    """The nodes that differ, by their ids; none exactly where the digests are equal."""
    found: list[NodeChange] = []
    for node_id in _keys(before, after):
        changes = tuple(_diff(_node(before, node_id), _node(after, node_id), ()))
        kind = _kind(node_id, before, after)
        if changes or kind != "changed":
            node = _node(after if node_id in after else before, node_id)
            found.append(
                NodeChange(
                    kind, node_id, _text(node, "class_type"), _title(node), changes
                )
            )
    return tuple(found)


def diff_templates(
    before: tuple[Manifest, Graph], after: tuple[Manifest, Graph]
) -> TemplateDiff:
    """What differs between two templates, each a manifest and a rendered graph."""
    old, new = _parts(*before), _parts(*after)
    changes = {part: tuple(_diff(old[part], new[part], ())) for part in new}
    return TemplateDiff(
        before=before[0].ref,
        after=after[0].ref,
        nodes=diff_graphs(before[1], after[1]),
        manifest={part: found for part, found in changes.items() if found},
    )


def model_inputs(graph: Graph) -> Iterator[tuple[str, str, str]]:
    """Node id, input and file name of each input that names a model file."""
    for node_id in graph:
        inputs = _node(graph, node_id).get("inputs")
        for name, value in inputs.items() if isinstance(inputs, dict) else ():
            if isinstance(value, str) and is_model_file(value) and "\n" not in value:
                yield node_id, name, value


def _parts(manifest: Manifest, graph: Graph) -> dict[str, dict[str, JsonValue]]:
    """What a manifest says, as tables; models are those the graph names too."""
    said = manifest.model_dump(mode="json", exclude_none=True)
    needs = manifest.requirements
    models = {f"{m.folder}/{m.file}": m.source or _THERE for m in needs.models}
    declared = {model.file for model in needs.models}
    named = {f: _THERE for _, _, f in model_inputs(graph) if f not in declared}
    return {
        "models": {**models, **named},
        "parameters": said["parameters"],
        "outputs": said["outputs"],
        "trip": {key: _members(names) for key, names in said.get("trip", {}).items()},
        "requirements": {
            "comfyui": needs.comfyui,
            "node_classes": _members(needs.node_classes),
            "node_packs": {pack.name: pack.version for pack in needs.node_packs},
        },
        "texts": {
            "summary": manifest.summary,
            "description": manifest.description,
            "languages": _members(manifest.languages),
        },
    }


def _members(names: Iterable[str]) -> dict[str, JsonValue]:
    return dict.fromkeys(names, _THERE)


def _diff(
    before: Mapping[str, JsonValue],
    after: Mapping[str, JsonValue],
    path: tuple[str, ...],
) -> Iterator[Change]:
    for key in _keys(before, after):
        place = (*path, key)
        old, new = before.get(key), after.get(key)
        if key not in before:
            yield from _all_of(new, place, kind="added")
        elif key not in after:
            yield from _all_of(old, place, kind="removed")
        elif isinstance(old, dict) and isinstance(new, dict):
            yield from _diff(old, new, place)
        elif _canonical(old) != _canonical(new):
            yield Change("changed", place, old, new)


def _all_of(
    value: JsonValue, place: tuple[str, ...], *, kind: Kind
) -> Iterator[Change]:
    """A whole value that came or went; of a node's inputs, each."""
    if place == ("inputs",) and isinstance(value, dict) and value:
        for name, one in value.items():
            yield from _all_of(one, ("inputs", name), kind=kind)
    elif kind == "added":
        yield Change("added", place, after=value)
    else:
        yield Change("removed", place, before=value)


def _keys(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """All keys, the older ones first, each once."""
    return list(dict.fromkeys([*before, *after]))


def _kind(node_id: str, before: Graph, after: Graph) -> Kind:
    if node_id not in before:
        return "added"
    return "changed" if node_id in after else "removed"


def _canonical(value: JsonValue) -> str:
    """Apart what Python takes for equal: 1, 1.0 and true."""
    return json.dumps(value, sort_keys=True)


def _node(graph: Graph, node_id: str) -> dict[str, JsonValue]:
    node = graph.get(node_id)
    return node if isinstance(node, dict) else {}


def _text(node: Mapping[str, JsonValue], key: str) -> str:
    value = node.get(key)
    return value if isinstance(value, str) else ""


def _title(node: Mapping[str, JsonValue]) -> str:
    meta = node.get("_meta")
    return _text(meta, "title") if isinstance(meta, dict) else ""


def _told(value: JsonValue) -> str:
    return "" if value == _THERE else f": {_shown(value)}"


def _shown(value: JsonValue) -> str:
    if is_link(value):
        return f"output {value[1]} of node {value[0]}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"
