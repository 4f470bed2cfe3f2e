"""The same handle in asyncio code: await a job, or iterate over its events.

How to run: python examples/asyncio_jobs.py [folder]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from comfyclient import Client, Job, load_trip
from comfyclient.events import Progress

TRIPS = Path(__file__).parent / "trips"
NAMES = ("black-forest-weekend", "coast-night-drive")


async def watch(job: Job, name: str) -> None:
    """Print a job's progress without blocking the loop."""
    async for event in job:
        if isinstance(event, Progress):
            print(f"{name}: {event.fraction:4.0%}")


async def run(out: str) -> None:
    """Submit from a thread (it speaks HTTP), wait on the loop."""
    with Client.from_config() as client:
        jobs = [
            await asyncio.to_thread(
                client.submit, "trip-postcard", load_trip(TRIPS / f"{name}.json")
            )
            for name in NAMES
        ]
        await asyncio.gather(*map(watch, jobs, NAMES))
        for job, name in zip(jobs, NAMES, strict=True):
            result = await job
            path = await asyncio.to_thread(
                result.output("postcard").save, Path(out) / f"{name}.png"
            )
            print("saved", path)


if __name__ == "__main__":
    asyncio.run(run(*(sys.argv[1:] or ["out"])))
