"""Every test: a scrubbed environment, loopback only, per-user folders of its own."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from .nursery import Nursery
from .seeds import seeds

# a machine that is busy with the other tests draws slowly: that is no fault of a test;
# `make soak` draws by the thousand
settings.register_profile(
    "usual",
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("usual")

# a shell starts background jobs with Ctrl-C ignored, and what tests start inherits that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)

_KEPT = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV"}
_FOLDERS = ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the contract tests run against a real server."""
    parser.addoption(
        "--comfyui-url", help="a real ComfyUI to run the contract tests against"
    )


@pytest.fixture(scope="session", autouse=True)
def _scrubbed_environment() -> Iterator[None]:
    """What the person's shell holds is no test's business."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(os.environ) - _KEPT:
            if not name.startswith(("PYTEST_", "COV_")):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Begins processes in no time."""
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def soak_seeds() -> Iterator[int]:
    """One seed after the other, as long as a soak goes on."""
    return seeds()


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of folders that are not there, a new one for each test."""
    base = tmp_path_factory.mktemp("users")
    return (base / str(number) for number in count())


@pytest.fixture(autouse=True)
def _own_folders(monkeypatch: pytest.MonkeyPatch, _homes: Iterator[Path]) -> None:
    home = next(_homes)
    for name in _FOLDERS:
        monkeypatch.setenv(name, str(home / name.lower()))


@pytest.fixture(scope="session", autouse=True)
def _loopback_only(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whoever reaches for another machine is stopped, in whatever thread."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        if host not in _LOOPBACK:
            raise AssertionError(f"a test tried to reach {host}")
        connect(self, address)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        if not request.config.getoption("--comfyui-url"):
            patch.setattr(socket.socket, "connect", guarded)
        yield
