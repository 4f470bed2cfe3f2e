"""What type checkers see of the public names; checked by mypy, not run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

from comfyclient import (
    Batch,
    Client,
    Job,
    JobStatus,
    Order,
    Outcome,
    Output,
    OutputRef,
    Provenance,
    Result,
    Settings,
    Trip,
    Workflow,
    load_settings,
    load_trip,
    load_trips,
)
from comfyclient.events import Event


def check_submit(client: Client) -> None:
    """A job, its events, its result and its files are typed all the way."""
    trip = load_trip("trip.json")
    assert_type(trip, Trip)
    job = client.submit("trip-postcard", trip, seed=7)
    assert_type(job, Job)
    assert_type(job.status, JobStatus)
    assert_type(job.progress, float)
    assert_type(job.events(timeout=1), Iterator[Event])
    result = job.result(timeout=60)
    assert_type(result, Result)
    assert_type(result.outputs, tuple[Output, ...])
    assert_type(result.outputs[0].save("out/"), Path)
    assert_type(client.run(Workflow.from_file("graph.json")), Result)


async def check_async(job: Job) -> None:
    """The same handle in asyncio code."""
    assert_type(await job, Result)
    async for event in job:
        assert_type(event, Event)


def check_many(client: Client, trips: list[Trip]) -> None:
    """A batch gives outcomes, whatever it is made of."""
    batch = client.map("trip-postcard", trips, save_to="out/", ordered=True)
    assert_type(batch, Batch)
    for outcome in batch:
        assert_type(outcome, Outcome)
        assert_type(outcome.files, tuple[Path, ...])
    client.map(None, [Order("trip-postcard", trips[0], priority=1)])


async def check_many_async(client: Client, trips: list[Trip]) -> None:
    """Likewise in asyncio code."""
    assert_type(await client.asubmit("trip-postcard", trips[0]), Job)
    async for outcome in client.amap("trip-postcard", trips):
        assert_type(outcome, Outcome)


def check_the_rest(client: Client, result: Result) -> None:
    """Trips, settings, cancelling, and what a result tells of itself."""
    assert_type(load_trips("trips.jsonl"), Iterator[Trip])
    assert_type(load_settings(), Settings)
    assert_type(client.job("id").cancel(), JobStatus)
    assert_type(result.output("postcard").ref, OutputRef)
    assert_type(result.provenance, Provenance)
