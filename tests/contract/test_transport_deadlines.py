"""Every exchange ends with its deadline, wherever the server stalls or drips."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import trustme

from comfyclient.errors import (
    ClosedError,
    OutputDamagedError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import Deadline
from comfyclient.transports.bodies import Answer, Stream
from comfyclient.transports.endpoint import Tls
from comfyclient.transports.http import ComfyHttp

from .raw_server import (
    HEAD,
    RawServer,
    Script,
    asked,
    error_of,
    glances,
    half_a_body,
    watchdogs,
)

LARGE = 16 << 20
"""Bytes that do not fit into the buffers of a connection."""


def silent(server: RawServer, _: socket.socket) -> None:
    """Accept, and read nothing."""
    server.stall()


def speechless(server: RawServer, connection: socket.socket) -> None:
    """Read the request, and say nothing."""
    asked(connection)
    server.stall()


def dripping_status(server: RawServer, connection: socket.socket) -> None:
    """Never come to the end of the status line."""
    asked(connection)
    server.drip(connection, b"HTTP/1.1 200 " + b"O" * 5000)


def dripping_headers(server: RawServer, connection: socket.socket) -> None:
    """Never come to the end of the headers."""
    asked(connection)
    server.drip(connection, HEAD[:-2] + b"X-Slow: yes\r\n" * 400)


def half_a_head(server: RawServer, connection: socket.socket) -> None:
    """Stop in the middle of the headers."""
    asked(connection)
    connection.sendall(HEAD[:-2])
    server.stall()


def dripping_body(server: RawServer, connection: socket.socket) -> None:
    """Take very long for the body."""
    asked(connection)
    connection.sendall(HEAD.replace(b"9", b"5000"))
    server.drip(connection, b"x" * 5000)


def endless_body(server: RawServer, connection: socket.socket) -> None:
    """A body without a length, which the end of the connection ends."""
    asked(connection)
    connection.sendall(HEAD.replace(b"Content-Length", b"X-Length") + b"1234")
    server.stall()


SCRIPTS = [
    silent,
    speechless,
    dripping_status,
    dripping_headers,
    half_a_head,
    half_a_body,
    dripping_body,
    endless_body,
]


LATE = r"no answer within the time allowed|not complete after"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture
def contexts(authority: trustme.CA, tmp_path: Any) -> tuple[ssl.SSLContext, Tls]:
    """What a TLS server shows, and what a client needs to believe it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return context, Tls(ca_file=str(bundle))


def download(http: ComfyHttp, deadline: Deadline) -> bytes:
    """A whole file."""
    with http.stream("/view", deadline=deadline, params={}, what="a.png") as stream:
        assert isinstance(stream, Stream)
        return b"".join(stream.chunks())


class TestTheInjectedClock:
    """Real time does not pass for it: only the clock that was given ends a stall."""

    @pytest.mark.parametrize("script", SCRIPTS)
    def test_a_post_is_unclear(self, made, pool, script: Script) -> None:
        """Wherever the server stalls, a request that was sent ends as unclear."""
        clock = FakeClock()
        with RawServer(script) as server:
            http = made(server.port, clock=clock, read_timeout=500)
            deadline = Deadline(100, clock=clock)
            future = pool.submit(http.post, "/prompt", json=b"{}", deadline=deadline)
            assert server.stalled.wait(20)
            clock.advance(99)
            glances()
            assert not future.done()
            clock.advance(1.1)
            error = error_of(future)
        assert type(error) is UnclearAnswerError
        assert error.instance == "n"
        with pytest.raises(UnclearAnswerError, match=LATE):
            future.result()

    @pytest.mark.parametrize("script", [speechless, dripping_headers, half_a_body])
    def test_over_tls_too(self, made, pool, contexts, script: Script) -> None:
        """A connection with TLS is ended the same."""
        clock = FakeClock()
        context, tls = contexts
        with RawServer(script, tls=context) as server:
            http = made(server.port, clock=clock, tls=tls, read_timeout=500)
            deadline = Deadline(100, clock=clock)
            future = pool.submit(http.post, "/prompt", json=b"{}", deadline=deadline)
            assert server.stalled.wait(20)
            clock.advance(100.1)
            error = error_of(future)
        assert type(error) is UnclearAnswerError

    def test_a_handshake_is_unreachable(self, made, pool, contexts) -> None:
        """Without a whole TLS handshake nothing of the request was sent."""
        clock = FakeClock()
        with RawServer(silent) as server:
            http = made(server.port, clock=clock, tls=contexts[1], connect_timeout=500)
            deadline = Deadline(100, clock=clock)
            future = pool.submit(http.post, "/prompt", json=b"{}", deadline=deadline)
            assert server.stalled.wait(20)
            clock.advance(100.1)
            error = error_of(future)
        assert type(error) is UnreachableError
        assert "no connection within the time allowed" in str(error)

    def test_a_tunnel_is_unreachable(self, made, pool, contexts, monkeypatch) -> None:
        """A proxy that does not open its tunnel got nothing of the request."""
        clock = FakeClock()
        with RawServer(speechless) as server:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{server.port}")
            http = made(1, clock=clock, tls=contexts[1], connect_timeout=500)
            deadline = Deadline(100, clock=clock)
            future = pool.submit(http.post, "/prompt", json=b"{}", deadline=deadline)
            assert server.stalled.wait(20)
            clock.advance(100.1)
            error = error_of(future)
        assert type(error) is UnreachableError

    @pytest.mark.parametrize("script", [half_a_body, dripping_body])
    def test_a_download_is_damaged(self, made, pool, script: Script) -> None:
        """A download that stalls after its head ends as a damaged output."""
        clock = FakeClock()
        with RawServer(script) as server:
            http = made(server.port, clock=clock, read_timeout=500)
            deadline = Deadline(100, clock=clock)
            with http.stream("/view", deadline=deadline, params={}, what="a") as body:
                assert isinstance(body, Stream)
                future = pool.submit(lambda: list(body.chunks()))
                assert server.stalled.wait(20)
                clock.advance(100.1)
                error = error_of(future)
        assert type(error) is OutputDamagedError
        assert "not complete after 100 s" in str(error)

    @pytest.mark.parametrize("script", [half_a_head, dripping_headers])
    def test_a_cut_head_is_none(self, made, pool, script: Script) -> None:
        """A head that was cut does not pass for a shorter one."""
        clock = FakeClock()
        with RawServer(script) as server:
            http = made(server.port, clock=clock, read_timeout=500)
            future = pool.submit(download, http, Deadline(100, clock=clock))
            assert server.stalled.wait(20)
            clock.advance(100.1)
            error = error_of(future)
        assert type(error) is UnclearAnswerError
        assert "no answer within the time allowed" in str(error)

    def test_an_upload_that_nobody_reads(self, made, pool) -> None:
        """A body that the server does not take ends as unclear, at the deadline."""
        clock = FakeClock()
        with RawServer(silent) as server:
            http = made(server.port, clock=clock, read_timeout=500, connect_timeout=0.2)
            deadline = Deadline(100, clock=clock)
            future = upload(pool, http, deadline)
            assert server.stalled.wait(20)
            threading.Event().wait(0.4)  # longer than a connection may take to be made
            assert not future.done()
            clock.advance(100.1)
            error = error_of(future)
        assert type(error) is UnclearAnswerError

    @pytest.mark.parametrize("script", [speechless, dripping_headers, half_a_body])
    def test_silence_is_bounded_as_well(self, made, pool, script: Script) -> None:
        """The head, and each further byte, has the endpoint's `read_timeout`."""
        clock = FakeClock()
        with RawServer(script) as server:
            http = made(server.port, clock=clock, read_timeout=30)
            deadline = Deadline(1000, clock=clock)
            future = pool.submit(http.get, "/queue", deadline=deadline)
            assert server.stalled.wait(20)
            glances(1)  # the body is being waited for
            clock.advance(30.1)
            error = error_of(future)
        assert type(error) is UnclearAnswerError

    def test_an_upload_s_silence_is_bounded_as_well(self, made, pool) -> None:
        """A server that takes nothing for `read_timeout` is given up."""
        clock = FakeClock()
        with RawServer(silent) as server:
            http = made(server.port, clock=clock, read_timeout=30)
            future = upload(pool, http, Deadline(1000, clock=clock))
            assert server.stalled.wait(20)
            glances()
            clock.advance(30.1)
            error = error_of(future)
        assert type(error) is UnclearAnswerError

    def test_the_reader_s_own_time_is_no_silence(self, made) -> None:
        """Who takes long over a piece of a download does not lose the next."""
        clock = FakeClock()

        def script(server: RawServer, connection: socket.socket) -> None:
            asked(connection)
            connection.sendall(HEAD + b"1234")
            server.stall()
            connection.sendall(b"56789")

        with RawServer(script) as server:
            http = made(server.port, clock=clock, read_timeout=30)
            deadline = Deadline(1000, clock=clock)
            with http.stream("/view", deadline=deadline, params={}, what="a") as body:
                assert isinstance(body, Stream)
                chunks = body.chunks()
                first = next(chunks)
                clock.advance(500)
                glances()
                server.going.set()
                assert first + b"".join(chunks) == b"123456789"


class TestRealTime:
    """With the system's clock, within a moment of the deadline."""

    @pytest.mark.parametrize("script", SCRIPTS)
    def test_a_get_ends_in_time(self, made, script: Script) -> None:
        """Whatever a server does not do, its deadline holds."""
        with RawServer(script) as server:
            http = made(server.port)
            begun = time.monotonic()
            with pytest.raises(UnclearAnswerError, match=LATE):
                http.get("/queue", deadline=Deadline(1))
            assert 0.9 < time.monotonic() - begun < 9

    def test_an_upload_ends_in_time(self, made, pool) -> None:
        """So does one that nobody reads."""
        with RawServer(silent) as server:
            http = made(server.port)
            begun = time.monotonic()
            error = error_of(upload(pool, http, Deadline(1)))
            assert time.monotonic() - begun < 9
        assert type(error) is UnclearAnswerError
        assert "no answer within the time allowed" in str(error)

    def test_an_upload_may_take_longer_than_connecting(self, made, pool) -> None:
        """A server that is slow to read a large file gets all of it."""

        def script(server: RawServer, connection: socket.socket) -> None:
            server.stall()
            asked(connection)
            connection.sendall(HEAD + b"123456789")

        with RawServer(script) as server:
            http = made(server.port, connect_timeout=0.2)
            future = upload(pool, http, Deadline(20))
            assert server.stalled.wait(20)
            threading.Event().wait(0.5)
            server.going.set()
            assert future.result(20).body == b"123456789"

    def test_a_handshake_ends_in_time(self, made, contexts) -> None:
        """A TLS handshake that does not come about is no sent request."""
        with RawServer(silent) as server:
            http = made(server.port, tls=contexts[1])
            begun = time.monotonic()
            with pytest.raises(UnreachableError, match="no connection within"):
                http.post("/prompt", json=b"{}", deadline=Deadline(1))
            assert time.monotonic() - begun < 9


class TestClosing:
    """close() leaves nothing behind that waits."""

    @pytest.mark.parametrize("script", SCRIPTS)
    def test_it_ends_what_is_under_way(self, made, pool, script: Script) -> None:
        """Exchanges that block end at once; what they did is unclear."""
        with RawServer(script) as server:
            http = made(server.port)
            deadline = Deadline(100)
            pending = [
                pool.submit(http.get, "/queue", deadline=deadline) for _ in range(3)
            ]
            pending.append(upload(pool, http, deadline))
            assert server.stalled.wait(20)
            http.close()
            errors = [future.exception(8) for future in pending]
        assert all(
            isinstance(error, UnclearAnswerError | UnreachableError | ClosedError)
            for error in errors
        )
        assert any("was closed" in str(error) for error in errors)

    def test_a_download_ends_too(self, made, pool) -> None:
        """A download that is under way ends as damaged."""
        with RawServer(half_a_body) as server:
            http = made(server.port)
            future = pool.submit(download, http, Deadline(100))
            assert server.stalled.wait(20)
            glances(1)
            http.close()
            error = error_of(future)
        assert type(error) is OutputDamagedError
        assert "closed" in str(error)

    def test_the_thread_comes_late_and_goes(self, made, server) -> None:
        """There is a thread from the first request on, one, until close()."""
        http = made(server.port)
        counts = [watchdogs()]
        for _ in range(2):
            http.get("/queue", deadline=Deadline(5))
            counts.append(watchdogs())
        http.close()
        http.close()
        assert [*counts, watchdogs()] == [0, 1, 1, 0]


def upload(
    pool: ThreadPoolExecutor, http: ComfyHttp, deadline: Deadline
) -> Future[Answer]:
    """A large body on its way to the server."""
    return pool.submit(http.post, "/upload", json=bytes(LARGE), deadline=deadline)
