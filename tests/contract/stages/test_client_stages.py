"""A template with stages through the client: made, told, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfyclient import Client, Settings, Trip, errors
from comfyclient.config.settings import (
    DashScopeSettings,
    EnvironmentSettings,
    StorageSettings,
)
from comfyclient.events import Event, Progress, StageFinished, StageStarted
from comfyclient.hooks import Hook, JobFacts, Step
from comfyclient.steps.answers import Usage
from comfyclient.testing import DashScopeServer, Refuses, Reply, ScriptedServer
from comfyclient.testing.pictures import png

from .staged import Opener, asked


def test_the_graph_is_made_of_what_stages_gave(
    client: Opener, trip: Trip, hosted: DashScopeServer, comfy: ScriptedServer
) -> None:
    """Words in their slots, the picture uploaded once under the name of its content."""
    job = client().submit("staged-card", trip, seed=7)
    result = job.result(timeout=20)

    card = job.workflow.graph["2"]["inputs"]  # type: ignore[index,call-overload]
    assert card["title"] == card["same"]
    assert card["made"] == 1
    assert card["best"] is None
    (file,) = job.workflow.files
    assert job.workflow.graph["1"]["inputs"]["image"] == file.name  # type: ignore[index,call-overload]
    assert ("input", "comfyclient", file.filename) in comfy.files
    usage = result.provenance.usage
    assert usage == Usage(
        hosted.bill.input_tokens, hosted.bill.output_tokens, hosted.bill.images
    )
    by_name = {stage.name: stage for stage in result.provenance.stages}
    assert by_name["words"].model == "qwen3.6-plus"
    assert by_name["words"].request_id
    assert by_name["look"].source == "offline"  # there were no photos to look at


def test_progress_covers_the_stages(client: Opener, trip: Trip) -> None:
    """They are told while `submit` waits, and begin the job's own events."""
    heard: list[Event] = []
    job = client().submit("staged-card", trip, seed=7, told=heard.append)
    events = list(job.events(timeout=20))

    names = {e.name for e in heard if isinstance(e, StageStarted)}
    assert names == {"file", "scene", "words", "look"}
    assert isinstance(events[0], StageStarted)
    assert sum(isinstance(e, StageFinished) for e in events) == 4
    fractions = [e.fraction for e in events if isinstance(e, Progress)]
    assert fractions == sorted(fractions)
    assert fractions[3] == pytest.approx(0.4)
    assert fractions[-1] == 1.0


def test_what_is_wrong_with_a_call_is_found_before_anything_is_paid(
    client: Opener, trip: Trip, hosted: DashScopeServer
) -> None:
    """Parameters, trips and templates first."""
    with pytest.raises(errors.ParameterError):
        client().submit("staged-card", trip, params={"foter": "x"})
    with pytest.raises(errors.TripError):
        client().submit("staged-card")
    assert not hosted.requests


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ({"text": "qwen-max"}, "retired on 13 July 2026"),
        ({"text": "words", "aliases": {"words": "qwen-turbo"}}, "called 'words'"),
        ({"picture": "wanx-v2"}, r"wan2\.2-t2i-flash"),
        ({"picture": None}, r"dashscope\.picture"),
        ({"key": None, "key_env": "NOT_SET"}, "NOT_SET, which is not set"),
    ],
)
def test_what_is_not_configured_well(
    client: Opener,
    trip: Trip,
    hosted: DashScopeServer,
    models: dict[str, object],
    said: str,
) -> None:
    """Retired models, names that are none, keys that are not there: before any call."""
    with pytest.raises(errors.ComfyClientError, match=said):
        client(**models).submit("staged-card", trip, seed=1)
    assert asked(hosted)[1] == 0


def test_without_dashscope_words_are_made_offline(
    client: Opener, trip: Trip, hosted: DashScopeServer
) -> None:
    """The stages that need no picture serve `local` without a key."""
    made = client(text=None, vision=None)
    job = made.submit("staged-card", trip, seed=7)

    assert hosted.asked["text"] == 0
    assert job.workflow.stages[-2].source == "offline"


def test_a_model_that_fails_ends_the_submit(
    client: Opener, trip: Trip, comfy: ScriptedServer
) -> None:
    """Nothing was sent to ComfyUI, and no job is in the ledger."""
    opened = client(on_failure="error")

    with pytest.raises(errors.ModelAccessError, match="stage 'words'"):
        client(key="sk-wrong-0000000000", on_failure="error").submit(
            "staged-card", trip, seed=1
        )
    assert comfy.asked["POST /prompt"] == 0
    assert opened.resume() == []


def test_pictures_go_into_the_environments_own_storage(
    client: Opener,
    trip: Trip,
    comfy: ScriptedServer,
    tmp_path: Path,
) -> None:
    """Into the mount's `input/`, as the graph names them; nothing is uploaded."""
    root = tmp_path / "mount"
    root.mkdir()
    seen = Reply(200, png(), {"Content-Type": "image/png"})
    comfy.always("GET /view", seen)  # its mount is the same
    job = client(StorageSettings(kind="mount", root=root)).submit(
        "staged-card", trip, seed=7
    )

    (file,) = job.workflow.files
    assert (root / "input" / file.name).stat().st_size == file.size
    assert comfy.asked["POST /upload/image"] == 0


def test_the_picture_tells_which_models_had_a_part(
    client: Opener, trip: Trip, comfy: ScriptedServer
) -> None:
    """In what ComfyUI writes into the file: stage, model and request."""
    client().submit("staged-card", trip, seed=7).result(timeout=20)

    (prompt,) = (
        r for r in comfy.requests if r.path == "/prompt" and r.method == "POST"
    )
    told = json.dumps(prompt.json())
    assert '"stage": "words", "model": "qwen3.6-plus"' in told
    assert "Signature" not in told


def test_models_one_by_one_need_to_be_configured(tmp_path: Path) -> None:
    """Each is there where its model is named; without DashScope, none."""
    local = EnvironmentSettings(
        transport="embedded", ledger=f"sqlite:///{tmp_path / 'jobs.db'}"
    )
    plain = Settings(environments={"local": local})
    named = plain.model_copy(
        update={"dashscope": DashScopeSettings(region="us-east-1")}
    )
    with (
        Client(plain) as client,
        pytest.raises(errors.ConfigError, match="no hosted models"),
    ):
        _ = client.models
    with Client(named) as client:
        assert client.models.copywriter() is None
        assert client.models.painter() is None
        assert client.models.observer() is None


def test_throttled_all_the_way(
    client: Opener, trip: Trip, hosted: DashScopeServer
) -> None:
    """Where time runs out while the service throttles, that is the error."""
    hosted.always("picture", Refuses("Throttling.RateQuota", retry_after=60))

    with pytest.raises(errors.ModelThrottledError, match="stage 'scene'"):
        client().submit("staged-card", trip, seed=7, timeout=5)


class Steps(Hook):
    """Keeps the steps of jobs."""

    def __init__(self) -> None:
        self.seen: list[Step] = []

    def stepped(self, job: JobFacts, step: Step) -> None:
        """A stretch is over."""
        self.seen.append(step)


def test_hooks_hear_of_each_stage(client: Opener, trip: Trip) -> None:
    """With its name and length; filling the graph begins behind the last one."""
    heard = Steps()
    opened = client(hooks=[heard])
    job = opened.submit("staged-card", trip, seed=7)
    job.result(timeout=20)
    opened.close()  # hooks hear of it in a thread of their own

    stages = {s.subject: s for s in heard.seen if s.name == "stage"}
    (render,) = (s for s in heard.seen if s.name == "render")
    assert set(stages) == {"file", "scene", "words", "look"}
    assert render.begun_at >= max(r.ended_at for r in job.workflow.stages)
