"""A client of an API edition: configuration, ledger, cancelling, resuming."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from comfyclient import Client, JobStatus, Settings, Workflow
from comfyclient.errors import (
    ConfigError,
    JobTimeoutError,
    NotOfferedError,
    OutOfMemoryError,
)
from comfyclient.events import Queued, Resubmitted
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.testing import EasGateway, Produced
from comfyclient.testing.eas_inference import instant

GRAPH = {"2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x"}}}


@pytest.fixture
def gateway() -> Iterator[EasGateway]:
    """A service whose instances make pictures at once."""
    with EasGateway(edition="api", token="secret", inference=instant) as gateway:
        yield gateway


def settings_of(url: str, folder: Path, **environment: Any) -> Settings:
    """One environment on a queue."""
    return Settings.model_validate(described(url, folder, **environment))


def described(url: str, folder: Path, **environment: Any) -> dict[str, Any]:
    """The same as a configuration says it."""
    instance = {"name": "queue", "url": url, "token": "secret", "window": 20}
    whole = {
        "transport": "eas-queue",
        "instances": [instance],
        "storage": {"kind": "mount", "root": str(folder)},
        "ledger": f"sqlite:///{folder}/jobs.db",
        "preflight": "off",
        **environment,
    }
    return {"default_environment": "test", "environments": {"test": whole}}


@pytest.fixture
def client(gateway: EasGateway, tmp_path: Path) -> Iterator[Client]:
    """A client of that service."""
    with Client(settings_of(gateway.url, tmp_path)) as client:
        yield client


def send(client: Client) -> Any:
    """A job that the queue took."""
    return client.submit(Workflow.from_graph(GRAPH))


def test_what_the_ledger_keeps(client: Client, tmp_path: Path) -> None:
    """Index and request id stand there with the attempt, and the end with the job."""
    job = send(client)
    job.result()
    with Ledger(tmp_path / "jobs.db") as ledger:
        row = ledger.job(job.id)
    assert row.state is JobState.SUCCEEDED
    assert row.attempts[0].receipt["index"] == "1"
    assert row.attempts[0].receipt["request_id"]
    assert row.attempts[0].prompt_id == row.attempts[0].attempt_id


def test_cancelled_in_the_queue(gateway: EasGateway, client: Client) -> None:
    """It never runs."""
    gateway.workers.hold()
    job = send(client)
    assert job.cancel() is JobStatus.CANCELLED
    assert not gateway.input.frames


def test_cancelled_while_it_runs(gateway: EasGateway, client: Client) -> None:
    """Nobody can stop it: that is said, and it goes on to its end."""
    gateway.workers.hold()
    me = gateway.input.join("inference", "by hand")
    job = send(client)
    request = gateway.input.take(me)
    with pytest.raises(NotOfferedError, match="no way to stop"):
        job.cancel()
    gateway.sink.put(instant(request).body, request.tags)
    gateway.input.commit("inference", [request.index])
    assert job.result().outputs


def test_a_job_whose_time_is_over(gateway: EasGateway, client: Client) -> None:
    """It is taken out of the queue, so that no GPU works for nobody."""
    gateway.workers.hold()
    job = client.submit(Workflow.from_graph(GRAPH), timeout=1)
    with pytest.raises(JobTimeoutError, match="queued"):
        job.result()
    gateway.await_that(lambda: not gateway.input.frames)


def test_resumed_by_another_process(gateway: EasGateway, tmp_path: Path) -> None:
    """What the first one left in the queue, the second one brings to its end."""
    settings = settings_of(gateway.url, tmp_path)
    gateway.workers.hold()
    with Client(settings) as first:
        left = [send(first) for _ in range(3)]
    gateway.workers.go_on()
    with Client(settings) as second:
        jobs = second.resume()
        assert {job.id for job in jobs} == {job.id for job in left}
        assert all(job.result().outputs for job in jobs)
    assert gateway.sink.put_count == 3


def test_out_of_memory_is_tried_once_more(gateway: EasGateway, client: Client) -> None:
    """The policies are those of every transport; the first result is dropped."""
    answers = iter([Produced(b"CUDA out of memory", 500)] * 2)
    gateway.workers.inference = lambda request: next(answers)
    job = send(client)
    with pytest.raises(OutOfMemoryError, match="answered 500"):
        job.result()
    told = list(job.events())
    assert [e for e in told if isinstance(e, Resubmitted)]
    assert isinstance(told[0], Queued)
    gateway.await_that(lambda: not gateway.sink.frames)


@pytest.mark.parametrize(
    ("path", "environment", "words"),
    [
        ("", {"storage": {"kind": "view"}}, "hands out no files"),
        ("/v1", {}, "goes on behind the service's name"),
        ("?token=x", {}, "has a query"),
    ],
)
def test_what_cannot_work(
    gateway: EasGateway,
    tmp_path: Path,
    path: str,
    environment: dict[str, Any],
    words: str,
) -> None:
    """It is said before anything is sent."""
    settings = settings_of(gateway.url + path, tmp_path, **environment)
    with Client(settings) as client, pytest.raises(ConfigError, match=words):
        send(client)
    assert not gateway.requests
