"""The embedded engine starts, survives what comes, and always ends."""

from __future__ import annotations

import json
import socket
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest
import websocket

from comfyclient.errors import ClosedError, EngineError
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing import nodes as test_nodes
from comfyclient.timing import Deadline

from .callers import SAVED, Caller, through


def own_threads() -> list[str]:
    """The threads of engines that still run."""
    return [each.name for each in threading.enumerate() if "engine" in each.name]


# start and end


def test_engine_runs_a_graph_in_a_folder_of_its_own() -> None:
    """Without a base directory there is a temporary one, gone after the end."""
    with EmbeddedEngine() as engine:
        caller = Caller(engine.url)
        entry = caller.run(SAVED)
        base = engine.base_directory
        image = entry["outputs"]["2"]["images"][0]
        assert (base / "output" / image["filename"]).is_file()
        caller.session.close()

    assert not base.exists()
    assert own_threads() == []


def test_given_folder_is_kept_and_its_temp_emptied(tmp_path: Path) -> None:
    """A start empties temp/ and leaves output/ and input/ alone."""
    for name in ("temp", "output", "input"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old.txt").write_text("old")

    with EmbeddedEngine(tmp_path):
        assert not (tmp_path / "temp" / "old.txt").exists()

    assert (tmp_path / "output" / "old.txt").exists()
    assert (tmp_path / "input" / "old.txt").exists()


def test_port_in_use_is_an_error_that_names_it() -> None:
    """A second engine on the same port does not start, and leaves nothing behind."""
    with EmbeddedEngine() as first:
        port = int(first.url.rpartition(":")[2])
        second = EmbeddedEngine(port=port)

        with pytest.raises(EngineError, match=str(port)):
            second.start()

        assert second.wait(0)


@pytest.mark.parametrize("version", ["banana", "0.2.9", "0.99.0", ""])
def test_version_that_is_not_played_is_refused(version: str) -> None:
    """An engine plays only releases that it knows."""
    with pytest.raises(EngineError, match="version"):
        EmbeddedEngine(version=version).start()


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A base directory below a file is an error that names it."""
    (tmp_path / "file").write_text("x")

    with pytest.raises(EngineError, match="file"):
        EmbeddedEngine(tmp_path / "file" / "base").start()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("raise ValueError('bad pack')", "bad pack"),
        ("import sys; sys.exit(3)", "failed to load"),
        ("x = 1", "NODE_CLASS_MAPPINGS"),
        ("def broken(:", "failed to load"),
    ],
)
def test_broken_pack_stops_the_start(tmp_path: Path, text: str, word: str) -> None:
    """A pack that cannot be loaded is an error that says why."""
    pack = tmp_path / "pack.py"
    pack.write_text(text)

    with pytest.raises(EngineError, match=word):
        EmbeddedEngine(node_packs=[pack]).start()

    assert own_threads() == []


def test_address_is_known_only_after_the_start() -> None:
    """Asking an engine that was not started for its address is an error."""
    engine = EmbeddedEngine()

    with pytest.raises(ClosedError):
        _ = engine.url
    with pytest.raises(ClosedError):
        _ = engine.base_directory


def test_engine_starts_once() -> None:
    """Neither a running nor a closed engine starts again."""
    engine = EmbeddedEngine()
    with engine, pytest.raises(ClosedError):
        engine.start()
    with pytest.raises(ClosedError):
        engine.start()


def test_close_may_be_called_again_and_from_elsewhere() -> None:
    """close() is idempotent, ends a wait, and works before any start."""
    engine = EmbeddedEngine().start()
    waited: list[bool] = []
    waiter = threading.Thread(target=lambda: waited.append(engine.wait(10)))
    waiter.start()
    closers = [threading.Thread(target=engine.close) for _ in range(3)]
    for closer in closers:
        closer.start()
    for each in (*closers, waiter):
        each.join(10)

    engine.close()
    EmbeddedEngine().close()
    assert waited == [True]


def test_wait_gives_up_in_time(engine: EmbeddedEngine) -> None:
    """wait() on a running engine returns False when its time is up."""
    assert engine.wait(0.01) is False


# ends in the middle of something


@pytest.mark.parametrize("interruptible", [True, False])
def test_close_does_not_wait_for_a_running_job(interruptible: bool) -> None:
    """A job that runs is lost with the engine, whether or not its node checks."""
    deadline = Deadline(60)
    engine = EmbeddedEngine(node_packs=[test_nodes]).start()
    caller = Caller(engine.url)
    seconds = 30 if interruptible else 1
    caller.post(
        through("TestSleep", seconds=seconds, steps=2, interruptible=interruptible)
    )
    caller.until("/queue", "queue_running")

    engine.close()

    caller.session.close()
    assert deadline.remaining() > 50
    assert own_threads() == []


def test_close_drops_sockets_without_a_closing_frame(engine: EmbeddedEngine) -> None:
    """A client sees what it would see of a killed server."""
    heard = websocket.create_connection(engine.url.replace("http", "ws") + "/ws")
    heard.recv()

    engine.close()

    with pytest.raises((websocket.WebSocketConnectionClosedException, OSError)):
        heard.recv()
    heard.shutdown()


def test_reader_that_stalls_does_not_stall_the_end(
    engine: EmbeddedEngine, caller: Caller
) -> None:
    """An engine closes at once though a socket is full and nobody reads it."""
    port = int(engine.url.rpartition(":")[2])
    stalled = socket.create_connection(("127.0.0.1", port))
    stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stalled.sendall(
        b"GET /ws?clientId=stalled HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert stalled.recv(12) == b"HTTP/1.1 101"
    big = {"1": {"class_type": "TestBigUI", "inputs": {"kib": 16384}}}
    caller.run(big, client_id="stalled")
    deadline = Deadline(30)

    engine.close()

    stalled.close()
    assert deadline.remaining() > 26


def test_node_that_exits_ends_the_worker_and_nothing_else(
    engine: EmbeddedEngine, caller: Caller
) -> None:
    """SystemExit leaves the prompt running for ever, HTTP alive, and close quick."""
    worker = next(t for t in threading.enumerate() if t.name.endswith("engine-worker"))
    prompt_id = caller.post(through("TestRaise", message="x", kind="SystemExit"))
    worker.join(10)
    later = caller.post(SAVED)

    queue = caller.get("/queue")

    assert [item[1] for item in queue["queue_running"]] == [prompt_id]
    assert [item[1] for item in queue["queue_pending"]] == [later]
    deadline = Deadline(30)
    engine.close()
    assert deadline.remaining() > 28


# two at once, and ComfyUI's own modules


def test_two_engines_keep_their_progress_apart() -> None:
    """Nodes of engines in one process report to their own clients."""
    with (
        EmbeddedEngine(node_packs=[test_nodes]) as one,
        EmbeddedEngine(node_packs=[test_nodes]) as two,
    ):
        sockets = []
        for number, engine in enumerate((one, two)):
            address = engine.url.replace("http", "ws") + f"/ws?clientId=c{number}"
            sockets.append(websocket.create_connection(address, timeout=10))
            caller = Caller(engine.url)
            graph = through("TestSleep", seconds=0.2, steps=4 + number)
            caller.post(graph, client_id=f"c{number}")
            caller.session.close()
        totals = [_progress_totals(each) for each in sockets]
        for each in sockets:
            each.close()

    assert totals == [{4}, {5}]


def _progress_totals(heard: websocket.WebSocket) -> set[int]:
    totals = set()
    while True:
        message = json.loads(heard.recv())
        if message["type"] == "progress":
            totals.add(message["data"]["max"])
        if message["type"] == "execution_success":
            return totals


def test_stand_ins_leave_with_the_last_engine() -> None:
    """ComfyUI's modules can be imported while an engine runs, and not after."""
    with EmbeddedEngine():
        with EmbeddedEngine():
            assert hasattr(sys.modules["comfy.utils"], "ProgressBar")
        assert "folder_paths" in sys.modules

    assert "comfy" not in sys.modules
    assert "comfy.utils" not in sys.modules
    assert "folder_paths" not in sys.modules


def test_real_modules_stay_where_they_are() -> None:
    """In a process that has loaded ComfyUI, its modules are not touched."""
    real = ModuleType("folder_paths")
    sys.modules["folder_paths"] = real
    try:
        with EmbeddedEngine():
            assert sys.modules["folder_paths"] is real
            assert "comfy.utils" not in sys.modules
        assert sys.modules["folder_paths"] is real
    finally:
        del sys.modules["folder_paths"]


def test_pack_written_for_comfyui_runs(tmp_path: Path) -> None:
    """A pack folder finds folder_paths and the progress bar, as in ComfyUI."""
    pack = tmp_path / "my_pack"
    pack.mkdir()
    (pack / "__init__.py").write_text(
        "import os\n"
        "import folder_paths\n"
        "from comfy.utils import ProgressBar\n"
        "from .inner import WORD\n"
        "class Writes:\n"
        "    RETURN_TYPES = ()\n"
        "    FUNCTION = 'go'\n"
        "    OUTPUT_NODE = True\n"
        "    @classmethod\n"
        "    def INPUT_TYPES(cls):\n"
        "        return {'required': {'text': ('STRING', {})}}\n"
        "    def go(self, text):\n"
        "        ProgressBar(2).update(1)\n"
        "        folder = folder_paths.get_output_directory()\n"
        "        full, name, counter, sub, _ = folder_paths.get_save_image_path(\n"
        "            'deep/x', folder)\n"
        "        path = os.path.join(full, f'{name}_{counter:05}_.txt')\n"
        "        with open(path, 'w') as file:\n"
        "            file.write(text + WORD)\n"
        "        return {'ui': {'text': [text]}}\n"
        "NODE_CLASS_MAPPINGS = {'Writes': Writes}\n"
    )
    (pack / "inner.py").write_text("WORD = '!'\n")

    with EmbeddedEngine(tmp_path / "base", node_packs=[pack]) as engine:
        caller = Caller(engine.url)
        entry = caller.run({"1": {"class_type": "Writes", "inputs": {"text": "hi"}}})
        caller.session.close()

    assert entry["status"]["status_str"] == "success"
    written = tmp_path / "base" / "output" / "deep" / "x_00001_.txt"
    assert written.read_text() == "hi!"
