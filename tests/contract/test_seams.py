"""Where parts meet: stages in a batch, callers that leave, orders that are none."""

from __future__ import annotations

import asyncio
import gc
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pydantic import field_serializer

from comfyclient import Client, Settings, Trip, load_trip
from comfyclient.batch.orders import Order
from comfyclient.config.settings import (
    DashScopeSettings,
    DeadlineSettings,
    EnvironmentSettings,
    InstanceSettings,
)
from comfyclient.errors import ClosedError, LedgerConflictError
from comfyclient.testing import DashScopeServer, ScriptedServer

from ..scenes import graph

TRIP = Path(__file__).parents[2] / "examples" / "trips" / "black-forest-weekend.json"
MANIFEST = """
name = "worded-card"
version = "1.0.0"
summary = "A card with words"
languages = ["en", "zh"]
[trip]
takes = ["title"]
[outputs.card]
node = "2"
[[stage]]
name = "words"
kind = "copy"
"""
SOURCE = """{
  "1": {"class_type": "Words", "inputs": {"title": {{ copy.title }}}},
  "2": {"class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "card"}}
}
"""

Opener = Callable[..., Client]
INTERRUPTS: list[KeyboardInterrupt] = []


@pytest.fixture(scope="module")
def trip() -> Trip:
    """A trip without photos, whose title is left to others."""
    return load_trip(TRIP)


@pytest.fixture
def opened(
    hosted: DashScopeServer, comfy: ScriptedServer, ledger: str, tmp_path: Path
) -> Iterator[Opener]:
    """Opens clients, each as another process would."""
    folder = tmp_path / "templates" / "worded-card" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "manifest.toml").write_text(MANIFEST, "utf-8")
    (folder / "workflow.json.j2").write_text(SOURCE, "utf-8")
    with ExitStack() as stack:

        def make(**options: object) -> Client:
            environment = EnvironmentSettings(
                instances=(InstanceSettings(name="one", url=comfy.url),),
                ledger=ledger,
                preflight="off",
                deadlines=DeadlineSettings(
                    total_s=99, queue_s=99, silence_s=99, grace_s=0.2
                ),
            )
            settings = Settings(
                default_environment="test",
                environments={"test": environment},
                templates=(tmp_path / "templates",),
                cache=tmp_path / "cache",
                dashscope=DashScopeSettings(
                    key=hosted.key,
                    base_address=hosted.url,
                    text="qwen3.6-plus",
                    limits={"qwen3.6-plus": {"per_s": 100, "at_once": 50}},
                    **options,
                ),
            )
            return stack.enter_context(Client(settings))

        yield make


def titled(trip: Trip, number: int) -> Trip:
    """A trip of its own, of which a model is asked anew."""
    return trip.model_copy(update={"id": f"trip-{number}", "title": f"Tour {number}"})


def test_jobs_are_sent_while_models_write_for_others(
    opened: Opener, hosted: DashScopeServer, comfy: ScriptedServer, trip: Trip
) -> None:
    """A batch's first job does not wait for the words of its last one."""
    gate, asked = threading.Event(), []

    def slow(call: object) -> object:
        asked.append(call)
        if len(asked) > 1:
            gate.wait(60)
        return None

    hosted.always("text", slow)
    batch = opened().map("worded-card", [titled(trip, n) for n in range(20)])
    try:
        outcome = next(batch)
    finally:
        gate.set()
    assert outcome.ok
    assert len(asked) < 20
    assert all(one.ok for one in batch)


def test_models_that_take_long_are_no_standstill(
    opened: Opener, hosted: DashScopeServer, trip: Trip
) -> None:
    """An order whose words are being written is not given up for want of a place."""
    gate = threading.Event()

    def slow(call: object) -> object:
        gate.wait(0.4)
        return None

    hosted.always("text", slow)
    batch = opened().map(
        "worded-card", [titled(trip, n) for n in range(2)], queue_timeout=0.2
    )
    assert [str(one.error) for one in batch if not one.ok] == []


def is_closed(client: Client) -> bool:
    """Whether it takes nothing any more."""
    try:
        client._connect()
    except ClosedError:
        return True
    return False


@pytest.mark.parametrize("at", ["stage", "line"])
def test_a_submit_is_told_that_the_client_is_closed(
    opened: Opener, hosted: DashScopeServer, comfy: ScriptedServer, trip: Trip, at: str
) -> None:
    """Whether it waits for words or for a place: its caller does not wait for ever."""
    gate = threading.Event()
    hosted.always("text", lambda call: gate.wait(60) and None)
    client = opened()

    async def main() -> None:
        if at == "line":
            client.instances.drain("one")
        what = ("worded-card", trip) if at == "stage" else (graph(1),)
        submit = asyncio.create_task(client.asubmit(*what))
        while at == "line" and not len(client._connect().router._line):
            await asyncio.sleep(0.005)
        while at == "stage" and not hosted.asked["text"]:
            await asyncio.sleep(0.005)
        closing = asyncio.create_task(asyncio.to_thread(client.close))
        while not is_closed(client):
            await asyncio.sleep(0.005)
        gate.set()  # an answer that is on its way is waited for
        with pytest.raises(ClosedError):
            async with asyncio.timeout(20):
                await submit
        await closing

    try:
        asyncio.run(main())
    finally:
        gate.set()


@pytest.mark.parametrize("named", [None, "autumn"])
def test_what_is_no_order_is_an_outcome(
    opened: Opener, trip: Trip, named: str | None
) -> None:
    """It stops no other, and nobody waits for it."""
    odd = Order("worded-card", trip, params={1: "a", "b": "c"})  # type: ignore[dict-item]
    asked = [graph(1), odd, {"id": "no trip"}, None, graph(2)]
    outcomes = list(
        opened().map("worded-card", asked, name=named, ordered=True)  # type: ignore[arg-type]
    )
    assert [one.ok for one in outcomes] == [True, False, False, False, True]
    assert [one.index for one in outcomes] == [0, 1, 2, 3, 4]


def test_what_was_taken_before_needs_no_place(opened: Opener) -> None:
    """Under its key it is handed out, though no instance takes jobs."""

    async def main() -> None:
        with opened() as first:
            job = await first.asubmit(graph(1), idempotency_key="k")
            await job
        client = opened()
        client.instances.drain("one")
        async with asyncio.timeout(10):
            again = await client.asubmit(graph(1), idempotency_key="k")
            assert (await again).provenance.job_id == job.id
            with pytest.raises(LedgerConflictError):
                await client.asubmit(graph(2), idempotency_key="k")

    asyncio.run(main())


def test_ctrl_c_in_a_submit_leaves_a_job_that_can_be_sent(
    opened: Opener, comfy: ScriptedServer
) -> None:
    """The same key sends it, in the same client: it was never sent before."""
    client = opened()
    client.instances.drain("one")
    router = client._connect().router
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        while not len(router._line):
            threading.Event().wait(0.005)
        signal.pthread_kill(main, signal.SIGINT)

    other = threading.Thread(target=interrupt)
    try:
        other.start()
        with pytest.raises(KeyboardInterrupt):
            client.submit(graph(1), idempotency_key="k")
    finally:
        other.join()
        signal.signal(signal.SIGINT, before)
    assert len(router._line) == 0
    client.instances.undrain("one")
    job = client.submit(graph(1), idempotency_key="k")
    assert job.result(timeout=10)
    assert set(comfy.executions.values()) == {1}
    assert [state.jobs for state in client.instances] == [0]


def test_saved_and_not_written_down(
    opened: Opener, comfy: ScriptedServer, ledger: str, tmp_path: Path
) -> None:
    """A batch that is run again finds the file there; it gets no second one."""
    out = tmp_path / "out"

    def run() -> list[Path]:
        with opened() as client:
            (one,) = client.map(None, [graph(1)], name="autumn", save_to=out)
        assert one.ok
        return list(one.files)

    first = run()
    with closing(sqlite3.connect(ledger.removeprefix("sqlite:///"))) as database:
        database.execute("UPDATE comfyclient_job SET state = 'succeeded', files = NULL")
        database.commit()
    assert run() == first
    assert list(out.iterdir()) == first
    assert set(comfy.executions.values()) == {1}


def test_an_order_that_was_sent_is_not_kept(opened: Opener) -> None:
    """However long it might have waited for a place: it holds a whole trip."""
    client = opened()
    before = {id(one) for one in gc.get_objects() if isinstance(one, Order)}

    async def main() -> None:
        await (await client.asubmit(graph(1)))

    asyncio.run(main())
    gc.collect()
    left = [one for one in gc.get_objects() if isinstance(one, Order)]
    assert [one for one in left if id(one) not in before] == []


def test_two_processes_at_one_batch(
    opened: Opener, comfy: ScriptedServer, tmp_path: Path
) -> None:
    """Each has every outcome; nothing is made twice, nothing is saved twice."""
    out = tmp_path / "out"
    clients = [opened(), opened()]

    def run(client: Client) -> list[str]:
        asked = [graph(number) for number in range(6)]
        outcomes = client.map(None, asked, name="autumn", save_to=out, ordered=True)
        return [
            one.job.id if one.ok and one.job else str(one.error) for one in outcomes
        ]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(run, clients)
    assert first == second
    assert set(comfy.executions.values()) == {1}
    assert len(comfy.executions) == len([*out.iterdir()]) == 6


class Interrupting(Trip):
    """A trip during whose reading Ctrl-C comes, once."""

    @field_serializer("title")
    def _write_title(self, title: str | None) -> str | None:
        if INTERRUPTS:
            raise INTERRUPTS.pop()
        return title


def test_ctrl_c_while_an_order_is_read_loses_none(opened: Opener, trip: Trip) -> None:
    """It comes out as what it is, and whoever goes on has every outcome."""
    odd = Interrupting.model_construct(**dict(trip))
    asked = [graph(1), Order("worded-card", odd), graph(2)]
    batch = opened().map(None, asked, name="autumn", ordered=True)
    INTERRUPTS.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        list(batch)
    assert [one.index for one in batch] == [0, 1, 2]
