"""What a client sees of prompts that are stopped, and of sockets that come back."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import websocket

from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing import nodes as test_nodes
from comfyclient.timing import Deadline

from .graph_runs import Client, image, node


def test_interruption_between_prompts_is_forgotten(client: Client) -> None:
    """An interrupt while nothing runs does not stop the next prompt."""
    client.session.post(client.engine.url + "/interrupt", timeout=10)

    entry = client.run({"1": image(), "2": node("PreviewImage", images=["1", 0])})

    assert entry["status"]["completed"] is True


def test_interrupted_prompt_ends_soon_and_says_so(client: Client) -> None:
    """A sleeping node stops between its steps; the entry tells where."""
    sleeping = node("TestSleep", image=["1", 0], seconds=30.0, steps=2)
    graph = {"1": image(), "3": sleeping, "2": node("PreviewImage", images=["3", 0])}
    prompt_id = client.post(graph)
    deadline = Deadline(20)
    for message in client.heard():
        if message["type"] == "executing" and message["data"]["node"] == "3":
            url = f"{client.engine.url}/interrupt"
            client.session.post(url, json={"prompt_id": prompt_id}, timeout=10)
        if message["type"] == "execution_interrupted":
            assert message["data"]["node_id"] == "3"

    entry = client.get(f"/history/{prompt_id}")[prompt_id]
    assert deadline.remaining() > 15
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert client.get(f"/api/jobs/{prompt_id}")["status"] == "cancelled"


def test_node_that_never_checks_leaves_the_blame_to_the_next(client: Client) -> None:
    """An interrupt waits for a node that does not check, and names the one after."""
    stubborn = node(
        "TestSleep", image=["1", 0], seconds=1.0, steps=1, interruptible=False
    )
    graph = {"1": image(), "3": stubborn, "2": node("PreviewImage", images=["3", 0])}
    prompt_id = client.post(graph)
    while json.loads(client.socket.recv())["data"].get("node") != "3":
        pass
    client.get("/queue")  # by now the node itself has begun
    url = f"{client.engine.url}/interrupt"
    client.session.post(url, json={"prompt_id": prompt_id}, timeout=10)

    ends = [m for m in client.heard() if m["type"] == "execution_interrupted"]

    assert [(m["data"]["node_id"], m["data"]["executed"]) for m in ends] in (
        [("2", ["1", "3"])],
        [("3", ["1"])],  # the interrupt was faster than the node
    )


def test_cancel_reaches_pending_and_running_prompts(client: Client) -> None:
    """A pending prompt vanishes, a running one ends as cancelled, others are not."""
    sleeping = node("TestSleep", image=["1", 0], seconds=30.0, steps=2)
    graph = {"1": image(), "3": sleeping, "2": node("PreviewImage", images=["3", 0])}
    running, pending = client.post(graph), client.post(graph)
    while json.loads(client.socket.recv())["type"] != "executing":
        pass
    jobs = f"{client.engine.url}/api/jobs"

    answers = [
        client.session.post(f"{jobs}/{each}/cancel", timeout=10).json()["cancelled"]
        for each in (pending, running, "nobody")
    ]
    list(client.heard())

    assert answers == [True, True, False]
    assert client.get(f"/api/jobs/{running}")["status"] == "cancelled"
    assert client.get(f"/api/jobs/{pending}") == {"error": "Job not found"}


def test_reconnecting_client_is_told_what_runs(client: Client) -> None:
    """A new socket of the running prompt's client hears the node, without an id."""
    sleeping = node("TestSleep", image=["1", 0], seconds=5.0, steps=50)
    graph = {"1": image(), "3": sleeping, "2": node("PreviewImage", images=["3", 0])}
    client.post(graph)
    while json.loads(client.socket.recv())["type"] != "progress":
        pass

    again = Client(client.engine)

    assert again.first["type"] == "status"
    assert json.loads(again.socket.recv()) == {
        "type": "executing",
        "data": {"node": "3"},
    }
    client.session.post(client.engine.url + "/interrupt", timeout=10)
    again.close()


def test_old_handlers_end_takes_the_new_socket_away(client: Client) -> None:
    """As with every release: the sid is unregistered by whoever leaves first."""
    newer = Client(client.engine)
    client.socket.close()
    client.get("/prompt")  # by now the old handler has ended
    deadline = Deadline(5)
    graph = {"1": image(), "2": node("PreviewImage", images=["1", 0])}
    entry: dict[str, Any] = {}
    prompt_id = newer.post(graph)
    while not entry and not deadline.passed():
        entry = newer.get(f"/history/{prompt_id}")
    newer.socket.settimeout(0.2)

    heard: list[Any] = []
    with suppress(websocket.WebSocketTimeoutException):
        while True:
            heard.append(newer.socket.recv())

    assert entry
    assert not any("execut" in str(each) for each in heard)
    newer.close()


def test_older_release_ignores_the_clients_id_and_interrupts_anybody() -> None:
    """0.3.12 mints its own prompt ids and kills whatever runs, whatever the body."""
    with EmbeddedEngine(version="0.3.12", node_packs=[test_nodes]) as engine:
        client = Client(engine)
        chosen = "5dc763b7-355b-4192-ae04-cf98403f0fd2"
        sleeping = node("TestSleep", image=["1", 0], seconds=9.0, steps=99)
        graph = {
            "1": image(),
            "3": sleeping,
            "2": node("PreviewImage", images=["3", 0]),
        }
        minted = client.post(graph, prompt_id=chosen)
        while json.loads(client.socket.recv())["type"] != "progress":
            pass
        url = f"{engine.url}/interrupt"
        client.session.post(url, json={"prompt_id": "somebody-else"}, timeout=10)
        kinds = [message["type"] for message in client.heard()]
        paths = ("/features", "/api/jobs")
        status = [
            client.session.get(engine.url + path, timeout=10).status_code
            for path in paths
        ]
        client.close()

    assert minted != chosen
    assert "execution_interrupted" in kinds
    assert "progress_state" not in kinds
    assert status == [404, 404]
