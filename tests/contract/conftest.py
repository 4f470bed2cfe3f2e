"""What contract tests share: a scripted server, and a bench for transports."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from comfyclient.client import Client
from comfyclient.testing.bench import Bench
from comfyclient.testing.scripted import ScriptedServer

from ..scenes import comfy, gate, hosted, ledger, server
from .clients import client_of
from .plain_caller import Caller
from .raw_server import made, pool

__all__ = ["bench", "comfy", "gate", "hosted", "ledger", "made", "pool", "server"]

_OURS = ("comfyclient-listener", "comfyclient-following", "comfyclient-watchdog")


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Transports and courses; no thread of theirs outlives the test."""
    with Bench() as bench:
        yield bench
    names = [thread.name for thread in threading.enumerate()]
    assert not [n for n in names if n.startswith(_OURS)]


@pytest.fixture
def client(server: ScriptedServer, ledger: str) -> Iterator[Client]:
    """A client of the scripted server."""
    with client_of([server.url], ledger) as client:
        yield client


@pytest.fixture
def caller(server: ScriptedServer) -> Caller:
    """A plain client of the scripted server."""
    return Caller(server)
