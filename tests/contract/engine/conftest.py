"""What tests of the engine share: one with the test nodes, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing import nodes as test_nodes

from .callers import Caller
from .graph_runs import CLASSES, Client


@pytest.fixture
def engine() -> Iterator[EmbeddedEngine]:
    """An engine with the test nodes."""
    with EmbeddedEngine(node_packs=[test_nodes]) as engine:
        yield engine


@pytest.fixture
def caller(engine: EmbeddedEngine) -> Iterator[Caller]:
    """A client of it."""
    caller = Caller(engine.url)
    yield caller
    caller.session.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client of an engine with the test nodes, in a folder that nobody else uses."""
    folder = tmp_path / "engine"
    with EmbeddedEngine(
        base_directory=folder, node_packs=[test_nodes], node_classes=CLASSES
    ) as engine:
        client = Client(engine)
        yield client
        client.close()
