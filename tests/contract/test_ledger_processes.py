"""The ledger under real processes: races for jobs and keys, and sudden death."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from subprocess import PIPE

import pytest

from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent, JobState

from ..nursery import Child, Nursery

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")

JOBS = 30
STATES = ["intended", "intended", "accepted", "running", "succeeded"]

Begin = Callable[[str, str], Child]

HEAD = """
import sys
from pathlib import Path
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import Acceptance, JobIntent, JobState
from comfyclient.files.outputs import OutputRef

def say(*words):
    print(*words, flush=True)

ledger = Ledger(Path(sys.argv[1])).open()
me = sys.argv[2]
say("ready")
"""

CLAIMER = (
    HEAD
    + """
sys.stdin.readline()
jobs = ledger.unfinished("test")
for row in jobs if me == "0" else reversed(list(jobs)):
    if ledger.claim(row.job_id):
        attempt = row.job_id + me
        ledger.attempt(row.job_id, attempt_id=attempt, instance=me, client_id=me)
        say("claimed", row.job_id)
say("done")
sys.stdin.readline()
"""
)

SHARER = (
    HEAD
    + """
sys.stdin.readline()
after = None
while rows := ledger.claim_unfinished("test", limit=7, after=after):
    for row in rows:
        ledger.attempt(row.job_id, attempt_id=row.job_id, instance=me, client_id=me)
        say("took", row.job_id)
    after = rows[-1].job_id
say("done")
sys.stdin.readline()
"""
)

KEYS = (
    HEAD
    + """
sys.stdin.readline()
for number in range(20):
    row = ledger.intend(JobIntent(
        job_id=f"{me}-{number}", environment="test", digest=f"d{number}",
        idempotency_key=f"k{number}", graph={"n": number},
    ))
    say("got", number, row.job_id)
say("done")
sys.stdin.readline()
"""
)

WRITER = (
    HEAD
    + """
number = 0
while True:
    number += 1
    job = f"{me}-{number}"
    ledger.intend(JobIntent(job, "test", digest=f"d{number}", graph={"n": number}))
    say("intended", job)
    ledger.attempt(job, attempt_id="a-" + job, instance="i", client_id="c")
    say("attempted", job)
    ledger.accepted(job, Acceptance("a-" + job, "p", number))
    say("accepted", job)
    ledger.changed(job, JobState.RUNNING)
    say("running", job)
    ledger.changed(job, JobState.SUCCEEDED, outputs=[OutputRef("9", "images", "a.png")])
    say("succeeded", job)
"""
)

OPENER = (
    HEAD
    + """
say(ledger.intend(JobIntent(me, "test", digest="d")).state)
"""
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the ledger is."""
    return tmp_path / "ledger.db"


@pytest.fixture
def child(nursery: Nursery, file: Path) -> Iterator[Begin]:
    """Begins a process with a ledger of its own; killed at the end if it still runs."""
    with ExitStack() as stack:

        def begin(script: str, name: str) -> Child:
            process = nursery.start("-c", script, str(file), name, stdin=PIPE)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin


def said(process: Child, last: str) -> list[list[str]]:
    """What it says up to a line that begins with a word."""
    assert process.stdout is not None
    lines: list[list[str]] = []
    for line in process.stdout:
        lines.append(line.split())
        if lines[-1][0] == last:
            return lines
    raise AssertionError(f"the process ended before it said {last!r}: {lines}")


def go(process: Child) -> None:
    """Let it go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def race(child: Begin, script: str, runners: int) -> list[list[list[str]]]:
    """Start together, and give what each one said; all live until all are done."""
    processes = [child(script, str(n)) for n in range(runners)]
    for process in processes:
        said(process, "ready")
    for process in processes:
        go(process)
    return [said(process, "done")[:-1] for process in processes]


def sound(file: Path) -> bool:
    """Whether the database passes its own check, references included."""
    with closing(sqlite3.connect(file)) as connection:
        whole = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return whole and not connection.execute("PRAGMA foreign_key_check").fetchall()


def test_race_for_abandoned_jobs(file: Path, child: Begin) -> None:
    """Of processes that claim the same jobs at once, exactly one gets each."""
    with Ledger(file) as ledger:
        ids = [f"j{n}" for n in range(JOBS)]
        for job_id in ids:
            ledger.intend(JobIntent(job_id, "test", digest="d"))

    lines = race(child, CLAIMER, 3)

    claimed = [words[1] for process in lines for words in process]
    assert sorted(claimed) == sorted(ids)
    with Ledger(file) as ledger:
        assert all(len(row.attempts) == 1 for row in ledger.unfinished("test"))


def test_race_for_pages(file: Path, child: Begin) -> None:
    """Processes that resume at once share the work: every job is taken once."""
    ids = [f"j{n}" for n in range(200)]
    with Ledger(file) as ledger:
        for job_id in ids:
            ledger.intend(JobIntent(job_id, "test", digest="d"))

    lines = race(child, SHARER, 3)

    assert sorted(words[1] for process in lines for words in process) == sorted(ids)
    with Ledger(file) as ledger:
        assert all(len(row.attempts) == 1 for row in ledger.unfinished("test"))


@pytest.mark.skipif(sys.platform != "linux", reason="only there a death is seen")
def test_pages_of_a_killed_process(file: Path, child: Begin) -> None:
    """What a killed process left is taken at once; what a living one has is not."""
    dead, living = child(WRITER, "dead"), child(WRITER, "living")
    said(living, "attempted")
    said(dead, "attempted")
    dead.kill()
    dead.wait()
    with Ledger(file) as ledger:
        rows = ledger.claim_unfinished("test", limit=10_000)
        owner = ledger.owner_of("living-1")

    assert rows
    assert all(row.job_id.startswith("dead-") for row in rows)
    assert owner is not None
    assert not owner.gone


def test_race_for_keys(file: Path, child: Begin) -> None:
    """Of processes that submit under the same keys at once, all get the same jobs."""
    lines = race(child, KEYS, 3)

    assert lines[0] == lines[1] == lines[2]
    with Ledger(file) as ledger:
        assert len(ledger.jobs()) == 20


def test_race_to_make_the_file(file: Path, child: Begin) -> None:
    """Processes that open a new ledger at once all find it whole."""
    processes = [child(OPENER, f"j{n}") for n in range(4)]
    lines = [said(process, "intended") for process in processes]

    assert [line[-1] for line in lines] == [["intended"]] * 4
    assert sound(file)


def test_living_process_keeps_its_jobs(file: Path, child: Begin) -> None:
    """Jobs of a process are claimed after its death, and not before."""
    writer = child(WRITER, "w")
    with Ledger(file) as ledger:
        said(writer, "attempted")
        assert not ledger.claim("w-1")
        writer.kill()
        writer.wait()

        assert ledger.claim("w-1") is (sys.platform == "linux")


@pytest.mark.parametrize("lines", [1, 2, 3, 4, 5, 6, 23, 48])
def test_killed_while_it_writes(file: Path, child: Begin, lines: int) -> None:
    """After a kill all that was said is there, whole, and can be gone on with."""
    writer = child(WRITER, "w")
    said(writer, "ready")
    assert writer.stdout is not None
    told = [writer.stdout.readline().split() for _ in range(lines)]
    writer.kill()
    told += [line.split() for line in writer.stdout if line.endswith("\n")]
    writer.wait()

    assert sound(file)
    reached = {job: word for word, job in told}
    with Ledger(file) as ledger:
        rows = {row.job_id: row for row in ledger.jobs(limit=1000)}
        assert set(reached) <= set(rows)
        assert len(set(rows) - set(reached)) <= 1  # committed, not yet said
        for job_id, row in rows.items():
            said_steps = _steps(reached.get(job_id))
            history = [line.state for line in ledger.history(job_id)]
            assert history == STATES[: len(history)]
            assert said_steps <= len(history)
            assert row.state == history[-1]
            assert len(row.attempts) == min(1, len(history) - 1)
            assert bool(row.outputs) is (row.state is JobState.SUCCEEDED)
            assert ledger.graph(row.digest) == {"n": int(job_id.partition("-")[2])}
            if sys.platform == "linux":
                assert ledger.claim(job_id)
        ledger.intend(JobIntent("after", "test", digest="d"))


def _steps(word: str | None) -> int:
    words = ["intended", "attempted", "accepted", "running", "succeeded"]
    return 0 if word is None else words.index(word) + 1
