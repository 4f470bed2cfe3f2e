"""Clients that share a service in one process, with ledgers; and a forked child."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from comfyclient import Client, Settings, Workflow
from comfyclient.testing import EasGateway, Produced, QueueFrame
from comfyclient.testing.eas_inference import instant

from ...nursery import Nursery
from .test_client import GRAPH, described, settings_of
from .test_throughput import Duplicating, states

WORKFLOW = Workflow.from_graph(GRAPH)


@pytest.fixture
def sending() -> Duplicating:
    """How often each request ran; every seventh result comes twice."""
    return Duplicating()


@pytest.fixture
def gateway(sending: Duplicating, tmp_path: Path) -> Iterator[EasGateway]:
    """A service whose instances put pictures into the mount at once."""
    made = tmp_path / "output"
    made.mkdir()

    def inference(request: QueueFrame) -> Produced:
        (made / f"{request.tags['task_id']}_2_.png").touch()
        return instant(request)

    with EasGateway(
        edition="api", token="secret", inference=inference, workers=3
    ) as gateway:
        assert gateway.workers is not None
        gateway.workers.sending = sending
        yield gateway


def settings(gateway: EasGateway, folder: Path, ledger: str) -> Settings:
    """A client of that service, whatever its ledger a reader of one group."""
    return settings_of(gateway.url, folder, **options(folder, ledger))


def options(folder: Path, ledger: str, group: str = "ours") -> dict[str, Any]:
    """What such a client's environment says."""
    return {
        "ledger": f"sqlite:///{folder}/{ledger}.db",
        "queue": {"group": group, "window": 8},
    }


def keep_sending(client: Client, jobs: int) -> int:
    """Send jobs, and wait for each; how many pictures came of them."""
    sent = [client.submit(WORKFLOW) for _ in range(jobs)]
    return len({job.result().outputs[0].filename for job in sent})


def come_and_go(chosen: Settings, times: int, jobs: int) -> None:
    """Open a client again and again; close it as soon as its jobs are sent."""
    for _ in range(times):
        with Client(chosen) as client:
            client.resume()
            for _ in range(jobs):
                client.submit(WORKFLOW)
    with Client(chosen) as client:
        for job in client.resume():
            assert job.result().outputs


@pytest.mark.parametrize("ledgers", [("one", "one"), ("one", "other")])
def test_one_stays_and_one_comes_and_goes(
    gateway: EasGateway, sending: Duplicating, tmp_path: Path, ledgers: tuple[str, str]
) -> None:
    """Whenever it is closed, each job of both has one result, and ran once."""
    staying, moving = (settings(gateway, tmp_path, name) for name in ledgers)
    with Client(staying) as client, ThreadPoolExecutor(2) as pool:
        stayed = pool.submit(keep_sending, client, 40)
        moved = pool.submit(come_and_go, moving, 8, 5)
        assert stayed.result(timeout=40) == 40
        moved.result(timeout=40)
    assert set(sending.runs.values()) == {1}
    assert len(sending.runs) == 80
    counted = [states(tmp_path / f"{name}.db") for name in set(ledgers)]
    assert sum(map(Counter, counted), Counter()) == {("succeeded", 1): 80}
    assert len(gateway.sink.groups["ours"].consumers) == 0


FORKING = """
import os, sys
from comfyclient import Client, Settings, Workflow

settings = Settings.model_validate_json(sys.argv[1])
other = Settings.model_validate_json(sys.argv[2])
workflow = Workflow.from_graph({"2": {"class_type": "SaveImage", "inputs": {}}})
transport = lambda client: client._wired.router.named("queue")

with Client(settings) as client:
    print(len(client.submit(workflow).result().outputs), flush=True)
    reader = transport(client)._reader
    child = os.fork()
    if child == 0:
        with Client(other) as ours:
            print(len(ours.submit(workflow).result().outputs), flush=True)
            assert transport(ours)._reader.pid == os.getpid() != reader.pid
        transport(client).close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert transport(client)._reader is reader and reader.watch.open
    print(len(client.submit(workflow).result().outputs), flush=True)
"""


def test_a_forked_child(gateway: EasGateway, tmp_path: Path, nursery: Nursery) -> None:
    """It reads by itself, and leaves its parent's reader alone, closing included."""
    whole = [
        json.dumps(described(gateway.url, tmp_path, **options(tmp_path, name, name)))
        for name in ("parent", "child")
    ]
    done = nursery.run("-c", FORKING, *whole, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1"] * 3
    assert gateway.asked["WATCH sink"] == 2
