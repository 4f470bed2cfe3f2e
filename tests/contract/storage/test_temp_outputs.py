"""Temp outputs of real jobs come home before their server forgets them."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from comfyclient import Client, Settings, Workflow
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.testing import EasGateway, OssServer, Produced, QueueFrame, Reply
from comfyclient.testing.eas_inference import frame_body
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.workflow import NamedOutput

GRAPH: dict[str, Any] = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255},
    },
    "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
}
PREVIEW = Workflow.from_graph(GRAPH)
SAVED = Workflow.from_graph(
    {
        **GRAPH,
        "3": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "a"},
        },
    },
    outputs=[NamedOutput("card", "3")],
)
TOKEN = "token-that-is-nobodys-business"


class Arrivals(logging.Handler):
    """What is told of temp outputs, to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._told: Queue[str] = Queue()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line in."""
        self._told.put(record.getMessage())

    def await_one(self) -> str:
        """The next line."""
        return self._told.get(timeout=10)

    @property
    def none(self) -> bool:
        """Whether nothing more was told."""
        return self._told.empty()


@pytest.fixture
def arrivals() -> Iterator[Arrivals]:
    """Hears of every temp output that came home."""
    logger, handler = logging.getLogger("comfyclient.jobs.sheltering"), Arrivals()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def settings_of(folder: Path, **environment: Any) -> Settings:
    """One environment, its ledger and its cache."""
    whole = {"ledger": f"sqlite:///{folder}/jobs.db", **environment}
    return Settings.model_validate(
        {
            "default_environment": "test",
            "cache": str(folder / "cache"),
            "environments": {"test": whole},
        }
    )


def on(server: ScriptedServer, folder: Path) -> Settings:
    """An environment on a server of its own."""
    instance = {"name": "n0", "url": server.url, "token": TOKEN}
    return settings_of(folder, instances=[instance])


def kept(folder: Path) -> list[Path]:
    """Every file of the cache's temp outputs."""
    return [path for path in (folder / "cache" / "temp").rglob("*") if path.is_file()]


def emptied(root: Path) -> int:
    """Do what ComfyUI does when it starts; how many files that were."""
    files = [path for path in (root / "temp").rglob("*") if path.is_file()]
    for file in files:
        file.unlink()
    return len(files)


def test_a_server_that_starts_anew(server, tmp_path, arrivals) -> None:
    """Over its own HTTP: the picture is here when the server has it no longer."""
    with Client(on(server, tmp_path)) as client:
        job = client.submit(PREVIEW)
        (output,) = job.result().outputs
        assert job.id in arrivals.await_one()
        server.restart()
        assert not server.files
        assert output.save(tmp_path / "home").read_bytes().startswith(b"\x89PNG")
        (file,) = kept(tmp_path)
        assert TOKEN.encode() not in file.read_bytes()
        assert TOKEN not in str(file)
    assert not kept(tmp_path)


@pytest.mark.parametrize("kind", ["mount", "oss"])
def test_a_folder_that_is_emptied(kind, tmp_path, arrivals, monkeypatch) -> None:
    """Through a mount and from a bucket alike."""
    with OssServer(tmp_path / "buckets") as oss:
        root = oss.path("nev-aigc", "comfyui/test")
        root.mkdir(parents=True)
        storage: dict[str, object] = {"kind": "mount", "root": str(root)}
        if kind == "oss":
            monkeypatch.setenv("OSS_ACCESS_KEY_ID", oss.key.id)
            monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", oss.key.secret)
            storage = {
                "kind": "oss",
                "bucket": "nev-aigc",
                "endpoint": oss.endpoint,
                "prefix": "comfyui/test/",
                "credentials": "env",
            }
        environment = {
            "transport": "embedded",
            "region": oss.region,
            "engine": {"base_directory": str(root)},
            "storage": {**storage, "visible_s": 0},
        }
        with Client(settings_of(tmp_path, **environment)) as client:
            (output,) = client.run(PREVIEW).outputs
            arrivals.await_one()
            assert emptied(root) == 1
            assert output.read().startswith(b"\x89PNG")


def test_a_queue(tmp_path, arrivals) -> None:
    """What an API edition of PAI-EAS leaves in the mount's temp/ comes as well."""
    root = tmp_path / "mount"
    (root / "temp").mkdir(parents=True)

    def preview(request: QueueFrame) -> Produced:
        assert "2" in json.loads(request.data)
        (root / "temp" / "a.png").write_bytes(b"\x89PNG of the queue")
        shown = {"filename": "a.png", "subfolder": "", "type": "temp"}
        outputs = {"2": {"images": [shown]}}
        return Produced(frame_body(outputs, prompt_id=request.request_id))

    with EasGateway(edition="api", token=TOKEN, inference=preview) as gateway:
        environment = {
            "transport": "eas-queue",
            "instances": [{"name": "queue", "url": gateway.url, "token": TOKEN}],
            "storage": {"kind": "mount", "root": str(root), "visible_s": 0},
            "preflight": "off",
        }
        with Client(settings_of(tmp_path, **environment)) as client:
            (output,) = client.run(PREVIEW).outputs
            arrivals.await_one()
            assert emptied(root) == 1
            assert output.read() == b"\x89PNG of the queue"


def test_what_a_template_does_not_name(server, tmp_path, arrivals) -> None:
    """Where outputs have names, a preview beside them stays where it is."""
    with Client(on(server, tmp_path)) as client:
        result = client.run(SAVED)
        result.save_all(tmp_path / "home")
        assert [output.ref.type for output in result.outputs] == ["output", "temp"]
    assert arrivals.none
    assert not (tmp_path / "cache" / "temp").exists()


def test_resumed_by_another_process(server, tmp_path, arrivals) -> None:
    """It finds the file of the first one, and the job is not made again."""
    with Client(on(server, tmp_path)) as first:
        job_id = first.submit(PREVIEW).id
        arrivals.await_one()
    assert len(kept(tmp_path)) == 1  # it closed without saving
    server.restart()
    with Client(on(server, tmp_path)) as second:
        (job,) = second.resume()
        (output,) = job.result().outputs
        assert job.id == job_id
        assert output.save(tmp_path / "home").read_bytes().startswith(b"\x89PNG")
    assert server.executions.total() == 1
    assert not kept(tmp_path)
    with Ledger(tmp_path / "jobs.db") as ledger:
        assert ledger.job(job_id).state is JobState.COLLECTED


def test_resumed_on_another_machine(server, tmp_path, arrivals) -> None:
    """Without the first one's files it fetches them anew, at once."""
    with Client(on(server, tmp_path)) as first:
        first.submit(PREVIEW).result()
        arrivals.await_one()
    (file,) = kept(tmp_path)
    file.unlink()
    with Client(on(server, tmp_path)) as second:
        (job,) = second.resume()
        (output,) = job.result().outputs
        arrivals.await_one()
        server.restart()
        assert output.read().startswith(b"\x89PNG")
    assert server.executions.total() == 1


def test_one_that_does_not_come(server, tmp_path, arrivals) -> None:
    """That is a line in the log; whoever saves it asks the server once more."""
    server.always("GET /view", Reply(404))
    with Client(on(server, tmp_path)) as client:
        result = client.run(PREVIEW)
        assert result.outputs
        assert "stays where it is" in arrivals.await_one()
        server.always("GET /view", None)
        assert result.outputs[0].read().startswith(b"\x89PNG")


def test_closed_while_one_is_on_its_way(server, tmp_path, arrivals) -> None:
    """The client does not wait for it, no half of it stays, and no warning is told."""
    gate = threading.Event()
    server.always("GET /view", Reply(drips=gate))
    with Client(on(server, tmp_path)) as client:
        client.submit(PREVIEW).result()
        server.await_that(lambda: server.asked["GET /view"])
    # it could not have ended: the server sends a hundred bytes a second, then cuts
    assert not gate.is_set()
    gate.set()
    assert not kept(tmp_path)
    assert "was closed" in arrivals.await_one()
