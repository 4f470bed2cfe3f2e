"""kill -9 at any step of a batch over a queue: each job has its result once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.testing import EasGateway, Produced, QueueFrame
from comfyclient.testing.eas_inference import instant

from ..nursery import Nursery
from .crashing.lives import Lives
from .crashing.queue_batch import settings_of

JOBS = 2
STEPS = 44
"""Requests, commits and changes to files of one undisturbed life, and some more."""


class Runs:
    """What the instances of the service were given to do."""

    def __init__(self) -> None:
        self.of_job: Counter[str] = Counter()

    def __call__(self, request: QueueFrame) -> Produced:
        """Make a picture of a job, and count it."""
        graph = json.loads(request.data)
        self.of_job[graph["2"]["inputs"]["filename_prefix"]] += 1
        return instant(request)


def crash_at(step: int, results: str, *, nursery: Nursery, folder: Path) -> None:
    """A life that is killed at a step, and the one that goes on."""
    folder.mkdir()
    runs = Runs()
    with (
        EasGateway(edition="api", token="secret", inference=runs) as gateway,
        Lives(nursery, "queue_batch", log=folder / "log") as lives,
    ):
        settings = settings_of(url=gateway.url, folder=str(folder), results=results)
        lives.begin(settings=settings, jobs=JOBS, fuse=step)
        lives.await_end()
        lives.begin(settings=settings, jobs=JOBS)
        assert lives.await_end() == 0, (folder / "log").read_text()
        gateway.await_that(lambda: not gateway.input.frames)
        left = [frame.tags["task_id"] for frame in gateway.sink.frames.values()]
    assert runs.of_job == {f"job-{number}": 1 for number in range(JOBS)}, step
    with Ledger(folder / "ledger.db") as ledger:
        rows = ledger.jobs(environment="test")
        # whoever looks at the sink next drops them: their jobs' ends are written down
        assert {ledger.awaits(task) for task in left} <= {False}
    assert {row.state for row in rows} == {JobState.SUCCEEDED}
    assert len(rows) == JOBS


@pytest.mark.parametrize("step", range(3, STEPS, 6))
def test_killed_at_a_step(step: int, nursery: Nursery, tmp_path: Path) -> None:
    """Nothing is lost, nothing runs twice, and nobody's result is thrown away."""
    results = "watch" if step % 4 else "poll"
    crash_at(step, results, nursery=nursery, folder=tmp_path / "life")


@pytest.mark.soak
@pytest.mark.parametrize("results", ["watch", "poll"])
def test_killed_at_every_step(results: str, nursery: Nursery, tmp_path: Path) -> None:
    """The same at each step there is."""
    for step in range(1, STEPS):
        crash_at(step, results, nursery=nursery, folder=tmp_path / str(step))
