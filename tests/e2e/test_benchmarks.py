"""The benchmarks run, at a size that costs little, and what they show is so."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as table
from benchmarks import peers, storage
from benchmarks.runners import turns
from comfyclient.testing import OssServer

ROOT = Path(__file__).parents[2]
SIZE = 3_000_000


def test_storage(tmp_path: Path) -> None:
    """Each way of ours ends in the right file, whatever breaks; oss2 leaves another."""
    root = tmp_path / "buckets"
    right = storage.made(root / storage.BUCKET / storage.KEY, SIZE)
    storage.made(tmp_path / "source.bin", SIZE)
    found = {}
    for words, way, fault in storage.ways(SIZE):
        target = tmp_path / "home.bin"
        with OssServer(root) as server:
            if fault is not None:
                server.fail("GetObject", fault)
            way(server.endpoint, server.key.id, server.key.secret, target)
        sent = root / storage.BUCKET / "bench/models/sent.bin"
        arrived = sent if way is storage.sending else target
        found[words] = storage.soundness(arrived, right)
        target.unlink(missing_ok=True)
    wrong = {words for words, sound in found.items() if sound != "right"}
    assert wrong == {"oss2 plain, a byte flipped"}
    assert len(found) == 9


def test_the_table_names_every_benchmark(tmp_path: Path) -> None:
    """Whatever can be asked for is measured, and foreign packages only when asked."""
    given = table._parser().parse_args([])

    assert set(table._measures(given, tmp_path)) == {*given.only, "peers"}
    assert not given.peers


def test_every_peer_has_its_runner() -> None:
    """An environment without a runner would be installed for nothing."""
    runners = (ROOT / "benchmarks" / "runners").glob("*.py")

    assert {file.stem for file in runners} - {"__init__", "turns"} == set(peers.PEERS)


def test_a_runner_answers_every_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that raises costs its one turn, and what it prints is no answer."""
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "argv", ["runner", "http://…", str(writing)])
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"file": "a.png"}\n{}\n'))

    turns.take(lambda graph: [graph["file"]])
    with os.fdopen(reading) as told:
        right, failed = map(json.loads, told)

    assert (right["files"], right["error"]) == (["a.png"], None)
    assert (failed["files"], failed["error"]) == ([], "KeyError: 'file'")


@pytest.mark.parametrize(
    ("files", "error", "wrong"),
    [
        (["p1_00001_.png"], None, 0),
        (["p2_00001_.png"], None, 1),
        (["p1_00001_.png", "p1_00002_.png"], None, 1),
        ([], None, 1),
        ([], "JobFailed: expired", 1),
    ],
)
def test_right_is_the_file_of_this_job(
    files: list[str], error: str | None, wrong: int
) -> None:
    """Nothing, another job's file, too many and an error all count as wrong."""
    tally = peers.Tally()
    tally.take({"seconds": 0.01, "files": files, "error": error}, "p1")

    assert len(tally.errors) == wrong
    assert f"{wrong} of 1 wrong" in str(tally)
