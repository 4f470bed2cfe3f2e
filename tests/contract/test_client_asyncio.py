"""The same client in asyncio code: awaited, iterated, cancelled."""

from __future__ import annotations

import asyncio

import pytest

from comfyclient.errors import (
    ComfyClientError,
)
from comfyclient.events import Queued
from comfyclient.testing.play import failing

from ..scenes import held
from .clients import WORKFLOW


class TestAsyncio:
    """The same handle in asyncio code."""

    def test_await(self, client) -> None:
        """Awaiting a job gives its result."""

        async def run() -> int:
            job = client.submit(WORKFLOW)
            return len((await job).outputs)

        assert asyncio.run(run()) == 1

    def test_async_for(self, client) -> None:
        """async for gives the same events as the synchronous way."""

        async def run() -> tuple[list[object], list[object]]:
            job = client.submit(WORKFLOW)
            return [event async for event in job], list(job.events())

        ours, theirs = asyncio.run(run())
        assert ours == theirs

    def test_the_loop_stays_free(self, client, server, gate) -> None:
        """While a job is awaited, other tasks run, and open its way even."""
        server.play(held(gate))

        async def run() -> int:
            job = client.submit(WORKFLOW)
            waiting = asyncio.ensure_future(_result(job))
            await asyncio.sleep(0)
            assert not waiting.done()
            gate.set()
            return len((await waiting).outputs)

        assert asyncio.run(run()) == 1

    def test_many_in_one_loop(self, client, server) -> None:
        """Many jobs are awaited together."""

        async def run() -> list[object]:
            jobs = [client.submit(WORKFLOW) for _ in range(5)]
            return await asyncio.gather(*map(_result, jobs))

        assert len(asyncio.run(run())) == 5

    def test_a_failure_is_raised(self, client, server) -> None:
        """Awaiting a job that failed raises its error."""
        server.play(lambda job: failing(job, "2"))

        async def run() -> None:
            await client.submit(WORKFLOW)

        with pytest.raises(ComfyClientError, match="boom"):
            asyncio.run(run())

    def test_given_up(self, client, server, gate) -> None:
        """A task that is cancelled stops waiting; the job goes on."""
        server.play(held(gate))

        async def run() -> object:
            job = client.submit(WORKFLOW)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(_result(job), 0.05)
            assert job._course._wakers == []
            gate.set()
            return await job

        assert asyncio.run(run()).outputs

    def test_a_loop_that_is_gone(self, client, server, gate) -> None:
        """An event for a loop that was closed meanwhile disturbs nobody."""
        server.play(held(gate))
        job = client.submit(WORKFLOW)

        async def first() -> object:
            async for event in job:
                return event
            return None

        assert isinstance(asyncio.run(first()), Queued)
        gate.set()
        assert job.result().outputs


async def _result(job: object) -> object:
    return await job
