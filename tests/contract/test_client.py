"""The client as a caller uses it, on scripted servers that behave and misbehave."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from comfyclient.client import Client
from comfyclient.config.settings import EnvironmentSettings, Settings
from comfyclient.errors import (
    ClosedError,
    ComfyClientError,
    JobCancelledError,
    JobTimeoutError,
    OutputMissingError,
    UnknownJobError,
    UsageError,
)
from comfyclient.events import Finished, Progress, Queued
from comfyclient.job import Job
from comfyclient.jobs.course import JobStatus
from comfyclient.ledger.records import JobState
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import failing
from comfyclient.testing.script import Script
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.workflow import NamedOutput, Workflow

from ..scenes import held
from .clients import WORKFLOW, client_of, state_of

TOKEN = "s3cr3t-token-value"
A_MOMENT_S = 0.1
"""Real seconds in which a client that waits for nobody would be closed."""


class TestARun:
    """From a graph to a file."""

    def test_from_submit_to_file(self, client, server, ledger, tmp_path) -> None:
        """A submitted graph gives a file, its origin, and a collected job."""
        job = client.submit(WORKFLOW)
        result = job.result()
        saved = result.save_all(tmp_path / "out")
        assert saved[0].read_bytes().startswith(b"\x89PNG")
        assert job.status is JobStatus.SUCCEEDED
        assert (job.instance, result.provenance.instance) == ("n0", "n0")
        assert result.provenance.digest == WORKFLOW.digest
        assert server.executions == {result.provenance.prompt_id: 1}
        assert state_of(ledger, job.id) is JobState.COLLECTED

    def test_the_picture_says_where_it_came_from(self, client, server) -> None:
        """The graph is sent with its provenance, as an object."""
        job = client.submit(WORKFLOW)
        job.result()
        sent = next(r for r in server.requests if r.path == "/prompt" and r.body).json()
        told = sent["extra_data"]["extra_pnginfo"]["comfyclient"]
        assert (told["job_id"], told["instance"]) == (job.id, "n0")
        assert told["environment"] == "test"

    def test_events_twice_are_the_same(self, client) -> None:
        """A second call of events starts again at the first one."""
        job = client.submit(WORKFLOW)
        first, second = list(job.events()), list(job.events())
        assert first == second
        assert isinstance(first[0], Queued)
        assert first[-1] == Finished(None)

    def test_two_readers_at_once(self, client, server, gate) -> None:
        """Two threads that read the events while they come see the same."""
        server.play(held(gate))
        job = client.submit(WORKFLOW)
        seen: list[list[object]] = [[], []]
        readers = [
            threading.Thread(target=lambda found=found: found.extend(job.events()))
            for found in seen
        ]
        for reader in readers:
            reader.start()
        gate.set()
        for reader in readers:
            reader.join()
        assert seen[0] == seen[1]
        assert seen[0][-1] == Finished(None)

    def test_a_result_is_made_once(self, client) -> None:
        """result() gives the same object each time."""
        job = client.submit(WORKFLOW)
        assert job.result() is job.result()

    def test_a_required_output_that_is_missing(self, client) -> None:
        """A job that succeeds without its named output says which one."""
        named = Workflow.from_graph(GRAPH, outputs=[NamedOutput("card", "1")])
        with pytest.raises(OutputMissingError, match="card"):
            client.submit(named).result()

    def test_the_same_key_is_the_same_job(self, client, server) -> None:
        """A repeated call with one idempotency key sends nothing."""
        first = client.submit(WORKFLOW, idempotency_key="trip-7")
        again = client.submit(WORKFLOW, idempotency_key="trip-7")
        assert again == first
        first.result()
        assert server.executions.total() == 1

    def test_a_failed_job(self, client, server, ledger) -> None:
        """A job that failed raises its error at every call, and is recorded."""
        server.play(lambda job: failing(job, "2"))
        job = client.submit(WORKFLOW)
        for _ in range(2):
            with pytest.raises(ComfyClientError, match="ValueError: boom"):
                job.result()
        assert job.status is JobStatus.FAILED
        assert list(job.events())[-1].error is not None
        assert state_of(ledger, job.id) is JobState.FAILED


class TestWaiting:
    """A caller's patience is the caller's; the job goes on."""

    def test_a_short_wait(self, client, server, gate) -> None:
        """A wait that is over says what the job was doing, and may be repeated."""
        server.play(held(gate))
        job = client.submit(WORKFLOW)
        with pytest.raises(JobTimeoutError, match=r"the wait of 0\.05 s is over"):
            job.result(timeout=0.05)
        with pytest.raises(TimeoutError):
            list(job.events(timeout=0.05))
        gate.set()
        assert job.result().outputs

    def test_the_jobs_own_time(self, client, server, gate, ledger) -> None:
        """A job with a time of its own ends by itself, here and on the server."""
        server.play(held(gate))
        job = client.submit(WORKFLOW, timeout=1)
        with pytest.raises(JobTimeoutError, match=r"total time of 1 s"):
            job.result()
        server.await_that(lambda: "cancelled" in server.stage.states.values())
        assert job.status is JobStatus.FAILED
        assert state_of(ledger, job.id) is JobState.FAILED

    def test_cancelled(self, client, server, gate, ledger) -> None:
        """cancel() returns how it ended, and the result raises that."""
        server.play(held(gate))
        job = client.submit(WORKFLOW)
        server.await_that(lambda: server.stage.running is not None)
        assert job.cancel() is JobStatus.CANCELLED
        assert job.cancel() is JobStatus.CANCELLED
        with pytest.raises(JobCancelledError):
            job.result()
        assert state_of(ledger, job.id) is JobState.CANCELLED

    def test_cancelled_in_the_queue(self, client, server, gate) -> None:
        """A job that waits is dropped; the one before it goes on."""
        server.play(held(gate))
        first, second = client.submit(WORKFLOW), client.submit(WORKFLOW)
        assert second.cancel() is JobStatus.CANCELLED
        gate.set()
        assert first.result().outputs

    def test_cancelled_in_vain(self, client, server, gate) -> None:
        """A job that cannot be stopped in time raises, and is asked more than once."""
        server.play(held(gate))
        server.stage.interruptible = False
        job = client.submit(WORKFLOW)
        server.await_that(lambda: server.stage.running is not None)
        with pytest.raises(JobTimeoutError):
            job.cancel(timeout=1.3)
        assert server.asked["POST /api/jobs/{id}/cancel"] >= 2
        gate.set()
        assert job.result().outputs

    def test_cancelled_after_the_end(self, client, server) -> None:
        """A job that has ended is left as it is."""
        job = client.submit(WORKFLOW)
        job.result()
        assert job.cancel() is JobStatus.SUCCEEDED
        assert server.asked["POST /api/jobs/{id}/cancel"] == 0


class TestClosing:
    """A closed client holds nothing, and says so."""

    def test_while_jobs_run(self, server, ledger, gate) -> None:
        """Closing joins the threads; the jobs stay on their server."""
        server.play(held(gate))
        with client_of([server.url], ledger) as client:
            job = client.submit(WORKFLOW)
            server.await_that(lambda: server.stage.running is not None)
        names = [thread.name for thread in threading.enumerate()]
        assert not [n for n in names if n.startswith("comfyclient")]
        assert state_of(ledger, job.id) in {JobState.ACCEPTED, JobState.RUNNING}
        gate.set()
        server.await_that(lambda: server.stage.history)

    def test_afterwards(self, server, ledger) -> None:
        """A closed client refuses work with a clear error; closing again is fine."""
        client = client_of([server.url], ledger)
        client.submit(WORKFLOW).result()
        client.close()
        client.close()
        with pytest.raises(ClosedError):
            client.submit(WORKFLOW)

    def test_who_waits_is_told(self, server, ledger, gate) -> None:
        """A result that another thread waits for ends in a ClosedError, at once."""
        client = client_of([server.url], ledger)
        server.play(held(gate))
        job = client.submit(WORKFLOW)
        next(event for event in job.events(timeout=20) if isinstance(event, Progress))
        with ThreadPoolExecutor() as pool:
            waits = [
                pool.submit(job.result, 30),
                pool.submit(lambda: list(job.events(30))),
                pool.submit(lambda: asyncio.run(_awaited(job))),
            ]
            client.close()
            for wait in waits:
                with pytest.raises(ClosedError, match="goes on with it"):
                    wait.result(20)

    def test_while_a_job_is_submitted(self, server, ledger, gate) -> None:
        """Whoever submits is told what happened, and who goes on with the job."""
        server.answer("POST /prompt", Reply(late=gate))
        client = client_of([server.url], ledger)
        with ThreadPoolExecutor() as pool:
            sending = pool.submit(client.submit, WORKFLOW)
            server.await_that(lambda: server.asked["POST /prompt"])
            client.close()
            with pytest.raises(ClosedError, match="while the job was submitted"):
                sending.result(20)

    def test_the_last_word_is_said(self, ledger, gate) -> None:
        """A job whose time is over is stopped, however soon the client is closed."""
        clock = FakeClock()
        with ScriptedServer(version="0.3.64", script=Script.never_finishes()) as server:
            client = client_of([server.url], ledger, clock=clock)
            job = clock.run(lambda: client.submit(WORKFLOW, timeout=9))
            server.answer("GET /system_stats", Reply(gate=gate))  # before it is stopped
            with pytest.raises(JobTimeoutError):
                clock.run(job.result)
            closing = threading.Thread(target=client.close)
            closing.start()
            closing.join(A_MOMENT_S)
            gate.set()
            server.await_that(lambda: "cancelled" in server.stage.states.values())
            closing.join()

    def test_nothing_is_connected_before_it_is_needed(self, server, ledger) -> None:
        """Making a client sends nothing and starts nothing."""
        with client_of([server.url], ledger):
            pass
        assert server.requests == []


class TestUsage:
    """Calls that cannot be right."""

    def test_a_workflow_is_filled_already(self, client) -> None:
        """Seed and parameters belong to templates."""
        with pytest.raises(UsageError, match="fill a template"):
            client.submit(WORKFLOW, seed=7)

    @pytest.mark.parametrize("key", [None, "k"])
    @pytest.mark.parametrize(
        ("what", "trip", "remedy"),
        [
            (GRAPH, None, r"got \{.*\n.*Workflow\.from_graph"),
            (Path("graph.json"), None, r"Workflow\.from_file"),
            ("trip-postcard", "trip.json", r"got 'trip\.json'\n.*load_trip"),
            ("trip-postcard", {"id": "t"}, "load_trip"),
        ],
    )
    def test_what_is_no_template_and_no_trip(
        self, client, server, what, trip, remedy, key
    ) -> None:
        """A dict, or a path, in the place of its object: told how it becomes one."""
        with pytest.raises(UsageError, match=remedy):
            client.submit(what, trip, idempotency_key=key)
        assert not server.asked["POST /prompt"]

    @pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
    def test_a_time_that_is_none(self, client, server, seconds) -> None:
        """A job's time is checked before anything is written down or sent."""
        with pytest.raises(UsageError, match="timeout"):
            client.submit(WORKFLOW, timeout=seconds)
        assert not server.requests

    def test_an_unknown_job(self, client) -> None:
        """A job id that nobody knows is named."""
        with pytest.raises(UnknownJobError, match="no-such-job"):
            client.job("no-such-job")

    def test_a_known_job(self, client) -> None:
        """A job can be had again by its id."""
        job = client.submit(WORKFLOW)
        assert client.job(job.id) is job
        job.result()


def test_no_token_anywhere(server, ledger, tmp_path, caplog, monkeypatch) -> None:
    """Neither log, handle, settings nor ledger file hold the token that was used."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("THE_TOKEN", TOKEN)
    environment = EnvironmentSettings(
        instances=[{"name": "n", "url": server.url, "token_env": "THE_TOKEN"}],
        ledger=ledger,
    )
    settings = Settings(default_environment="test", environments={"test": environment})
    with Client(settings) as client:
        job = client.submit(WORKFLOW)
        job.result().save_all(tmp_path / "out")
        shown = [repr(client), repr(job), repr(job.result()), repr(settings)]
    assert {r.headers.get("authorization") for r in server.requests} == {TOKEN}
    assert TOKEN not in caplog.text
    assert not [text for text in shown if TOKEN in text]
    stored = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert TOKEN.encode() not in stored


def test_no_token_of_an_address_in_any_log(server, ledger, caplog) -> None:
    """A token in a URL's query stays out of the logs, also of the HTTP library's."""
    caplog.set_level(logging.DEBUG)
    with client_of([f"{server.url}/?token={TOKEN}"], ledger) as client:
        client.run(WORKFLOW)
        shown = repr(client._reception.settings)
    assert TOKEN not in shown
    assert "token=" in str(server.requests[0])
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}
    assert TOKEN not in caplog.text


async def _awaited(job: Job) -> object:
    return await job


def test_progress_is_told_to_the_end(client) -> None:
    """The last progress of a job that succeeded is 1."""
    job = client.submit(WORKFLOW)
    told = [e.fraction for e in job.events() if isinstance(e, Progress)]
    assert told[-1] == job.progress == 1.0
