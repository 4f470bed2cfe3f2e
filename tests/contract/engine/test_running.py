"""What a client sees of running graphs, beyond what was recorded."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
from PIL import Image

from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing import nodes as test_nodes
from comfyclient.timing import Deadline


def image(color: int = 255, *, width: int = 8) -> dict[str, Any]:
    """A node that gives one picture."""
    inputs = {"width": width, "height": 8, "batch_size": 1, "color": color}
    return {"class_type": "EmptyImage", "inputs": inputs}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A node."""
    return {"class_type": class_type, "inputs": inputs}


class Doubles:
    """An asynchronous node."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": {"value": ("INT", {})}}

    async def run(self, value: int) -> tuple[int]:
        """Run the node."""
        return (value * 2,)


class Spreads:
    """Gives a list whose values go on one by one."""

    RETURN_TYPES = ("INT",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": {"count": ("INT", {})}}

    def run(self, count: int) -> tuple[list[int]]:
        """Run the node."""
        return (list(range(count)),)


class ExpandsBadly:
    """Adds a node that is in the graph already."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": {}}

    def run(self) -> dict[str, Any]:
        """Run the node."""
        return {"result": (["2", 0],), "expand": {"2": image()}}


CLASSES = {each.__name__: each for each in (Doubles, Spreads, ExpandsBadly)}


OUTSIDE = "/tmp/not-of-the-engine"


class Client:
    """A client with a websocket."""

    def __init__(self, engine: EmbeddedEngine, name: str = "client") -> None:
        self.engine = engine
        self.name = name
        self.session = requests.Session()
        address = engine.url.replace("http", "ws") + f"/ws?clientId={name}"
        self.socket = websocket.create_connection(address, timeout=10)
        self.first = json.loads(self.socket.recv())

    def close(self) -> None:
        """Drop both connections."""
        self.session.close()
        self.socket.close()

    def get(self, path: str) -> Any:
        """The JSON of a route."""
        return self.session.get(self.engine.url + path, timeout=10).json()

    def post(self, graph: dict[str, Any], **more: Any) -> str:
        """Submit a graph; returns its id."""
        body = {"prompt": graph, "client_id": self.name, **more}
        answer = self.session.post(f"{self.engine.url}/prompt", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    def heard(self) -> Iterator[dict[str, Any]]:
        """Text messages up to the one that ends a prompt."""
        while True:
            frame = self.socket.recv()
            if isinstance(frame, bytes):
                continue
            message = json.loads(frame)
            yield message
            if message["type"] == "executing" and message["data"]["node"] is None:
                return

    def run(self, graph: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Submit a graph, wait for its end, and return its history entry."""
        prompt_id = self.post(graph, **more)
        list(self.heard())
        entry: dict[str, Any] = self.get(f"/history/{prompt_id}")[prompt_id]
        return entry


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client of an engine with the test nodes, in a folder that nobody else uses."""
    folder = tmp_path / "engine"
    with EmbeddedEngine(
        base_directory=folder, node_packs=[test_nodes], node_classes=CLASSES
    ) as engine:
        client = Client(engine)
        yield client
        client.close()


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


def test_interruption_between_prompts_is_forgotten(client: Client) -> None:
    """An interrupt while nothing runs does not stop the next prompt."""
    client.session.post(client.engine.url + "/interrupt", timeout=10)

    entry = client.run({"1": image(), "2": node("PreviewImage", images=["1", 0])})

    assert entry["status"]["completed"] is True


def test_interrupted_prompt_ends_soon_and_says_so(client: Client) -> None:
    """A sleeping node stops between its steps; the entry tells where."""
    sleeping = node("TestSleep", image=["1", 0], seconds=30.0, steps=2)
    graph = {"1": image(), "3": sleeping, "2": node("PreviewImage", images=["3", 0])}
    prompt_id = client.post(graph)
    deadline = Deadline(20)
    for message in client.heard():
        if message["type"] == "executing" and message["data"]["node"] == "3":
            url = f"{client.engine.url}/interrupt"
            client.session.post(url, json={"prompt_id": prompt_id}, timeout=10)
        if message["type"] == "execution_interrupted":
            assert message["data"]["node_id"] == "3"

    entry = client.get(f"/history/{prompt_id}")[prompt_id]
    assert deadline.remaining() > 15
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert client.get(f"/api/jobs/{prompt_id}")["status"] == "cancelled"


def test_node_that_never_checks_leaves_the_blame_to_the_next(client: Client) -> None:
    """An interrupt waits for a node that does not check, and names the one after."""
    stubborn = node(
        "TestSleep", image=["1", 0], seconds=1.0, steps=1, interruptible=False
    )
    graph = {"1": image(), "3": stubborn, "2": node("PreviewImage", images=["3", 0])}
    prompt_id = client.post(graph)
    while json.loads(client.socket.recv())["data"].get("node") != "3":
        pass
    client.get("/queue")  # by now the node itself has begun
    url = f"{client.engine.url}/interrupt"
    client.session.post(url, json={"prompt_id": prompt_id}, timeout=10)

    ends = [m for m in client.heard() if m["type"] == "execution_interrupted"]

    assert [(m["data"]["node_id"], m["data"]["executed"]) for m in ends] in (
        [("2", ["1", "3"])],
        [("3", ["1"])],  # the interrupt was faster than the node
    )


def test_cancel_reaches_pending_and_running_prompts(client: Client) -> None:
    """A pending prompt vanishes, a running one ends as cancelled, others are not."""
    sleeping = node("TestSleep", image=["1", 0], seconds=30.0, steps=2)
    graph = {"1": image(), "3": sleeping, "2": node("PreviewImage", images=["3", 0])}
    running, pending = client.post(graph), client.post(graph)
    while json.loads(client.socket.recv())["type"] != "executing":
        pass
    jobs = f"{client.engine.url}/api/jobs"

    answers = [
        client.session.post(f"{jobs}/{each}/cancel", timeout=10).json()["cancelled"]
        for each in (pending, running, "nobody")
    ]
    list(client.heard())

    assert answers == [True, True, False]
    assert client.get(f"/api/jobs/{running}")["status"] == "cancelled"
    assert client.get(f"/api/jobs/{pending}") == {"error": "Job not found"}


def test_reconnecting_client_is_told_what_runs(client: Client) -> None:
    """A new socket of the running prompt's client hears the node, without an id."""
    sleeping = node("TestSleep", image=["1", 0], seconds=5.0, steps=50)
    graph = {"1": image(), "3": sleeping, "2": node("PreviewImage", images=["3", 0])}
    client.post(graph)
    while json.loads(client.socket.recv())["type"] != "progress":
        pass

    again = Client(client.engine)

    assert again.first["type"] == "status"
    assert json.loads(again.socket.recv()) == {
        "type": "executing",
        "data": {"node": "3"},
    }
    client.session.post(client.engine.url + "/interrupt", timeout=10)
    again.close()


def test_old_handlers_end_takes_the_new_socket_away(client: Client) -> None:
    """As with every release: the sid is unregistered by whoever leaves first."""
    newer = Client(client.engine)
    client.socket.close()
    client.get("/prompt")  # by now the old handler has ended
    deadline = Deadline(5)
    graph = {"1": image(), "2": node("PreviewImage", images=["1", 0])}
    entry: dict[str, Any] = {}
    prompt_id = newer.post(graph)
    while not entry and not deadline.passed():
        entry = newer.get(f"/history/{prompt_id}")
    newer.socket.settimeout(0.2)

    heard: list[Any] = []
    with suppress(websocket.WebSocketTimeoutException):
        while True:
            heard.append(newer.socket.recv())

    assert entry
    assert not any("execut" in str(each) for each in heard)
    newer.close()


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


def test_older_release_ignores_the_clients_id_and_interrupts_anybody() -> None:
    """0.3.12 mints its own prompt ids and kills whatever runs, whatever the body."""
    with EmbeddedEngine(version="0.3.12", node_packs=[test_nodes]) as engine:
        client = Client(engine)
        chosen = "5dc763b7-355b-4192-ae04-cf98403f0fd2"
        sleeping = node("TestSleep", image=["1", 0], seconds=9.0, steps=99)
        graph = {
            "1": image(),
            "3": sleeping,
            "2": node("PreviewImage", images=["3", 0]),
        }
        minted = client.post(graph, prompt_id=chosen)
        while json.loads(client.socket.recv())["type"] != "progress":
            pass
        url = f"{engine.url}/interrupt"
        client.session.post(url, json={"prompt_id": "somebody-else"}, timeout=10)
        kinds = [message["type"] for message in client.heard()]
        paths = ("/features", "/api/jobs")
        status = [
            client.session.get(engine.url + path, timeout=10).status_code
            for path in paths
        ]
        client.close()

    assert minted != chosen
    assert "execution_interrupted" in kinds
    assert "progress_state" not in kinds
    assert status == [404, 404]


def test_packs_may_be_files(tmp_path: Path) -> None:
    """A single file is a pack, named after itself in object_info."""
    source = Path(test_nodes.__file__)
    pack = tmp_path / "copied_nodes.py"
    pack.write_text(source.read_text())

    with EmbeddedEngine(node_packs=[pack]) as engine:
        about = requests.get(f"{engine.url}/object_info/TestText", timeout=10).json()

    assert about["TestText"]["python_module"] == "custom_nodes.copied_nodes"
