"""`jobs` and `resume`, as somebody uses them after a process died."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import signal
import sqlite3
import struct
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest

from comfyclient.cli import run_app
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent, JobState
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import Hold, failing, usual
from comfyclient.testing.scripted import ScriptedServer

from ..nursery import Child, Nursery
from ..scenes import held

PNG = b"\x89PNG\r\n\x1a\n"
COMMAND = ("-m", "comfyclient")
TEMPLATE = "trip-postcard@1.0.0"
SECRET = "hunter2-hunter2"
UNANSWERED = ("GET /api/jobs/{id}", "GET /queue", "GET /history/{id}")


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Shell:
    """A folder with a configuration, and the command run in it."""

    def __init__(
        self, folder: Path, url: str, patch: pytest.MonkeyPatch, nursery: Nursery
    ) -> None:
        patch.chdir(folder)
        self._patch = patch
        self._nursery = nursery
        self.folder = folder
        self.url = url
        self.ledger_file = folder / "jobs.db"
        self.graph = folder / "graph.json"
        self.graph.write_text(json.dumps(GRAPH), encoding="utf-8")
        self.configure()

    def configure(self, more: str = "", *, token: bool = False) -> None:
        """Write comfyclient.toml."""
        (self.folder / "comfyclient.toml").write_text(
            f"""
default_environment = "test"
[environments.test]
ledger = "sqlite:///{self.ledger_file}"
[environments.test.deadlines]
total_s = 40
grace_s = 0.2
{more}
[[environments.test.instances]]
name = "one"
url = "{self.url}"
{'token_env = "NOT_SET"' if token else ""}
[environments.local]
transport = "embedded"
""",
            encoding="utf-8",
        )

    def run(self, *arguments: str, encoding: str = "utf-8") -> Done:
        """The command in this process, to its end: many are quick so."""
        written = [io.BytesIO(), io.BytesIO()]
        streams = [io.TextIOWrapper(each, encoding=encoding) for each in written]
        self._patch.setattr(sys, "argv", ["comfyclient", *arguments])
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            try:
                run_app()
            except SystemExit as end:
                code = end.code
        for stream in streams:
            stream.flush()
        stdout, stderr = (each.getvalue().decode(encoding) for each in written)
        assert isinstance(code, int)
        return Done(code, stdout, stderr)

    def child(self, *arguments: str) -> Done:
        """The command in a process of its own, to its end."""
        with self.running(*arguments) as process:
            stdout, stderr = process.communicate(timeout=50)
            return Done(process.returncode, stdout, stderr)

    def json(self, *arguments: str) -> Any:
        """What the command told with --json."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Child]:
        """The command, while it runs."""
        with self._nursery.start(*COMMAND, *arguments, cwd=self.folder) as process:
            try:
                yield process
            finally:
                process.kill()

    def on_terminal(self, *arguments: str, columns: int) -> str:
        """What the command shows on a terminal of so many columns."""
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0) as screen:
            size = struct.pack("HHHH", 50, columns, 0, 0)
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
            process = self._nursery.start(
                *(*COMMAND, *arguments),
                cwd=self.folder,
                env={**os.environ, "TERM": "xterm"},
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
            os.close(theirs)
            shown = b""
            while chunk := _read(screen):
                shown += chunk
            assert process.wait(timeout=30) == 0, shown
        return shown.decode("utf-8").replace("\r\n", "\n")

    def ledger(self) -> Ledger:
        """The ledger, open."""
        return Ledger(self.ledger_file).open()

    def intend(self, *job_ids: str, **more: Any) -> None:
        """Jobs that were written down and not sent."""
        with closing(self.ledger()) as ledger:
            for job_id in job_ids:
                ledger.intend(
                    JobIntent(
                        job_id=job_id,
                        environment="test",
                        digest=uuid4().hex,
                        **{"template": TEMPLATE, **more},
                    )
                )


def _read(screen: Any) -> bytes:
    try:
        return bytes(screen.read(65536))
    except OSError:  # how Linux tells that the other side was closed
        return b""


@pytest.fixture
def shell(
    tmp_path: Path,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    nursery: Nursery,
) -> Shell:
    """A folder whose default environment is the server."""
    return Shell(tmp_path, server.url, monkeypatch, nursery)


def killed(shell: Shell, server: ScriptedServer, *options: str) -> None:
    """Run the graph, and kill the process while the server works on it."""
    before = server.executions.total()
    with shell.running("run", str(shell.graph), *options) as process:
        server.await_that(
            lambda: server.executions.total() > before and server.stage.running,
            timeout=30,
        )
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=20)


class TestAfterAKill:
    """A process that died leaves jobs that another one sees and finishes."""

    def test_it_is_seen_and_finished(
        self, shell: Shell, server: ScriptedServer, gate: threading.Event
    ) -> None:
        """`jobs` shows it, `resume` saves its picture, and the server ran it once."""
        server.play(held(gate))
        killed(shell, server)
        (job,) = json.loads(shell.child("jobs", "--json").stdout)["jobs"]
        whole = shell.json("jobs", "show", job["job_id"][:8])
        assert job["state"] in {"intended", "accepted", "running"}
        assert (job["instance"], job["ended_at"]) == ("one", None)
        assert whole["owner"]["living"] is False
        assert whole["resume"] == "comfyclient resume"
        assert whole["history"][0]["state"] == "intended"
        gate.set()
        done = shell.child("resume", "--out", "cards")
        assert done.returncode == 0, done.stderr
        assert "brought home: 1 of 1 job" in done.stderr
        picture = shell.folder / done.stdout.strip()
        assert picture.parent.name == "cards"
        assert picture.name.startswith(job["job_id"])
        assert picture.read_bytes().startswith(PNG)
        assert server.executions.total() == 1
        after = shell.json("jobs", "show", job["job_id"])
        assert (after["state"], after["resume"]) == ("collected", None)
        assert [file["path"] for file in after["files"]] == [str(picture)]

    def test_by_its_url_alone(
        self, shell: Shell, server: ScriptedServer, gate: threading.Event
    ) -> None:
        """Jobs of --url are reached by the same --url, and by no other."""
        server.play(held(gate))
        killed(shell, server, "--url", server.url)
        assert shell.json("jobs")["jobs"] == []
        (job,) = shell.json("jobs", "--url", server.url + "/")["jobs"]
        with ScriptedServer() as other:
            nothing = shell.json("resume", "--url", other.url)
            assert nothing["jobs"] == []
            assert other.requests == []
        gate.set()
        done = shell.json("resume", "--url", server.url)
        assert [one["job_id"] for one in done["jobs"]] == [job["job_id"]]
        assert done["jobs"][0]["status"] == "succeeded"
        assert server.executions.total() == 1

    def test_several_and_one_fails(
        self, shell: Shell, server: ScriptedServer, gate: threading.Event
    ) -> None:
        """Each is brought home for itself; a failure is listed and exits with 1."""
        plays = [
            held(gate),
            lambda job: [*usual(job)[:3], Hold(gate), *failing(job, "2")],
        ]
        server.play(lambda job: plays.pop(0)(job))
        killed(shell, server)
        with shell.running("run", str(shell.graph)) as process:
            server.await_that(lambda: server.asked["POST /prompt"] == 2, timeout=30)
            server.await_that(lambda: server.stage.pending, timeout=30)
            process.kill()
        gate.set()
        done = shell.run("resume")
        assert done.returncode == 1
        assert "boom" in done.stderr
        assert "brought home: 1 of 2 jobs" in done.stderr
        assert len(done.stdout.splitlines()) == 1
        assert "nothing to resume in test" in shell.run("resume").stderr

    def test_pictures_are_never_overwritten(
        self, shell: Shell, server: ScriptedServer, gate: threading.Event
    ) -> None:
        """A file that has the picture's name stays."""
        server.play(held(gate))
        killed(shell, server)
        (job,) = shell.json("jobs")["jobs"]
        mine = shell.folder / "out" / f"{job['job_id']}-scripted_00001_.png"
        mine.parent.mkdir()
        mine.write_bytes(b"mine")
        gate.set()
        (made,) = shell.json("resume")["jobs"][0]["outputs"]
        assert mine.read_bytes() == b"mine"
        assert Path(made["path"]).name == mine.name.replace(".png", "-2.png")


class TestStopped:
    """A command that is stopped says which job it leaves, and how to go on."""

    @pytest.mark.parametrize(
        ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
    )
    @pytest.mark.parametrize("as_json", [False, True])
    def test_run(
        self, shell, server, gate, number: int, code: int, as_json: bool
    ) -> None:
        """Ctrl-C and SIGTERM name the job; resuming finishes it, which ran once."""
        server.play(held(gate))
        arguments = ["run", str(shell.graph), *(["--json"] if as_json else [])]
        with shell.running(*arguments) as process:
            _await_progress(process)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=30)
            assert process.returncode == code, stderr
        (job,) = shell.json("jobs")["jobs"]
        assert job["job_id"] in stderr
        assert "comfyclient resume" in stderr
        assert "Traceback" not in stderr
        if as_json:
            report = json.loads(stdout)
            assert report["job_id"] == job["job_id"]
            assert report["resume"] == "comfyclient resume"
            assert report["error"]["class"] == "ClosedError"
        else:
            assert stdout == ""
        gate.set()
        assert shell.json("resume")["jobs"][0]["status"] == "succeeded"
        assert server.executions.total() == 1

    def test_resume(self, shell, server, gate) -> None:
        """A resume that is stopped leaves its jobs to the next one."""
        server.play(held(gate))
        killed(shell, server)
        with shell.running("resume") as process:
            assert process.stderr is not None
            assert process.stderr.readline() == "taken up: 1 job\n"
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
            assert process.returncode == 130, stderr
        assert stdout == ""
        assert "stopped; go on by `comfyclient resume`" in stderr
        gate.set()
        assert shell.run("resume").returncode == 0
        assert server.executions.total() == 1

    def test_an_answer_that_was_lost(self, shell, server) -> None:
        """The job of a submit whose answer was lost is named, and resumed."""
        server.answer("POST /prompt", Reply.lost(acts=True))
        for route in UNANSWERED:
            server.always(route, Reply.lost(acts=False))
        done = shell.run("run", str(shell.graph), "--json", "--env", "test")
        report = json.loads(done.stdout)
        assert done.returncode == 1
        assert report["error"]["class"] == "UnclearAnswerError"
        assert report["resume"] == "comfyclient resume --env test"
        UUID(report["job_id"])
        assert report["job_id"] in done.stderr
        assert "comfyclient resume --env test" in done.stderr
        for route in UNANSWERED:
            server.always(route, None)
        (home,) = shell.json("resume")["jobs"]
        assert (home["job_id"], home["status"]) == (report["job_id"], "succeeded")
        assert server.executions.total() == 1

    @pytest.mark.parametrize("left", [True, False])
    def test_a_time_that_is_over(self, shell, server, gate, left: bool) -> None:
        """Resuming is advised where the policy leaves the job, and only there."""
        if left:
            shell.configure('[environments.test.policies]\non_timeout = "leave"')
        server.play(held(gate))
        done = shell.run("run", str(shell.graph), "--timeout", "1", "--json")
        report = json.loads(done.stdout)
        assert (done.returncode, report["error"]["class"]) == (1, "JobTimeoutError")
        assert report["job_id"] in done.stderr
        assert ("comfyclient resume" in done.stderr) is left
        assert (report["resume"] is not None) is left


class TestKeys:
    """`run --key` is one job, however often it is run."""

    def test_again(self, shell, server) -> None:
        """The second run sends nothing, and has the same job."""
        first = shell.json("run", str(shell.graph), "--key", "trip-7")
        again = shell.json("run", str(shell.graph), "--key", "trip-7")
        assert first["job_id"] == again["job_id"]
        assert first["outputs"][0]["sha256"] == again["outputs"][0]["sha256"]
        assert server.executions.total() == 1

    def test_other_content(self, shell, server) -> None:
        """Another graph under the key fails with both jobs' ids."""
        first = shell.json("run", str(shell.graph), "--key", "trip-7")
        other = json.loads(shell.graph.read_text())
        other["1"]["inputs"]["width"] = 128
        shell.graph.write_text(json.dumps(other))
        done = shell.run("run", str(shell.graph), "--key", "trip-7")
        assert done.returncode == 1
        assert first["job_id"] in done.stderr


class TestJobs:
    """What `jobs` tells, and of which."""

    def test_schema(self, shell: Shell) -> None:
        """A script finds these keys."""
        shell.run("run", str(shell.graph))
        told = shell.json("jobs")
        assert told["environment"] == "test"
        assert set(told["counts"]) == {state.value for state in JobState}
        assert told["counts"]["collected"] == 1
        (job,) = told["jobs"]
        assert set(job) == {
            "job_id", "state", "environment", "instance", "template", "version",
            "digest", "seed", "trip_id", "idempotency_key", "created_at",
            "updated_at", "ended_at", "seconds", "attempts", "error",
        }  # fmt: skip
        assert set(shell.json("jobs", "show", job["job_id"])) == {
            *job, "params", "history", "outputs", "files", "owner", "resume", "stages",
        }  # fmt: skip

    def test_plain(self, shell: Shell) -> None:
        """Newest first, one line each, and a line of totals."""
        shell.intend("a" * 12, trip_id="older")
        shell.intend("b" * 12, trip_id="newer")
        lines = shell.run("jobs").stdout.splitlines()
        assert [line.split()[0] for line in lines] == ["id", "b" * 8, "a" * 8, "2"]
        assert lines[-1] == "2 jobs in test: 2 intended"

    @pytest.mark.parametrize(
        ("options", "found"),
        [
            (("--trip", "t1"), {"a"}),
            (("--template", "trip-poster"), {"c"}),
            (("--template", TEMPLATE), {"a", "b"}),
            (("--state", "intended"), {"a", "b", "c"}),
            (("--state", "failed", "--state", "lost"), set()),
            (("--since", "2h"), {"a", "b", "c"}),
            (("--since", "2999-01-01"), set()),
            (("--limit", "1"), {"c"}),
        ],
    )
    def test_filters(
        self, shell: Shell, options: tuple[str, ...], found: set[str]
    ) -> None:
        """Each option narrows the list."""
        shell.intend("a", trip_id="t1")
        shell.intend("b", trip_id="t2")
        shell.intend("c", template="trip-poster@2.0.0")
        told = shell.json("jobs", *options)
        assert {job["job_id"] for job in told["jobs"]} == found
        assert told["counts"]["intended"] == 3

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("jobs", "--since", "yesterday"), ["yesterday", "2h"]),
            (("jobs", "--since", "9" * 40 + "d"), ["2h"]),
            (("jobs", "--state", "done"), ["done", "collected"]),
            (("jobs", "--limit", "0"), ["limit"]),
            (("jobs", "--env", "prod"), ["prod", "test"]),
            (("resume", "--env", "test", "--url", "http://x"), ["--url", "--env"]),
        ],
    )
    def test_wrong_use(
        self, shell: Shell, arguments: tuple[str, ...], words: list[str]
    ) -> None:
        """It exits with 2, and says what is allowed."""
        done = shell.run(*arguments)
        assert done.returncode == 2
        assert all(word in done.stderr for word in words), done.stderr
        assert "Traceback" not in done.stderr

    def test_prefixes(self, shell: Shell) -> None:
        """A unique beginning is enough; others are answered with what there is."""
        shell.intend("abcdef01-1", "abcdef01-2", "abd")
        assert shell.json("jobs", "show", "ABD")["job_id"] == "abd"
        many = shell.run("jobs", "show", "abc")
        assert many.returncode == 2
        assert "2 jobs begin with 'abc'" in many.stderr
        assert "abcdef01-1" in many.stderr
        assert "abcdef01-2" in many.stderr
        none = shell.run("jobs", "show", "zzz", "--json")
        assert (none.returncode, none.stdout) == (1, "")
        assert "'zzz'" in none.stderr
        assert "abd" in none.stderr
        shown = [line.split()[0] for line in shell.run("jobs").stdout.splitlines()]
        assert shown[1:-1] == ["abd", "abcdef01-2", "abcdef01-1"]

    def test_options_before_show(self, shell: Shell) -> None:
        """The environment may be named before the word `show` as well as after it."""
        shell.intend("abd")
        (shell.folder / "else").mkdir()
        config = str(
            (shell.folder / "comfyclient.toml").rename(shell.folder / "c.toml")
        )
        for words in (
            ("jobs", "--config", config, "show", "abd"),
            ("jobs", "show", "abd", "--config", config),
        ):
            done = shell.run(*words)
            assert done.returncode == 0, done.stderr
            assert f"comfyclient resume --config {config}" in done.stdout

    def test_a_living_owners_job(self, shell, server, gate) -> None:
        """Another process's job is shown with its owner, and not resumed."""
        server.play(held(gate))
        with shell.running("run", str(shell.graph)) as process:
            _await_progress(process)
            (job,) = shell.json("jobs")["jobs"]
            shown = shell.run("jobs", "show", job["job_id"][:10]).stdout
            assert f":{process.pid}/" in shown
            assert "which lives" in shown
            assert "its owner works on it" in shown
            done = shell.run("resume")
            assert done.returncode == 0
            assert "nothing to resume" in done.stderr
            assert "own them: 1 job" in done.stderr
            gate.set()
            assert process.wait(timeout=30) == 0

    def test_a_failed_job(self, shell, server) -> None:
        """The error's class is in the list, its words are in the whole."""
        server.play(lambda job: failing(job, "2"))
        shell.run("run", str(shell.graph))
        (job,) = shell.json("jobs", "--state", "failed")["jobs"]
        assert job["error"]["class"] == "ExecutionError"
        assert "ExecutionError" in shell.run("jobs").stdout
        shown = shell.run("jobs", "show", job["job_id"]).stdout
        assert "boom" in shown
        assert "send a new job" in shown


class TestLedgers:
    """The ledger may be absent, newer, locked or damaged."""

    @pytest.mark.parametrize("env", ["test", "local"])
    def test_none(self, shell: Shell, env: str) -> None:
        """Looking makes no ledger, and starts no engine."""
        listed = shell.run("jobs", "--env", env)
        assert (listed.returncode, listed.stdout.strip()) == (
            0,
            f"no jobs yet in {env}",
        )
        assert shell.json("jobs", "--env", env)["jobs"] == []
        assert shell.run("jobs", "show", "abc", "--env", env).returncode == 1
        resumed = shell.run("resume", "--env", env)
        assert resumed.returncode == 0
        assert f"nothing to resume in {env}" in resumed.stderr
        assert not shell.ledger_file.exists()
        assert not Path(os.environ["XDG_STATE_HOME"]).parent.exists()

    def test_newer(self, shell: Shell) -> None:
        """A newer version's ledger is refused with its number."""
        shell.intend("a")
        with closing(sqlite3.connect(shell.ledger_file)) as database, database:
            database.execute("INSERT INTO comfyclient_schema VALUES (99, '2030-01-01')")
        for command in (("jobs",), ("jobs", "show", "a"), ("resume",)):
            done = shell.run(*command)
            assert done.returncode == 1
            assert "99" in done.stderr
            assert "Traceback" not in done.stderr

    def test_locked(self, shell: Shell) -> None:
        """Whoever writes is not waited for to read; to write, a bounded time."""
        shell.intend("a")
        with closing(sqlite3.connect(shell.ledger_file)) as database:
            database.execute("BEGIN IMMEDIATE")
            assert [job["job_id"] for job in shell.json("jobs")["jobs"]] == ["a"]
            done = shell.run("resume")
        assert done.returncode == 1
        assert "locked by another process" in done.stderr
        assert str(shell.ledger_file) in done.stderr

    def test_no_ledger(self, shell: Shell) -> None:
        """A file that is something else is left alone."""
        shell.ledger_file.write_bytes(b"not a database" * 100)
        done = shell.run("jobs")
        assert done.returncode == 1
        assert "not a ledger" in done.stderr

    def test_without_its_token(self, shell: Shell) -> None:
        """Reading the ledger needs no token; resuming does."""
        shell.intend("a")
        shell.configure(token=True)
        assert [job["job_id"] for job in shell.json("jobs")["jobs"]] == ["a"]
        done = shell.run("resume")
        assert done.returncode == 2
        assert "NOT_SET" in done.stderr

    def test_a_damaged_row(self, shell, server, gate) -> None:
        """A job that cannot be taken up is listed; the others are brought home."""
        shell.intend("broken")
        server.play(held(gate))
        killed(shell, server)
        gate.set()
        done = shell.run("resume")
        assert done.returncode == 1
        assert "broken" in done.stderr
        assert "does not hold the job's graph" in done.stderr
        assert "brought home: 1 of 2 jobs" in done.stderr


class TestShown:
    """Whatever stands in the ledger can be shown anywhere."""

    HOSTILE = "旅行 🚗\x1b[2J\n\u202egpj"

    @pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8"])
    def test_terminals_of_any_encoding(self, shell: Shell, encoding: str) -> None:
        """What the encoding lacks is escaped; control characters are, always."""
        shell.intend("a", trip_id=self.HOSTILE)
        for arguments in (("jobs",), ("jobs", "show", "a")):
            done = shell.run(*arguments, encoding=encoding)
            assert done.returncode == 0, done.stderr
            assert "\x1b" not in done.stdout
            assert "\u202e" not in done.stdout
            assert "\\x1b" in done.stdout
        told = json.loads(shell.run("jobs", "--json", encoding=encoding).stdout)
        assert told["jobs"][0]["trip_id"] == self.HOSTILE

    @pytest.mark.parametrize("columns", [24, 80, 200])
    def test_narrow_terminals(self, shell: Shell, columns: int) -> None:
        """Nothing is cut off; ids stay whole."""
        trip = "a-trip-with-quite-a-long-name-for-it"
        shell.intend("0123456789ab", trip_id=trip)
        for arguments in (("jobs",), ("jobs", "show", "0123")):
            shown = shell.on_terminal(*arguments, columns=columns)
            assert "01234567" in shown
            assert trip in re.sub(r"\s", "", shown)
            assert "…" not in shown

    def test_secrets(self, shell: Shell, server: ScriptedServer) -> None:
        """Neither a token nor a URL's password or query is shown."""
        url = server.url.replace("://", f"://me:{SECRET}@") + f"?key={SECRET}"
        server.answer("POST /prompt", Reply.lost(acts=True))
        for route in UNANSWERED:
            server.always(route, Reply.lost(acts=False))
        done = shell.run("run", str(shell.graph), "--url", url, "--json")
        assert done.returncode == 1
        for route in UNANSWERED:
            server.always(route, None)
        listed = shell.run("jobs", "--url", url)
        job_id = json.loads(done.stdout)["job_id"]
        whole = shell.run("jobs", "show", job_id, "--url", url)
        home = shell.run("resume", "--url", url)
        assert (whole.returncode, home.returncode) == (0, 0), home.stderr
        for each in (done, listed, whole, home):
            assert SECRET not in each.stdout + each.stderr


def _await_progress(process: Child) -> None:
    """Return once the command has told how its job goes."""
    assert process.stderr is not None
    while line := process.stderr.readline():
        if "%" in line and "queued" not in line:
            return
    raise AssertionError("the command ended before it told of its job")
