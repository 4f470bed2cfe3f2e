"""Stages that are called again, lost, killed or closed: no model is asked twice."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest

from comfyclient import Trip, errors
from comfyclient.steps.hosted_models import HostedModels
from comfyclient.testing import DashScopeServer, Refuses, Reply, Script, ScriptedServer

from ...nursery import Child, Nursery
from .staged import TRIP, Opener, asked


def test_the_same_call_is_the_same_job(
    client: Opener, trip: Trip, hosted: DashScopeServer, comfy: ScriptedServer
) -> None:
    """In another process, with a key, or without one: nothing is asked twice."""
    first = client().submit("staged-card", trip, idempotency_key="k")
    first.result(timeout=20)
    second = client().submit("staged-card", trip, idempotency_key="k")
    other = client().submit("staged-card", trip, seed=first.workflow.seed)

    assert second.id == first.id
    assert second.result(timeout=20).provenance.stages == first.workflow.stages
    assert other.id != first.id
    assert other.workflow == first.workflow
    assert asked(hosted) == (1, 1)
    other.result(timeout=20)
    assert set(comfy.accounts.by_job().values()) == {1}


def test_other_content_under_a_key_is_refused(
    client: Opener, trip: Trip, hosted: DashScopeServer
) -> None:
    """As for any template."""
    client().submit("staged-card", trip, idempotency_key="k").result(timeout=20)

    with pytest.raises(errors.LedgerConflictError):
        client().submit(
            "staged-card", trip, params={"footer": "other"}, idempotency_key="k"
        )


def test_a_job_that_was_lost_is_sent_again_with_its_pictures(
    client: Opener, trip: Trip, hosted: DashScopeServer, comfy: ScriptedServer
) -> None:
    """The server forgot it: nothing is asked of the models again."""
    comfy.follow_script(Script.restarts_after(2))
    job = client().submit("staged-card", trip, seed=7)

    job.result(timeout=30)

    assert asked(hosted) == (1, 1)


PROGRAM = """
import json, sys
from comfyclient import Client, load_settings, load_trip

with Client(load_settings(sys.argv[1])) as client:
    job = client.submit("staged-card", load_trip(sys.argv[2]), idempotency_key="k")
    job.result(timeout=30)
    print(json.dumps([job.id, job.workflow.digest]))
"""


def test_killed_at_any_stage_it_goes_on(
    hosted: DashScopeServer,
    comfy: ScriptedServer,
    templates: Path,
    tmp_path: Path,
    nursery: Nursery,
) -> None:
    """While words are asked for, while the task runs, while the picture comes home:
    whoever repeats the call asks only for what is missing."""
    config = tmp_path / "comfyclient.toml"
    config.write_text(
        f"""
templates = [{json.dumps(str(templates))}]
cache = {json.dumps(str(tmp_path / "cache"))}
default_environment = "test"
[dashscope]
key_env = "THE_KEY"
base_address = "{hosted.url}"
text = "qwen3.6-plus"
picture = "wan2.2-t2i-flash"
result_hosts = ["{hosted.host}"]
[environments.test]
ledger = "sqlite:///{tmp_path / "jobs.db"}"
preflight = "off"
[[environments.test.instances]]
name = "one"
url = "{comfy.url}"
""",
        "utf-8",
    )
    gate = threading.Event()
    counts = []
    for route in ("task", "result"):
        hosted.answer(route, Reply(gate=gate))
        before = hosted.asked[route]
        with _program(nursery, config, hosted.key) as process:
            hosted.await_that(route, before + 1, timeout=40)
            process.kill()
        counts.append(asked(hosted))
    gate.set()

    with _program(nursery, config, hosted.key) as process:
        out, said = process.communicate()
    assert process.returncode == 0, said
    job_id, _ = json.loads(out)

    assert counts == [(1, 1), (1, 1)]
    assert asked(hosted) == (1, 1)
    assert hosted.bill.images == 1
    assert comfy.accounts.by_job() == {job_id: 1}


def _program(nursery: Nursery, config: Path, key: str) -> Child:
    return nursery.start(
        *("-c", PROGRAM, str(config), str(TRIP)), env={**os.environ, "THE_KEY": key}
    )


def test_a_batch_asks_for_each_trip_once(
    client: Opener, trip: Trip, hosted: DashScopeServer, comfy: ScriptedServer
) -> None:
    """One whose picture is refused stops no other; again, it alone is asked for."""
    trips = [trip.model_copy(update={"id": f"trip-{n}"}) for n in range(5)]
    hosted.picture(Refuses("DataInspectionFailed"))

    outcomes = list(client().map("staged-card", trips, seed=1, name="batch"))
    again = list(client().map("staged-card", trips, seed=1, name="batch"))

    failed = [one for one in outcomes if one.error is not None]
    assert [type(one.error) for one in failed] == [errors.ModelInspectionError]
    assert [one.error for one in again if one.error is not None] == []
    assert hosted.asked["text"] == 1  # the trips differ in nothing that is told
    assert hosted.bill.images == 5
    assert set(comfy.accounts.by_job().values()) == {1}
    assert len(comfy.accounts.by_job()) == 5


def test_asyncio_code_repeats_a_call_too(
    client: Opener, trip: Trip, hosted: DashScopeServer
) -> None:
    """The same job under a key, although the model failed the first time."""
    hosted.text(Refuses("Arrearage"))

    async def both() -> tuple[str, str]:
        opened = client()
        jobs = [
            await opened.asubmit("staged-card", trip, idempotency_key="k")
            for _ in range(2)
        ]
        await jobs[0]
        return jobs[0].id, jobs[1].id

    first, second = asyncio.run(both())

    assert first == second
    assert asked(hosted) == (1, 1)


def _refuses(models: HostedModels) -> bool:
    try:
        models.copywriter()
    except errors.ClosedError:
        return True
    return False


def test_an_answer_on_its_way_is_kept(
    client: Opener, trip: Trip, hosted: DashScopeServer, comfy: ScriptedServer
) -> None:
    """A client that is closed sees home what will be billed, and asks nothing more."""
    answered = threading.Event()
    hosted.answer("text", Reply(gate=answered))
    first = client()
    models = first.models
    batch = first.map("staged-card", [trip], seed=1, name="batch")
    batch._read()
    hosted.await_that("text")
    closing = threading.Thread(target=first.close)
    closing.start()
    comfy.await_that(lambda: _refuses(models))
    answered.set()
    closing.join()
    assert asked(hosted) == (1, 0)

    [outcome] = client().map("staged-card", [trip], seed=1, name="batch")
    assert outcome.ok
    assert asked(hosted) == (1, 1)
