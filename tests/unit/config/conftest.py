"""A working directory without a configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration file is there, or above."""
    monkeypatch.chdir(tmp_path)
