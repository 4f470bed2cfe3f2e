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

from comfyclient.batch.folder import Records
from comfyclient.cli import run_app
from comfyclient.commands.batch_views import Display
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
    shell.trips.write_bytes(b"\xef\xbb\xbf" + shell.trips.read_bytes() + b"\xff\r\n\n")
    done = shell.batch("--out", "out")
    assert done.code == 1
    assert "trips.jsonl:3" in done.stderr
    told = [line.split(" ")[0] for line in done.stderr.splitlines()]
    assert told[:5] == [f"{n}/5" for n in range(1, 6)]
    assert "made: 1 of 5, failed: 4" in done.stderr
    assert "trips.out.failures.jsonl: a batch of its own" in done.stderr
    failed = shell.trips.with_name("trips.out.failures.jsonl")
    lines = failed.read_bytes().splitlines()
    given = shell.trips.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    good = [line for line in lines if b"Home" in line]
    assert (len(good), len(lines)) == (1, 4)
    assert {*given[1:3], b"\xff"} < set(lines) < set(given)
    failed.write_bytes(b"\n".join(good))
    again = shell.batch("--out", "again", trips=failed.name)
    assert (again.code, len(shell.pictures("again"))) == (0, 1)
    assert len(shell.pictures() + shell.pictures("again")) == 2
    failed.write_bytes(b"not json")
    same = shell.batch("--out", "sub/out", trips=failed.name)
    assert "trips.out.out.failures.jsonl: a batch" in same.stderr
    assert failed.read_bytes() == b"not json"
    assert not shell.trips.with_name("trips.again.failures.jsonl").exists()


def test_a_folder_of_trips(shell: Shell, server) -> None:
    """A file that is no trip stops no other; what failed is not read the next time."""
    shell.write(1, 2, "not json")
    many = shell.out.parent / "many"
    many.mkdir()
    (many / "a.json").write_text("{", encoding="utf-8")
    (many / "b.json").write_text(
        shell.trips.read_text().splitlines()[0].replace(", ", ",\n"), encoding="utf-8"
    )
    shell.trips.rename(many / "c.jsonl")
    done = shell.batch("--out", "out", trips="many")
    assert (done.code, "made: 3 of 4, failed: 2" in done.stderr) == (1, False)
    assert "made: 3 of 5, failed: 2" in done.stderr
    failures = many / "out.failures.jsonl"
    assert failures.read_text(encoding="utf-8") == "not json\n"
    failures.write_text("mended", encoding="utf-8")
    again = shell.batch("--out", "out", "--resume", trips="many")
    assert "made: 3 of 5, failed: 2" in again.stderr
    assert failures.read_text(encoding="utf-8") == "not json\n"
    assert failures.with_suffix(".jsonl.bak").read_text(encoding="utf-8") == "mended"
    for wrong in (("--out", "many"), ("--out", "o", "--failures", "many/left.jsonl")):
        refused = shell.batch(*wrong, trips="many")
        assert (refused.code, "read" in refused.stderr) == (2, True)


def test_records_are_one_process_s(shell: Shell, server) -> None:
    """A second process at the batch is refused, and changes none of its records."""
    shell.write(1)
    assert shell.batch("--out", "out").code == 0
    with Records(shell.out, shell.out / "failures.jsonl"):
        second = shell.batch("--out", "out", "--resume")
        assert (second.code, "another process" in second.stderr) == (2, True)
    assert shell.batch("--out", "out", "--resume").code == 0
    lost = shell.batch("--out", "new", "--failures", "nowhere/failures.jsonl")
    assert (lost.code, "--failures names another file" in lost.stderr) == (1, True)
    full = shell.out.parent / "full.jsonl"
    full.symlink_to("/dev/full")
    if full.exists():
        shell.write(1, "not json", 2)
        done = shell.batch("--out", "full", "--failures", str(full))
        assert (done.code, "No space left" in done.stderr) == (1, True)
        assert full.is_symlink()
    assert server.executions.total() <= 3


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
    """Unasked, nothing is made anew: the error says where the picture was. Asked, it is
    made once, and as it was."""
    shell.write(1, 2)
    shell.batch("--out", "out")
    saved = shell.out / "trip-1-picture.png"
    saved.unlink()
    server.files.clear()
    again = shell.batch("--out", "out", "--resume")
    assert (again.code, len(again.stdout.splitlines())) == (1, 1)
    assert f"it was saved before as {saved.resolve()}" in " ".join(again.stderr.split())
    assert "--remake" in again.stderr
    assert "trips.out.failures.jsonl: a batch of its own" in again.stderr
    assert server.executions.total() == 2
    for executions in (3, 3):
        again = shell.batch("--out", "out", "--resume", "--remake")
        assert (again.code, len(shell.pictures())) == (0, 2)
        assert server.executions.total() == executions
    sent = [one.json() for one in server.requests if one.path == "/prompt"]
    seeds = [one["prompt"]["1"]["inputs"]["color"] for one in sent if one]
    assert (len(seeds), len(set(seeds))) == (3, 2)


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


def test_ctrl_c_leaves_no_outcome_untold(
    shell: Shell, server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is being written when it comes is written to its end."""
    written: list[str] = []

    def saved(_: object, path: Path) -> None:
        if not written:
            signal.raise_signal(signal.SIGINT)
        written.append(path.name)

    monkeypatch.setattr(Display, "saved", saved)
    shell.write(*range(1, 9))
    done = shell.batch("--out", "out")
    assert (done.code, "--resume" in done.stderr) == (130, True)
    assert sorted(written) == shell.pictures()
    outcomes = (shell.out / "outcomes.jsonl").read_text(encoding="utf-8")
    assert len(outcomes.splitlines()) == len(written) < 8


def test_stopped(shell: Shell, server, nursery: Nursery) -> None:
    """Ctrl-C waits for what was sent, and sends no more; --resume makes the rest."""
    gate = threading.Event()
    server.play(lambda job: [*usual(job)[:5], Hold(gate), *usual(job)[5:]])
    shell.write(1, 2, 3, 4, 5)
    arguments = ("-m", "comfyclient", "batch", "mini", "trips.jsonl", "--out", "out")
    with nursery.start(*arguments, cwd=shell.out.parent) as process:
        server.await_that(lambda: server.executions.total() == 1, timeout=100)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert "no more is sent" in process.stderr.readline()
        gate.set()
        _, stderr = process.communicate(timeout=100)
    assert process.returncode == 130, stderr
    assert "--resume" in stderr
    made = len(shell.pictures())
    assert 1 <= made <= 2
    assert shell.batch("--out", "out", "--resume").code == 0
    assert len(shell.pictures()) == 5
    assert server.executions.total() == 5


def test_stopped_twice(shell: Shell, server, nursery: Nursery) -> None:
    """A second Ctrl-C has it cancelled at the server; --resume makes that, too."""
    gate = threading.Event()
    server.play(lambda job: [*usual(job)[:5], Hold(gate), *usual(job)[5:]])
    shell.write(1, 2, 3)
    arguments = ("-m", "comfyclient", "batch", "mini", "trips.jsonl", "--out", "out")
    with nursery.start(*arguments, cwd=shell.out.parent) as process:
        server.await_that(lambda: server.executions.total() == 1, timeout=30)
        assert process.stderr is not None
        for told in ("no more is sent", "cancelling what was sent"):
            process.send_signal(signal.SIGINT)
            assert told in process.stderr.readline()
        _, stderr = process.communicate(timeout=30)
    gate.set()
    assert (process.returncode, "JobCancelledError" in stderr) == (130, True), stderr
    assert shell.pictures() == []
    again = shell.batch("--out", "out", "--resume")
    assert (again.code, len(shell.pictures())) == (0, 3)
    assert len(server.accounts.succeeded) == 3
