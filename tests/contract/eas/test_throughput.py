"""Many tasks and many clients on one service: each has its result, exactly once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from comfyclient.client import Client
from comfyclient.config.settings import Settings
from comfyclient.testing import EasGateway, Produced, QueueFrame
from comfyclient.testing.eas_inference import instant, usual_frames
from comfyclient.workflow import Workflow


class Duplicating:
    """Sends every seventh result twice, as a queue may that hands out at least once."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()

    def __call__(self, request: QueueFrame, produced: Produced | None):
        """The frames of one request."""
        self.runs[request.tags["task_id"]] += 1
        once = usual_frames(request, produced)
        return [*once, *once] if sum(self.runs.values()) % 7 == 0 else once


def settings_of(gateway: EasGateway, folder: Path, number: int) -> Settings:
    """A client with a ledger, and so with a consumer group, of its own."""
    limits = {"total_s": 3600, "queue_s": 3600, "silence_s": 3600}
    environment = {
        "transport": "eas-queue",
        "instances": [
            {"name": "queue", "url": gateway.url, "token": "secret", "window": 10_000}
        ],
        "queue": {"unknown_results": "pass", "window": 200},
        "storage": {"kind": "mount", "root": str(folder)},
        "ledger": f"sqlite:///{folder}/{number}.db",
        "deadlines": limits,
        "preflight": "off",
    }
    whole = {"default_environment": "test", "environments": {"test": environment}}
    return Settings.model_validate(whole)


def consume(gateway: EasGateway, folder: Path, number: int, tasks: int) -> int:
    """One client's part of the tasks; how many results it has."""
    graph = {"2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}
    workflow = Workflow.from_graph(graph)
    with Client(settings_of(gateway, folder, number)) as client:
        jobs = [client.submit(workflow) for _ in range(tasks)]
        names = {job.result().outputs[0].filename for job in jobs}
    return len(names)


def check(tasks: int, clients: int, folder: Path) -> float:
    """Send them all, and look into every ledger; seconds that it took."""
    sending = Duplicating()
    began = time.monotonic()
    with EasGateway(
        edition="api", token="secret", inference=instant, workers=4
    ) as gateway:
        gateway.workers.sending = sending
        each = tasks // clients
        with ThreadPoolExecutor(clients) as pool:
            parts = [
                pool.submit(consume, gateway, folder, number, each)
                for number in range(clients)
            ]
            assert [part.result() for part in parts] == [each] * clients
        took = time.monotonic() - began
        assert not gateway.input.frames
    assert len(sending.runs) == tasks
    assert set(sending.runs.values()) == {1}
    for number in range(clients):
        counted = states(folder / f"{number}.db")
        assert counted == {("succeeded", 1): each}, counted
    return took


def states(ledger: Path) -> dict[tuple[str, int], int]:
    """How many jobs a ledger has by state and number of attempts."""
    engine = create_engine(f"sqlite:///{ledger}")
    query = "SELECT state, attempts, count(*) FROM comfyclient_job GROUP BY 1, 2"
    with engine.connect() as connection:
        found = {(row[0], row[1]): row[2] for row in connection.execute(text(query))}
    engine.dispose()
    return found


def test_many_tasks(tmp_path: Path) -> None:
    """Some hundred, four clients: none lost, none doubled."""
    check(160, 4, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_ten_thousand_tasks(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Ten thousand, eight clients, a seventh of the results twice."""
    took = check(10_000, 8, tmp_path)
    record_property("seconds", round(took, 1))
