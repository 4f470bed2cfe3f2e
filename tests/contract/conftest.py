"""What contract tests share: a scripted server, and a bench for transports."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from comfyclient.testing.bench import Bench
from comfyclient.testing.scripted import ScriptedServer


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Transports and courses; no thread of theirs outlives the test."""
    with Bench() as bench:
        yield bench
    left = [t.name for t in threading.enumerate() if t.name.startswith("comfyclient")]
    assert not left


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted server that behaves as the newest ComfyUI does."""
    with ScriptedServer() as server:
        yield server
