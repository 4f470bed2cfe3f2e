"""The pytest plugin: its fixtures, and what they do when a test goes wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from comfyclient.client import Client
from comfyclient.config.settings import DeadlineSettings
from comfyclient.job import JobStatus
from comfyclient.testing import Script
from comfyclient.testing.bench import GRAPH
from comfyclient.workflow import Workflow

from ..nursery import Nursery

pytest_plugins = ["comfyclient.testing.plugin"]

WORKFLOW = Workflow.from_graph(GRAPH)


class TestFixtures:
    """What each of them gives."""

    def test_servers_and_clients(self, scripted_server, comfy_client) -> None:
        """A client of several servers spreads its jobs over them."""
        servers = [scripted_server() for _ in range(2)]
        client = comfy_client(*(server.url for server in servers))
        jobs = [client.submit(WORKFLOW) for _ in range(2)]
        assert all(job.result().outputs for job in jobs)
        assert sum(len(server.accounts) for server in servers) == 2

    def test_options_of_a_server(self, scripted_server) -> None:
        """A factory takes what the server itself takes."""
        server = scripted_server(version="0.3.40", prefix="/comfy")
        told = requests.get(f"{server.url}/system_stats", timeout=5).json()
        assert told["system"]["comfyui_version"] == "0.3.40"

    def test_time_that_flies(self, scripted_server, comfy_client, fake_clock) -> None:
        """A job that takes ten minutes is over at once."""
        server = scripted_server(script=Script.slow(600), clock=fake_clock)
        limits = DeadlineSettings(total_s=900, queue_s=60, silence_s=600)
        client = comfy_client(server.url, clock=fake_clock, deadlines=limits)
        job = fake_clock.run(lambda: client.submit(WORKFLOW), limit=20)
        assert fake_clock.run(job.result, limit=40).outputs
        assert fake_clock.monotonic() >= 600

    def test_a_proxy(self, scripted_server, fault_proxy, comfy_client) -> None:
        """A job survives that its websockets are cut on the way."""
        proxy = fault_proxy(scripted_server().url)
        job = comfy_client(proxy.url).submit(WORKFLOW)
        proxy.cut_now(websockets_only=True)
        assert job.result().outputs

    def test_polling_alone(self, scripted_server, comfy_client) -> None:
        """Where no websocket passes, a client does without."""
        server = scripted_server()
        assert comfy_client(server.url, poll_only=True).run(WORKFLOW).outputs
        assert server.asked["GET /ws"] == 0

    def test_a_configuration(self, scripted_server, comfy_config) -> None:
        """Code that reads the configuration itself meets the test's server."""
        server = scripted_server()
        comfy_config(server.url)
        with Client.from_config() as client:
            job = client.submit(WORKFLOW)
            job.result()
        assert job.status is JobStatus.SUCCEEDED
        assert server.accounts.by_job() == {job.id: 1}

    def test_the_engine(self, embedded_engine, comfy_client) -> None:
        """The embedded engine makes real pictures."""
        result = comfy_client(embedded_engine.url).run(WORKFLOW)
        assert result.outputs[0].read().startswith(b"\x89PNG")


BAD_TESTS = """
import threading
import requests
from comfyclient.testing import Script, ScriptedServer
from comfyclient.testing.bench import GRAPH
from comfyclient.workflow import Workflow

pytest_plugins = ["comfyclient.testing.plugin"]
ports = []
gate = threading.Event()


def test_fails_while_a_job_runs(scripted_server, comfy_client):
    server = scripted_server(script=Script.never_finishes())
    ports.append(server.url)
    comfy_client(server.url).submit(Workflow.from_graph(GRAPH))
    raise RuntimeError("the test's own error")


def test_all_was_closed():
    try:
        requests.get(ports[0], timeout=5)
    except requests.ConnectionError:
        return
    raise AssertionError("it answers still")


def test_asks_for_what_is_not_there(scripted_server):
    requests.get(scripted_server().url + "/nothing", timeout=5)


def test_leaves_a_thread_behind(scripted_server):
    threading.Thread(target=gate.wait, name="comfyclient-left", args=(30,)).start()


def test_is_not_blamed_for_it(scripted_server):
    scripted_server()
    gate.set()
"""

NO_ENGINE = """
import sys

pytest_plugins = ["comfyclient.testing.plugin"]
sys.modules["aiohttp"] = None
for name in [name for name in sys.modules if name.startswith("comfyclient.local")]:
    del sys.modules[name]  # whoever forked this process had imported it


def test_engine(embedded_engine):
    raise AssertionError("there is no engine")
"""


PytestRun = Callable[[str], str]


@pytest.fixture
def pytest_run(nursery: Nursery, tmp_path: Path) -> PytestRun:
    """What pytest says of a test file, run in a process of its own."""

    def run(program: str) -> str:
        (tmp_path / "test_users.py").write_text(program, encoding="utf-8")
        (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        options = ("-rA", "-p", "no:cacheprovider", "-p", "no:xdist", str(tmp_path))
        done = nursery.run("-m", "pytest", *options, cwd=tmp_path)
        return done.stdout + done.stderr

    return run


def test_whatever_a_test_does_all_is_closed(pytest_run: PytestRun) -> None:
    """Failing tests, unknown routes and leaked threads are told, each in its test."""
    told = pytest_run(BAD_TESTS)
    summary = told[told.index("short test summary") :]
    ends = re.findall(r"^(PASSED|FAILED|ERROR) .*::(\w+)", summary, re.MULTILINE)
    assert sorted(ends) == [
        ("ERROR", "test_asks_for_what_is_not_there"),
        ("ERROR", "test_leaves_a_thread_behind"),
        ("FAILED", "test_fails_while_a_job_runs"),
        ("PASSED", "test_all_was_closed"),
        ("PASSED", "test_asks_for_what_is_not_there"),
        ("PASSED", "test_is_not_blamed_for_it"),
        ("PASSED", "test_leaves_a_thread_behind"),
    ]
    assert "threads live on after the test: comfyclient-left" in told
    assert "asked for GET /nothing, but there is only" in told
    assert "the test's own error" in told


def test_without_the_engine(pytest_run: PytestRun) -> None:
    """Where the extra is missing, the engine's tests are skipped with the remedy."""
    told = pytest_run(NO_ENGINE)
    assert "1 skipped" in told
    assert "pip install 'comfyclient[local]'" in told


def test_importing_the_kit_loads_nothing_heavy() -> None:
    """It needs no pytest; with its plugin it waits for the engine and the database."""
    heavy = {"aiohttp", "PIL", "numpy", "sqlalchemy", "dashscope", "oss2", "rich"}
    program = """
import sys, comfyclient.testing
print("pytest" in sys.modules)
import comfyclient.testing.plugin
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    needs_pytest, loaded = done.stdout.splitlines()
    assert needs_pytest == "False"
    assert not set(loaded.split()) & heavy


@pytest.mark.parametrize("name", ["Script", "ScriptedServer", "FakeClock"])
def test_what_is_public(name: str) -> None:
    """The names that users import are listed, each once and in order."""
    kit = __import__("comfyclient.testing", fromlist=["__all__"])
    assert name in kit.__all__
    assert kit.__all__ == sorted(set(kit.__all__))
    assert all(hasattr(kit, each) for each in kit.__all__)
