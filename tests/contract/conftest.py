"""What contract tests share: a scripted server, and a bench for transports."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from comfyclient.testing.bench import Bench

from ..scenes import comfy, gate, hosted, server
from .raw_server import made, pool

__all__ = ["bench", "comfy", "gate", "hosted", "made", "pool", "server"]

_OURS = ("comfyclient-listener", "comfyclient-following", "comfyclient-watchdog")


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Transports and courses; no thread of theirs outlives the test."""
    with Bench() as bench:
        yield bench
    names = [thread.name for thread in threading.enumerate()]
    assert not [n for n in names if n.startswith(_OURS)]
