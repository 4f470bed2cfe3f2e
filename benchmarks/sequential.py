"""One trivial job after the other, beside the raw websocket loop on the same server."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from statistics import median
from typing import Any

import requests
import websocket

from comfyclient import Workflow

from .fleet import client_of, is_right, nonce_of, servers, work

JOBS = 200


class RawLoop:
    """The least that a client can do: post, listen for the end, ask for the answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._id = str(uuid.uuid4())
        address = f"ws{url.removeprefix('http')}/ws?clientId={self._id}"
        self._socket = websocket.create_connection(address)

    def run(self, workflow: Workflow) -> object:
        """The text that the job's node told."""
        return self.outputs(workflow)["1"]["text"]

    def outputs(self, workflow: Workflow) -> dict[str, Any]:
        """What the nodes of one job told."""
        prompt_id = str(uuid.uuid4())
        body = {
            "prompt": dict(workflow.graph),
            "prompt_id": prompt_id,
            "client_id": self._id,
        }
        self._session.post(f"{self._url}/prompt", json=body).raise_for_status()
        while True:
            frame = self._socket.recv()
            message = json.loads(frame) if isinstance(frame, str) else {}
            data = message.get("data", {})
            over = message.get("type") == "executing" and data.get("node") is None
            if over and data.get("prompt_id") == prompt_id:
                break
        answer = self._session.get(f"{self._url}/history/{prompt_id}").json()
        told: dict[str, Any] = answer[prompt_id]["outputs"]
        return told


def measure(folder: Path, runs: int, url: str | None) -> list[tuple[str, ...]]:
    """Rows of the table; jobs of both are done in turn, so that load hits both."""
    with servers(1.0) as started:
        address = started[0].url if url is None else url
        raw = RawLoop(address)
        medians, tails, wrong = [], [], 0
        with client_of([address], folder) as client:
            for _ in range(runs):
                theirs, ours = [], []
                for _ in range(JOBS):
                    first, second = work(), work()
                    begun = time.perf_counter()
                    assert raw.run(first) == [nonce_of(first)]
                    between = time.perf_counter()
                    result = client.run(second)
                    ended = time.perf_counter()
                    wrong += not is_right(second, result)
                    theirs.append(between - begun)
                    ours.append(ended - between)
                medians.append(median(ours) / median(theirs))
                tails.append(_p95(ours) / _p95(theirs))
    count = runs * JOBS
    return [
        ("sequential trivial job, median", f"{median(medians):.2f} × raw", "≤ 1.15"),
        ("sequential trivial job, p95", f"{median(tails):.2f} × raw", "≤ 1.3"),
        ("wrong answers", f"{wrong} of {count}", "0"),
    ]


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]
