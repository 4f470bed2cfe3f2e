"""The scripted server against plain HTTP and websockets: it does what ComfyUI does."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from uuid import uuid4

import pytest
import requests
import websocket

from comfyclient.testing import (
    FakeClock,
    Hold,
    ScriptedServer,
    Silence,
    Sleep,
    Stop,
    failing,
    usual,
)
from comfyclient.testing.bench import GRAPH


class Caller:
    """A plain client of one server: each request on a connection of its own."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.sid = str(uuid4())

    def get(self, path: str, **options: object) -> requests.Response:
        """GET a path."""
        return requests.get(self.server.url + path, timeout=5, **options)

    def post(self, path: str, body: object = None, **options: object) -> object:
        """POST a JSON body."""
        return requests.post(self.server.url + path, json=body, timeout=5, **options)

    def submit(self, graph: object = GRAPH, **more: object) -> dict:
        """The answer to a job."""
        body = {"prompt": graph, "client_id": self.sid, **more}
        return self.post("/prompt", body).json()

    def done(self, graph: object = GRAPH) -> dict:
        """The history entry of a job that has ended."""
        prompt_id = self.submit(graph)["prompt_id"]
        self.server.await_that(lambda: prompt_id in self.server.stage.history)
        return self.get(f"/history/{prompt_id}").json()[prompt_id]

    def listen(self) -> websocket.WebSocket:
        """A registered websocket."""
        url = self.server.url.replace("http", "ws") + f"/ws?clientId={self.sid}"
        connected = websocket.create_connection(url, timeout=5)
        assert json.loads(connected.recv())["data"]["sid"] == self.sid
        return connected


@pytest.fixture
def caller(server: ScriptedServer) -> Caller:
    """A plain client of the scripted server."""
    return Caller(server)


def heard(connected: websocket.WebSocket, seconds: float = 0.2) -> list[str]:
    """The kinds of the messages that come until none does for a while."""
    connected.settimeout(seconds)
    kinds: list[str] = []
    with suppress(websocket.WebSocketTimeoutException):
        while True:
            kinds.append(json.loads(connected.recv())["type"])
    return kinds


def refused(server: ScriptedServer) -> bool:
    """Whether the port refuses connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", server.port)) != 0


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


class TestRestarting:
    """A new process: nothing is known but files."""

    def upload(self, caller: Caller, folder: str) -> requests.Response:
        """Put a file into a folder."""
        files, form = {"image": ("marker", b"x")}, {"type": folder}
        url = f"{caller.server.url}/upload/image"
        return requests.post(url, files=files, data=form, timeout=5)

    def there(self, caller: Caller, folder: str) -> int:
        """How a look for that file is answered."""
        params = {"filename": "marker", "type": folder}
        return requests.head(
            f"{caller.server.url}/view", params=params, timeout=5
        ).status_code

    def test_temp_is_emptied(self, caller: Caller, server: ScriptedServer) -> None:
        """An uploaded temp file tells of a restart; inputs stay."""
        for folder in ("temp", "input"):
            assert self.upload(caller, folder).json()["type"] == folder
        assert [self.there(caller, f) for f in ("temp", "input")] == [200, 200]
        server.restart()
        assert [self.there(caller, f) for f in ("temp", "input")] == [404, 200]

    def test_an_odd_folder(self, caller: Caller) -> None:
        """An upload to a folder that is none is a 500."""
        assert self.upload(caller, "nonsense").status_code == 500

    def test_it_counts_from_the_start(self, caller: Caller, server) -> None:
        """Queue, history and the counter are as in a new process."""
        caller.done()
        assert caller.submit()["number"] == 1
        server.restart()
        assert caller.get("/history").json() == {}
        assert caller.submit()["number"] == 0

    def test_it_comes_back_as_another_version(self, caller: Caller, server) -> None:
        """Everything it says and does afterwards is of that version."""
        server.restart(version="0.3.40")
        told = caller.get("/system_stats").json()
        assert told["system"]["comfyui_version"] == "0.3.40"
        wanted = str(uuid4())
        assert caller.submit(prompt_id=wanted)["prompt_id"] != wanted
        assert caller.get("/api/jobs/x").status_code == 404
        assert str(server.version) == "0.3.40"

    def test_connections_are_cut(self, caller: Caller, server) -> None:
        """Websockets and idle HTTP connections end, without a farewell."""
        connected = caller.listen()
        server.restart()
        with pytest.raises((OSError, websocket.WebSocketException)):
            connected.recv()
        connected.shutdown()

    def test_a_job_in_work_is_gone(self, caller: Caller, server, gate) -> None:
        """Its execution stays in the accounts, as one that did not end."""
        server.play(lambda job: [Hold(gate), *usual(job)])
        prompt_id = caller.submit()["prompt_id"]
        server.await_that(lambda: server.stage.running)
        server.restart()
        gate.set()
        assert caller.get(f"/history/{prompt_id}").json() == {}
        assert server.accounts.unfinished.by_prompt() == {prompt_id: 1}
        server.play(usual)
        caller.done()
        assert len(server.accounts.succeeded) == 1


class TestStopping:
    """A port that refuses for a while."""

    def test_the_same_port_again(self, caller: Caller, server) -> None:
        """It refuses, then answers where it was; by default it has forgotten all."""
        caller.done()
        server.stop()
        assert refused(server)
        server.start_again()
        assert caller.get("/history").json() == {}

    def test_it_may_remember(self, caller: Caller, server, gate) -> None:
        """Where only the way to it was gone, a job went on meanwhile."""
        server.play(lambda job: [Hold(gate), *usual(job)])
        prompt_id = caller.submit()["prompt_id"]
        server.stop(remembers=True)
        assert refused(server)
        gate.set()
        server.await_that(lambda: server.stage.history)
        server.start_again()
        assert prompt_id in caller.get("/history").json()

    def test_again_and_again(self, caller: Caller, server) -> None:
        """Stopping and starting can be repeated; doing either twice is no error."""
        for _ in range(5):
            server.stop()
            server.stop()
            assert refused(server)
            server.start_again()
            server.start_again()
            assert caller.done()["status"]["completed"]

    def test_for_a_while_on_its_clock(self) -> None:
        """A stop of so many seconds ends when the server's clock says so."""
        clock = FakeClock()
        with ScriptedServer(clock=clock) as server:
            server.stage.act(Stop(8.0))
            clock.await_sleepers(1)
            clock.advance(7.9)
            assert refused(server)
            clock.advance(0.2)
            server.await_that(lambda: not refused(server))

    def test_closed_while_it_is_stopped(self) -> None:
        """A server that is to start later can be closed before."""
        clock = FakeClock()
        with ScriptedServer(clock=clock) as server:
            server.stage.act(Stop(8.0))
        assert refused(server)


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


class TestSilence:
    """It takes connections and requests, and answers nothing."""

    def asking(self, ask: Callable[[], object]) -> tuple[ThreadPoolExecutor, object]:
        """A question that is asked in another thread."""
        pool = ThreadPoolExecutor(1)
        return pool, pool.submit(ask)

    def test_until_it_speaks(self, caller: Caller, server) -> None:
        """A question that was asked in the silence is answered after it."""
        server.fall_silent()
        pool, asked = self.asking(lambda: caller.get("/queue"))
        with pool:
            server.await_that(lambda: server.asked["GET /queue"])
            assert not asked.done()
            server.speak()
            assert asked.result(20).status_code == 200

    def test_on_one_route(self, caller: Caller, server) -> None:
        """Other routes answer, and jobs run, while one is silent."""
        server.fall_silent("GET /queue")
        assert caller.done()["status"]["completed"]
        pool, asked = self.asking(lambda: caller.get("/queue"))
        with pool:
            server.await_that(lambda: server.asked["GET /queue"])
            assert not asked.done()
            server.speak("GET /queue")
            assert asked.result(20).status_code == 200

    def test_websockets_are_silent_too(self, caller: Caller, server) -> None:
        """Neither frames nor pongs come, and the job stands still."""
        with closing(caller.listen()) as connected:
            server.play(lambda job: [Silence(), *usual(job)])
            caller.submit()
            server.await_that(server.stage.silent)
            connected.ping()
            assert heard(connected, 0.1) == []
            server.speak()
            assert "execution_success" in heard(connected)

    def test_a_restart_ends_it(self, caller: Caller, server) -> None:
        """What was asked of the old process is never done by the new one."""
        server.fall_silent()
        pool, asked = self.asking(caller.submit)
        with pool:
            server.await_that(lambda: server.asked["POST /prompt"])
            server.restart()
            with pytest.raises(requests.ConnectionError):
                asked.result(20)
        assert caller.get("/queue").json()["queue_pending"] == []
        assert not server.accounts

    def test_for_a_while_on_its_clock(self) -> None:
        """A silence of so many seconds ends when the server's clock says so."""
        clock = FakeClock()
        with ScriptedServer(clock=clock) as server:
            server.stage.act(Silence(seconds=5))
            caller = Caller(server)
            assert clock.run(lambda: caller.get("/queue").status_code) == 200
            assert clock.monotonic() >= 5

    def test_closing_a_silent_server(self) -> None:
        """A silent server can be closed at once, whoever asks it."""
        with ScriptedServer() as server:
            server.fall_silent()
            pool, asked = self.asking(lambda: Caller(server).get("/queue"))
            server.await_that(lambda: server.asked["GET /queue"])
        with pool, pytest.raises(requests.ConnectionError):
            asked.result(20)

    def test_an_unknown_route(self, server: ScriptedServer) -> None:
        """A route that it does not have cannot fall silent."""
        with pytest.raises(ValueError, match="no route"):
            server.fall_silent("GET /nothing")
