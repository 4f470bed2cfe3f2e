"""`jobs` and `jobs show`: which jobs there are, and all that is known of one."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from comfyclient.ledger.records import JobState
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import failing
from comfyclient.testing.scripted import ScriptedServer

from ..scenes import held
from .shells import TEMPLATE, UNANSWERED, Shell, await_progress, killed

SECRET = "hunter2-hunter2"


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
            await_progress(process)
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
            assert process.wait(timeout=100) == 0

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
