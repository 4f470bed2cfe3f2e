"""Clients that share a service in one process, with ledgers; and a forked child."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
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
    """Such a service, for the test."""
    with serving(sending, tmp_path) as gateway:
        yield gateway


@contextmanager
def serving(sending: Duplicating, folder: Path) -> Iterator[EasGateway]:
    """A service whose instances put pictures into the mount at once."""
    made = folder / "output"
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


def options(
    folder: Path, ledger: str, group: str = "ours", **queue: Any
) -> dict[str, Any]:
    """What such a client's environment says."""
    parking = str(folder / "parked")
    return {
        "ledger": f"sqlite:///{folder}/{ledger}.db",
        "queue": {"group": group, "window": 8, "parking": parking, **queue},
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


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_many_come_and_go_for_long(
    tmp_path: Path, soak_seeds: Iterator[int], record_property: Callable[..., None]
) -> None:
    """Four clients of up to three ledgers, whatever each does with foreign results."""
    done = 0
    for seed in soak_seeds:
        chance, sending = random.Random(seed), Duplicating()
        folder = tmp_path / str(seed)
        folder.mkdir()
        ledgers = [chance.choice("abc") for _ in range(4)]
        policies = ["leave", "park", "pass"]
        with serving(sending, folder) as gateway, ThreadPoolExecutor(4) as pool:
            chosen = [
                settings_of(
                    gateway.url,
                    folder,
                    **options(
                        folder,
                        ledger,
                        results=chance.choice(["watch", "watch", "poll"]),
                        unknown_results=chance.choice(policies),
                    ),
                )
                for ledger in ledgers
            ]
            parts = [
                pool.submit(
                    come_and_go, one, chance.randint(2, 6), chance.randint(1, 7)
                )
                for one in chosen
            ]
            while wait(parts, timeout=chance.uniform(0.02, 0.2)).not_done:
                gateway.cut_watchers(resets=chance.random() < 0.5)
            for part in parts:
                part.result()
        assert set(sending.runs.values()) == {1}, seed
        counted = [Counter(states(folder / f"{name}.db")) for name in set(ledgers)]
        total = {("succeeded", 1): len(sending.runs)}
        assert sum(counted, Counter()) == total, seed
        done += len(sending.runs)
    record_property("jobs", done)


FORKING = """
import os, sys
from comfyclient import Client, Settings, Workflow

settings = Settings.model_validate_json(sys.argv[1])
other = Settings.model_validate_json(sys.argv[2])
workflow = Workflow.from_graph({"2": {"class_type": "SaveImage", "inputs": {}}})
transport = lambda client: client._connect().router.named("queue")

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
