"""A batch while its server works: what goes on meanwhile, and what is shown of it."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from rich.console import Console
from rich.live import Live

from comfyclient.batch.batch import Batch
from comfyclient.batch.orders import Outcome
from comfyclient.client import Client
from comfyclient.commands.batch_views import Board, Display
from comfyclient.errors import TripError
from comfyclient.jobs.crew import PORTERS
from comfyclient.jobs.demands import demand_of
from comfyclient.jobs.estimates import Learned
from comfyclient.ledger.ledger import Ledger
from comfyclient.testing import Reply, ScriptedServer
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.timing import Deadline
from comfyclient.workflow import InputFile, Workflow

from ..scenes import graph, held


def photo_graph(number: int) -> Workflow:
    """A graph that takes a file of its own."""
    photo = InputFile(f"{number}.png", f"{number:064}", 1, bytes([number]))
    nodes = {
        "1": {"class_type": "LoadImage", "inputs": {"image": photo.name}},
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "p"},
        },
    }
    return Workflow.from_graph(nodes, files=[photo])


class Reader(threading.Thread):
    """Asks a batch for its outcomes, in a thread of its own."""

    def __init__(self, batch: Batch) -> None:
        super().__init__(daemon=True)
        self.batch = batch
        self.outcomes: list[Outcome] = []

    def run(self) -> None:
        """To its end."""
        self.outcomes = list(self.batch)


@pytest.fixture
def reading() -> Iterator[list[Reader]]:
    """Readers; none is left behind."""
    readers: list[Reader] = []
    yield readers
    for reader in readers:
        reader.join(20)


def begun(batch: Batch, reading: list[Reader]) -> Reader:
    """Somebody asks for its outcomes from now on."""
    reader = Reader(batch)
    reading.append(reader)
    reader.start()
    return reader


def at_last(ready: Callable[[], object]) -> None:
    """Return once it is so; what the client does tells no server's condition."""
    deadline = Deadline(10)
    while not ready():
        assert not deadline.passed()
        threading.Event().wait(0.005)


def test_others_get_ready_while_one_runs(
    client: Client, server: ScriptedServer, gate, reading
) -> None:
    """The next one's files are there, and all others are rendered, before it ends."""
    server.play(held(gate))
    batch = client.map(None, map(photo_graph, range(6)))
    reader = begun(batch, reading)
    server.await_that(lambda: len(server.accounts) == 1)
    server.await_that(lambda: server.asked["POST /upload/image"] >= 2)
    server.await_that(lambda: server.asked["POST /prompt"] == 2)
    at_last(lambda: batch.tally.waiting == 4)
    at_last(lambda: all(one.waiter for one in batch._launches.values()))
    assert not server.accounts.succeeded
    gate.set()
    reader.join(20)
    assert [one.error for one in reader.outcomes] == [None] * 6


def test_outputs_come_home_while_others_run(
    client: Client, server: ScriptedServer, gate, tmp_path: Path, reading
) -> None:
    """So many at a time and no more; the server works on, however long they take."""
    server.always("GET /view", Reply(gate=gate))
    batch = client.map(None, map(graph, range(8)), save_to=tmp_path)
    reader = begun(batch, reading)
    server.await_that(lambda: len(server.accounts.succeeded) == 8)
    server.await_that(lambda: server.asked["GET /view"] == PORTERS)
    assert reader.outcomes == []
    gate.set()
    reader.join(20)
    assert [one.error for one in reader.outcomes] == [None] * 8
    assert server.asked["GET /view"] == 8


def test_what_a_terminal_shows(
    server: ScriptedServer, gate, ledger: str, client: Client, reading
) -> None:
    """How far it is, each instance, what is done now, and the time that is left."""
    demand = demand_of(graph(0))
    with Ledger(ledger) as known:
        known.learned("test", [Learned(demand.kind, "n0", False, 30.0, 5)])
    server.play(held(gate))
    batch = client.map(None, map(graph, range(6)))
    begun(batch, reading)
    at_last(lambda: (batch.tally.sent, batch.tally.waiting) == (2, 4))
    at_last(lambda: any("node" in job.doing for job in batch.running))
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    with Live(console=console) as live:
        Board(client, 6, live).refresh(batch)
    shown = screen.getvalue()
    for words in ("0 of 6", "4 waiting, 2 sent", "about 3 min 0 s left", "n0", "up"):
        assert words in shown
    assert "2 of 2" in shown
    assert "running node 1 (EmptyImage), 0% done" in shown
    gate.set()


def test_what_came_in_no_time_tells_nothing_of_the_rest(client: Client) -> None:
    """What an earlier run made, or what cannot be read, makes no pace."""
    clock = FakeClock()
    display = Display(client, 160, clock=clock)
    batch = client.map(None, [TripError("no trip")] * 60)
    outcomes = list(batch)
    for outcome in outcomes:
        display.add(outcome, batch)
    assert display.eta(batch) == 0
    for outcome in outcomes:
        clock.advance(10)
        display.add(outcome, batch)
    assert display.eta(batch) == pytest.approx(1000)


def test_a_higher_priority_goes_first(
    client: Client, server: ScriptedServer, gate, reading
) -> None:
    """It takes the next place that is free, before all that waited for one."""
    server.play(held(gate))
    usual = client.map(None, map(graph, range(6)))
    readers = [begun(usual, reading)]
    at_last(lambda: (usual.tally.sent, usual.tally.waiting) == (2, 4))
    urgent = client.map(None, [graph(9)], priority=1)
    readers.append(begun(urgent, reading))
    at_last(lambda: all(one.waiter for one in urgent._launches.values()))
    at_last(lambda: urgent.tally.waiting == 1)
    gate.set()
    for reader in readers:
        reader.join(20)
    sent = [one.json() for one in server.requests if one.path == "/prompt"]
    colours = [one["prompt"]["1"]["inputs"]["color"] for one in sent if one]
    assert (len(colours), colours[2]) == (7, 9)


def test_jobs_of_others_are_seen_in_the_queue(
    client: Client, server: ScriptedServer, gate, reading
) -> None:
    """They count as soon as the server was looked at, and end as they would have."""
    server.play(held(gate))
    server.always("GET /ws", Reply(404))
    for _ in range(3):
        body = {"prompt": GRAPH, "client_id": "somebody"}
        requests.post(f"{server.url}/prompt", json=body, timeout=5)
    batch = client.map(None, map(graph, range(4)))
    reader = begun(batch, reading)
    at_last(lambda: [one.foreign for one in client.instances] == [3])
    gate.set()
    reader.join(20)
    assert [one.error for one in reader.outcomes] == [None] * 4
    assert len(server.accounts.succeeded) == 7
