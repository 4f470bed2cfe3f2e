"""A stand-in of the API edition for each test, its results watched or asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .queueing import Queueing

_OURS = ("comfyclient-", "scripted")


@pytest.fixture(params=["watch", "poll"])
def queueing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Queueing]:
    """Both ways to the results; no thread outlives the test."""
    one = Queueing(tmp_path, request.param)
    try:
        yield one
    finally:
        one.close()
    assert not [t.name for t in threading.enumerate() if t.name.startswith(_OURS)]


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Queueing]:
    """Results that a watch brings."""
    one = Queueing(tmp_path, "watch")
    try:
        yield one
    finally:
        one.close()
    assert not [t.name for t in threading.enumerate() if t.name.startswith(_OURS)]
