"""Sudden death: of clients, of servers, of both; every trip has its picture, once.

A client is a real process that does a batch and is killed by SIGKILL at moments drawn
from a seed: before its n-th request, commit or change to a file, when the server has
seen its n-th request, or after some milliseconds.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, get_args

import pytest

from comfyclient.ledger.records import JobRow
from comfyclient.testing.scripted import ScriptedServer

from ..nursery import Nursery
from ..seeds import seeds
from .crashing.aftermath import check_engine_pictures, check_executions
from .crashing.batch import Batch, Style, Way, client_of
from .crashing.lives import Lives
from .crashing.quake import Quake
from .crashing.siege import Siege

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.timeout(180),
]

QUICK: list[tuple[Style, Way, int]] = [
    ("one by one", "resumes", 50),
    ("four at once", "submits again", 15),
    ("all sent first", "resumes", 15),
]
STEPS = {
    "intended",
    "perhaps sent",
    "on the server",
    "ended, not saved",
    "half saved",
    "saved, not written down",
}
"""Where a kill may leave a job that is not settled."""


def kill_clients(siege: Siege, *, kills: int, clients: int = 1) -> None:
    """Clients of a scripted server are killed, one of them or several at once."""
    with siege.told(), ScriptedServer() as server, ThreadPoolExecutor(clients) as pool:

        def besiege(number: int) -> None:
            with Lives(
                siege.nursery, "batch", log=siege.folder / f"{number}.log"
            ) as lives:
                siege.kill(lives, server.url, times=kills // clients, server=server)
                siege.finish(lives, server.url, tallied=False)

        list(pool.map(besiege, range(clients)))
        rows = siege.check()
        assert server.accounts.by_job() == {row.job_id: 1 for row in rows}
        assert len(server.accounts) == len(rows)
        for row in rows:
            check_scripted_picture(server, row)


def check_scripted_picture(server: ScriptedServer, row: JobRow) -> None:
    """The file is the picture of the very graph that was sent for the trip."""
    (saved,) = row.files
    (ref,) = row.outputs
    assert saved.path.read_bytes() == server.files[ref.type, "", ref.filename]
    told = server.stage.history[str(row.prompt_id)]
    assert isinstance(told, dict)
    assert told["outputs"]["3"]["images"][0]["filename"] == ref.filename


def kill_clients_of_an_engine(siege: Siege, *, kills: int) -> None:
    """One client after the other of an embedded engine is killed."""
    with (
        siege.told(),
        Lives(siege.nursery, "engine", log=siege.folder / "engine.log") as engine,
        Lives(siege.nursery, "batch", log=siege.folder / "batch.log") as lives,
    ):
        quake = Quake(engine, siege.folder, siege.chance)
        assert quake.start()
        siege.kill(lives, quake.url, times=kills)
        siege.finish(lives, quake.url, tallied=True)
        rows = siege.check()
        assert quake.executions == {row.job_id: 1 for row in rows}
        check_engine_pictures(rows)


def kill_servers(siege: Siege, *, kills: int) -> int:
    """The server is killed while one client lives; how often it was."""
    with (
        siege.told(),
        Lives(siege.nursery, "engine", log=siege.folder / "engine.log") as engine,
    ):
        quake = Quake(engine, siege.folder, siege.chance)
        assert quake.start()
        with (
            client_of(**siege.settings(quake.url)) as client,
            quake.shaken(times=kills),
        ):
            Batch(client, siege.chance, tallied=True, **siege.batch).run()
        check_after_a_quake(siege, quake)
    return quake.kills


def kill_both(siege: Siege, *, kills: int) -> int:
    """Clients are killed while the server is, too; how often that was."""
    with (
        siege.told(),
        Lives(siege.nursery, "engine", log=siege.folder / "engine.log") as engine,
        Lives(siege.nursery, "batch", log=siege.folder / "batch.log") as lives,
    ):
        quake = Quake(engine, siege.folder, siege.chance)
        assert quake.start()
        with quake.shaken(times=kills):
            siege.kill(lives, quake.url, times=kills)
            siege.finish(lives, quake.url, tallied=True)
        check_after_a_quake(siege, quake)
    return quake.kills


def check_after_a_quake(siege: Siege, quake: Quake) -> None:
    """Every picture is right, and every execution accounted for."""
    rows = siege.check()
    check_executions(quake.executions, rows)
    check_engine_pictures(rows)


def kill_two_clients(siege: Siege, *, kills: int) -> None:
    """Likewise two at once, on one ledger."""
    kill_clients(siege, kills=kills, clients=2)


class Scenario(Protocol):
    """A batch, and who is killed over it."""

    __name__: str

    def __call__(self, siege: Siege, *, kills: int) -> object:
        """Play it, and check what became of the batch."""


SCENARIOS: list[Scenario] = [
    kill_clients,
    kill_two_clients,
    kill_clients_of_an_engine,
    kill_servers,
    kill_both,
]


class TestClients:
    """Whenever a client dies, the next one goes on: nothing is lost, nothing twice."""

    @pytest.mark.parametrize(("style", "way", "kills"), QUICK)
    def test_one(
        self, nursery: Nursery, tmp_path: Path, style: Style, way: Way, kills: int
    ) -> None:
        """However often it is killed over 40 jobs, it has 40 results of 40 runs."""
        siege = Siege(nursery, tmp_path / "siege", seed=1, style=style, way=way)
        kill_clients(siege, kills=kills)
        many = 4 if kills > 20 else 3
        assert len(STEPS & siege.steps.keys()) >= many, siege.steps

    def test_two_at_once(self, nursery: Nursery, tmp_path: Path) -> None:
        """So have two that share a ledger, and take up what the other one left."""
        siege = Siege(nursery, tmp_path / "siege", seed=2, style="four at once")
        kill_clients(siege, kills=12, clients=2)

    def test_of_an_engine(self, nursery: Nursery, tmp_path: Path) -> None:
        """So has one of a server that really makes pictures."""
        siege = Siege(nursery, tmp_path / "siege", seed=3, style="four at once")
        kill_clients_of_an_engine(siege, kills=10)


class TestServers:
    """Whenever a server dies, its jobs are sent again, and no others."""

    def test_the_client_lives(self, nursery: Nursery, tmp_path: Path) -> None:
        """40 right results, however often the server is killed over them."""
        siege = Siege(nursery, tmp_path / "siege", seed=4, style="four at once")
        assert kill_servers(siege, kills=12) >= 4

    def test_the_client_dies_too(self, nursery: Nursery, tmp_path: Path) -> None:
        """Likewise when its clients are killed meanwhile."""
        siege = Siege(nursery, tmp_path / "siege", seed=5, style="four at once")
        assert kill_both(siege, kills=6) >= 3


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("way", get_args(Way))
@pytest.mark.parametrize("style", get_args(Style))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_at_length(
    nursery: Nursery, tmp_path: Path, scenario: Scenario, style: Style, way: Way
) -> None:
    """So it is whatever the batch does, and the seed says."""
    for seed in seeds():
        siege = Siege(
            nursery, tmp_path / str(seed), seed=seed, jobs=80, style=style, way=way
        )
        scenario(siege, kills=100)
