"""Jobs on the command line after a kill, a Ctrl-C and a second call: gone on with."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path
from uuid import UUID

import pytest

from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import Hold, failing, usual
from comfyclient.testing.scripted import ScriptedServer

from ..scenes import held
from .shells import UNANSWERED, Shell, await_progress, killed

PNG = b"\x89PNG\r\n\x1a\n"


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
            server.await_that(lambda: server.asked["POST /prompt"] == 2, timeout=100)
            server.await_that(lambda: server.stage.pending, timeout=100)
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
            await_progress(process)
            process.send_signal(number)
            stdout, stderr = process.communicate(timeout=100)
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
            stdout, stderr = process.communicate(timeout=100)
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
