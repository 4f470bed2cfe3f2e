"""ui results: whatever names a file is a file, everything else is a value."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from comfyclient.files.outputs import OutputRef
from comfyclient.transports.results import merged, output_refs


def test_files_of_a_list() -> None:
    """A batch gives its files in order, under the key it stood in."""
    ui: JsonValue = {
        "images": [
            {"filename": "a.png", "subfolder": "s", "type": "output"},
            {"filename": "b.png", "subfolder": "", "type": "temp"},
        ]
    }
    shown = output_refs("9", ui)

    assert shown.node_id == "9"
    assert shown.refs == (
        OutputRef("9", "images", "a.png", "s", "output"),
        OutputRef("9", "images", "b.png", "", "temp"),
    )
    assert shown.values == {}


def test_any_key() -> None:
    """Keys of custom nodes hold files too, and so does an object without a list."""
    ui: JsonValue = {
        "gifs": [{"filename": "v.mp4", "format": "video/h264-mp4"}],
        "one": {"filename": "x.bin"},
    }

    assert output_refs("1", ui).refs == (
        OutputRef("1", "gifs", "v.mp4"),
        OutputRef("1", "one", "x.bin"),
    )


def test_extra_is_kept() -> None:
    """What else a node says of a file stays with it."""
    ui: JsonValue = {
        "images": [{"filename": "a", "id": "u", "frames": 3, "type": "temp"}]
    }
    [ref] = output_refs("1", ui).refs

    assert ref.extra == {"id": "u", "frames": 3}


@pytest.mark.parametrize("odd", [None, 5, [], {}, ""])
def test_defaults(odd: JsonValue) -> None:
    """A folder or type that is no text falls back to the server's own default."""
    ui: JsonValue = {"images": [{"filename": "a", "type": odd, "subfolder": odd}]}

    assert output_refs("1", ui).refs == (OutputRef("1", "images", "a", "", "output"),)


@pytest.mark.parametrize("name", [None, 5, "", [], {}, True])
def test_no_file_name(name: JsonValue) -> None:
    """An item whose file name is no name is a value, not a file."""
    shown = output_refs("1", {"images": [{"filename": name}]})

    assert shown.refs == ()
    assert shown.values == {"images": [{"filename": name}]}


def test_values() -> None:
    """Text, flags and objects are values; nulls and empty lists say nothing."""
    ui: JsonValue = {
        "text": ["hello", None],
        "animated": [False],
        "extra": [{"n": 1}, 2, None],
        "bare": "word",
        "zero": 0,
        "none": None,
        "nothing": [],
        "nulls": [None],
    }

    assert output_refs("1", ui).values == {
        "text": ["hello"],
        "animated": [False],
        "extra": [{"n": 1}, 2],
        "bare": "word",
        "zero": 0,
    }


def test_files_and_values_under_one_key() -> None:
    """A list may hold both; neither is lost."""
    shown = output_refs("1", {"mixed": [{"filename": "a"}, "b", None]})

    assert [ref.filename for ref in shown.refs] == ["a"]
    assert shown.values == {"mixed": ["b"]}


@pytest.mark.parametrize("ui", [None, [], "x", 5, True, ["a.glb"], {}])
def test_no_ui(ui: JsonValue) -> None:
    """An output node without a ui result shows nothing."""
    shown = output_refs("1", ui)

    assert (shown.refs, shown.values) == ((), {})


@pytest.mark.parametrize(
    ("path", "subfolder", "name"),
    [
        ("mesh.glb", "", "mesh.glb"),
        ("3d/mesh.GLB", "3d", "mesh.GLB"),
        ("a/b/mesh.obj", "a/b", "mesh.obj"),
        ("../mesh.obj", "", "../mesh.obj"),
        ("/etc/mesh.fbx", "", "/etc/mesh.fbx"),
        ("a//mesh.gltf", "", "a//mesh.gltf"),
    ],
)
def test_3d_strings(path: str, subfolder: str, name: str) -> None:
    """A bare string of a 3D format is a file; a folder in it is told apart if safe."""
    raw = output_refs("1", {"result": [path, {"camera": 1}, None]})
    told: JsonValue = {"filename": path, "type": "output", "subfolder": ""}
    normal = output_refs("1", {"result": [{**told, "mediaType": "3d"}]})

    assert raw.refs == (OutputRef("1", "result", name, subfolder),)
    assert raw.values == {"result": [{"camera": 1}]}
    assert normal.refs == raw.refs


def test_text_may_mention_a_mesh() -> None:
    """A text that ends like a 3D file is still text."""
    shown = output_refs("1", {"text": ["see mesh.glb"]})

    assert shown.refs == ()
    assert shown.values == {"text": ["see mesh.glb"]}


def test_merged() -> None:
    """The results of an expansion's inner nodes add up; nothing is overwritten."""
    first = output_refs("3", {"images": [{"filename": "a"}], "text": ["x"], "n": 1})
    second = output_refs("3", {"images": [{"filename": "b"}], "text": ["y"], "n": 2})
    both = merged(first, second)

    assert [ref.filename for ref in both.refs] == ["a", "b"]
    assert both.values == {"text": ["x", "y"], "n": [1, 2]}
    assert first.values == {"text": ["x"], "n": 1}
