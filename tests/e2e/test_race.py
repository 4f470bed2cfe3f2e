"""A job that ends before anybody waits for it: its messages may come at any time."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from comfyclient.client import Client
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.workflow import Workflow

from ..nursery import Nursery
from ..seeds import seeds
from .crashing.batch import ENVIRONMENT, client_of
from .crashing.lives import Lives
from .crashing.quake import Quake

QUICK = 150
WHOLE = 1000


def echoed(client: Client, text: str) -> str:
    """What a job shows that shows a text and does nothing else."""
    graph = {"1": {"class_type": "Echo", "inputs": {"text": text}}}
    job = client.submit(Workflow.from_graph(graph))
    (shown,) = job.result(timeout=100).values["1"]["text"]
    return str(shown)


def race(nursery: Nursery, folder: Path, *, jobs: int, threads: int) -> None:
    """Many jobs that end at once, each asked for its result as soon as it was sent."""
    ledger = folder / "jobs.db"
    texts = [f"text {number}" for number in range(jobs)]
    with Lives(nursery, "engine", log=folder / "engine.log") as engine:
        quake = Quake(engine, folder, random.Random())
        quake.start()
        with (
            client_of(url=quake.url, ledger=f"sqlite:///{ledger}") as client,
            ThreadPoolExecutor(threads) as pool,
        ):
            shown = list(pool.map(lambda text: echoed(client, text), texts))
        assert shown == texts
    with Ledger(ledger) as journal:
        rows = journal.jobs(environment=ENVIRONMENT, limit=jobs + 1)
    assert Counter(row.state for row in rows) == {JobState.COLLECTED: jobs}
    assert Counter(len(row.attempts) for row in rows) == {1: jobs}
    assert quake.executions == {row.job_id: 1 for row in rows}


@pytest.mark.parametrize("threads", [1, 8])
def test_race(nursery: Nursery, tmp_path: Path, threads: int) -> None:
    """No job that ended at once is taken for failed, mixed up, or sent again."""
    race(nursery, tmp_path, jobs=QUICK, threads=threads)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("threads", [1, 8])
def test_long_race(nursery: Nursery, tmp_path: Path, threads: int) -> None:
    """So it is with a thousand at a time."""
    for seed in seeds():
        folder = tmp_path / str(seed)
        folder.mkdir()
        race(nursery, folder, jobs=WHOLE, threads=threads)
