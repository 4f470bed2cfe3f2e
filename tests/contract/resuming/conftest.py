"""What tests of resuming share: an environment without a client yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .houses import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An environment without a client yet."""
    house = House(tmp_path)
    yield house
    house.close()
