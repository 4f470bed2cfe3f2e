"""Many orders at once, on scripted servers that behave and misbehave."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from comfyclient.batch.batch import Batch
from comfyclient.batch.orders import Order
from comfyclient.client import Client
from comfyclient.config.settings import (
    DeadlineSettings,
    EnvironmentSettings,
    InstanceSettings,
    PolicySettings,
    Settings,
)
from comfyclient.errors import (
    BusyError,
    ClosedError,
    ConfigError,
    ExecutionError,
    JobCancelledError,
    TripError,
    UnreachableError,
    UsageError,
)
from comfyclient.job import JobStatus
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.testing import Hold, Script, ScriptedServer, usual
from comfyclient.workflow import Workflow

from ..scenes import graph


def scripted(script: Script) -> ScriptedServer:
    """A server that follows a script."""
    server = ScriptedServer()
    server.follow_script(script)
    return server


def client_of(
    servers: list[ScriptedServer], ledger: str, *, gone_after_s: float = 60
) -> Client:
    """A client of these servers."""
    instances = [
        InstanceSettings(name=f"n{i}", url=server.url)
        for i, server in enumerate(servers)
    ]
    environment = EnvironmentSettings(
        instances=instances,
        ledger=ledger,
        deadlines=DeadlineSettings(total_s=30, queue_s=30, silence_s=30, grace_s=0.2),
        policies=PolicySettings(gone_after_s=gone_after_s),
    )
    return Client(
        Settings(default_environment="test", environments={"test": environment})
    )


@pytest.fixture
def client(server: ScriptedServer, ledger: str) -> Iterator[Client]:
    """A client of one server."""
    with client_of([server], ledger) as client:
        yield client


@pytest.fixture
def held(ledger: str) -> Iterator[tuple[Client, ScriptedServer, threading.Event]]:
    """A client of a server that holds every job until a gate is opened."""
    gate = threading.Event()
    play = lambda job: [*usual(job)[:5], Hold(gate), *usual(job)[5:]]  # noqa: E731
    with ScriptedServer() as server, client_of([server], ledger) as client:
        server.play(play)
        yield client, server, gate
        gate.set()


def read(batch: Batch) -> None:
    """Have it read and send as much as it may to one instance."""
    batch._read()
    while batch.tally.sent < 2 or batch.tally.waiting > batch.tally.read - 2:
        threading.Event().wait(0.005)


class TestOutcomes:
    """What a batch tells of each order."""

    def test_all_are_made_once(self, client, server, tmp_path) -> None:
        """Every order has one outcome and one execution, and its file is home."""
        out = tmp_path / "out"
        outcomes = list(client.map(None, map(graph, range(12)), save_to=out))
        assert sorted(outcome.index for outcome in outcomes) == [*range(12)]
        assert all(outcome.ok for outcome in outcomes)
        assert set(server.executions.values()) == {1}
        assert len(server.executions) == len(list(out.iterdir())) == 12
        assert all(file.exists() for one in outcomes for file in one.files)

    def test_one_failure_stops_no_other(self, ledger) -> None:
        """A node that raises is the outcome of its own order alone."""
        with (
            scripted(Script.fails_at("2")) as server,
            client_of([server], ledger) as client,
        ):
            outcomes = list(client.map(None, map(graph, range(5))))
        failed = [outcome for outcome in outcomes if not outcome.ok]
        assert [type(one.error) for one in failed] == [ExecutionError]
        assert failed[0].job.status is JobStatus.FAILED
        assert len(outcomes) == 5

    def test_errors_of_the_input_are_outcomes(self, client) -> None:
        """A line that cannot be read, a template that is not there: told in place."""
        asked = [graph(1), TripError("line 2 is no trip"), Order("no-such"), graph(3)]
        outcomes = list(client.map(None, asked, ordered=True))
        assert [one.ok for one in outcomes] == [True, False, False, True]
        assert outcomes[1].error.message == "line 2 is no trip"
        assert "no-such" in str(outcomes[2].error)
        assert outcomes[1].trip is None

    def test_a_file_in_the_place_of_its_trips(self, client) -> None:
        """A path is text, and no trips: told once, not for each of its letters."""
        [outcome] = client.map("trip-postcard", "trips.jsonl")
        assert "got 'trips.jsonl'" in str(outcome.error)
        assert "load_trips" in outcome.error.hint

    def test_in_their_order(self, ledger) -> None:
        """Ordered outcomes wait for those before them."""
        with (
            ScriptedServer() as one,
            scripted(Script.slow(0.1)) as two,
            client_of([one, two], ledger) as client,
        ):
            outcomes = client.map(None, map(graph, range(10)), ordered=True)
            assert [outcome.index for outcome in outcomes] == [*range(10)]

    def test_what_the_input_raises_is_raised(self, client) -> None:
        """A broken generator is the caller's to know of."""

        def broken() -> Iterator[Workflow]:
            yield graph(1)
            raise RuntimeError("the database went away")

        with pytest.raises(RuntimeError, match="went away"):
            list(client.map(None, broken()))

    def test_wrong_use(self, client) -> None:
        """What cannot be right is said at once, or as the outcome it concerns."""
        with pytest.raises(UsageError, match="lookahead"):
            client.map(None, [], lookahead=0)
        with pytest.raises(UsageError, match="timeout takes seconds"):
            client.map(None, [], timeout=-1)
        assert list(client.map(None, [])) == []


class TestFlow:
    """How much is read, waits and is sent."""

    def test_an_endless_input_is_read_as_needed(self, client) -> None:
        """Only so much is read as there is use for."""
        read = itertools.count()
        batch = client.map(None, (graph(next(read)) for _ in iter(int, 1)), lookahead=4)
        for _ in range(6):
            assert next(batch).ok
        batch.close()
        assert list(batch) == []
        assert next(read) <= 6 + 2 + 2 * 4 + 1

    def test_no_window_is_overrun(self, held) -> None:
        """What has no place waits on our side."""
        client, _, gate = held
        batch = client.map(None, map(graph, range(6)))
        read(batch)
        assert (batch.tally.waiting, batch.tally.sent) == (4, 2)
        assert [state.jobs for state in client.instances] == [2]
        gate.set()
        assert len(list(batch)) == 6

    def test_two_servers_share_the_work(self, ledger) -> None:
        """Jobs go where there is room."""
        with (
            ScriptedServer() as one,
            ScriptedServer() as two,
            client_of([one, two], ledger) as client,
        ):
            outcomes = list(client.map(None, map(graph, range(20))))
        by = Counter(outcome.job.instance for outcome in outcomes)
        assert by["n0"] + by["n1"] == 20
        assert min(by.values()) >= 2

    def test_a_server_that_goes_away_loses_nothing(self, ledger) -> None:
        """What it had is made elsewhere; every order has its result."""
        with (
            ScriptedServer() as one,
            ScriptedServer() as two,
            client_of([one, two], ledger, gone_after_s=0.2) as client,
        ):
            batch = client.map(None, map(graph, range(16)))
            outcomes = [next(batch), next(batch)]
            two.stop()
            outcomes += list(batch)
        assert [str(o.error) for o in outcomes if not o.ok] == []
        assert len(outcomes) == 16

    def test_nobody_there(self, server, ledger) -> None:
        """Where no instance takes anything for long, what waits fails with that."""
        with client_of([server], ledger) as client:
            client.instances.drain("n0")
            batch = client.map(None, map(graph, range(3)), queue_timeout=0.05)
            outcomes = list(batch)
        assert {type(outcome.error) for outcome in outcomes} == {UnreachableError}
        assert server.executions == {}


class TestAgain:
    """The same batch in another process, and one that is ended early."""

    def test_the_same_batch_goes_on(self, server, ledger) -> None:
        """What was made is handed out, what was not is made; nothing is made twice."""
        with client_of([server], ledger) as client:
            batch = client.map(None, map(graph, range(8)), name="autumn")
            first = [next(batch), next(batch)]
            batch.drain()
            first += list(batch)
        made = {one.job.id for one in first if one.ok}
        assert 2 <= len(made) < 8
        with client_of([server], ledger) as client:
            again = list(client.map(None, map(graph, range(8)), name="autumn"))
        assert all(one.ok for one in again)
        assert made <= {one.job.id for one in again}
        assert len(server.executions) == 8
        assert set(server.executions.values()) == {1}

    def test_drained(self, held, ledger) -> None:
        """What was sent ends well; what waited was never begun."""
        client, _, gate = held
        batch = client.map(None, map(graph, range(6)))
        read(batch)
        batch.drain()
        gate.set()
        outcomes = list(batch)
        assert Counter(type(one.error).__name__ for one in outcomes) == {
            "NoneType": 2,
            "ClosedError": 4,
        }
        with Ledger(ledger) as other:
            assert sum(other.count("test").values()) == 2

    def test_cancelled(self, held) -> None:
        """What was sent is stopped at its server; the batch run again makes it."""
        client, _, gate = held
        batch = client.map(None, map(graph, range(4)), name="autumn")
        read(batch)
        batch.cancel()
        kinds = Counter(type(one.error) for one in batch)
        assert kinds == {ClosedError: 2, JobCancelledError: 2}
        gate.set()
        for _ in range(2):
            again = list(client.map(None, map(graph, range(4)), name="autumn"))
            assert [one.error for one in again] == [None] * 4
        assert len({one.job.workflow.digest for one in again}) == 4

    def test_a_client_that_is_closed(self, held, ledger) -> None:
        """Whoever waits for an outcome is told; what was sent can be resumed."""
        client, _, _ = held
        batch = client.map(None, map(graph, range(4)))
        read(batch)
        client.close()
        with pytest.raises(ClosedError):
            next(batch)
        with Ledger(ledger) as other:
            assert other.count("test")[JobState.INTENDED] == 0


class TestInstances:
    """Instances that are drained, come and go."""

    def test_one_is_drained_and_another_one_added(self, server, ledger) -> None:
        """Jobs go to what there is."""
        with client_of([server], ledger) as client, ScriptedServer() as other:
            client.instances.drain("n0")
            client.instances.add(InstanceSettings(name="new", url=other.url))
            assert client.submit(graph(1)).instance == "new"
            client.instances.undrain("n0")
            client.instances.remove("new")
            assert client.submit(graph(2)).instance == "n0"
            assert [one.name for one in client.instances] == ["n0", "new"]
            with pytest.raises(ConfigError, match="n0"):
                client.instances.add(InstanceSettings(name="n0", url=other.url))

    def test_submit_waits_for_room(self, held) -> None:
        """It is not refused; where there is none in time, the error says so."""
        client, _, gate = held
        jobs = [client.submit(graph(number)) for number in range(2)]
        with pytest.raises(BusyError, match="n0 has 2"):
            client.submit(graph(3), queue_timeout=0.05)
        gate.set()
        assert client.submit(graph(4)).result()
        assert all(job.result() for job in jobs)


class TestAsyncio:
    """The same from asyncio code."""

    def test_submitted(self, client) -> None:
        """A submit that is awaited gives the same handle."""

        async def main() -> list[str]:
            jobs = await asyncio.gather(
                *(client.asubmit(graph(number)) for number in range(6))
            )
            return [(await job).provenance.job_id for job in jobs]

        assert len(set(asyncio.run(main()))) == 6

    def test_a_submit_that_is_cancelled_is_not_sent(self, held, ledger) -> None:
        """While it waits for a place, it is in no ledger."""
        client, _, gate = held

        async def main() -> None:
            jobs = [await client.asubmit(graph(number)) for number in range(2)]
            third = asyncio.create_task(client.asubmit(graph(3)))
            while not len(client._connect().router._line):
                await asyncio.sleep(0.005)
            third.cancel()
            with pytest.raises(asyncio.CancelledError):
                await third
            gate.set()
            for job in jobs:
                await job

        asyncio.run(main())
        with Ledger(ledger) as other:
            assert sum(other.count("test").values()) == 2

    def test_refused(self, client) -> None:
        """Its error is raised where it is awaited."""

        async def main() -> None:
            with pytest.raises(UsageError):
                await client.asubmit(graph(1), seed=3)
            client.instances.drain("n0")
            with pytest.raises(BusyError):
                await client.asubmit(graph(1), queue_timeout=0.05)

        asyncio.run(main())

    def test_mapped(self, client) -> None:
        """Outcomes come as an asynchronous iterator, which may be left early."""

        async def main() -> list[int]:
            found = []
            async for outcome in client.amap(None, map(graph, range(20)), lookahead=2):
                assert outcome.ok
                found.append(outcome.index)
                if len(found) == 4:
                    break
            return found

        assert len(asyncio.run(main())) == 4
