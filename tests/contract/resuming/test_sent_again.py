"""What is sent again after its server lost it, and within which times."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from comfyclient.errors import (
    JobCancelledError,
    JobLostError,
    JobTimeoutError,
    OutOfMemoryError,
)
from comfyclient.events import Queued, Resubmitted
from comfyclient.jobs.course import JobStatus
from comfyclient.ledger.records import JobState
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import Hold, Restart, failing, usual
from comfyclient.testing.scripted import ScriptedServer

from ...scenes import held
from .houses import WORKFLOW, House, once, sent_in_time


class TestSentAgain:
    """What became of an attempt decides whether there is another."""

    def test_after_a_restart(self, house: House, server, gate) -> None:
        """A job that the server lost runs again, as another attempt of the same job."""
        server.play(once(lambda job: [*usual(job)[:5], Restart()]))
        job = house.client(server.url).submit(WORKFLOW)
        assert job.result().outputs
        first, second = house.row(job.id).attempts
        assert first.error.kind == "JobLostError"
        assert second.accepted_at is not None
        assert job.result().provenance.prompt_id == second.prompt_id
        kinds = [type(event) for event in job.events()]
        assert kinds.count(Resubmitted) == 1
        assert kinds.count(Queued) >= 2

    def test_lost_twice(self, house: House, server) -> None:
        """The budget is spent: the job is lost, and the ledger says so."""
        server.play(lambda job: [*usual(job)[:5], Restart()])
        job = house.client(server.url).submit(WORKFLOW)
        with pytest.raises(JobLostError):
            job.result()
        assert house.row(job.id).state is JobState.LOST
        assert server.asked["POST /prompt"] == 2

    def test_not_allowed(self, house: House, server) -> None:
        """With a budget of none it is lost at once."""
        server.play(once(lambda job: [*usual(job)[:5], Restart()]))
        client = house.client(server.url, policies={"resubmit_lost": 0})
        with pytest.raises(JobLostError):
            client.run(WORKFLOW)
        assert server.asked["POST /prompt"] == 1

    def test_out_of_memory(self, house: House, server) -> None:
        """A server without memory is asked to free it; another one runs the job."""
        told = {"exception_type": "torch.cuda.OutOfMemoryError"}
        server.play(lambda job: failing(job, "2", **told))
        with ScriptedServer() as other:
            job = house.client(server.url, other.url).submit(WORKFLOW)
            assert job.result().outputs
            assert job.instance == "n1"
            assert server.asked["POST /free"] == 1
            assert (server.executions.total(), other.executions.total()) == (1, 1)

    def test_out_of_memory_everywhere(self, house: House, server) -> None:
        """Once more, and then that is how it ended."""
        told = {"exception_type": "torch.cuda.OutOfMemoryError"}
        server.play(lambda job: failing(job, "2", **told))
        job = house.client(server.url).submit(WORKFLOW)
        with pytest.raises(OutOfMemoryError):
            job.result()
        assert server.executions.total() == 2

    def test_cancelled_before_it_is(self, house: House, server, gate) -> None:
        """A lost job that is cancelled while it waits to be sent is not sent."""
        server.play(once(lambda job: [*usual(job)[:5], Hold(gate), Restart()]))
        clock = FakeClock()
        client = house.client(server.url, clock=clock)
        with ThreadPoolExecutor(1) as pool:
            job = sent_in_time(pool.submit(client.submit, WORKFLOW), clock)
            server.always("POST /prompt", Reply(503, headers={"Retry-After": "20"}))
            gate.set()
            while server.asked["POST /prompt"] < 2:
                clock.advance(0.2)
                threading.Event().wait(0.005)
            assert sent_in_time(pool.submit(job.cancel), clock) is JobStatus.CANCELLED
        with pytest.raises(JobCancelledError):
            job.result()
        assert house.row(job.id).state is JobState.CANCELLED
        assert server.asked["POST /prompt"] == 2

    def test_closed_before_it_is(self, house: House, server, gate) -> None:
        """A client that is closed meanwhile leaves the job to the next one."""
        server.play(once(lambda job: [*usual(job)[:5], Hold(gate), Restart()]))
        clock = FakeClock()
        client = house.client(server.url, clock=clock)
        with ThreadPoolExecutor(1) as pool:
            job = sent_in_time(pool.submit(client.submit, WORKFLOW), clock)
        server.always("POST /prompt", Reply(503, headers={"Retry-After": "20"}))
        gate.set()
        while server.asked["POST /prompt"] < 2:
            clock.advance(0.2)
            threading.Event().wait(0.005)
        client.close()
        row = house.row(job.id)
        assert (row.state, row.owner) == (JobState.INTENDED, None)
        server.always("POST /prompt", None)
        (again,) = house.client(server.url).resume()
        assert again.result().outputs


class TestTimes:
    """A job whose time is over is stopped, or left to be resumed: by policy."""

    def test_left(self, house: House, server, gate) -> None:
        """It goes on there, and the next call takes it up again."""
        server.play(held(gate))
        client = house.client(server.url, policies={"on_timeout": "leave"})
        job = client.submit(WORKFLOW, timeout=1, idempotency_key="k")
        with pytest.raises(JobTimeoutError, match="running node"):
            job.result()
        row = house.row(job.id)
        assert (row.state.terminal, row.owner) == (False, None)
        gate.set()
        again = client.submit(WORKFLOW, idempotency_key="k", timeout=20)
        assert again.result().outputs
        assert server.executions.total() == 1

    def test_stopped(self, house: House, server, gate) -> None:
        """By default it is stopped there, and has failed."""
        server.play(held(gate))
        client = house.client(server.url)
        job = client.submit(WORKFLOW, timeout=1)
        with pytest.raises(JobTimeoutError):
            job.result()
        server.await_that(lambda: "cancelled" in server.stage.states.values())
        assert house.row(job.id).state is JobState.FAILED

    @pytest.mark.parametrize("limit", ["queue_timeout", "silence_timeout"])
    def test_of_one_job(self, house: House, server, gate, limit: str) -> None:
        """The queue's and the silence's time may be given for one job."""
        server.play(held(gate))
        client = house.client(server.url)
        running = client.submit(WORKFLOW)
        if limit == "silence_timeout":
            server.always("GET /queue", Reply(500))
            server.always("GET /api/jobs/{id}", Reply(500))
        waiting = client.submit(WORKFLOW, **{limit: 1})
        said = {"queue_timeout": "queue", "silence_timeout": "sign of life"}
        with pytest.raises(JobTimeoutError, match=said[limit]):
            waiting.result()
        server.always("GET /queue", None)
        server.always("GET /api/jobs/{id}", None)
        gate.set()
        assert running.result().outputs
