"""A plain client of a scripted server, over HTTP and websockets."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from uuid import uuid4

import requests
import websocket

from comfyclient.testing import ScriptedServer
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
