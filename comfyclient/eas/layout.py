"""What must lie where in the folder that a ComfyUI service mounts. Pure.

ComfyUI makes `models/`, `custom_nodes/`, `input/`, `output/` and `temp/` there; what
the templates of an environment need in the first three is told here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

from ..packs.own import PACK_FOLDER
from ..preflight.model_folders import is_model_file, model_folder
from ..preflight.node_packs import OWN_PACK, pack_of
from ..preflight.own_checks import OUR_PACK
from ..templating.manifest import Manifest
from ..workflow import Workflow

FOLDERS: Mapping[str, str] = {
    "models": "models, by kind",
    "custom_nodes": "node packs, a folder each",
    "input": "what jobs are given; grows",
    "output": "what jobs give; grows",
    "temp": "previews and the like; emptied when ComfyUI starts",
}
"""The folders of the mount. ComfyUI makes them at its start."""

_ALSO_IN = {
    "diffusion_models": ("unet",),
    "text_encoders": ("clip",),
    "controlnet": ("t2i_adapter",),
}
"""Folders that ComfyUI takes as one."""
_ANNOTATED = re.compile(r"(?P<name>.*?)(?: \[(?P<kind>input|output|temp)\])?")
_IMAGE_INPUTS = {("LoadImage", "image"), ("LoadImageMask", "image")}


class State(StrEnum):
    """Whether something is there."""

    THERE = "there"
    MISSING = "missing"
    OTHER = "other"
    """Something of that name is there, of another size."""
    UNKNOWN = "unknown"
    """Nobody looked, or it cannot be told."""


@dataclass(frozen=True, slots=True)
class Need:
    """A file or folder that templates need."""

    path: str
    """Below the mount, with `/`; one that ends in `/` is a folder with anything in."""
    wanted_by: tuple[str, ...]
    source: str = ""
    """Where to get it."""
    size: int | None = None
    """Its bytes, where that is known."""
    also: tuple[str, ...] = ()
    """Other paths that would do."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at the mount says of a need."""

    need: Need
    state: State
    path: str
    """Where it is, or should be."""
    size: int | None = None

    def as_json(self) -> dict[str, JsonValue]:
        """It for a script."""
        return {
            "path": self.path,
            "state": self.state.value,
            "size": self.size,
            "expected_size": self.need.size,
            "wanted_by": list(self.need.wanted_by),
            "source": self.need.source,
        }


@dataclass(slots=True)
class _Wanted:
    """A need that is being put together."""

    by: list[str] = field(default_factory=list)
    source: str = ""


def needs_of(
    templates: Iterable[tuple[Manifest, Workflow | None]],
    own_pack: Mapping[str, int],
) -> list[Need]:
    """What templates need, of their manifests and graphs; each thing once.

    `own_pack` are the files of our own pack with their sizes.
    """
    wanted: dict[str, _Wanted] = {}
    for manifest, workflow in templates:
        for path, source in (*_declared(manifest), *_used(workflow)):
            one = wanted.setdefault(path, _Wanted())
            if manifest.ref not in one.by:
                one.by.append(manifest.ref)
            one.source = one.source or source
    own = f"custom_nodes/{PACK_FOLDER}/"
    found = []
    for path, one in sorted(wanted.items()):
        by = tuple(one.by)
        if path == own:
            found += [
                Need(own + name, by, one.source, size)
                for name, size in sorted(own_pack.items())
            ]
        else:
            found.append(Need(path, by, one.source, also=tuple(_others(path))))
    return found


def _declared(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for model in manifest.requirements.models:
        yield f"models/{model.folder.strip('/')}/{model.file.strip('/')}", model.source
    for pack in manifest.requirements.node_packs:
        folder = PACK_FOLDER if pack.name == "comfyclient" else pack.name
        version = f" {pack.version}" if pack.version else ""
        yield f"custom_nodes/{folder}/", f"{pack.source}{version}".strip()


def _used(workflow: Workflow | None) -> Iterator[tuple[str, str]]:
    """What a graph names: packs by the habits of their classes, files by inputs."""
    if workflow is None:
        return
    uploaded = {file.name for file in workflow.files}
    for node in workflow.graph.values():
        if not isinstance(node, dict):
            continue
        class_type, inputs = str(node.get("class_type")), node.get("inputs")
        pack = OWN_PACK if class_type in OUR_PACK else pack_of(class_type)
        if pack is not None:
            folder = PACK_FOLDER if pack == OWN_PACK else pack
            yield f"custom_nodes/{folder}/", ""
        if class_type in OUR_PACK or not isinstance(inputs, dict):
            continue  # ours take texts, which may be called like a file
        for name, value in inputs.items():
            yield from _named(class_type, str(name), value, uploaded)


def _named(
    class_type: str, name: str, value: JsonValue, uploaded: set[str]
) -> Iterator[tuple[str, str]]:
    if not isinstance(value, str):
        return
    if (class_type, name) in _IMAGE_INPUTS and value not in uploaded:
        match = _ANNOTATED.fullmatch(value)
        assert match is not None
        if match["kind"] in {None, "input"}:
            yield f"input/{match['name']}", ""
    elif is_model_file(value):
        folder = model_folder(class_type, name)
        path = value.replace("\\", "/")
        yield f"models/{UNKNOWN_FOLDER if folder is None else folder}/{path}", ""


UNKNOWN_FOLDER = "?"
"""In place of a model's folder, where its loader is of a pack that we do not know."""


def _others(path: str) -> Iterator[str]:
    top, _, rest = path.partition("/")
    folder, _, file = rest.partition("/")
    if top == "models":
        for other in _ALSO_IN.get(folder, ()):
            yield f"models/{other}/{file}"


Look = Callable[[str], Mapping[str, int]]
"""The files below a folder of the mount, with their sizes."""


def compare(needs: Iterable[Need], look: Look) -> list[Found]:
    """Hold needs against what is there; each folder is listed once."""
    listed: dict[str, Mapping[str, int]] = {}

    def below(folder: str) -> Mapping[str, int]:
        if folder not in listed:
            listed[folder] = look(folder)
        return listed[folder]

    return [_compared(need, below) for need in needs]


def _compared(need: Need, below: Look) -> Found:
    for path in (need.path, *need.also):
        if f"/{UNKNOWN_FOLDER}/" in path:
            return _anywhere(need, below("models/"))
        files = below(_folder_of(path))
        if path.endswith("/"):
            sizes = [size for name, size in files.items() if name.startswith(path)]
            if sizes:
                return Found(need, State.THERE, path, sum(sizes))
        elif path in files:
            same = need.size in {None, files[path]}
            return Found(need, State.THERE if same else State.OTHER, path, files[path])
    return Found(need, State.MISSING, need.path)


def _anywhere(need: Need, files: Mapping[str, int]) -> Found:
    """A model whose folder is not known: any folder will do."""
    name = need.path.partition(f"/{UNKNOWN_FOLDER}/")[2]
    for path, size in files.items():
        if path.partition("/")[2].partition("/")[2] == name:
            return Found(need, State.THERE, path, size)
    return Found(need, State.MISSING, need.path)


def _folder_of(path: str) -> str:
    """The folder to list for a path: of a model its kind's, of a pack its own."""
    parts = path.split("/")
    return "/".join(parts[: 1 if parts[0] == "input" else 2]) + "/"
