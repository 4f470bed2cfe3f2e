"""The standard edition behind its gateway: every shape of address, every code."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from comfyclient.errors import (
    AccessDeniedError,
    BadAnswerError,
    BusyError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.events import NodeStarted
from comfyclient.jobs.course import JobStatus
from comfyclient.testing import EasGateway, FaultProxy, Reply, ScriptedServer
from comfyclient.testing.bench import Bench, events_of
from comfyclient.timing import Deadline

from .queueing import PATIENCE

SECRET = SecretStr("secret")
RESET = (
    b"upstream connect error or disconnect/reset before headers. "
    b"reset reason: connection termination"
)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Transports, closed with the test."""
    with Bench() as bench:
        yield bench


@pytest.fixture
def gateway() -> Iterator[EasGateway]:
    """A standard edition; its ComfyUI is scripted."""
    with (
        ScriptedServer() as server,
        EasGateway(token="secret", comfyui=server.url) as gateway,
    ):
        yield gateway


@pytest.mark.parametrize("scheme", [None, "Bearer"])
@pytest.mark.parametrize("place", ["url", "debug_url", "host_url"])
@pytest.mark.parametrize("end", ["", "/"])
def test_every_shape_of_address(
    gateway: EasGateway, bench: Bench, place: str, end: str, scheme: str | None
) -> None:
    """Jobs and their progress come through, with the token on both ways."""
    address = getattr(gateway, place) + end
    course = bench.run(address, token=SECRET, token_scheme=scheme)
    assert course.status is JobStatus.SUCCEEDED, course.verdict.error
    assert any(isinstance(event, NodeStarted) for event in events_of(course))
    shown = {request.headers.get("authorization") for request in gateway.requests}
    assert shown == {"secret" if scheme is None else "Bearer secret"}


@pytest.mark.parametrize(
    ("reply", "kind", "hint"),
    [
        (Reply(401, b"{}"), AccessDeniedError, "token is missing or wrong"),
        (Reply(403), AccessDeniedError, "access list"),
        (Reply(404, b"url not found"), BadAnswerError, "no such service"),
        (Reply(404, b"404 page not found"), BadAnswerError, "serverless"),
        (Reply(404, b'{"detail":"Not Found"}'), BadAnswerError, "eas-queue"),
        (Reply(429), BusyError, "1,000"),
        (Reply(450), BusyError, "max_queue_size"),
        (Reply(503, b"no healthy upstream"), BusyError, "no instance"),
    ],
)
def test_what_the_gateway_answers(
    gateway: EasGateway, bench: Bench, reply: Reply, kind: type[Exception], hint: str
) -> None:
    """Each code says what it means on PAI-EAS, and what helps."""
    gateway.always("ANY comfyui", reply)
    transport = bench.transport(gateway.url, token=SECRET)
    with pytest.raises(kind) as caught:
        bench.submit(transport)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "reply", [Reply(408), Reply(502), Reply(504), Reply(503, RESET)]
)
@pytest.mark.parametrize("arrives", [True, False])
def test_codes_that_leave_it_open(
    gateway: EasGateway, bench: Bench, reply: Reply, arrives: bool
) -> None:
    """The server is asked whether it has the job; it is never sent twice."""
    lost = Reply(reply.status, reply.body, acts=arrives)
    transport = bench.transport(gateway.url, token=SECRET, websocket=False)
    transport._arrivals._grace_s = 0.2
    transport.greet(deadline=Deadline(PATIENCE))
    gateway.answer("ANY comfyui", lost)
    if arrives:
        course = bench.submit(transport)
        assert course.await_end(Deadline(PATIENCE)).error is None
    else:
        with pytest.raises((UnreachableError, UnclearAnswerError)):
            bench.submit(transport)
    posts = [r for r in gateway.requests if r.method == "POST"]
    assert len(posts) == 1


def test_a_websocket_that_does_not_pass(
    gateway: EasGateway, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Jobs are followed by asking; that is said once."""
    gateway.refuses_websockets = True
    transport = bench.transport(gateway.url, token=SECRET)
    for _ in range(2):
        course = bench.submit(transport)
        assert course.await_end(Deadline(PATIENCE)).error is None
    told = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert [r for r in told if "no websocket passes" in r.getMessage()] == told[:1]


@pytest.mark.parametrize(("idle_s", "connections"), [(50.0, 1), (0.0, 4)])
def test_a_connection_that_was_idle(
    gateway: EasGateway,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    idle_s: float,
    connections: int,
) -> None:
    """It is made anew before the gateway drops it without a word."""
    monkeypatch.setattr("comfyclient.transports.connections.IDLE_AT_MOST", idle_s)
    with FaultProxy(gateway.url) as proxy:
        transport = bench.transport(proxy.url, token=SECRET, websocket=False)
        for _ in range(4):
            transport._prober.learn_version(deadline=Deadline(PATIENCE))
        assert proxy.accepted == connections


@pytest.mark.parametrize("resets", [True, False])
def test_kept_connections_that_end(
    gateway: EasGateway, bench: Bench, resets: bool
) -> None:
    """A gateway drops them without a word: a job sent then runs once, or surely not."""
    transport = bench.transport(gateway.url, token=SECRET, websocket=False)
    transport._arrivals._grace_s = 0.2
    for _ in range(3):
        try:
            course = bench.submit(transport)
        except UnreachableError:
            course = bench.submit(transport)
        assert course.await_end(Deadline(PATIENCE)).error is None
        gateway.cut_connections(resets=resets)
    assert len([r for r in gateway.requests if r.method == "POST"]) == 3


def test_several_instances_behind_one_url(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A job that is not known and then known again ends well, and it is explained."""
    with (
        ScriptedServer() as one,
        ScriptedServer() as other,
        EasGateway(token="secret", comfyui=[one.url, other.url]) as gateway,
    ):
        transport = bench.transport(gateway.url, token=SECRET, websocket=False)
        for _ in range(4):
            course = bench.submit(transport)
            assert course.await_end(Deadline(PATIENCE)).error is None
        assert one.executions.total() + other.executions.total() == 4
    told = [r for r in caplog.records if "several servers" in r.getMessage()]
    assert len(told) == 1
    assert "API edition" in told[0].getMessage()
