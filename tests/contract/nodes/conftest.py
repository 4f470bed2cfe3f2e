"""What tests of the nodes share: a service that their environment leads to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comfyclient.testing import DashScopeServer


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[DashScopeServer]:
    """A stand-in that the nodes' environment leads to."""
    with DashScopeServer() as server:
        monkeypatch.setenv("DASHSCOPE_API_KEY", server.key)
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", server.url)
        monkeypatch.setenv("COMFYCLIENT_DASHSCOPE_POLL_S", "0")
        yield server
