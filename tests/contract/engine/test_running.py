"""What a client sees of running graphs, beyond what was recorded."""

from __future__ import annotations

import json
import struct
from io import BytesIO
from pathlib import Path

import pytest
import requests
from PIL import Image

from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing import nodes as test_nodes

from .graph_runs import Client, image, node

OUTSIDE = "/tmp/not-of-the-engine"


def test_history_is_there_when_the_end_is_told(client: Client) -> None:
    """After executing{node: null} the entry is found at the first try, every time."""
    graph = {"1": image(), "2": node("PreviewImage", images=["1", 0])}

    for color in range(20):
        graph["1"] = image(color)
        assert client.run(graph)["status"]["completed"] is True


def test_everyone_hears_of_the_queue_and_nothing_else(client: Client) -> None:
    """Another client gets only the status of somebody else's prompt."""
    other = Client(client.engine, "other")

    client.run({"1": image(), "2": node("PreviewImage", images=["1", 0])})

    kinds = []
    for _ in range(3):
        message = json.loads(other.socket.recv())
        kinds.append(message["type"])
        remaining = message["data"]["status"]["exec_info"]["queue_remaining"]
    other.close()
    assert kinds == ["status"] * 3
    assert remaining == 0


def test_asynchronous_nodes_run(client: Client) -> None:
    """A node whose function is a coroutine is awaited."""
    entry = client.run(
        {"1": node("Doubles", value=21), "2": node("PreviewAny", source=["1", 0])}
    )

    assert entry["outputs"]["2"]["text"] == ["42"]


def test_lists_run_the_next_node_once_per_value(client: Client) -> None:
    """Each value of an output list is a call of its own, shown together."""
    entry = client.run(
        {"1": node("Spreads", count=3), "2": node("PreviewAny", source=["1", 0])}
    )

    assert entry["outputs"]["2"]["text"] == ["0", "1", "2"]


def test_expansion_into_an_existing_id_is_an_error(client: Client) -> None:
    """A node that adds a node of an id that exists fails its prompt."""
    entry = client.run(
        {"1": node("ExpandsBadly"), "2": node("PreviewImage", images=["1", 0])}
    )

    kind, data = entry["status"]["messages"][-1]
    assert (kind, data["node_id"]) == ("execution_error", "1")


def test_expanded_graph_is_cached_as_its_parent(client: Client) -> None:
    """Run again, nothing of an expanded node runs, and the output is shown again."""
    graph = {
        "1": image(),
        "3": node("TestExpand", image=["1", 0], seconds=0.0),
        "2": node("PreviewImage", images=["3", 0]),
    }
    first = client.run(graph)

    client.post(graph)

    kinds = [m["type"] for m in client.heard() if m["type"] != "status"]
    assert kinds.count("executing") == 1  # the end
    assert kinds.count("executed") == 1
    assert "2" in first["outputs"]


def test_picture_carries_graph_and_words_of_any_script(client: Client) -> None:
    """The PNG's text chunks give back the graph and what was sent along, intact."""
    words = {"title": "青海湖 Überfahrt 🚗", "figures": [1.5, None]}
    graph = {
        "1": image(),
        "2": node("SaveImage", images=["1", 0], filename_prefix="漢"),
    }

    entry = client.run(graph, extra_data={"extra_pnginfo": {"workflow": words}})

    about = entry["outputs"]["2"]["images"][0]
    assert about["filename"] == "漢_00001_.png"
    answer = client.session.get(client.engine.url + "/view", params=about, timeout=10)
    with Image.open(BytesIO(answer.content)) as picture:
        assert json.loads(picture.info["workflow"]) == words
        assert json.loads(picture.info["prompt"]) == graph
        assert picture.getpixel((0, 0)) == (0, 0, 255)


@pytest.mark.parametrize("prefix", ["../out", OUTSIDE, "a/../../out", "a\0b"])
def test_prefix_that_leaves_the_folder_fails_when_it_runs(
    client: Client, prefix: str
) -> None:
    """The prompt is accepted, fails at the node, and writes nothing outside."""
    before = set(client.engine.base_directory.parent.iterdir())
    graph = {
        "1": image(),
        "2": node("SaveImage", images=["1", 0], filename_prefix=prefix),
    }

    entry = client.run(graph)

    assert entry["status"]["messages"][-1][0] == "execution_error"
    assert set(client.engine.base_directory.parent.iterdir()) == before
    assert list(Path(OUTSIDE).parent.glob(f"{Path(OUTSIDE).name}*")) == []


def test_file_that_changed_is_loaded_again(client: Client) -> None:
    """LoadImage looks at the file's content, not at its name."""
    path = client.engine.base_directory / "input" / "x.png"
    graph = {
        "1": node("LoadImage", image="x.png"),
        "2": node("PreviewImage", images=["1", 0]),
    }
    names = []
    for color in ("red", "red", "blue"):
        Image.new("RGB", (4, 4), color).save(path)
        names.append(client.run(graph)["outputs"]["2"]["images"][0]["filename"])

    assert names[0] == names[1] != names[2]


def test_transparency_of_a_loaded_picture_is_its_mask(client: Client) -> None:
    """MASK is one minus alpha, for palettes too; without alpha it is 64x64 zeros."""
    folder = client.engine.base_directory / "input"
    Image.new("RGBA", (2, 2), (0, 0, 0, 51)).save(folder / "a.png")
    Image.new("RGB", (2, 2)).save(folder / "b.png")
    greys = {}
    for name in "ab":
        graph = {
            "1": node("LoadImage", image=f"{name}.png"),
            "3": node("MaskToImage", mask=["1", 1]),
            "2": node("SaveImage", images=["3", 0], filename_prefix=name),
        }
        about = client.run(graph)["outputs"]["2"]["images"][0]
        with Image.open(
            client.engine.base_directory / "output" / about["filename"]
        ) as shown:
            greys[name] = (shown.size, shown.getpixel((0, 0)))

    assert greys == {"a": ((2, 2), (204,) * 3), "b": ((64, 64), (0,) * 3)}


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_file_that_is_no_picture_fails_its_prompt(
    client: Client, content: bytes
) -> None:
    """A broken file is an execution error that names the node; others still run."""
    (client.engine.base_directory / "input" / "x.png").write_bytes(content)
    graph = {
        "1": node("LoadImage", image="x.png"),
        "2": node("PreviewImage", images=["1", 0]),
    }

    entry = client.run(graph)

    kind, data = entry["status"]["messages"][-1]
    assert (kind, data["node_id"]) == ("execution_error", "1")


def test_text_frames_have_their_layout(client: Client) -> None:
    """Event 3 holds the length of the node's id, the id, and the text."""
    said = node("TestProgressText", image=["1", 0], text="héllo")
    client.post({"1": image(), "44": said, "2": node("PreviewImage", images=["44", 0])})

    frame = client.socket.recv()
    while not isinstance(frame, bytes):
        frame = client.socket.recv()

    assert frame == struct.pack(">II", 3, 2) + b"44" + "héllo".encode()


def test_memory_is_freed_for_the_next_prompt(client: Client) -> None:
    """After POST /free with free_memory nothing is taken from the cache."""
    graph = {"1": image(), "2": node("PreviewImage", images=["1", 0])}
    client.run(graph)
    url = f"{client.engine.url}/free"
    client.session.post(url, json={"free_memory": True}, timeout=10)

    entry = client.run(graph)

    assert entry["status"]["messages"][1][1]["nodes"] == []


def test_cached_output_may_name_a_file_that_is_gone(client: Client) -> None:
    """A deleted file is still named by the cache, and is a 404."""
    graph = {"1": image(), "2": node("SaveImage", images=["1", 0], filename_prefix="x")}
    about = client.run(graph)["outputs"]["2"]["images"][0]
    (client.engine.base_directory / "output" / about["filename"]).unlink()

    again = client.run(graph)["outputs"]["2"]["images"][0]

    answer = client.session.get(client.engine.url + "/view", params=again, timeout=10)
    assert (again, answer.status_code) == (about, 404)


MODEL_GRAPH = {
    "4": node("CheckpointLoaderSimple", ckpt_name="x.safetensors"),
    "9": node("SaveImage", images=["4", 0], filename_prefix="x"),
}


@pytest.mark.parametrize(
    ("version", "kind", "message"),
    [
        (
            "0.33.0",
            "missing_node_type",
            "Node 'CheckpointLoaderSimple' not found. "
            "The custom node may not be installed.",
        ),
        (
            "0.3.64",
            "invalid_prompt",
            "Cannot execute because node CheckpointLoaderSimple does not exist.",
        ),
    ],
)
def test_graph_that_needs_a_model_is_refused(
    version: str, kind: str, message: str
) -> None:
    """There is no diffusion here, and no pretending: the class does not exist."""
    with EmbeddedEngine(version=version) as engine:
        answer = requests.post(
            f"{engine.url}/prompt", json={"prompt": MODEL_GRAPH}, timeout=10
        )

    assert answer.status_code == 400
    assert (answer.json()["error"]["type"], answer.json()["error"]["message"]) == (
        kind,
        message,
    )


def test_packs_may_be_files(tmp_path: Path) -> None:
    """A single file is a pack, named after itself in object_info."""
    source = Path(test_nodes.__file__)
    pack = tmp_path / "copied_nodes.py"
    pack.write_text(source.read_text())

    with EmbeddedEngine(node_packs=[pack]) as engine:
        about = requests.get(f"{engine.url}/object_info/TestText", timeout=10).json()

    assert about["TestText"]["python_module"] == "custom_nodes.copied_nodes"
