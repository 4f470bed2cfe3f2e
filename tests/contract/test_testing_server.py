"""The scripted server against plain HTTP and websockets: it does what ComfyUI does."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
import requests
import websocket

from comfyclient.testing import FakeClock, Hold, ScriptedServer, Sleep, failing, usual

from .plain_caller import Caller, heard


class TestMemory:
    """What can be taken out of it."""

    def test_free_is_recorded(self, caller: Caller, server: ScriptedServer) -> None:
        """`/free` answers with nothing, and is remembered."""
        asked = {"unload_models": True, "free_memory": False}
        answer = caller.post("/free", asked)
        assert (answer.status_code, answer.content) == (200, b"")
        assert server.freed == [asked]

    def test_free_resets_the_node_cache(self, caller: Caller) -> None:
        """A graph that ran is cached, until memory is freed: then it runs anew."""
        first, second = caller.done(), caller.done()
        caller.post("/free", {"free_memory": True})
        third = caller.done()
        cached = [
            e["status"]["messages"][1][1]["nodes"] for e in (first, second, third)
        ]
        assert cached == [[], ["1", "2"], []]
        assert first["outputs"] == second["outputs"] != third["outputs"]

    def test_a_failed_graph_is_not_cached(self, caller: Caller, server) -> None:
        """A graph that failed runs again."""
        server.play(lambda job: failing(job, "2"))
        caller.done()
        server.play(usual)
        assert caller.done()["status"]["messages"][1][1]["nodes"] == []

    @pytest.mark.parametrize("path", ["/free", "/history", "/queue"])
    @pytest.mark.parametrize("body", [b"", b"{", b"[]"])
    def test_a_body_it_stumbles_over(self, server, path: str, body: bytes) -> None:
        """Bodies that are no JSON object are a 500, as of any unexpected thing."""
        answer = requests.post(server.url + path, data=body, timeout=5)
        assert answer.status_code == 500
        assert answer.text.startswith("500 Internal Server Error")

    def test_entries_are_deleted(self, caller: Caller, server) -> None:
        """History entries go one by one, or all; unknown ids are no error."""
        ids = [caller.submit()["prompt_id"] for _ in range(3)]
        server.await_that(lambda: len(server.stage.history) == 3)
        assert caller.post("/history", {"delete": [ids[1], "nobody"]}).content == b""
        assert list(caller.get("/history").json()) == [ids[0], ids[2]]
        caller.post("/history", {"clear": True})
        assert caller.get("/history").json() == {}
        assert caller.get(f"/api/jobs/{ids[0]}").status_code == 404

    def test_the_queue_is_cleared(self, caller: Caller, server, gate) -> None:
        """Clearing the queue drops who waits, not who runs."""
        server.play(lambda job: [Hold(gate), *usual(job)])
        first = caller.submit()["prompt_id"]
        server.await_that(lambda: server.stage.running)
        caller.submit()
        caller.post("/queue", {"clear": True})
        listed = caller.get("/queue").json()
        assert [item[1] for item in listed["queue_running"]] == [first]
        assert listed["queue_pending"] == []


class TestWorkers:
    """Dead and hung."""

    def test_a_dead_one(self, caller: Caller, server) -> None:
        """Jobs wait and none runs while HTTP lives; a restart brings a new worker."""
        server.kill_worker()
        prompt_id = caller.submit()["prompt_id"]
        listed = caller.get("/queue").json()
        assert listed["queue_running"] == []
        assert [item[1] for item in listed["queue_pending"]] == [prompt_id]
        assert not server.accounts
        server.restart()
        assert caller.done()["status"]["completed"]

    def test_it_sleeps_on_its_clock_alone(self) -> None:
        """A job that takes an hour takes it from the clock that was given."""
        clock = FakeClock()
        with ScriptedServer(
            clock=clock, play=lambda job: [Sleep(3600), *usual(job)]
        ) as server:
            caller = Caller(server)
            prompt_id = caller.submit()["prompt_id"]
            clock.await_sleepers(1)
            clock.advance(3599)
            assert (
                caller.get(f"/api/jobs/{prompt_id}").json()["status"] == "in_progress"
            )
            clock.advance(2)
            server.await_that(lambda: prompt_id in server.stage.history)


class TestDeafness:
    """Who hears what is sent to a client id."""

    def test_a_second_socket_takes_over(self, caller: Caller) -> None:
        """Of two sockets with one id the later one hears; the first hears nothing."""
        with closing(caller.listen()) as first, closing(caller.listen()) as second:
            caller.done()
            assert "execution_success" in heard(second)
            assert heard(first) == []

    def test_the_end_of_the_first_deafens_the_second(self, caller, server) -> None:
        """When the first one's end is noticed, the second is forgotten with it."""
        first = caller.listen()
        with closing(caller.listen()) as second:
            first.close()
            server.await_that(lambda: not server.stage.sockets)
            caller.done()
            assert heard(second) == []
            second.ping()
            second.settimeout(5)
            opcode, _ = second.recv_data(control_frame=True)
            assert opcode == websocket.ABNF.OPCODE_PONG

    def test_registering_anew_cures_it(self, caller: Caller, server) -> None:
        """A third connection hears."""
        first = caller.listen()
        with closing(caller.listen()):
            first.close()
            server.await_that(lambda: not server.stage.sockets)
            with closing(caller.listen()) as third:
                caller.done()
                assert "execution_success" in heard(third)

    def test_a_clean_reconnect_hears(self, caller: Caller) -> None:
        """A client that closes before it dials again is never deaf."""
        for _ in range(20):
            caller.listen().close()
        with closing(caller.listen()) as connected:
            caller.done()
            assert "execution_success" in heard(connected)

    def test_a_cut_before_the_next_dial_is_noticed_first(self, caller, server) -> None:
        """An end that arrived before the new connection does not deafen it."""
        for _ in range(20):
            connected = caller.listen()
            connected.sock.shutdown(socket.SHUT_RDWR)
            connected.sock.close()
        with closing(caller.listen()) as last:
            server.await_that(lambda: caller.sid in server.stage.sockets)
            caller.done()
            assert "execution_success" in heard(last)
