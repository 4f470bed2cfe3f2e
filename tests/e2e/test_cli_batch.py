"""`batch`, as somebody uses it: run, stopped, resumed, its failures run again."""

from __future__ import annotations

import io
import json
import signal
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from comfyclient.cli import run_app
from comfyclient.testing import Hold, Script, ScriptedServer, usual

from ..nursery import Nursery

MANIFEST = """
name = "mini"
version = "1.0.0"
summary = "One colour"
[trip]
takes = ["language"]
[outputs.picture]
node = "2"
"""
WORKFLOW = """{
  "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64,
        "batch_size": 1, "color": {{ seed }}}, "_meta": {"title": {{ trip.language }}}},
  "2": {"class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "picture"}}
}
"""


class Done(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


class Shell:
    """A folder with a configuration, a template and trips."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, url: str) -> None:
        patch.chdir(folder)
        self._patch = patch
        template = folder / "templates" / "mini" / "1.0.0"
        template.mkdir(parents=True)
        (template / "manifest.toml").write_text(MANIFEST, encoding="utf-8")
        (template / "workflow.json.j2").write_text(WORKFLOW, encoding="utf-8")
        (folder / "comfyclient.toml").write_text(
            f"""
default_environment = "test"
templates = ["templates"]
[environments.test]
ledger = "sqlite:///{folder / "jobs.db"}"
deadlines = {{ total_s = 40, grace_s = 0.2 }}
[[environments.test.instances]]
name = "one"
url = "{url}"
""",
            encoding="utf-8",
        )
        self.out = folder / "out"
        self.trips = folder / "trips.jsonl"

    def write(self, *lines: object) -> None:
        """Write the trips; a number is a good one, the rest is written as it is."""
        trip = {"title": "Home", "start": "2026-05-01T08:00:00+08:00", "stops": []}
        trip["end"] = "2026-05-01T18:00:00+08:00"
        texts = [
            json.dumps({"id": f"trip-{line}", **trip}) if type(line) is int else line
            for line in lines
        ]
        self.trips.write_text("\n".join(map(str, texts)) + "\n", encoding="utf-8")

    def batch(
        self, *arguments: str, of: str = "mini", trips: str = "trips.jsonl"
    ) -> Done:
        """The command in this process, to its end."""
        words = ["comfyclient", "batch", of, trips, *arguments]
        self._patch.setattr(sys, "argv", words)
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err):
            try:
                run_app()
                code: Any = 0
            except SystemExit as end:
                code = end.code
        told = [stream.seek(0) or stream.read() for stream in (out, err)]
        return Done(code or 0, *told)

    def pictures(self, folder: str = "out") -> list[str]:
        """The names of the pictures there."""
        return sorted(path.name for path in Path(folder).glob("*.png"))


@pytest.fixture
def shell(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """A folder whose environment is the server."""
    return Shell(tmp_path, monkeypatch, server.url)


def test_every_trip_has_its_picture(shell: Shell, server) -> None:
    """Paths go to stdout, one line for each trip to stderr; the folder tells all."""
    shell.write(1, 2, 3)
    done = shell.batch("--out", "out")
    assert (done.code, len(done.stdout.splitlines())) == (0, 3)
    assert "made: 3 of 3, failed: 0" in done.stderr
    assert shell.pictures() == [f"trip-{n}-picture.png" for n in (1, 2, 3)]
    outcomes = (shell.out / "outcomes.jsonl").read_text(encoding="utf-8")
    told = [json.loads(line) for line in outcomes.splitlines()]
    assert {one["trip"] for one in told} == {"trip-1", "trip-2", "trip-3"}


def test_a_trip_that_is_written_on_many_lines(shell: Shell, server) -> None:
    """A JSON file is one trip, however it is laid out."""
    shell.write(1)
    trip = json.loads(shell.trips.read_text(encoding="utf-8"))
    shell.trips.with_name("trip.json").write_text(json.dumps(trip, indent=2))
    done = shell.batch("--out", "out", trips="trip.json")
    assert (done.code, "made: 1 of 1, failed: 0" in done.stderr) == (0, True)


def test_failures_can_be_run_again(shell: Shell, server) -> None:
    """A bad line and a node that raises stop nothing; failures are a batch again."""
    server.follow_script(Script.fails_at("2"))
    shell.write(1, '{"id": "no-trip", "start": 5}', "not json", 2)
    done = shell.batch("--out", "out")
    assert done.code == 1
    assert "trips.jsonl:3" in done.stderr
    assert "made: 1 of 4, failed: 3" in done.stderr
    failed = shell.trips.with_name("trips.failures.jsonl")
    lines = failed.read_text(encoding="utf-8").splitlines()
    assert sorted(json.loads(line)["id"] for line in lines)[0] == "no-trip"
    failed.write_text("\n".join(one for one in lines if "Home" in one) + "\n")
    again = shell.batch("--out", "again", trips=failed.name)
    assert (again.code, len(shell.pictures("again"))) == (0, 1)
    assert len(shell.pictures() + shell.pictures("again")) == 2


def test_resumed(shell: Shell, server) -> None:
    """What was made stays; new trips are made; nothing is executed twice."""
    shell.write(1, 2)
    shell.batch("--out", "out")
    shell.write(1, 2, 3)
    refused = shell.batch("--out", "out")
    assert (refused.code, "--resume" in refused.stderr) == (2, True)
    report = json.loads(shell.batch("--out", "out", "--resume", "--json").stdout)
    assert (report["done"], report["failed"], report["stopped"]) == (3, 0, False)
    assert len(shell.pictures()) == 3
    assert server.executions.total() == 3
    other = shell.batch("--out", "out", "--resume", "--seed", "3")
    assert (other.code, "another batch" in other.stderr) == (2, True)


def test_a_picture_that_went_is_brought_again(shell: Shell, server) -> None:
    """Its job is not made anew: the server still has the file."""
    shell.write(1, 2)
    first = shell.batch("--out", "out")
    (shell.out / "trip-1-picture.png").unlink()
    again = shell.batch("--out", "out", "--resume")
    assert (again.code, len(shell.pictures())) == (0, 2)
    assert set(again.stdout.splitlines()) == set(first.stdout.splitlines())
    assert server.executions.total() == 2


def test_a_picture_that_went_everywhere(shell: Shell, server) -> None:
    """Nothing is made anew unasked: the error says where the picture was."""
    shell.write(1, 2)
    shell.batch("--out", "out")
    saved = shell.out / "trip-1-picture.png"
    saved.unlink()
    server.files.clear()
    again = shell.batch("--out", "out", "--resume")
    assert (again.code, len(again.stdout.splitlines())) == (1, 1)
    assert f"it was saved before as {saved.resolve()}" in " ".join(again.stderr.split())
    assert "can be run again: trips.failures.jsonl" in again.stderr
    assert server.executions.total() == 2


def test_wrong_use(shell: Shell) -> None:
    """What cannot be right is said, and nothing is sent."""
    shell.write(1)
    missing = shell.batch("--out", "out", trips="nowhere.jsonl")
    assert (missing.code, "nowhere.jsonl" in missing.stderr) == (2, True)
    same = shell.batch("--out", "out", "--failures", "trips.jsonl")
    assert (same.code, "reads" in same.stderr or "read" in same.stderr) == (2, True)
    assert shell.batch("--out", "out", "--timeout", "0").code == 2
    unknown = shell.batch("--out", "out", of="minni")
    assert (unknown.code, "'minni'" in unknown.stderr) == (2, True)
    assert not shell.out.exists()
    (shell.out / "batch.json").parent.mkdir(exist_ok=True)
    (shell.out / "batch.json").write_text("{}")
    assert "no batch of this package" in shell.batch("--out", "out").stderr


def test_stopped(shell: Shell, server, nursery: Nursery) -> None:
    """Ctrl-C waits for what was sent, and sends no more; --resume makes the rest."""
    gate = threading.Event()
    server.play(lambda job: [*usual(job)[:5], Hold(gate), *usual(job)[5:]])
    shell.write(1, 2, 3, 4, 5)
    arguments = ("-m", "comfyclient", "batch", "mini", "trips.jsonl", "--out", "out")
    with nursery.start(*arguments, cwd=shell.out.parent) as process:
        server.await_that(lambda: server.executions.total() == 1, timeout=30)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "no more is sent" in process.stderr.readline()
        gate.set()
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "--resume" in stderr
    made = len(shell.pictures())
    assert 1 <= made <= 2
    assert shell.batch("--out", "out", "--resume").code == 0
    assert len(shell.pictures()) == 5
    assert server.executions.total() == 5
