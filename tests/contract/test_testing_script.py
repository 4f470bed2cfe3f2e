"""Scripts on a scripted server: a plain client sees what each of them describes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
import requests
import websocket

from comfyclient.testing import FakeClock, Reply, Script, ScriptedServer, usual
from comfyclient.testing.bench import GRAPH

MESSAGES = Script.messages("0.33.0", GRAPH)


class Caller:
    """A plain client with one websocket."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.sid = str(uuid4())

    def post(self, **more: object) -> requests.Response:
        """The answer to a job."""
        body = {"prompt": GRAPH, "client_id": self.sid, **more}
        return requests.post(f"{self.server.url}/prompt", json=body, timeout=5)

    def submit(self, **more: object) -> str:
        """The prompt id of a job that was taken."""
        prompt_id: str = self.post(**more).json()["prompt_id"]
        return prompt_id

    def state(self, prompt_id: str) -> str:
        """What the server says of a job."""
        answer = requests.get(f"{self.server.url}/api/jobs/{prompt_id}", timeout=5)
        told: str = answer.json().get("status", "unknown")
        return told

    def end(self, prompt_id: str) -> str:
        """How a job ended."""
        self.server.await_that(lambda: prompt_id in self.server.stage.history)
        return self.state(prompt_id)

    @contextmanager
    def listen(self) -> Iterator[websocket.WebSocket]:
        """A registered websocket."""
        url = self.server.url.replace("http", "ws") + f"/ws?clientId={self.sid}"
        connected = websocket.create_connection(url, timeout=5)
        try:
            connected.recv()
            yield connected
        finally:
            connected.shutdown()


def caller_of(server: ScriptedServer, script: Script) -> Caller:
    """A client of a server that follows this script from now on."""
    server.follow_script(script)
    return Caller(server)


def heard(connected: websocket.WebSocket, until: int) -> list[str]:
    """The kinds of the first messages, until the connection ends."""
    kinds: list[str] = []
    while len(kinds) < until:
        try:
            opcode, frame = connected.recv_data()
        except (OSError, websocket.WebSocketException):
            break
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            break
        kinds.append(json.loads(frame)["type"])
    return kinds


@pytest.fixture
def clock() -> FakeClock:
    """The server's clock."""
    return FakeClock()


@pytest.fixture
def slow_server(clock: FakeClock) -> Iterator[ScriptedServer]:
    """A scripted server on that clock."""
    with ScriptedServer(clock=clock) as server:
        yield server


class TestTurns:
    """Which job a script applies to."""

    def test_the_first_fails_the_next_does_not(self, server) -> None:
        """By default a script is over after one job, so a retry goes well."""
        caller = caller_of(server, Script.fails_at("2"))
        assert caller.end(caller.submit()) == "failed"
        assert caller.end(caller.submit()) == "completed"

    def test_given_at_the_start(self) -> None:
        """A script can be handed over with the server, as one or as several."""
        scripts = [Script.usual(), Script.fails_at("1")]
        with ScriptedServer(script=scripts) as server:
            caller = Caller(server)
            ends = [caller.end(caller.submit()) for _ in range(3)]
        assert ends == ["completed", "failed", "completed"]

    def test_a_request_that_was_refused_uses_up_a_turn(self, server) -> None:
        """Busy twice and a lost answer are three requests."""
        script = Script.busy(2, retry_after=7) | Script.loses_answer(acts=False)
        caller = caller_of(server, script)
        for _ in range(2):
            answer = caller.post()
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
        with pytest.raises(requests.ConnectionError):
            caller.post()
        assert not server.accounts
        assert caller.end(caller.submit()) == "completed"

    def test_an_answer_of_the_tests_own(self, server) -> None:
        """A reply that the test gives uses up nothing of the script."""
        caller = caller_of(server, Script.fails_at("1"))
        server.answer("POST /prompt", Reply(418))
        assert caller.post().status_code == 418
        assert caller.end(caller.submit()) == "failed"

    def test_on_a_play_of_the_tests_own(self, server) -> None:
        """What jobs usually do is the test's, what goes wrong is the script's."""
        server.play(lambda job: [*usual(job)[:3], *usual(job)[-4:]])
        caller = caller_of(server, Script.interrupted_after(3))
        assert caller.end(caller.submit()) == "cancelled"
        assert caller.end(caller.submit()) == "completed"


class TestTheRequest:
    """What becomes of a POST."""

    @pytest.mark.parametrize("resets", [False, True])
    @pytest.mark.parametrize("acts", [False, True])
    def test_a_lost_answer(self, server, acts: bool, resets: bool) -> None:
        """The job ran, or did not, and the caller cannot tell."""
        caller = caller_of(server, Script.loses_answer(acts=acts, resets=resets))
        wanted = str(uuid4())
        with pytest.raises(requests.ConnectionError):
            caller.post(prompt_id=wanted)
        if acts:
            assert caller.end(wanted) == "completed"
        assert server.accounts.by_prompt() == ({wanted: 1} if acts else {})

    def test_silence(self, slow_server, clock) -> None:
        """The answer comes when the silence is over, and the job runs once."""
        caller = caller_of(slow_server, Script.silent(seconds=3))
        prompt_id = clock.run(caller.submit)
        assert clock.monotonic() >= 3
        assert caller.end(prompt_id) == "completed"
        assert slow_server.accounts.by_prompt() == {prompt_id: 1}

    def test_a_job_begins_after_its_answer(self, server) -> None:
        """However early a script ends the server's life, the job was answered."""
        server.follow_script(Script.restarts_after(0).forever())
        for lives in range(1, 21):
            assert Caller(server).post().status_code == 200
            server.await_that(lambda lives=lives: server.stage.life == lives)


class TestTheJob:
    """What becomes of a job that was taken."""

    def test_slow(self, slow_server, clock) -> None:
        """It takes its time from the server's clock, and tells each step."""
        caller = caller_of(slow_server, Script.slow(30, steps=4))
        with caller.listen() as connected:
            clock.run(lambda: caller.end(caller.submit()))
            kinds = heard(connected, len(MESSAGES) + 4)
        assert kinds.count("progress") == 4
        assert 30 <= clock.monotonic() < 40

    def test_out_of_memory(self, server) -> None:
        """The report names the node and the kind of error."""
        caller = caller_of(server, Script.out_of_memory_at("2"))
        prompt_id = caller.submit()
        assert caller.end(prompt_id) == "failed"
        told = dict(server.stage.history[prompt_id]["status"]["messages"])
        assert told["execution_error"]["exception_type"] == "torch.OutOfMemoryError"
        assert told["execution_error"]["node_id"] == "2"

    def test_it_never_finishes(self, server) -> None:
        """It runs until somebody stops it."""
        caller = caller_of(server, Script.never_finishes())
        with caller.listen() as connected:
            prompt_id = caller.submit()
            assert len(heard(connected, len(MESSAGES) - 3)) == len(MESSAGES) - 3
        assert caller.state(prompt_id) == "in_progress"
        requests.post(f"{server.url}/interrupt", timeout=5)
        assert caller.end(prompt_id) == "cancelled"

    def test_a_hung_worker(self, server) -> None:
        """It heeds nothing, and who comes after it waits, until a restart."""
        caller = caller_of(server, Script.never_finishes(2, interruptible=False))
        first, second = caller.submit(), caller.submit()
        server.await_that(lambda: server.stage.running)
        server.await_that(lambda: not server.stage.running.heeds)
        requests.post(f"{server.url}/interrupt", timeout=5)
        assert [caller.state(p) for p in (first, second)] == ["in_progress", "pending"]
        server.restart()
        assert caller.end(caller.submit()) == "completed"

    def test_a_dead_worker(self, server) -> None:
        """The job waits with nothing running, and so do those after it."""
        caller = caller_of(server, Script.dead_worker())
        ids = [caller.submit() for _ in range(2)]
        assert [caller.state(p) for p in ids] == ["pending", "pending"]
        assert server.stage.running is None
        server.restart()
        assert caller.end(caller.submit()) == "completed"

    def test_the_history_is_cleared(self, server) -> None:
        """The job ran to a good end, and the server knows nothing of it."""
        caller = caller_of(server, Script.clears_history_at_end())
        with caller.listen() as connected:
            prompt_id = caller.submit()
            assert len(heard(connected, len(MESSAGES))) == len(MESSAGES)
        assert caller.state(prompt_id) == "unknown"
        assert server.accounts.succeeded.by_prompt() == {prompt_id: 1}

    @pytest.mark.parametrize("after", range(len(MESSAGES) + 1))
    def test_interrupted(self, server, after: int) -> None:
        """Stopped at any moment it is cancelled, or it had ended by then."""
        caller = caller_of(server, Script.interrupted_after(after))
        prompt_id = caller.submit()
        ended = after > MESSAGES.index("execution_success") + 1
        assert caller.end(prompt_id) == ("completed" if ended else "cancelled")


class TestItsMessages:
    """What a websocket hears."""

    @pytest.mark.parametrize("how", ["reset", "close", "end"])
    @pytest.mark.parametrize("after", range(len(MESSAGES) + 1))
    def test_dropped(self, server, after: int, how: str) -> None:
        """So many messages come, then the socket ends; the job goes on."""
        caller = caller_of(server, Script.drops_socket_after(after, how=how))
        with caller.listen() as connected:
            prompt_id = caller.submit()
            assert heard(connected, 99) == list(MESSAGES[:after])
        assert caller.end(prompt_id) == "completed"

    def test_deaf(self, server) -> None:
        """The socket answers pings, and hears nothing until it is dialled anew."""
        caller = caller_of(server, Script.goes_deaf_after(4))
        with caller.listen() as connected:
            assert caller.end(caller.submit()) == "completed"
            assert heard(connected, 4) == list(MESSAGES[:4])
            connected.ping()
            opcode, _ = connected.recv_data(control_frame=True)
            assert opcode == websocket.ABNF.OPCODE_PONG
        with caller.listen() as connected:
            caller.submit()
            assert "executed" in heard(connected, 6)

    def test_twice(self, server) -> None:
        """Every message comes twice, and the job runs once."""
        caller = caller_of(server, Script.duplicates())
        with caller.listen() as connected:
            caller.submit()
            kinds = heard(connected, 2 * len(MESSAGES))
        assert kinds[::2] == kinds[1::2] == list(MESSAGES)
        assert server.executions.total() == 1

    def test_in_another_order(self, server) -> None:
        """The same messages come, in an order that none has."""
        caller = caller_of(server, Script.reorders(seed=3))
        with caller.listen() as connected:
            caller.submit()
            kinds = heard(connected, len(MESSAGES))
        assert kinds != list(MESSAGES)
        assert sorted(kinds) == sorted(MESSAGES)


class TestTheServer:
    """What becomes of it."""

    @pytest.mark.parametrize("after", range(len(MESSAGES) + 1))
    def test_restarted_at_any_moment(self, server, after: int) -> None:
        """Nobody knows the job any more, and the next one runs."""
        caller = caller_of(server, Script.restarts_after(after, version="0.3.64"))
        with caller.listen() as connected:
            caller.submit()
            assert heard(connected, 99) == list(MESSAGES[:after])
        server.await_that(lambda: server.stage.life == 1)
        assert str(server.version) == "0.3.64"
        prompt_id = caller.submit()
        server.await_that(lambda: prompt_id in server.stage.history)
        assert len(server.accounts) == 2

    @pytest.mark.parametrize("remembers", [False, True])
    def test_gone_for_a_while(self, slow_server, clock, remembers: bool) -> None:
        """Its port refuses, then answers again; it remembers the job or does not."""
        script = Script.stops_after(5, seconds=8, remembers=remembers)
        caller = caller_of(slow_server, script)
        with caller.listen() as connected:
            prompt_id = caller.submit()
            assert heard(connected, 99) == list(MESSAGES[:5])
        with pytest.raises(requests.ConnectionError):
            caller.state(prompt_id)
        clock.await_sleepers(1)
        clock.advance(8)
        slow_server.await_that(lambda: clock.sleepers == 0)
        assert caller.state(prompt_id) == ("completed" if remembers else "unknown")


@pytest.mark.parametrize(
    "script", [Script.says_unknown(), Script.says_foreign()], ids=str
)
def test_noise_between(server, script: Script) -> None:
    """Among the noise, the job's own messages come in their order."""
    caller = caller_of(server, script)
    own: list[str] = []
    with caller.listen() as connected:
        prompt_id = caller.submit()
        while own[-1:] != ["execution_success"]:
            _, frame = connected.recv_data()
            try:
                told = json.loads(frame)
            except ValueError:
                continue
            data = told.get("data", {}) if isinstance(told, dict) else {}
            if data.get("prompt_id") == prompt_id:
                own.append(told["type"])
    assert own == [m for m in MESSAGES[:-1] if m != "status"]


def test_every_script_lets_go(clock: FakeClock) -> None:
    """Whatever the script, the server can be closed in the middle of it."""
    for script in Script.matrix("0.33.0", GRAPH):
        with ScriptedServer(script=script, clock=clock) as server:
            caller = Caller(server)
            poster = threading.Thread(target=_tolerant, args=(caller,))
            poster.start()
            server.await_that(lambda asked=server.asked: asked["POST /prompt"])
        poster.join()


def _tolerant(caller: Caller) -> None:
    """Submit, whatever becomes of it."""
    try:
        caller.post()
    except requests.RequestException:
        return
