"""Bodies, attributes and parked results of a queue, without a network."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyclient.errors import BadAnswerError, ConfigError, TooLargeError
from comfyclient.transports.eas_attributes import (
    QueueAttributes,
    read_attributes,
    read_place,
)
from comfyclient.transports.eas_bodies import fitting_body
from comfyclient.transports.eas_frames import Frame
from comfyclient.transports.eas_parking import KEPT_S, Parking

GRAPH = {"1": {"class_type": "A", "inputs": {"text": "长城"}, "_meta": {"title": "t"}}}


def test_short_json() -> None:
    """No blanks, and Chinese in its shortest form."""
    body = fitting_body(GRAPH, None)
    assert json.loads(body) == GRAPH
    assert b" " not in body
    assert "长城".encode() in body


def test_what_is_left_out() -> None:
    """Titles go where they do not fit; inputs never do."""
    whole = len(fitting_body(GRAPH, None))
    bare = json.loads(fitting_body(GRAPH, whole - 1))
    assert bare == {"1": {"class_type": "A", "inputs": {"text": "长城"}}}
    with pytest.raises(TooLargeError, match="the queue takes 10 ") as caught:
        fitting_body(GRAPH, 10)
    assert "text of node 1 (A): " in caught.value.message


def test_a_lone_surrogate() -> None:
    """What UTF-8 cannot hold goes as an escape."""
    graph = {"1": {"class_type": "A", "inputs": {"text": "\ud800"}}}
    assert json.loads(fitting_body(graph, None)) == graph


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30), st.binary(max_size=50), st.integers(0, 2**63))
def test_what_is_parked_is_found(
    tmp_path_factory: pytest.TempPathFactory, task: str, data: bytes, index: int
) -> None:
    """Under any id; its file is in the folder, and gone once it is done with."""
    folder = tmp_path_factory.mktemp("parked")
    parking = Parking(folder / "queue")
    assert parking.find(task) is None
    frame = Frame(index, data, {"task_id": task, "requestId": "r"})
    parking.park(frame)
    parking.park(frame)
    assert parking.find(task) == frame
    assert [f.parent for f in folder.rglob("*.json")] == [folder / "queue"]
    parking.remove(task)
    parking.remove(task)
    assert parking.find(task) is None


def test_copies_of_what_was_passed_over(tmp_path: Path) -> None:
    """They are found like what was parked; old ones go, and what was parked stays.

    The clock is that of the file system: ours may have jumped.
    """
    parking = Parking(tmp_path / "queue")
    parking.park(Frame(1, b"x", {"task_id": "parked"}))
    for task in ("old", "young"):
        Parking(tmp_path / "queue").copy(Frame(2, b"x", {"task_id": task}))
    week = 7 * 86_400
    for file in (tmp_path / "queue").rglob("*.json"):
        days = 9 if "young" not in file.name else 7
        os.utime(file, times=(0, file.stat().st_mtime - days * 86_400))
    parking.copy(Frame(3, b"x", {"task_id": "new"}))
    found = {t for t in ("parked", "old", "young", "new") if parking.find(t)}
    assert found == {"parked", "young", "new"}
    parking.remove("new")
    assert parking.find("new") is None
    assert week < KEPT_S


def test_a_parked_file_that_is_damaged(tmp_path: Path) -> None:
    """It counts as none: the queue may still have the result."""
    parking = Parking(tmp_path)
    parking.park(Frame(1, b"x", {"task_id": "t"}))
    next(tmp_path.glob("*.json")).write_text("[")
    assert parking.find("t") is None


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    """Then nothing is parked, and it is said which setting helps."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be parked") as caught:
        Parking(tmp_path / "file").park(Frame(1, b"", {}))
    assert "queue.parking" in caught.value.hint


def test_attributes() -> None:
    """Numbers come as text; what is missing or odd is not known."""
    body = json.dumps(
        {
            "meta.maxPayloadBytes": "8192",
            "stream.length": 9,
            "stream.approxMaxLength": "10",
            "stream.firstEntry": "-",
            "meta.header.user": "X-User",
        }
    ).encode()
    found = read_attributes(body)
    assert (found.max_payload, found.length, found.max_length) == (8192, 9, 10)
    assert (found.first, found.user_header, found.group_header) == (
        None,
        "X-User",
        None,
    )
    assert found.nearly_full
    assert not QueueAttributes().nearly_full
    assert read_attributes(b"{}") == QueueAttributes()
    with pytest.raises(BadAnswerError):
        read_attributes(b"[]")


@pytest.mark.parametrize(
    ("told", "pending"),
    [
        ({"consumers.stats.total": "0"}, 0),
        ({"consumers.stats.total": "1", "consumers.list.[0]": "Pending: 3, Idle"}, 3),
        (
            {
                "consumers.stats.total": "2",
                "consumers.list.[0]": "Id: eas.a, Index: 7, Pending: 1, Status: Exit",
                "consumers.list.[1]": "Id: eas.b, Index: 9, Pending: 2, Idle: 1s",
            },
            3,
        ),
        ({}, None),
        ({"consumers.list.[0]": "Pending: 0"}, None),
        ({"consumers.stats.total": "2", "consumers.list.[0]": "Pending: 0"}, None),
        ({"consumers.stats.total": "1", "consumers.list.[0]": "Id: eas.a"}, None),
        ({"consumers.stats.total": "1", "consumers.list.[0]": "Pending: -1"}, None),
    ],
)
def test_what_readers_were_handed(told: dict[str, str], pending: int | None) -> None:
    """It is known only where every reader is told of, with its figure."""
    assert read_attributes(json.dumps(told).encode()).pending == pending


def test_places() -> None:
    """Handed out or not, and how many before it, where that is told."""
    place = read_place(b'{"ConsumerId":"eas.x","IsPending":true,"WaitCount":0}')
    assert place.handed_out
    waits = read_place(b'{"IsPending":false,"WaitCount":3}')
    assert (waits.handed_out, waits.ahead) == (False, 3)
    assert read_place(b"{}").ahead is None
