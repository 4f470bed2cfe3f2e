"""Every test: a scrubbed environment, loopback only, per-user folders of its own."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# a machine that is busy with the other tests draws slowly: that is no fault of a test
settings.register_profile("usual", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")

# a shell starts background jobs with Ctrl-C ignored, and what tests start inherits that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)

_KEPT = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the contract tests run against a real server."""
    parser.addoption(
        "--comfyui-url", help="a real ComfyUI to run the contract tests against"
    )


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in set(os.environ) - _KEPT:
        if not name.startswith(("PYTEST_", "COV_")):
            monkeypatch.delenv(name)
    for name in (
        "XDG_STATE_HOME",
        "XDG_DATA_HOME",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.setenv(name, str(tmp_path / "user" / name.lower()))


@pytest.fixture(autouse=True)
def _loopback_only(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if request.config.getoption("--comfyui-url"):
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if host not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)
