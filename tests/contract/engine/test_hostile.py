"""Bytes that no client sends: answered, and survived."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
import requests
import websocket

from comfyclient.local.engine import EmbeddedEngine

from .callers import SAVED, Caller, through


@pytest.mark.parametrize("client_id", [5, ["x"], {"a": 1}, True, "", "\ud800"])
def test_client_id_may_be_anything(caller: Caller, client_id: Any) -> None:
    """A client id that no socket can have costs the messages, not the engine."""
    caller.run(SAVED, client_id=client_id)

    assert caller.run(SAVED)["status"]["completed"] is True


@pytest.mark.parametrize(
    "stray",
    [
        {"class_type": "EmptyImage"},
        {"class_type": "EmptyImage", "inputs": "text"},
        {"class_type": "EmptyImage", "inputs": [1]},
        {"class_type": "ImageInvert", "inputs": {"image": ["nobody", 0]}},
        {"class_type": "ImageInvert", "inputs": {"image": ["stray", 0]}},
        {"class_type": "LoadImage", "inputs": {"image": ["2", 9]}},
    ],
)
def test_nodes_that_do_not_run_may_be_anything(
    caller: Caller, stray: dict[str, Any]
) -> None:
    """What no output needs is not looked at, however wrong."""
    assert caller.run({**SAVED, "stray": stray})["status"]["completed"] is True


HOSTILE = [
    b"",
    b"\x00" * 64,
    b"\xff\xfe{}",
    b"null",
    b"[]",
    b'"prompt"',
    b"5",
    b"{" * 5000,
    b'{"prompt": {"1": {"class_type": ["x"], "inputs": {}}}}',
    b'{"prompt": {"1": {"class_type": "SaveImage", "inputs": []}}}',
    b'{"prompt": {"1": {"class_type": "SaveImage", "inputs": {"images": [["a"], 0]}}}}',
    b'{"prompt": {"1": {"class_type": "SaveImage", "inputs": null}}}',
    b'{"prompt": {"": {"class_type": "EmptyImage", "inputs": {"width": 1e999}}}}',
    b'{"delete": 5, "clear": "yes"}',
    b'{"delete": [{}, null]}',
    b'{"prompt_id": ["x"]}',
    b'{"job_ids": [[], {}, null]}',
    b'{"\xf0\x9f\x98\x80": NaN}',
]


ROUTES = [
    "/prompt",
    "/queue",
    "/history",
    "/interrupt",
    "/free",
    "/upload/image",
    "/upload/mask",
    "/api/jobs/cancel",
    "/api/jobs/x/cancel",
    "/ws",
    "/nope",
]


@pytest.mark.parametrize("path", ROUTES)
def test_hostile_bodies_are_answered_and_survived(path: str, caller: Caller) -> None:
    """Any bytes on any route get an answer, and the next prompt runs."""
    for body in HOSTILE:
        for kind in ("application/json", "multipart/form-data; boundary=x"):
            answer = caller.session.post(
                caller.url + path, data=body, headers={"Content-Type": kind}, timeout=10
            )
            assert answer.status_code in (200, 400, 404, 405, 415, 500), answer.text

    assert caller.run(SAVED)["status"]["completed"] is True


@pytest.mark.parametrize(
    "path",
    [
        "/history?max_items=x",
        "/history?max_items=-5&offset=999999999999999999999",
        "/history/%00",
        "/history/..%2f..",
        "/api/jobs?limit=1e3",
        "/api/jobs/%ff",
        "/object_info/%00",
        "/models/..%2f..%2fetc",
        "/internal/files/..",
        "/view?filename=%00",
        "/view?filename=a%0d%0ab",
        "/view?filename=x&subfolder=%00",
        "/view?filename=x&type=%00",
        f"/view?filename={'x' * 300}",
        "/view?filename=..%2f..%2fetc%2fpasswd",
        "/view?filename=x&subfolder=/etc",
        "/view?filename=x&preview=jpeg;-1",
        "/view_metadata/checkpoints?filename=../../x",
    ],
)
def test_hostile_queries_are_answered_and_survived(path: str, caller: Caller) -> None:
    """Any query gets an answer, never a file from outside, and no end of service."""
    answer = caller.session.get(caller.url + path, timeout=10)

    assert answer.status_code in (200, 400, 403, 404, 500)
    assert "root:" not in answer.text
    assert caller.get("/prompt") == {"exec_info": {"queue_remaining": 0}}


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00garbage\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\n" * 9999],
)
def test_bytes_that_are_no_http_do_no_harm(
    sent: bytes, engine: EmbeddedEngine, caller: Caller
) -> None:
    """A connection that speaks something else is dropped; others are served."""
    port = int(engine.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        raw.sendall(sent)

    assert caller.get("/prompt") == {"exec_info": {"queue_remaining": 0}}


def test_hostile_frames_leave_the_socket_useful(engine: EmbeddedEngine) -> None:
    """Frames that mean nothing are ignored; the flags that come after still count."""
    address = engine.url.replace("http", "ws") + "/ws?clientId=c"
    heard = websocket.create_connection(address, timeout=10)
    heard.recv()
    heard.send_binary(b"\x00\x01")
    heard.send("[" * 5000)
    heard.send("null")
    heard.send(json.dumps({"type": "feature_flags", "data": None}))

    assert json.loads(heard.recv())["type"] == "feature_flags"
    caller = Caller(engine.url)
    entry = caller.run(
        through("TestSleep", seconds=0, steps=1, preview=True), client_id="c"
    )
    # Flags that are no object fail the prompts of their client, as on the server.
    assert entry["status"]["messages"][-1][1]["exception_type"] == "AttributeError"
    heard.close()
    caller.session.close()


def test_body_over_the_limit_is_413() -> None:
    """The limit holds for prompts and uploads alike, with the server's words."""
    with EmbeddedEngine(max_body_bytes=1000) as engine:
        for path in ("/prompt", "/upload/image"):
            answer = requests.post(engine.url + path, data=b"x" * 2000, timeout=10)
            if path == "/prompt":
                assert answer.status_code == 413
                assert "Maximum request body size 1000 exceeded" in answer.text
            else:
                assert answer.status_code in (400, 413)
