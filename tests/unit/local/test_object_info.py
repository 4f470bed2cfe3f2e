"""GET /object_info describes the core nodes as real servers did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from comfyclient.local.context import Surroundings, entered
from comfyclient.local.folders import Folders
from comfyclient.local.node_table import NodeTable
from comfyclient.local.nodes import core_classes
from comfyclient.local.object_info import describe_all
from comfyclient.local.versions import behaviour_of

RECORDED: dict[str, dict[str, Any]] = json.loads(
    (
        Path(__file__).parents[2] / "data" / "traces" / "engine" / "object_info.json"
    ).read_text()
)


def described(version: str, folder: Path) -> dict[str, Any]:
    """What an engine playing this version says, as a client reads it."""
    behaviour = behaviour_of(version)
    nodes = NodeTable()
    folders = Folders(folder)
    folders.prepare()
    with entered(Surroundings(folders)):
        core_classes(nodes, behaviour=behaviour)
        answer = describe_all(nodes, behaviour=behaviour)
    read: dict[str, Any] = json.loads(json.dumps(answer))
    return read


def without_files_and_words(info: dict[str, Any]) -> dict[str, Any]:
    """The description without what a recording leaves out or a folder decides."""
    kept = {
        name: value
        for name, value in info.items()
        if name not in ("description", "search_aliases", "output_tooltips")
    }
    required = dict(kept["input"]["required"])
    if "image_upload" in str(required.get("image")):
        required["image"] = [[], {"image_upload": True}]
    return {**kept, "input": {**kept["input"], "required": required}}


@pytest.mark.parametrize("name", sorted(RECORDED["0.33.0"]))
def test_description_is_the_recorded_one(name: str, tmp_path: Path) -> None:
    """Every core node has exactly the description that ComfyUI 0.33.0 gave."""
    now = without_files_and_words(described("0.33.0", tmp_path)[name])
    then = without_files_and_words(RECORDED["0.33.0"][name])

    assert now == then


@pytest.mark.parametrize("version", sorted(RECORDED))
def test_no_class_is_offered_that_the_release_lacks(
    version: str, tmp_path: Path
) -> None:
    """Each class of an older release was in that release's own list."""
    offered = set(described(version, tmp_path))

    assert offered - set(RECORDED[version]) <= {"SaveImageWebsocket"}


@pytest.mark.parametrize("version", ["0.3.12", "0.3.40"])
def test_older_releases_have_plain_combos_and_no_save_output(
    version: str, tmp_path: Path
) -> None:
    """What a client needs to fill a node reads as the older release had it."""
    now = described(version, tmp_path)

    for name, then in RECORDED[version].items():
        for key in ("output", "output_name", "output_node", "name"):
            assert now[name][key] == then[key], (name, key)
        assert set(now[name]["input"]) == set(then["input"]), name
        combos = [
            spec[0]
            for spec in now[name]["input"].get("required", {}).values()
            if isinstance(spec, list)
        ]
        assert "COMBO" not in combos, name
    assert "is_input_list" not in now["SaveImage"]


def test_class_that_cannot_describe_itself_is_left_out(tmp_path: Path) -> None:
    """A broken INPUT_TYPES costs that class its place, and no other."""

    class Broken:
        RETURN_TYPES = ()

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
            """Inputs of the node."""
            raise OSError("no such folder")

    behaviour = behaviour_of("0.33.0")
    nodes = NodeTable()
    nodes.add({"Broken": Broken}, module="custom_nodes.x")
    folders = Folders(tmp_path)
    folders.prepare()
    with entered(Surroundings(folders)):
        core_classes(nodes, behaviour=behaviour)
        answer = describe_all(nodes, behaviour=behaviour)

    assert "Broken" not in answer
    assert "EmptyImage" in answer
