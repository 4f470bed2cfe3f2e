"""Workflows from dicts and exported files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, ClassVar

import pytest

from comfyclient.errors import UiFormatError, WorkflowError
from comfyclient.workflow import InputFile, NamedOutput, Workflow

GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "comfyclient/ab.png"}},
    "2": {
        "class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "comfyclient/ab.png.x"},
        "_meta": {"title": "The card"},
    },
}


def test_the_graph_is_copied() -> None:
    """Changing the dict afterwards does not change the workflow."""
    mine = json.loads(json.dumps(GRAPH))
    workflow = Workflow.from_graph(mine)
    digest = Workflow.from_graph(GRAPH).digest
    mine["1"]["inputs"]["image"] = "other.png"
    assert workflow.digest == digest
    assert "_meta" not in mine["1"]


def test_the_digest_is_of_the_canonical_json() -> None:
    """Key order does not matter; a value does."""
    turned = {key: dict(reversed(GRAPH[key].items())) for key in reversed(GRAPH)}
    one, other = Workflow.from_graph(GRAPH), Workflow.from_graph(turned)
    assert one.digest == other.digest
    assert one == other
    assert len({one, other}) == 1
    canonical = json.dumps(one.graph, sort_keys=True, separators=(",", ":"))
    assert one.digest == hashlib.sha256(canonical.encode()).hexdigest()
    assert one != Workflow.from_graph({"1": GRAPH["1"]})


def test_nodes_are_told_by_class_and_title() -> None:
    """A node without a title has its class as title; an unknown id has none."""
    workflow = Workflow.from_graph(GRAPH)
    assert workflow.class_type("2") == "SaveImage"
    assert workflow.title("2") == "The card"
    assert workflow.title("1") == "LoadImage"
    assert (
        workflow.class_type("9") is workflow.title("9") is workflow.place("9") is None
    )


def test_a_ui_export_is_refused_with_the_way_to_export() -> None:
    """The error names the menu of new and of old ComfyUI versions."""
    with pytest.raises(UiFormatError) as caught:
        Workflow.from_graph({"nodes": [], "links": [], "version": 0.4})
    assert "Export (API)" in str(caught.value)
    assert "Save (API Format)" in str(caught.value)


def test_a_whole_request_is_refused_with_the_key_to_pass() -> None:
    """`{"prompt": graph, "client_id": …}` is a common mistake."""
    with pytest.raises(WorkflowError, match="whole request") as caught:
        Workflow.from_graph({"prompt": GRAPH, "client_id": "x"})
    assert "'prompt'" in str(caught.value)


@pytest.mark.parametrize("value", [[], "text", None, 3])
def test_what_is_no_object_is_refused(value: Any) -> None:
    """Any other JSON value is told with its kind."""
    with pytest.raises(WorkflowError, match="an object of nodes is needed"):
        Workflow.from_graph(value)


def test_a_named_output_must_exist() -> None:
    """An output from a node that is not there is told with both names."""
    with pytest.raises(WorkflowError, match=r"'card'.*'20'"):
        Workflow.from_graph(GRAPH, outputs=[NamedOutput("card", "20")])


def test_an_exported_file_is_read_with_its_lines(tmp_path: Path) -> None:
    """Places of a graph file are the file's lines, for nodes and for inputs."""
    path = tmp_path / "card.json"
    path.write_text("\ufeff" + json.dumps(GRAPH, indent=1), "utf-8")
    workflow = Workflow.from_file(path)
    assert workflow == Workflow.from_graph(GRAPH)
    lines = path.read_text("utf-8").splitlines()
    place = workflow.place("2", "filename_prefix")
    assert place is not None
    assert "filename_prefix" in lines[place.line - 1]
    assert str(place) == f"{path} line {place.line}"
    node = workflow.place("2")
    assert node is not None
    assert '"2"' in lines[node.line - 1]
    assert workflow.place("2", "no such input") == node


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON: Expecting value in line 1"),
        (b'{"1": {\n,}}', "in line 2, column 1"),
        (b'{"1": {"class_type": "A", "inputs": {"x": NaN}}}', "holds NaN"),
        (b'{"1": {"class_type": "A", "inputs": {"x": -Infinity}}}', "-Infinity"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"x": ' + b"9" * 5000 + b"}", "is no JSON"),
        (b"\x89PNG\r\n\x1a\n", "not UTF-8"),
        (
            b'{"1": {"class_type": "A", "inputs": {}},\n"1": {}}',
            "the node id '1' is there twice, in lines 1 and 2",
        ),
        (
            b'{"1": {"class_type": "A", "inputs": {"x": 1,\n"x": 2}}}',
            "the key '1.inputs.x' is there twice, in lines 1 and 2",
        ),
        (b'{"1": {"class_type": "A", "inputs": {"x": 1e999}}}', "value that JSON"),
    ],
)
def test_a_broken_file_is_told_with_its_fault(
    tmp_path: Path, content: bytes, said: str
) -> None:
    """Whatever the bytes are, the error names the file and what is wrong."""
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(WorkflowError) as caught:
        Workflow.from_file(path)
    assert said in str(caught.value)
    assert "broken.json" in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """No OSError escapes."""
    with pytest.raises(WorkflowError, match="No such file"):
        Workflow.from_file(tmp_path / "none.json")
    with pytest.raises(WorkflowError, match="cannot be read"):
        Workflow.from_file(tmp_path)


def _with_file() -> Workflow:
    file = InputFile("comfyclient/ab.png", "00" * 32, 3, b"abc")
    plain = Workflow.from_graph(GRAPH)
    return Workflow(plain.graph, files=[file], template="t@1.0.0", seed=5, trip_id="t1")


def test_input_files_take_the_servers_name() -> None:
    """Only whole values that are the file's name change, in a workflow of its own."""
    workflow = _with_file()
    moved = workflow.renamed({"comfyclient/ab.png": "comfyclient/ab (1).png"})
    assert moved.graph["1"]["inputs"]["image"] == "comfyclient/ab (1).png"  # type: ignore[index, call-overload]
    prefix = moved.graph["2"]["inputs"]["filename_prefix"]  # type: ignore[index, call-overload]
    assert prefix == "comfyclient/ab.png.x"
    assert moved.files[0].name == "comfyclient/ab (1).png"
    assert moved.files[0].open().read() == b"abc"
    assert (moved.template, moved.seed, moved.trip_id) == ("t@1.0.0", 5, "t1")
    assert workflow.graph["1"]["inputs"]["image"] == "comfyclient/ab.png"  # type: ignore[index, call-overload]


def test_names_of_other_files_change_nothing() -> None:
    """A name that no input file has is left alone, and so is an equal one."""
    workflow = _with_file()
    assert workflow.renamed({"x": "y"}) is workflow
    assert workflow.renamed({"comfyclient/ab.png": "comfyclient/ab.png"}) is workflow


def test_an_input_file_knows_its_folder(tmp_path: Path) -> None:
    """Subfolder and file name are the two parts of its name."""
    file = InputFile("comfyclient/a/ab.png", "00", 3, tmp_path / "gone.png")
    assert (file.subfolder, file.filename) == ("comfyclient/a", "ab.png")
    assert InputFile("ab.png", "00", 3, b"").subfolder == ""
    with pytest.raises(WorkflowError, match=r"gone\.png cannot be read"):
        file.open()


def test_a_repr_does_not_show_content() -> None:
    """Neither a file's bytes nor a graph's values appear in a repr."""
    assert "abc" not in repr(_with_file().files[0])
    assert "ab.png" not in repr(_with_file())


@pytest.mark.parametrize("name", ["a\0b.json", "\ud800.json", "x" * 5000])
def test_a_path_that_no_system_takes(name: str) -> None:
    """A path that cannot even be looked for is an error of ours."""
    with pytest.raises(WorkflowError, match="cannot be read"):
        Workflow.from_file(name)


def test_a_node_id_is_text() -> None:
    """Half a surrogate pair as a node id is refused before anything is sent."""
    with pytest.raises(WorkflowError, match="is no text"):
        Workflow.from_graph({"\ud800": {"class_type": "A", "inputs": {}}})


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write into it, and a device may never end."""
    os.mkfifo(tmp_path / "graph.json")
    for path in (tmp_path / "graph.json", Path("/dev/zero")):
        with pytest.raises(WorkflowError, match="no regular file"):
            Workflow.from_file(path)


class TestAFolderOfItsOwn:
    """A template's savers write where nobody else does; a caller's graph is left."""

    GRAPH: ClassVar = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64}},
        "2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a/b/card"}},
        "3": {"class_type": "SaveImage", "inputs": {"filename_prefix": ["1", 0]}},
        "4": {"class_type": "SaveText", "inputs": {"filename_prefix": "x\\y"}},
        "5": {"class_type": "SaveText", "inputs": {"filename_prefix": "folder/"}},
    }

    def test_filed(self) -> None:
        """The last part of each prefix stays; links and other inputs are left."""
        workflow = Workflow(self.GRAPH, template="t@1.0.0", own_prefix=False)
        filed = workflow.filed_under("test/t/j")
        found = [node["inputs"].get("filename_prefix") for node in filed.graph.values()]
        assert found == [
            None,
            "test/t/j/card",
            ["1", 0],
            "test/t/j/y",
            "test/t/j/output",
        ]
        assert workflow.graph == self.GRAPH
        assert (filed.template, filed.own_prefix) == ("t@1.0.0", False)

    def test_left(self) -> None:
        """A graph of the caller's saves where it says."""
        workflow = Workflow(self.GRAPH)
        assert workflow.filed_under("test/t/j") is workflow
