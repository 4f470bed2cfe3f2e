"""The scripted server when it restarts, stops or falls silent, as ComfyUI would."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import pytest
import requests
import websocket

from comfyclient.testing import FakeClock, Hold, ScriptedServer, Silence, Stop, usual

from .plain_caller import Caller, heard, refused


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
