"""Submits that servers take, refuse, lose, or are too busy for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from comfyclient.client import Client
from comfyclient.errors import (
    BusyError,
    MissingNodeError,
    UnclearAnswerError,
    UnreachableError,
    ValidationError,
)
from comfyclient.job import Job
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.scripted import ScriptedServer

from ..scenes import held
from .clients import WORKFLOW, client_of, state_of

NOT_THERE = Reply.of_json(
    {
        "error": {
            "type": "missing_node_type",
            "message": "Node 'EmptyImage' not found.",
            "details": "Node ID '#1'",
            "extra_info": {"node_id": "1", "class_type": "EmptyImage"},
        },
        "node_errors": {},
    },
    status=400,
)


def sent_in_time(client: Client, clock: FakeClock) -> Job:
    """A job that was submitted while time passed quickly."""
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(client.submit, WORKFLOW)
        while not sending.done():
            clock.advance(0.25)
            threading.Event().wait(0.005)
        return sending.result()


class TestSubmitting:
    """Which instance takes a job, and what a caller hears when none does."""

    def test_another_one_takes_it(self, server, ledger) -> None:
        """An instance that is down is passed over."""
        with ScriptedServer() as down:
            away = down.url
        with client_of([away, server.url], ledger) as client:
            job = client.submit(WORKFLOW)
            job.result()
        assert job.instance == "n1"

    @pytest.mark.parametrize(
        "fault",
        [
            NOT_THERE,
            Reply(503),
            Reply(500, b"oops"),
            Reply(200, b"<html>"),
            Reply.lost(acts=False),
        ],
        ids=["missing-node", "busy", "fault", "garbage", "lost"],
    )
    def test_another_one_may_do_better(self, server, ledger, fault) -> None:
        """What may go well elsewhere is tried there, and runs once."""
        with ScriptedServer() as bad:
            bad.always("POST /prompt", fault)
            clock = FakeClock()
            with client_of([bad.url, server.url], ledger, clock=clock) as client:
                job = sent_in_time(client, clock)
                assert job.result().outputs
            assert job.instance == "n1"
            assert bad.executions.total() == 0
        assert server.executions.total() == 1

    def test_nobody_has_the_node(self, client, server, ledger) -> None:
        """A class that no instance has is told at once, and recorded."""
        server.always("POST /prompt", NOT_THERE)
        with pytest.raises(MissingNodeError) as caught:
            client.submit(WORKFLOW)
        assert caught.value.instance == "n0"
        assert state_of(ledger, caught.value.job_id) is JobState.FAILED

    def test_busy_then_not(self, client, server) -> None:
        """A server that asks to come back later is asked again, by its own word."""
        busy = Reply(503, headers={"Retry-After": "0"})
        server.answer("POST /prompt", busy, busy)
        assert client.submit(WORKFLOW).result().outputs
        assert server.asked["POST /prompt"] == 3
        assert server.executions.total() == 1

    def test_busy_for_too_long(self, client, server) -> None:
        """A server that asks for more time than the job has is not waited for."""
        server.always("POST /prompt", Reply(503, headers={"Retry-After": "3600"}))
        with pytest.raises(BusyError):
            client.submit(WORKFLOW)
        assert server.asked["POST /prompt"] == 1

    def test_the_lost_answer_of_a_taken_job(self, client, server) -> None:
        """A job whose acceptance was lost is found; nothing is sent twice."""
        server.answer("POST /prompt", Reply.lost(acts=True, resets=True))
        assert client.submit(WORKFLOW).result().outputs
        assert server.asked["POST /prompt"] == 1
        assert server.executions.total() == 1

    def test_the_lost_request(self, server, ledger) -> None:
        """A job that did not arrive is sent again, and runs once."""
        server.answer("POST /prompt", Reply.lost(acts=False, resets=True))
        clock = FakeClock()
        with client_of([server.url], ledger, clock=clock) as client:
            assert sent_in_time(client, clock).result().outputs
        assert server.asked["POST /prompt"] == 2
        assert server.executions.total() == 1

    def test_an_unclear_one_stays_open(self, server, ledger) -> None:
        """Where nobody can say whether it was taken, the ledger keeps it open."""
        server.answer("POST /prompt", Reply.lost(acts=True))
        server.always("GET /api/jobs/{id}", Reply.lost(acts=False))
        server.always("GET /queue", Reply.lost(acts=False))
        clock = FakeClock()
        client = client_of([server.url], ledger, clock=clock)
        with client, pytest.raises(UnclearAnswerError) as caught:
            sent_in_time(client, clock)
        with Ledger(ledger).open() as other:
            row = other.job(caught.value.job_id)
        assert row.state is JobState.INTENDED
        assert row.unclear is not None

    def test_nobody_is_there(self, ledger) -> None:
        """With every instance down, the last reason is told, with its instance."""
        with ScriptedServer() as down:
            away = down.url
        client = client_of([away], ledger)
        with client, pytest.raises(UnreachableError, match="refused") as caught:
            client.submit(WORKFLOW)
        assert caught.value.instance == "n0"

    def test_a_validation_error_is_not_repeated(self, client, server) -> None:
        """A graph that is refused is sent once."""
        errors = [{"type": "x", "message": "wrong", "details": "", "extra_info": {}}]
        told = {
            "error": {"type": "prompt_outputs_failed_validation", "message": "m"},
            "node_errors": {"1": {"errors": errors, "class_type": "EmptyImage"}},
        }
        server.always("POST /prompt", Reply.of_json(told, status=400))
        with pytest.raises(ValidationError, match="wrong"):
            client.submit(WORKFLOW)
        assert server.asked["POST /prompt"] == 1

    def test_spread_over_instances(self, server, ledger, gate) -> None:
        """Jobs go to the instance that has fewer."""
        with ScriptedServer(play=held(gate)) as second:
            server.play(held(gate))
            with client_of([server.url, second.url], ledger) as client:
                jobs = [client.submit(WORKFLOW) for _ in range(4)]
                assert sorted(job.instance for job in jobs) == ["n0", "n0", "n1", "n1"]
                gate.set()
                for job in jobs:
                    job.result()
