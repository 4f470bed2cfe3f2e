"""The test kit as pytest fixtures: `pytest_plugins = ["comfyclient.testing.plugin"]`.

Whatever a fixture made is closed at the end of the test, the last one first, also when
the test failed. A thread of the package that lives on after that is an error.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from ..client import Client
from ..config.settings import (
    VARIABLE,
    DeadlineSettings,
    EnvironmentSettings,
    InstanceSettings,
    Settings,
)
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from .clock import FakeClock
from .dashscope import DashScopeServer
from .fault_proxy import FaultProxy
from .scripted import ScriptedServer
from .threads import ours, stacks

_ENVIRONMENT = "test"
_CACHE = "comfyclient-cache"
_FAREWELL_S = 2.0
"""Real seconds that a thread has to end in, once everything was closed."""


class ServerFactory(Protocol):
    """Makes scripted servers; takes what `ScriptedServer` takes."""

    def __call__(self, **options: Any) -> ScriptedServer:
        """A running server."""


class HostedFactory(Protocol):
    """Makes stand-ins for hosted models; takes what `DashScopeServer` takes."""

    def __call__(self, **options: Any) -> DashScopeServer:
        """A running stand-in."""


class ProxyFactory(Protocol):
    """Makes fault proxies."""

    def __call__(self, target_url: str) -> FaultProxy:
        """A proxy that stands before this address."""


class ClientFactory(Protocol):
    """Makes clients."""

    def __call__(
        self,
        *urls: str,
        clock: Clock = SYSTEM_CLOCK,
        poll_only: bool = False,
        deadlines: DeadlineSettings | None = None,
    ) -> Client:
        """A client of these addresses; those of one test share a ledger."""


class ConfigFactory(Protocol):
    """Writes configuration files."""

    def __call__(self, *urls: str, poll_only: bool = False) -> Path:
        """The file, which `Client.from_config()` finds for the rest of the test."""


@pytest.fixture
def comfy_stack() -> Iterator[ExitStack]:
    """Closes what is put on it, and fails where a thread of the package lives on."""
    before = set(ours())
    with ExitStack() as stack:
        yield stack
    deadline = Deadline(_FAREWELL_S)
    left = [thread for thread in ours() if thread not in before]
    for thread in left:
        thread.join(deadline.remaining())
    _report([thread for thread in left if thread.is_alive()])


@pytest.fixture
def scripted_server(comfy_stack: ExitStack) -> ServerFactory:
    """A factory of scripted servers: `scripted_server(version=…, script=…)`."""

    def make(**options: Any) -> ScriptedServer:
        return comfy_stack.enter_context(ScriptedServer(**options))

    return make


@pytest.fixture
def fault_proxy(comfy_stack: ExitStack) -> ProxyFactory:
    """A factory of fault proxies: `fault_proxy(server.url)`."""

    def make(target_url: str) -> FaultProxy:
        return comfy_stack.enter_context(FaultProxy(target_url))

    return make


@pytest.fixture
def dashscope_server(comfy_stack: ExitStack) -> HostedFactory:
    """A factory of stand-ins for hosted models: `dashscope_server(limits=…)`."""

    def make(**options: Any) -> DashScopeServer:
        return comfy_stack.enter_context(DashScopeServer(**options))

    return make


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock that stands still, to be given to servers and clients."""
    return FakeClock()


@pytest.fixture
def embedded_engine(comfy_stack: ExitStack, tmp_path: Path) -> Any:
    """A running embedded engine with our nodes and the test nodes.

    Skips the test where the extra `local` is not installed.
    """
    needed = "needs the embedded engine: pip install 'comfyclient[local]'"
    engine, nodes, test_nodes = (
        pytest.importorskip(f"comfyclient.{name}", reason=needed, exc_type=ImportError)
        for name in ("local.engine", "comfy_nodes", "testing.nodes")
    )
    running = engine.EmbeddedEngine(tmp_path / "engine", node_packs=[nodes, test_nodes])
    return comfy_stack.enter_context(running)


@pytest.fixture
def comfy_client(comfy_stack: ExitStack, tmp_path: Path) -> ClientFactory:
    """A factory of clients: `comfy_client(server.url, clock=fake_clock)`."""

    def make(
        *urls: str,
        clock: Clock = SYSTEM_CLOCK,
        poll_only: bool = False,
        deadlines: DeadlineSettings | None = None,
    ) -> Client:
        environment = EnvironmentSettings(
            instances=tuple(
                InstanceSettings(name=name, url=url, poll_only=poll_only)
                for name, url in _named(urls)
            ),
            ledger=_ledger(tmp_path),
            deadlines=DeadlineSettings() if deadlines is None else deadlines,
        )
        settings = Settings(
            default_environment=_ENVIRONMENT,
            cache=tmp_path / _CACHE,
            environments={_ENVIRONMENT: environment},
        )
        return comfy_stack.enter_context(Client(settings, clock=clock))

    return make


@pytest.fixture
def comfy_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConfigFactory:
    """Lets code that calls `Client.from_config()` meet the servers of a test.

    Writes a `comfyclient.toml` with one environment, and names it in
    `COMFYCLIENT_CONFIG`.
    """

    def make(*urls: str, poll_only: bool = False) -> Path:
        lines = [
            f'default_environment = "{_ENVIRONMENT}"',
            f'cache = "{_CACHE}"',
            f"[environments.{_ENVIRONMENT}]",
            f"ledger = {json.dumps(_ledger(tmp_path))}",
        ]
        for name, url in _named(urls):
            lines += [
                f"[[environments.{_ENVIRONMENT}.instances]]",
                f'name = "{name}"',
                f"url = {json.dumps(url)}",
                f"poll_only = {json.dumps(poll_only)}",
            ]
        file = tmp_path / "comfyclient.toml"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.setenv(VARIABLE, str(file))
        return file

    return make


def _named(urls: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(f"instance-{number}", url) for number, url in enumerate(urls, start=1)]


def _ledger(folder: Path) -> str:
    return f"sqlite:///{folder / 'comfyclient-jobs.db'}"


def _report(left: list[threading.Thread]) -> None:
    if left:
        names = ", ".join(thread.name for thread in left)
        pytest.fail(
            f"threads live on after the test: {names}; close what started them\n"
            f"{stacks()}",
            pytrace=False,
        )
