"""What end-to-end tests share: stand-ins, a gate that holds them, a shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyclient.testing.scripted import ScriptedServer

from ..nursery import Nursery
from ..scenes import comfy, gate, hosted, server
from .shells import Shell

__all__ = ["comfy", "gate", "hosted", "server", "shell"]


@pytest.fixture
def shell(
    tmp_path: Path,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    nursery: Nursery,
) -> Shell:
    """A folder whose default environment is the server."""
    return Shell(tmp_path, server.url, monkeypatch, nursery)
