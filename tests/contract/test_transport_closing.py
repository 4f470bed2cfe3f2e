"""A transport that is closed, whatever it is doing."""

from __future__ import annotations

import socket
import threading
from uuid import uuid4

import pytest

from comfyclient.testing.bench import Bench
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import Hold, usual
from comfyclient.timing import Deadline
from comfyclient.transports.base import Attempt


class TestClosing:
    """Nothing outlives a transport."""

    @pytest.mark.parametrize("websocket", [True, False])
    def test_while_jobs_run(self, server, websocket: bool) -> None:
        """Closing joins every thread and ends every connection, whatever runs."""
        gate = threading.Event()
        server.play(lambda job: [*usual(job)[:4], Hold(gate), *usual(job)[4:]])
        with Bench() as bench:
            transport = bench.transport(server.url, websocket=websocket)
            for _ in range(3):
                bench.submit(transport)
            server.await_that(lambda: server.executions)
        left = {t.name for t in threading.enumerate()}
        assert not any(name.startswith("comfyclient") for name in left)
        gate.set()

    def test_while_it_dials(self, server) -> None:
        """A handshake that hangs does not hold up the end."""
        gate = threading.Event()
        server.always("GET /ws", Reply(gate=gate))
        with Bench() as bench:
            transport = bench.transport(server.url, connect_timeout=60)
            transport._listener.want(True)
            server.await_that(lambda: server.asked["GET /ws"])
        gate.set()
        assert not [t for t in threading.enumerate() if "listener" in t.name]

    def test_twice(self, bench: Bench, server) -> None:
        """Closing again does nothing."""
        transport = bench.transport(server.url)
        bench.end(bench.submit(transport))
        transport.close()
        transport.close()

    def test_a_closed_one_says_so(self, bench: Bench, server) -> None:
        """Submitting through a closed transport is a clear error."""
        transport = bench.transport(server.url)
        transport.close()
        course = bench.course()
        with pytest.raises(Exception, match="was closed"):
            transport.submit(
                Attempt(str(uuid4()), course.workflow), course, deadline=Deadline(5)
            )

    def test_a_server_that_is_gone(self, bench: Bench) -> None:
        """Nobody at the address: unreachable, at once, and nothing left over."""
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        with pytest.raises(Exception, match="refused"):
            bench.submit(bench.transport(f"http://127.0.0.1:{port}"))
