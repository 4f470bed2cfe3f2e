"""Clients and transports that declare a range of versions, and a server beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from comfyclient.client import Client
from comfyclient.config.settings import (
    DeadlineSettings,
    EnvironmentSettings,
    PolicySettings,
    Settings,
)
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import SYSTEM_CLOCK, Clock
from comfyclient.transports.comfyui import ComfyUITransport
from comfyclient.transports.endpoint import Endpoint

from .ranges import RANGE


@pytest.fixture
def client_of(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Clients of these servers, with a declared range."""
    with ExitStack() as stack:

        def build(*servers: ScriptedServer, **options: object) -> Client:
            environment = EnvironmentSettings(
                instances=[
                    {"name": f"n{i}", "url": server.url, **options}
                    for i, server in enumerate(servers)
                ],
                ledger=f"sqlite:///{tmp_path / 'jobs.db'}",
                comfyui_version=RANGE,
                deadlines=DeadlineSettings(total_s=30, queue_s=30, silence_s=30),
                policies=PolicySettings(resubmit_lost=1),
            )
            settings = Settings(
                default_environment="test", environments={"test": environment}
            )
            return stack.enter_context(Client(settings))

        yield build


@pytest.fixture
def ranged() -> Iterator[Callable[..., ComfyUITransport]]:
    """Transports to these servers, with a declared range."""
    with ExitStack() as stack:

        def build(
            server: ScriptedServer,
            *,
            clock: Clock = SYSTEM_CLOCK,
            websocket: bool = True,
        ) -> ComfyUITransport:
            endpoint = Endpoint("n0", server.url, websocket=websocket)
            transport = ComfyUITransport(endpoint, clock=clock, version_range=RANGE)
            stack.callback(transport.close)
            return transport

        yield build


@pytest.fixture
def old() -> Iterator[ScriptedServer]:
    """A server older than the range."""
    with ScriptedServer(version="0.3.12") as server:
        yield server
