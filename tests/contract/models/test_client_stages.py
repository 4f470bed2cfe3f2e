"""A template with stages through the client: asked once, told, resumed."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from comfyclient import Client, Settings, Trip, errors, load_trip
from comfyclient.config.models import ModelLimitSettings
from comfyclient.config.settings import (
    DashScopeSettings,
    EnvironmentSettings,
    InstanceSettings,
    StorageSettings,
)
from comfyclient.events import Event, Progress, StageFinished, StageStarted
from comfyclient.hooks import Hook, JobFacts, Step
from comfyclient.steps.answers import Usage
from comfyclient.steps.hosted_models import HostedModels
from comfyclient.testing import (
    DashScopeServer,
    Paints,
    Refuses,
    Reply,
    Script,
    ScriptedServer,
)
from comfyclient.testing.pictures import png

from ...nursery import Child, Nursery

TRIP = Path(__file__).parents[3] / "examples" / "trips" / "black-forest-weekend.json"
MANIFEST = """
name = "staged-card"
version = "1.0.0"
summary = "A card with words, a look at photos and a painted background"
languages = ["en", "zh"]
[trip]
takes = ["title"]
[parameters.footer]
type = "string"
[outputs.card]
node = "3"
[[stage]]
name = "file"
kind = "upload"
inputs = ["scene"]
[[stage]]
name = "scene"
kind = "paint"
inputs = ["words"]
[[stage]]
name = "words"
kind = "copy"
[[stage]]
name = "look"
kind = "observe"
"""
SOURCE = """{
  "1": {"class_type": "LoadImage", "inputs": {"image": {{ stages.file[0] }}}},
  "2": {"class_type": "Words", "inputs": {
    "image": ["1", 0], "title": {{ copy.title }}, "same": {{ stages.words.title }},
    "best": {{ stages.look.best }}, "made": {{ stages.scene.count }},
    "footer": {{ params.footer }}
  }},
  "3": {"class_type": "SaveImage",
        "inputs": {"images": ["2", 0], "filename_prefix": "card"}}
}
"""


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A folder with the template."""
    folder = tmp_path / "templates" / "staged-card" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "manifest.toml").write_text(MANIFEST, "utf-8")
    (folder / "workflow.json.j2").write_text(SOURCE, "utf-8")
    return tmp_path / "templates"


@pytest.fixture
def hosted() -> Iterator[DashScopeServer]:
    """The stand-in for the models."""
    with DashScopeServer() as server:
        server.always("picture", Paints(running=0))
        yield server


@pytest.fixture(scope="module")
def trip() -> Trip:
    """A trip without photos."""
    return load_trip(TRIP)


Opener = Callable[..., Client]


@pytest.fixture
def client(
    templates: Path, hosted: DashScopeServer, comfy: ScriptedServer, tmp_path: Path
) -> Iterator[Opener]:
    """Opens clients, each as another process would."""
    with ExitStack() as stack:

        def make(
            storage: StorageSettings | None = None,
            hooks: Sequence[Hook] = (),
            **models: object,
        ) -> Client:
            usual = {
                "key": hosted.key,
                "base_address": hosted.url,
                "text": "qwen3.6-plus",
                "vision": "qwen3-vl-plus",
                "picture": "qwen-image",
                "result_hosts": (hosted.host,),
                "limits": {"qwen-image": ModelLimitSettings(per_s=1000)},
            }
            environment = EnvironmentSettings(
                instances=(InstanceSettings(name="one", url=comfy.url),),
                ledger=f"sqlite:///{tmp_path / 'jobs.db'}",
                preflight="off",
                storage=StorageSettings() if storage is None else storage,
            )
            settings = Settings(
                default_environment="test",
                environments={"test": environment},
                templates=(templates,),
                cache=tmp_path / "cache",
                dashscope=DashScopeSettings(**{**usual, **models}),  # type: ignore[arg-type]
            )
            return stack.enter_context(Client(settings, hooks=hooks))

        yield make


def asked(server: DashScopeServer) -> tuple[int, int]:
    """How often words and pictures were asked for."""
    pictures = server.asked["text2image"] + server.asked["multimodal"]
    return server.asked["text"], pictures


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


def test_a_job_that_was_lost_is_sent_again_with_its_pictures(
    client: Opener, trip: Trip, hosted: DashScopeServer, comfy: ScriptedServer
) -> None:
    """The server forgot it: nothing is asked of the models again."""
    comfy.follow_script(Script.restarts_after(2))
    job = client().submit("staged-card", trip, seed=7)

    job.result(timeout=30)

    assert asked(hosted) == (1, 1)


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


def test_throttled_all_the_way(
    client: Opener, trip: Trip, hosted: DashScopeServer
) -> None:
    """Where time runs out while the service throttles, that is the error."""
    hosted.always("picture", Refuses("Throttling.RateQuota", retry_after=60))

    with pytest.raises(errors.ModelThrottledError, match="stage 'scene'"):
        client().submit("staged-card", trip, seed=7, timeout=5)


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
