"""A batch of trips, taken up wherever an earlier life left it.

What it does not do is remember anything itself: that is the client's.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from comfyclient.client import Client
from comfyclient.config.settings import Settings
from comfyclient.errors import (
    BusyError,
    OutputDamagedError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.job import Job, JobStatus

from .fuse import Fuse
from .trips import workflow_of

Style = Literal["one by one", "four at once", "all sent first"]
Way = Literal["resumes", "submits again"]
ENVIRONMENT = "test"
TIME_S = 60
GRACE_S = 0.3
"""On one machine a request arrives at once, or never."""
T = TypeVar("T")


def live(
    *, settings: dict[str, Any], fuse: int | None = None, seed: int = 0, **batch: Any
) -> None:
    """One life of a process that does the batch."""
    if fuse is not None:
        Fuse(fuse).light()
    with client_of(**settings) as client:
        Batch(client, random.Random(seed), **batch).run()


def client_of(*, url: str, ledger: str) -> Client:
    """A client of one server, which may be killed any number of times."""
    limits = {"total_s": TIME_S, "queue_s": TIME_S, "silence_s": TIME_S}
    environment = {
        "instances": [{"name": "one", "url": url}],
        "ledger": ledger,
        "deadlines": {**limits, "grace_s": GRACE_S},
        "policies": {"resubmit_lost": 1000},
    }
    settings = {
        "default_environment": ENVIRONMENT,
        "environments": {ENVIRONMENT: environment},
    }
    return Client(Settings.model_validate(settings))


class Batch:
    """Brings the picture of every trip home, under the trip's name."""

    def __init__(
        self,
        client: Client,
        chance: random.Random,
        *,
        trips: list[str],
        folder: str,
        style: Style,
        way: Way,
        tallied: bool = False,
    ) -> None:
        self._client = client
        self._chance = chance
        self._trips = trips
        self._folder = Path(folder)
        self._style = style
        self._tallied = tallied
        self._resumes = way == "resumes"
        self._resumed: dict[str | None, Job] = {}

    def run(self) -> None:
        """Until all are there."""
        if self._resumes:
            jobs = self._client.resume()
            self._resumed = {job.workflow.trip_id: job for job in jobs}
        trips = self._in_order()
        match self._style:
            case "one by one":
                self._save_all((trip, self._job(trip)) for trip in trips)
            case "four at once":
                with ThreadPoolExecutor(4) as pool:
                    list(pool.map(lambda t: self._save(t, self._job(t)), trips))
            case "all sent first":
                self._save_all([(trip, self._job(trip)) for trip in trips])

    def _in_order(self) -> list[str]:
        """What was resumed comes first, or what is not there yet."""
        missing = [t for t in self._trips if not self.path(t).exists()]
        if self._resumes:
            left = [t for t in missing if t not in self._resumed]
            return [*map(str, self._resumed), *left]
        there = [t for t in self._trips if self.path(t).exists()]
        self._chance.shuffle(there)
        return [*missing, *there]

    def path(self, trip: str) -> Path:
        """Where its picture is to be."""
        return self._folder / f"{trip}.png"

    def _job(self, trip: str) -> Job:
        known = self._resumed.get(trip)
        if known is not None:
            return known
        workflow = workflow_of(trip, tallied=self._tallied)
        failed = 0

        def sent() -> Job:
            # a job that nobody took is open under its key; one that failed has spent it
            nonlocal failed
            key = f"{trip}/{failed}"
            job = self._client.submit(workflow, idempotency_key=key)
            if job.status is JobStatus.FAILED:
                failed += 1
                job.result()
            return job

        return _patient(sent)

    def _save_all(self, jobs: Iterable[tuple[str, Job]]) -> None:
        for trip, job in jobs:
            self._save(trip, job)

    def _save(self, trip: str, job: Job) -> None:
        output = job.result().output("picture")
        _patient(lambda: output.save(self.path(trip), overwrite=True))


def _patient(step: Callable[[], T]) -> T:
    """Try a step again while its server is down."""
    pause = threading.Event()
    while True:
        with suppress(
            UnclearAnswerError, OutputDamagedError, UnreachableError, BusyError
        ):
            return step()
        pause.wait(0.05)
