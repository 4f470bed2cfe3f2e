"""The stand-in answers today as it did when the official SDK and curl understood it.

`tests/data/eas/exchange.json` holds what `QueueClient` of eas-prediction 0.36 and the
documented curl calls said to it; `understood` is what the SDK made of the answers.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from comfyclient.testing import EasGateway
from comfyclient.testing.eas_inference import instant
from comfyclient.transports.eas_frames import PROTOBUF, Frame, read_frame, read_frames

RECORDED = json.loads(
    (Path(__file__).parents[2] / "data" / "eas" / "exchange.json").read_text("utf-8")
)
UNDERSTOOD = RECORDED["understood"]
REQUEST_ID = "X-Eas-Queueservice-Request-Id"


class Replay:
    """The recorded requests once more, with the request ids of this time."""

    def __init__(self, gateway: EasGateway, stack: ExitStack) -> None:
        self._gateway = gateway
        self._stack = stack
        self._ids: dict[str, str] = {}

    def make(self, recorded: dict[str, Any]) -> requests.Response | Frame:
        """One request; a watch gives its first frame, and goes on until the end."""
        url = self._gateway.host_url + self._with_ids(recorded["target"])
        headers = {k: v for k, v in recorded["headers"].items() if k != "upgrade"}
        if recorded["answer"] == "101":
            wire = websocket.create_connection(
                url.replace("http", "ws", 1), header=headers, timeout=10
            )
            self._stack.enter_context(closing(wire))
            return read_frame(wire.recv())
        answer = requests.request(
            recorded["method"],
            url,
            data=recorded["body"].encode(),
            headers={"Accept": None, **headers},
            timeout=10,
        )
        before = recorded["answer_headers"].get(REQUEST_ID)
        if before is not None:
            self._ids[before] = answer.headers[REQUEST_ID]
        return answer

    def _with_ids(self, text: str) -> str:
        for before, now in self._ids.items():
            text = text.replace(before, now)
        return text


@pytest.fixture(scope="module")
def replayed() -> Iterator[list[tuple[dict[str, Any], Any]]]:
    """Each recorded request, and what it gave now."""
    with (
        EasGateway(edition="api", inference=instant) as gateway,
        ExitStack() as stack,
    ):
        replay = Replay(gateway, stack)
        yield [(one, replay.make(one)) for one in RECORDED["exchange"]]


def test_the_answers_are_the_same(replayed: list[tuple[dict[str, Any], Any]]) -> None:
    """Status, kind and content, but for ids that are new each time."""
    answers = [(r, a) for r, a in replayed if isinstance(a, requests.Response)]
    assert len(answers) == len(replayed) - 1
    for recorded, answer in answers:
        assert answer.status_code == recorded["status"], recorded["target"]
        kind = recorded["answer_headers"].get("Content-Type")
        assert answer.headers.get("Content-Type") == kind
        before = base64.b64decode(recorded["answer"])
        assert shown(answer.content, kind) == shown(before, kind), recorded["target"]


def test_the_sdk_understood_the_same_frames(
    replayed: list[tuple[dict[str, Any], Any]],
) -> None:
    """What it made of a watch and a read is what we make of them."""
    watched = next(a for _, a in replayed if isinstance(a, Frame))
    index, tags, data = UNDERSTOOD["watched"]
    assert (watched.index, watched.task_id) == (index, tags["task_id"])
    assert without_ids(watched.data) == without_ids(json.dumps(data).encode())
    assert watched.request_id
    reads = [a for r, a in replayed if r["headers"].get("accept") == PROTOBUF]
    read = next(a for a in reads if not isinstance(a, Frame))
    (frame,) = read_frames(read.content, read.headers["Content-Type"])
    index, tags, data = UNDERSTOOD["got"]
    assert (frame.index, frame.task_id) == (index, tags["task_id"])
    assert without_ids(frame.data) == without_ids(json.dumps(data).encode())


def test_what_else_the_sdk_understood() -> None:
    """Each of its calls had the result that its documentation promises."""
    assert UNDERSTOOD["put"][0] == "1"
    assert (UNDERSTOOD["committed"], UNDERSTOOD["deleted"]) == ("OK", "OK")
    assert (UNDERSTOOD["got then"], UNDERSTOOD["searched"]) == (0, {})
    assert UNDERSTOOD["limit"] == "8192"


def without_ids(content: bytes) -> str:
    """Content with its request ids taken out."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…", content.decode())


def shown(content: bytes, kind: str | None) -> object:
    """What can be compared of an answer."""
    if kind == PROTOBUF:
        frames = read_frames(content, kind)
        return [(f.index, f.task_id, without_ids(f.data)) for f in frames]
    if kind is not None and kind.startswith("application/json"):
        value = json.loads(content)
        if isinstance(value, dict):  # attributes: the figures differ
            return sorted(key for key in value if not key.startswith("consumers.list"))
        return [
            (f["index"], f["tags"]["task_id"], without_ids(base64.b64decode(f["data"])))
            for f in value
        ]
    return without_ids(content)
