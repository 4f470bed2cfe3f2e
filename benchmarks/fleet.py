"""Servers for a benchmark, and a client of them."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from comfyclient import Client, Order, Result, Settings, Workflow
from comfyclient.config.settings import (
    EnvironmentSettings,
    InstanceSettings,
    PolicySettings,
)


class Server:
    """One server process."""

    def __init__(self, slowness: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", str(slowness)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def url(self) -> str:
        """Its address, once it answers."""
        assert self._process.stdout is not None
        if not hasattr(self, "_url"):
            self._url = self._process.stdout.readline().strip()
        return self._url

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def servers(*slowness: float) -> Iterator[list[Server]]:
    """Servers, each so many times slower than usual."""
    with ExitStack() as stack:
        started = []
        for each in slowness:
            server = Server(each)
            stack.callback(server.kill)
            started.append(server)
        for server in started:
            assert server.url, "the server did not start"
        yield started


def client_of(
    urls: Sequence[str], folder: Path, *, window: int = 2, gone_after_s: float = 1
) -> Client:
    """A client of these servers, with a ledger of its own."""
    name = f"{random.getrandbits(48):x}"
    environment = EnvironmentSettings(
        instances=[
            InstanceSettings(name=f"s{number}", url=url, window=window)
            for number, url in enumerate(urls)
        ],
        ledger=f"sqlite:///{folder / name}.db",
        policies=PolicySettings(gone_after_s=gone_after_s),
    )
    return Client(
        Settings(
            default_environment="bench",
            environments={"bench": environment},
            cache=folder / name,
        )
    )


def work(
    *, model: str = "", work_s: float = 0.0, load_s: float = 0.0, nonce: str = ""
) -> Workflow:
    """A graph that works so long; no two are the same."""
    inputs = {
        "model": model,
        "work_s": work_s,
        "load_s": load_s,
        "nonce": nonce or f"{random.getrandbits(64):x}",
    }
    return Workflow.from_graph({"1": {"class_type": "BenchWork", "inputs": inputs}})


def nonce_of(workflow: Workflow) -> object:
    """What the right answer to it says."""
    return workflow.graph["1"]["inputs"]["nonce"]  # type: ignore[index,call-overload]


def is_right(workflow: Workflow, result: Result | None) -> bool:
    """Whether this is the answer to that graph."""
    return result is not None and result.values["1"]["text"] == [nonce_of(workflow)]


def warmed(client: Client, count: int) -> Client:
    """The client, once it has met every server; nothing of the work was learned."""
    graph = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 1},
        },
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "warm"},
        },
    }
    orders = [Order(Workflow.from_graph(graph)) for _ in range(2 * count)]
    assert all(outcome.ok for outcome in client.map(None, orders))
    return client
