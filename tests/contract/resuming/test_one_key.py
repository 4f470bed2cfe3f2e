"""The same idempotency key in several calls, clients and processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from comfyclient.errors import (
    BusyError,
    ClosedError,
    LedgerConflictError,
)
from comfyclient.ledger.records import JobState
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.http_wire import Reply
from comfyclient.workflow import Workflow

from ...scenes import held
from .houses import WORKFLOW, House


class TestTheSameKey:
    """One key, one job: whoever asks, and whenever."""

    def test_in_another_client(self, house: House, server) -> None:
        """A later process gets the finished job, and sends nothing."""
        first = house.client(server.url)
        job = first.submit(WORKFLOW, idempotency_key="trip-7")
        job.result()
        first.close()
        again = house.client(server.url).submit(WORKFLOW, idempotency_key="trip-7")
        assert again == job
        assert again.result().outputs
        assert server.executions.total() == 1

    @pytest.mark.parametrize("by", ["key", "id"])
    def test_of_a_finished_job(
        self, house: House, server, tmp_path: Path, by: str
    ) -> None:
        """Whoever brings its outputs home writes that down: they are home for all."""
        first = house.client(server.url)
        job = first.submit(WORKFLOW, idempotency_key="trip-7")
        job.result()
        first.close()
        second = house.client(server.url)
        if by == "key":
            again = second.submit(WORKFLOW, idempotency_key="trip-7")
        else:
            again = second.job(job.id)
        (path,) = again.result().save_all(tmp_path / "out")
        row = house.row(job.id)
        assert row.state is JobState.COLLECTED
        assert [file.path for file in row.files] == [path]

    def test_of_a_client_that_is_gone(self, house: House, server, gate) -> None:
        """A later process takes the unfinished job up."""
        server.play(held(gate))
        first = house.client(server.url)
        job = first.submit(WORKFLOW, idempotency_key="trip-7")
        first.close()
        again = house.client(server.url).submit(WORKFLOW, idempotency_key="trip-7")
        assert again == job
        gate.set()
        assert again.result().outputs
        assert server.executions.total() == 1

    @pytest.mark.parametrize("taken", [True, False])
    def test_of_a_submit_that_was_cut_short(
        self, house: House, server, gate, taken: bool
    ) -> None:
        """The client was closed over its POST: the next finds the job, or sends it."""
        kept = Reply(late=gate) if taken else Reply(gate=gate, sends=-1)
        server.answer("POST /prompt", kept)
        first = house.client(server.url)
        with ThreadPoolExecutor(1) as pool:
            cut = pool.submit(first.submit, WORKFLOW, idempotency_key="trip-7")
            server.await_that(lambda: server.asked["POST /prompt"])
            first.close()
            with pytest.raises(ClosedError, match="goes on with it"):
                cut.result(20)
        gate.set()
        again = house.client(server.url).submit(WORKFLOW, idempotency_key="trip-7")
        assert again.result().outputs
        assert server.executions.total() == 1

    def test_other_content(self, house: House, server) -> None:
        """Another graph under the key is an error that names both jobs."""
        client = house.client(server.url)
        first = client.submit(WORKFLOW, idempotency_key="trip-7")
        other = {**GRAPH, "1": {**GRAPH["1"], "inputs": {**GRAPH["1"]["inputs"]}}}
        other["1"]["inputs"]["width"] = 128
        with pytest.raises(LedgerConflictError) as caught:
            client.submit(Workflow.from_graph(other), idempotency_key="trip-7")
        assert first.id in str(caught.value)
        assert caught.value.job_id in str(caught.value)
        assert server.asked["POST /prompt"] == 1

    @pytest.mark.parametrize("again", ["the key", "resuming"])
    def test_that_nobody_took(self, house: House, server, again: str) -> None:
        """A key is not spent on a job that no server took."""
        server.always("POST /prompt", Reply(503, headers={"Retry-After": "60"}))
        client = house.client(server.url)
        for _ in range(2):
            with pytest.raises(BusyError) as caught:
                client.submit(WORKFLOW, idempotency_key="trip-7", timeout=5)
        server.always("POST /prompt", None)
        if again == "the key":
            job = client.submit(WORKFLOW, idempotency_key="trip-7")
        else:
            (job,) = client.resume()
        assert job.id == caught.value.job_id
        assert job.result().outputs
        assert server.executions.total() == 1

    def test_without_one(self, house: House, server) -> None:
        """A job without a key that nobody took has failed: its caller was told."""
        server.always("POST /prompt", Reply(503, headers={"Retry-After": "60"}))
        client = house.client(server.url)
        with pytest.raises(BusyError):
            client.submit(WORKFLOW, timeout=5)
        server.always("POST /prompt", None)
        assert client.resume() == []

    def test_at_once(self, house: House, server) -> None:
        """Many threads with one key send one job."""
        clients = [house.client(server.url) for _ in range(2)]
        with ThreadPoolExecutor(8) as pool:
            futures = [
                pool.submit(
                    clients[i % 2].submit, WORKFLOW, idempotency_key=f"k{i // 8}"
                )
                for i in range(40)
            ]
            jobs = {future.result().id for future in futures}
        assert len(jobs) == 5
        for client in clients:
            for job_id in jobs:
                assert client.job(job_id).result().outputs
        assert server.executions.total() == 5
