"""Whoever calls an engine over HTTP and a websocket, in tests."""

from __future__ import annotations

from typing import Any

import requests

from comfyclient.timing import Deadline

IMAGE = {
    "class_type": "EmptyImage",
    "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 255},
}


SAVED = {
    "1": IMAGE,
    "2": {
        "class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "life"},
    },
}


def through(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A graph that sends a picture through one node and saves it."""
    return {
        "1": IMAGE,
        "3": {"class_type": class_type, "inputs": {"image": ["1", 0], **inputs}},
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["3", 0], "filename_prefix": "life"},
        },
    }


class Caller:
    """A client of the engine, as plain as can be."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()

    def get(self, path: str) -> Any:
        """The JSON of a route."""
        return self.session.get(self.url + path, timeout=10).json()

    def post(self, graph: dict[str, Any], **more: Any) -> str:
        """Submit a graph; returns its id."""
        answer = self.session.post(
            f"{self.url}/prompt", json={"prompt": graph, **more}, timeout=10
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    def until(self, path: str, key: str) -> Any:
        """Ask a route until its answer has this key, or is not empty under it."""
        deadline = Deadline(10)
        while not deadline.passed():
            answer = self.get(path)
            if answer.get(key):
                return answer[key]
        raise AssertionError(f"{path} never had {key}")

    def run(self, graph: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Submit a graph and wait for its history entry."""
        prompt_id = self.post(graph, **more)
        entry: dict[str, Any] = self.until(f"/history/{prompt_id}", prompt_id)
        return entry
