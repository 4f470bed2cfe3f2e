"""No token is told, whatever a server says."""

from __future__ import annotations

import logging
import traceback

import pytest
from pydantic import SecretStr

from comfyclient.errors import (
    RedirectError,
)
from comfyclient.jobs.course import JobStatus
from comfyclient.testing.bench import Bench
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.scripted import ScriptedServer

from .submitting import refused

TOKEN = "s3cr3t-token-value"


class TestSecrets:
    """The token goes to the instance, and nowhere else."""

    def test_on_http_and_websocket(self, bench: Bench, server) -> None:
        """Every request and the handshake carry the token and the headers."""
        bench.run(server.url, token=SecretStr(TOKEN), headers={"X-Tenant": "a"})
        assert {r.headers.get("authorization") for r in server.requests} == {TOKEN}
        assert {r.headers.get("x-tenant") for r in server.requests} == {"a"}
        assert "/ws" in {r.path for r in server.requests}

    def test_a_scheme_word(self, bench: Bench, server) -> None:
        """A scheme such as Bearer stands before it."""
        bench.run(server.url, token=SecretStr(TOKEN), token_scheme="Bearer")
        sent = {r.headers.get("authorization") for r in server.requests}
        assert sent == {f"Bearer {TOKEN}"}

    def test_a_path_prefix_and_a_query(self, bench: Bench) -> None:
        """Prefix and query of the base URL go with every request."""
        with ScriptedServer(prefix="/api/predict/comfy") as server:
            course = bench.run(f"{server.url}/?tenant=a%20b&x=")
            assert course.status is JobStatus.SUCCEEDED
            assert all(r.query.get("tenant") == "a b" for r in server.requests)
            assert all(r.path.startswith(server.prefix) for r in server.requests)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_no_redirect_carries_it(self, bench: Bench, server, status: int) -> None:
        """A redirect to another server is not followed: no request reaches it."""
        with ScriptedServer() as elsewhere:
            away = {"Location": f"{elsewhere.url}/prompt"}
            server.always("POST /prompt", Reply(status, headers=away))
            server.always("GET /ws", Reply(status, headers=away))
            transport = bench.transport(server.url, token=SecretStr(TOKEN))
            with pytest.raises(RedirectError, match=str(elsewhere.port)):
                bench.submit(transport)
            assert elsewhere.requests == []
            assert server.asked["GET /ws"] >= 1

    def test_a_redirected_socket_is_no_socket(self, bench: Bench, server) -> None:
        """A handshake that is redirected counts as no websocket, and jobs still end."""
        server.always("GET /ws", Reply(302, b"\x81\x05hello", {"Location": "/login"}))
        course = bench.run(server.url)
        assert course.status is JobStatus.SUCCEEDED
        assert server.asked["GET /ws"] <= 2  # a busy machine may lose the first one

    @pytest.mark.parametrize("target", ["http://[", "\\\\", "http://a..b/", "//", "¿"])
    def test_a_redirect_to_nowhere(self, bench: Bench, server, target: str) -> None:
        """An address that is none is reported, not looked at."""
        server.always("POST /prompt", Reply(302, headers={"Location": target}))
        with pytest.raises(RedirectError):
            bench.submit(bench.transport(server.url, websocket=False))

    @pytest.mark.parametrize(
        "fault",
        [
            Reply(401, TOKEN.encode()[:4]),
            Reply(500),
            Reply(302, headers={"Location": f"http://127.0.0.1:1/?t={TOKEN}"}),
            Reply.lost(acts=False),
            Reply(200, b"{"),
        ],
        ids=["401", "500", "302", "lost", "half"],
    )
    def test_in_no_log_nor_error(self, bench, server, caplog, fault) -> None:
        """No log line, message, repr or traceback tells the token."""
        caplog.set_level(logging.DEBUG)
        server.always("GET /queue", fault)
        server.always("POST /prompt", fault)
        clock = FakeClock()
        transport = bench.transport(
            server.url, clock=clock, token=SecretStr(TOKEN), websocket=False
        )
        error = refused(bench, transport, clock)
        told = "".join(traceback.format_exception(error))
        chain = [error, error.__cause__, error.__context__]
        for text in (told, str(error), *map(repr, chain), caplog.text):
            assert TOKEN not in text
        assert TOKEN not in repr(transport.endpoint)

    def test_in_no_log_of_a_whole_job(self, bench, server, caplog) -> None:
        """A job that succeeds, socket and all, leaves no token in the log."""
        caplog.set_level(logging.DEBUG)
        bench.run(server.url, token=SecretStr(TOKEN), headers={"X-Key": TOKEN})
        assert TOKEN not in caplog.text
        assert "comfyclient" in caplog.text
