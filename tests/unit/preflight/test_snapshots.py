"""What a server offered is kept whole, and what is damaged is named."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from comfyclient.errors import InputFileError
from comfyclient.preflight.object_info import ObjectInfo
from comfyclient.preflight.snapshots import Snapshot

TAKEN = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
CLASSES: Any = {"Save": {"input": {"required": {"x": ["INT"]}}, "output_node": True}}


def snapshot() -> Snapshot:
    """A small server."""
    info = ObjectInfo(CLASSES, version="0.33.0", replacements={"Old": []})
    return Snapshot(info, "l20-a", TAKEN)


@pytest.mark.parametrize("name", ["s.json", "s.json.gz", "名.gz"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    """Packed or not, with version, instance, time and what the server replaces."""
    snapshot().write(tmp_path / name)

    read = Snapshot.read(tmp_path / name)

    assert (read.instance, read.taken_at) == ("l20-a", TAKEN)
    assert read.info.version == "0.33.0"
    assert read.info.entries == CLASSES
    assert read.info.replacements == {"Old": []}
    assert read.fingerprint == snapshot().fingerprint
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_same_server_gives_the_same_file(tmp_path: Path) -> None:
    """So that a repository shows what changed, and nothing else."""
    for name in ("a.gz", "b.gz"):
        snapshot().write(tmp_path / name)

    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_a_saved_answer_of_a_server_is_a_snapshot_too(tmp_path: Path) -> None:
    """As `curl …/object_info` writes it; version and instance are not known then."""
    path = tmp_path / "object_info.json"
    path.write_text(json.dumps(CLASSES))

    read = Snapshot.read(path)

    assert (read.instance, read.info.version) == (None, None)
    assert "Save" in read.info


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Nobody waits for whoever may write into it."""
    os.mkfifo(tmp_path / "s")

    with pytest.raises(InputFileError, match="no regular file"):
        Snapshot.read(tmp_path / "s")


def damaged(**changes: Any) -> bytes:
    """A snapshot's text with some keys changed; None takes one away."""
    kept = {
        "comfyclient_snapshot": 1,
        "comfyui_version": None,
        "taken_at": TAKEN.isoformat(),
        "fingerprint": ObjectInfo(CLASSES).fingerprint,
        "object_info": CLASSES,
        **changes,
    }
    return json.dumps({k: v for k, v in kept.items() if v is not None}).encode()


def test_the_undamaged_one_is_read(tmp_path: Path) -> None:
    """The text that the next test damages is a good one."""
    (tmp_path / "s").write_bytes(damaged())

    assert Snapshot.read(tmp_path / "s").info.entries == CLASSES


# Without the time that gzip writes down: workers must collect the same tests.
PACKED = gzip.compress(damaged(), mtime=0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"a": 1}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        PACKED[:-20],
        PACKED[:40] + b"\x00" * 40,
        damaged(comfyclient_snapshot=2),
        damaged(comfyclient_snapshot="1"),
        damaged(taken_at="yesterday"),
        damaged(taken_at="2026-05-01T12:00:00"),
        damaged(taken_at=None),
        damaged(object_info=[]),
        damaged(fingerprint="0" * 64),
        damaged(object_info={"Save": {"input": {}}}),
    ],
)
def test_a_damaged_one_is_named(tmp_path: Path, body: bytes) -> None:
    """With the file, and how to get another."""
    path = tmp_path / "s.json.gz"
    path.write_bytes(body)

    with pytest.raises(InputFileError) as caught:
        Snapshot.read(path)

    assert str(path) in str(caught.value)
    assert caught.value.hint is not None


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, a folder, a name that no file has."""
    for path in (tmp_path / "none", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(InputFileError, match="no snapshot"):
            Snapshot.read(path)


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """The old file stays, and no part of the new one."""
    (tmp_path / "s").mkdir()

    for path in (tmp_path / "s", tmp_path / "none" / "s", tmp_path / "a\0b"):
        with pytest.raises(InputFileError, match="cannot be written"):
            snapshot().write(path)

    assert [path.name for path in tmp_path.iterdir()] == ["s"]
