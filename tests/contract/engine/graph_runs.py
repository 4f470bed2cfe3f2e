"""A plain client of an engine with a few nodes of the tests' own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import requests
import websocket

from comfyclient.local.engine import EmbeddedEngine


def image(color: int = 255, *, width: int = 8) -> dict[str, Any]:
    """A node that gives one picture."""
    inputs = {"width": width, "height": 8, "batch_size": 1, "color": color}
    return {"class_type": "EmptyImage", "inputs": inputs}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A node."""
    return {"class_type": class_type, "inputs": inputs}


class Doubles:
    """An asynchronous node."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": {"value": ("INT", {})}}

    async def run(self, value: int) -> tuple[int]:
        """Run the node."""
        return (value * 2,)


class Spreads:
    """Gives a list whose values go on one by one."""

    RETURN_TYPES = ("INT",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": {"count": ("INT", {})}}

    def run(self, count: int) -> tuple[list[int]]:
        """Run the node."""
        return (list(range(count)),)


class ExpandsBadly:
    """Adds a node that is in the graph already."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        """Inputs of the node."""
        return {"required": {}}

    def run(self) -> dict[str, Any]:
        """Run the node."""
        return {"result": (["2", 0],), "expand": {"2": image()}}


CLASSES = {each.__name__: each for each in (Doubles, Spreads, ExpandsBadly)}


class Client:
    """A client with a websocket."""

    def __init__(self, engine: EmbeddedEngine, name: str = "client") -> None:
        self.engine = engine
        self.name = name
        self.session = requests.Session()
        address = engine.url.replace("http", "ws") + f"/ws?clientId={name}"
        self.socket = websocket.create_connection(address, timeout=10)
        self.first = json.loads(self.socket.recv())

    def close(self) -> None:
        """Drop both connections."""
        self.session.close()
        self.socket.close()

    def get(self, path: str) -> Any:
        """The JSON of a route."""
        return self.session.get(self.engine.url + path, timeout=10).json()

    def post(self, graph: dict[str, Any], **more: Any) -> str:
        """Submit a graph; returns its id."""
        body = {"prompt": graph, "client_id": self.name, **more}
        answer = self.session.post(f"{self.engine.url}/prompt", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    def heard(self) -> Iterator[dict[str, Any]]:
        """Text messages up to the one that ends a prompt."""
        while True:
            frame = self.socket.recv()
            if isinstance(frame, bytes):
                continue
            message = json.loads(frame)
            yield message
            if message["type"] == "executing" and message["data"]["node"] is None:
                return

    def run(self, graph: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Submit a graph, wait for its end, and return its history entry."""
        prompt_id = self.post(graph, **more)
        list(self.heard())
        entry: dict[str, Any] = self.get(f"/history/{prompt_id}")[prompt_id]
        return entry
