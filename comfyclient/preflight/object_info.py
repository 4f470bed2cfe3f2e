"""What a server says of its node classes: `GET /object_info`, read as needed. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from pydantic import JsonValue

from ..errors import BadAnswerError
from .model_folders import is_model_file, names_files

Entries: TypeAlias = Mapping[str, JsonValue]
"""Class name to its entry, as the server sent it."""

COMBO = "COMBO"
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
AUTOGROW = "COMFY_AUTOGROW_V3"
DYNAMIC_SLOT = "COMFY_DYNAMICSLOT_V3"
MATCH_TYPE = "COMFY_MATCHTYPE_V3"
DYNAMIC = frozenset({DYNAMIC_COMBO, AUTOGROW, DYNAMIC_SLOT})
"""Inputs that stand for others, whose names are dotted."""

UPLOADS = frozenset(
    {"image_upload", "audio_upload", "video_upload", "file_upload", "remote"}
)
"""Options that mark a choice among files which come and go."""

_CORE = ("nodes", "comfy_extras", "comfy_api_nodes")
_NOTHING: Mapping[str, JsonValue] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class InputInfo:
    """One input of a node class."""

    name: str
    kind: str | None
    """The type's name, `COMBO` for every list of choices; None where it is unreadable.
    """
    required: bool
    options: Mapping[str, JsonValue] = field(default_factory=dict, repr=False)
    choices: list[JsonValue] | None = None
    """What a combo takes; None for other types, and where the list is elsewhere."""
    listed: bool = False
    """The choices stood in place of the type, as in the older way to write them."""

    @property
    def names_a_file(self) -> bool:
        """Whether the choices are files that are put there, and go again."""
        return any(self.options.get(mark) for mark in UPLOADS)


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """One node class of a server."""

    name: str
    inputs: Mapping[str, InputInfo]
    """Required ones first, as the class orders them."""
    hidden: frozenset[str]
    """Inputs that the server fills in itself."""
    outputs: tuple[JsonValue, ...]
    """The types; a list of choices in the place of one is a type too."""
    output_node: bool
    module: str
    """The Python module as the server tells it, such as `custom_nodes.some-pack`."""

    @property
    def core(self) -> bool:
        """Whether it comes with ComfyUI, so that its habits are known."""
        return self.module.partition(".")[0] in _CORE


class ObjectInfo:
    """A server's node classes; a class is read when it is first asked for."""

    def __init__(
        self,
        entries: Entries,
        *,
        version: str | None = None,
        replacements: Mapping[str, JsonValue] | None = None,
    ) -> None:
        self.entries = entries
        self.version = version
        """ComfyUI's version, where it is known."""
        self.replacements = replacements
        """Old classes that the server rewrites; None where it was not asked."""
        self._read: dict[str, NodeInfo] = {}
        self._fingerprint: str | None = None

    @classmethod
    def parse(
        cls,
        body: bytes,
        *,
        version: str | None = None,
        replacements: Mapping[str, JsonValue] | None = None,
    ) -> ObjectInfo:
        """Read an answer to `GET /object_info`.

        Raises:
            BadAnswerError: it is not what ComfyUI answers.
        """
        try:
            entries = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadAnswerError(f"the node classes are no JSON: {error}") from error
        if not isinstance(entries, dict):
            raise BadAnswerError("the node classes are no JSON object")
        if not any(isinstance(e, dict) and "input" in e for e in entries.values()):
            # a gateway's own words, say; every graph would be refused by them
            raise BadAnswerError("there is no node class in what is told of them")
        return cls(entries, version=version, replacements=replacements)

    def node(self, class_type: str) -> NodeInfo | None:
        """What the server says of a class; None where it has none of that name."""
        known = self._read.get(class_type)
        if known is None and class_type in self.entries:
            known = read_node(class_type, self.entries[class_type])
            self._read[class_type] = known
        return known

    def __contains__(self, class_type: str) -> bool:
        return class_type in self.entries

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        version = "" if self.version is None else f" of ComfyUI {self.version}"
        return f"ObjectInfo({len(self)} classes{version})"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what graphs depend on, in hex.

        Texts for people do not count, nor do lists of files, which change as pictures
        and models come and go.

        Raises:
            BadAnswerError: a class is nested too deep.
        """
        if self._fingerprint is None:
            names = sorted(self.entries)
            with bounded():
                matters = [[name, _matters(self._node(name))] for name in names]
                text = json.dumps(matters, sort_keys=True, separators=(",", ":"))
            self._fingerprint = hashlib.sha256(text.encode()).hexdigest()
        return self._fingerprint

    def _node(self, class_type: str) -> NodeInfo:
        node = self.node(class_type)
        assert node is not None
        return node


@contextmanager
def bounded() -> Iterator[None]:
    """Work on what a server sent; nothing honest is nested beyond Python's stack.

    Raises:
        BadAnswerError: something in it is.
    """
    try:
        yield
    except RecursionError:
        raise BadAnswerError("the node classes are nested too deep") from None


def read_node(name: str, entry: JsonValue) -> NodeInfo:
    """One entry; whatever is odd in it counts as not said."""
    said = entry if isinstance(entry, dict) else _NOTHING
    sections = said.get("input")
    hidden = sections.get("hidden") if isinstance(sections, dict) else None
    return NodeInfo(
        name=name,
        inputs={one.name: one for one in read_inputs(sections)},
        hidden=frozenset(hidden) if isinstance(hidden, dict) else frozenset(),
        outputs=_items(said.get("output")),
        output_node=said.get("output_node") is True,
        module=_text(said.get("python_module")),
    )


def read_inputs(sections: JsonValue, *, prefix: str = "") -> Iterator[InputInfo]:
    """The required and optional inputs of a class, or of a dynamic choice."""
    if not isinstance(sections, dict):
        return
    seen: set[str] = set()
    for section in ("required", "optional"):
        listed = sections.get(section)
        for name, spec in listed.items() if isinstance(listed, dict) else ():
            if name not in seen:
                seen.add(name)
                yield read_input(prefix + name, spec, required=section == "required")


def read_input(name: str, spec: JsonValue, *, required: bool) -> InputInfo:
    """One input: `[type, options?]`, the type a name or a list of choices."""
    if not isinstance(spec, list) or not spec:
        return InputInfo(name, None, required)
    kind = spec[0]
    given = spec[1] if len(spec) > 1 else None
    options = given if isinstance(given, dict) else _NOTHING
    if isinstance(kind, list):
        return InputInfo(name, COMBO, required, options, kind, listed=True)
    if not isinstance(kind, str):
        return InputInfo(name, None, required, options)
    choices = options.get("options") if kind == COMBO else None
    return InputInfo(
        name, kind, required, options, choices if isinstance(choices, list) else None
    )


_NUMBERS = ("min", "max", "multiselect")


def _matters(node: NodeInfo) -> JsonValue:
    """What a graph depends on, in a class."""
    return [
        [
            _input_matters(node.name, one)
            for one in sorted(node.inputs.values(), key=_name)
        ],
        list(node.outputs),
        node.output_node,
    ]


def _input_matters(class_type: str, one: InputInfo) -> JsonValue:
    said: list[JsonValue] = [one.name, one.kind, one.required]
    said += [one.options.get(key) for key in _NUMBERS]
    if one.choices is not None and not _are_files(class_type, one):
        said.append([*sorted(map(str, one.choices))])
    if one.kind in DYNAMIC:
        said.append(_without_texts({**one.options}))
    return said


def _are_files(class_type: str, one: InputInfo) -> bool:
    return (
        not one.choices
        or one.names_a_file
        or names_files(class_type, one.name)
        or any(map(is_model_file, one.choices))
    )


def _without_texts(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {
            key: _without_texts(item)
            for key, item in value.items()
            if key not in ("tooltip", "display_name", "default", "step", "advanced")
        }
    return [*map(_without_texts, value)] if isinstance(value, list) else value


def _name(one: InputInfo) -> str:
    return one.name


def _items(value: JsonValue) -> tuple[JsonValue, ...]:
    return tuple(value) if isinstance(value, list) else ()


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
