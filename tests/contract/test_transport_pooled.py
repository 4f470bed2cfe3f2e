"""Connections that are kept: which exchange they serve, and many at once."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress

from comfyclient.errors import (
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.transports.bodies import Answer, Stream
from comfyclient.transports.http import ComfyHttp
from comfyclient.transports.watchdog import Watchdog

from .raw_server import (
    HEAD,
    RawServer,
    asked,
    error_of,
    glances,
    half_a_body,
    watchdogs,
)


class TestPooledConnections:
    """A connection serves many exchanges; the end of one is not that of another."""

    def test_what_was_cut_is_not_used_again(self, made, pool, server) -> None:
        """After an exchange that was cut, the next one has its own connection."""
        clock = FakeClock()
        gate = threading.Event()
        server.answer("GET /queue", Reply(gate=gate))
        http = made(server.port, clock=clock, read_timeout=500)
        future = pool.submit(http.get, "/queue", deadline=Deadline(100, clock=clock))
        server.await_that(lambda: server.asked["GET /queue"])
        clock.advance(100.1)
        assert type(error_of(future)) is UnclearAnswerError
        gate.set()
        for _ in range(3):
            assert http.get("/queue", deadline=Deadline(5)).status == 200

    def test_a_used_connection_is_watched_again(self, made, pool) -> None:
        """The second exchange on a connection ends with its own deadline."""
        clock = FakeClock()

        def script(server: RawServer, connection: socket.socket) -> None:
            asked(connection)
            connection.sendall(HEAD + b"123456789")
            half_a_body(server, connection)

        with RawServer(script) as server:
            http = made(server.port, clock=clock, read_timeout=500)
            assert http.get("/queue", deadline=Deadline(5)).status == 200
            deadline = Deadline(100, clock=clock)
            future = pool.submit(http.get, "/queue", deadline=deadline)
            assert server.stalled.wait(20)
            clock.advance(100.1)
            assert type(error_of(future)) is UnclearAnswerError
            assert server.accepted == 1

    def test_a_returned_connection_is_left_alone(self, made, pool) -> None:
        """An exchange whose body was read ends nothing when its deadline passes,
        though its block goes on and another uses its connection."""
        clock = FakeClock()

        def script(server: RawServer, connection: socket.socket) -> None:
            asked(connection)
            connection.sendall(HEAD + b"123456789")
            asked(connection)
            server.stall()
            connection.sendall(HEAD + b"987654321")

        with RawServer(script) as server:
            http = made(server.port, clock=clock, read_timeout=500)
            deadline = Deadline(100, clock=clock)
            with http.stream("/view", deadline=deadline, params={}, what="a") as body:
                assert isinstance(body, Stream)
                assert b"".join(body.chunks()) == b"123456789"
                later = Deadline(1000, clock=clock)
                future = pool.submit(http.get, "/queue", deadline=later)
                assert server.stalled.wait(20)
                clock.advance(100.1)
                glances()
                server.going.set()
                assert future.result(20).body == b"987654321"
            assert server.accepted == 1

    def test_over_is_over(self) -> None:
        """What is let go of cannot be cut, and is not called so."""
        near, far = socket.socketpair()
        dog = Watchdog("n")
        with near, far, dog.watch(Deadline(100), silence=100) as watch:
            watch.hold(near)
            watch.release()
            watch.cut_off()
            near.sendall(b"x")
            assert (far.recv(1), watch.cut) == (b"x", False)
        dog.close()

    def test_what_is_held_too_late_is_cut_at_once(self) -> None:
        """A connection that comes about after the deadline serves nobody."""
        near, far = socket.socketpair()
        dog = Watchdog("n")
        with near, far, dog.watch(Deadline(100), silence=100) as watch:
            watch.cut_off()
            watch.hold(near)
            assert (far.recv(1), watch.cut) == (b"", True)
        dog.close()

    def test_deadlines_that_fall_on_the_end(self, made, pool) -> None:
        """Requests that end about their deadline harm nobody who comes after them."""

        def script(server: RawServer, connection: socket.socket) -> None:
            delay = random.Random(7)
            while not server.going.wait(delay.uniform(0.0, 0.01)):
                asked(connection)
                connection.sendall(HEAD + b"123456789")

        def hasty(http: ComfyHttp) -> None:
            for _ in range(60):
                with suppress(UnclearAnswerError, UnreachableError):
                    http.get("/queue", deadline=Deadline(0.006))

        def patient(http: ComfyHttp) -> list[Answer]:
            return [http.get("/queue", deadline=Deadline(20)) for _ in range(60)]

        with RawServer(script) as server:
            http = made(server.port)
            pending = [pool.submit(hasty, http) for _ in range(4)]
            answers = [pool.submit(patient, http) for _ in range(4)]
            found = [answer for future in answers for answer in future.result(20)]
            for future in pending:
                future.result(20)
        assert {answer.body for answer in found} == {b"123456789"}
        assert len(found) == 240


def test_hundreds_at_once(made, pool, server: ScriptedServer) -> None:
    """Of many exchanges none is cut that has time left, and all that have not."""
    clock = FakeClock()
    gate = threading.Event()
    server.always("GET /queue", Reply(gate=gate))
    http = made(server.port, clock=clock, read_timeout=500)
    short, long = Deadline(100, clock=clock), Deadline(400, clock=clock)
    hasty = [pool.submit(http.get, "/queue", deadline=short) for _ in range(100)]
    patient = [pool.submit(http.get, "/queue", deadline=long) for _ in range(200)]
    server.await_that(lambda: server.asked["GET /queue"] == 300, timeout=30)
    assert watchdogs() == 1
    clock.advance(200)
    assert {type(future.exception(20)) for future in hasty} == {UnclearAnswerError}
    gate.set()
    assert {future.result(20).status for future in patient} == {200}
