"""Clients with hooks, which have heard all once the client is closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from comfyclient.client import Client
from comfyclient.config.settings import EnvironmentSettings, Settings
from comfyclient.hooks import Hook
from comfyclient.testing.bench import GRAPH
from comfyclient.workflow import Workflow

WORKFLOW = Workflow.from_graph(GRAPH)


@contextmanager
def client_with(url: str, folder: Path, *hooks: Hook) -> Iterator[Client]:
    """A client of a server, with hooks; they have heard all once it is closed."""
    environment = EnvironmentSettings.model_validate(
        {
            "instances": [{"name": "one", "url": url}],
            "ledger": f"sqlite:///{folder / 'jobs.db'}",
        }
    )
    settings = Settings(default_environment="test", environments={"test": environment})
    with Client(settings, hooks=hooks) as client:
        yield client
