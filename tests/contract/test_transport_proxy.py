"""The transport behind a wire that breaks: cut, stalled, refused or spoilt bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from comfyclient.errors import ComfyClientError, OutputDamagedError, UnreachableError
from comfyclient.events import ConnectionLost
from comfyclient.files.outputs import Output, OutputRef
from comfyclient.jobs.course import JobStatus
from comfyclient.testing.bench import Bench, events_of
from comfyclient.testing.fault_proxy import FaultProxy
from comfyclient.testing.play import Hold, usual
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline


@pytest.fixture
def proxy(server: ScriptedServer) -> Iterator[FaultProxy]:
    """A wire to the scripted server."""
    with FaultProxy(server.url) as proxy:
        yield proxy


def test_a_wire_without_faults(bench: Bench, proxy: FaultProxy) -> None:
    """Behind a wire that does nothing, a job runs as without it."""
    course = bench.run(proxy.url)
    assert course.status is JobStatus.SUCCEEDED
    assert proxy.accepted >= 2


def test_a_websocket_that_is_cut(bench: Bench, server, proxy: FaultProxy) -> None:
    """Only the websocket breaks: the job hears of it and ends."""
    gate = threading.Event()
    server.play(lambda job: [*usual(job)[:5], Hold(gate), *usual(job)[5:]])
    course = bench.submit(bench.transport(proxy.url))
    assert proxy.cut_now(websockets_only=True) == 1
    server.await_that(lambda: server.asked["GET /ws"] == 2)
    gate.set()
    assert bench.end(course).error is None
    assert any(isinstance(e, ConnectionLost) for e in events_of(course))


def test_every_connection_is_cut(bench: Bench, server, proxy: FaultProxy) -> None:
    """Pooled connections that died meanwhile cost nothing but a new one."""
    gate = threading.Event()
    server.play(lambda job: [*usual(job)[:5], Hold(gate), *usual(job)[5:]])
    course = bench.submit(bench.transport(proxy.url))
    proxy.cut_now(resets=True)
    gate.set()
    assert bench.end(course).error is None
    assert server.executions.total() == 1


def test_an_outage_in_the_middle(bench: Bench, server, proxy: FaultProxy) -> None:
    """A server that cannot be reached for a while has not lost its job."""
    gate = threading.Event()
    server.play(lambda job: [*usual(job)[:5], Hold(gate), *usual(job)[5:]])
    course = bench.submit(bench.transport(proxy.url))
    proxy.refuse()
    proxy.cut_now()
    gate.set()
    server.await_that(lambda: server.stage.history)
    assert not course.status.final
    proxy.behave()
    assert bench.end(course).error is None


def test_refused(bench: Bench, proxy: FaultProxy) -> None:
    """A refused connection is unreachable: nothing was sent."""
    proxy.refuse()
    with pytest.raises(UnreachableError):
        bench.submit(bench.transport(proxy.url))


def test_accepted_and_closed(bench: Bench, server, proxy: FaultProxy) -> None:
    """A load balancer without a server behind it: nothing was sent."""
    proxy.accept_and_close()
    with pytest.raises(UnreachableError):
        bench.submit(bench.transport(proxy.url))
    assert server.asked["POST /prompt"] == 0


def test_a_stalled_wire(bench: Bench, server, proxy: FaultProxy) -> None:
    """Bytes that never come end with the deadline."""
    proxy.stall()
    transport = bench.transport(proxy.url)
    with pytest.raises(ComfyClientError):
        transport.probe(deadline=Deadline(0.2))
    proxy.behave()


@pytest.mark.parametrize("count", [0, 1, 15, 60, 200, 300, 5000])
def test_a_download_that_is_cut(bench, server, proxy, tmp_path, count: int) -> None:
    """Cut after any number of bytes, a download leaves no file and no part."""
    server.files["output", "", "a.png"] = bytes(100_000)
    output = Output(OutputRef("2", "images", "a.png"), bench.transport(proxy.url).open)
    proxy.cut_after(count)
    with pytest.raises(ComfyClientError) as caught:
        output.save(tmp_path)
    assert count < 200 or isinstance(caught.value, OutputDamagedError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [0, 70, 140, 260, 500, 700])
def test_a_request_that_is_cut(bench, server, proxy, count: int) -> None:
    """Cut after any number of bytes sent, a job is refused, or taken and run once."""
    transport = bench.transport(proxy.url, websocket=False)
    transport.probe(deadline=Deadline(5))
    proxy.cut_now()
    proxy.cut_after(count, to_client=False)
    course = bench.course(total_s=0.6, queue_s=0.6)
    try:
        bench.submit(transport, course)
    except ComfyClientError:
        proxy.behave()
    assert server.executions.total() <= 1


def test_garbage_before_the_answer(bench: Bench, server, proxy: FaultProxy) -> None:
    """Bytes before the answer's first line make no sense, and no hang."""
    proxy.inject(b"\x00\xffGARBAGE\r\n\r\n")
    with pytest.raises(ComfyClientError):
        bench.submit(bench.transport(proxy.url))
    assert server.executions.total() == 0
