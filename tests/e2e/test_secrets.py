"""Jobs over each way with marked secrets; then all that was told is searched."""

from __future__ import annotations

import itertools
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from comfyclient import Client, load_trip
from comfyclient.cli import app
from comfyclient.errors import ComfyClientError
from comfyclient.hooks import End, Hook, JobFacts, Step
from comfyclient.testing import (
    DashScopeServer,
    EasGateway,
    OssFault,
    OssKey,
    OssServer,
    Produced,
    Refuses,
    Reply,
    ScriptedServer,
)
from comfyclient.testing.eas_inference import instant

TRIP = Path(__file__).parents[2] / "examples" / "trips" / "black-forest-weekend.json"
MARK = "m4rk3d"
TOKEN, HEADER = f"token-{MARK}-of-the-instance", f"key-{MARK}-in-a-header"
HEADERS = "COMFYCLIENT_ENVIRONMENTS__{}__HEADERS__X_API_KEY"
MODELS = f"sk-{MARK}0123456789abcdef"
STS = OssKey("STS.NUy7w", f"secret-{MARK}-of-oss", f"sts-{MARK}-token")
NUMBERS = itertools.count()
MANIFEST = """
name = "worded-card"
version = "1.0.0"
summary = "A card with words and a picture"
languages = ["en", "zh"]
[trip]
takes = ["title"]
[outputs.card]
node = "2"
[[stage]]
name = "words"
kind = "copy"
[[stage]]
name = "scene"
kind = "paint"
inputs = ["words"]
[[stage]]
name = "file"
kind = "upload"
inputs = ["scene"]
"""
SOURCE = """{
  "1": {"class_type": "LoadImage", "inputs": {
    "image": {{ stages.file[0] }}, "title": {{ copy.title }}}},
  "2": {"class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "card"}}
}
"""


class Notes(Hook):
    """Writes down all that hooks are told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def heard(self, job: JobFacts, event: object) -> None:
        """An event."""
        self.told.append(f"{job!r} {event!r}")

    def stepped(self, job: JobFacts, step: Step) -> None:
        """A step."""
        self.told.append(f"{step!r} {step.error}")

    def ended(self, job: JobFacts, end: End) -> None:
        """An end."""
        self.told.append(f"{end!r} {end.error}")


@pytest.fixture
def hosted() -> Iterator[DashScopeServer]:
    """Models that know the marked key."""
    with DashScopeServer(key=MODELS) as server:
        yield server


@pytest.fixture
def oss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OssServer]:
    """A bucket that is opened by a marked token of STS."""
    with OssServer(tmp_path / "buckets", keys=[STS]) as server:
        for name, value in (
            ("OSS_ACCESS_KEY_ID", STS.id),
            ("OSS_ACCESS_KEY_SECRET", STS.secret),
            ("OSS_SESSION_TOKEN", STS.token),
            ("EAS_TOKEN", TOKEN),
            ("DASHSCOPE_API_KEY", MODELS),
            (HEADERS.format("STANDARD__INSTANCES__S"), HEADER),
            (HEADERS.format("QUEUE__INSTANCES__Q"), HEADER),
        ):
            monkeypatch.setenv(name, str(value))
        yield server


@pytest.fixture
def gateway(oss: OssServer) -> Iterator[EasGateway]:
    """A queue whose instances put pictures into the bucket, seen a little later."""

    def paint(request: object) -> Produced:
        produced = instant(request)  # type: ignore[arg-type]
        name = f"{request.tags['task_id']}_2_.png"  # type: ignore[attr-defined]
        oss.hide(f"comfyui/queue/output/{name}", looks=2)
        file = oss.path("nev-aigc", f"comfyui/queue/output/{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
        return produced

    with EasGateway(edition="api", token=TOKEN, inference=paint) as gateway:
        yield gateway


@pytest.fixture
def config(
    tmp_path: Path,
    hosted: DashScopeServer,
    oss: OssServer,
    gateway: EasGateway,
    comfy: ScriptedServer,
) -> Path:
    """Two environments: a queue with a bucket, and a standard edition."""
    folder = tmp_path / "templates" / "worded-card" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "manifest.toml").write_text(MANIFEST, "utf-8")
    (folder / "workflow.json.j2").write_text(SOURCE, "utf-8")
    file = tmp_path / "comfyclient.toml"
    file.write_text(
        f"""
templates = ["{tmp_path / "templates"}"]
cache = "{tmp_path / "cache"}"
[dashscope]
key_env = "DASHSCOPE_API_KEY"
base_address = "{hosted.url}"
text = "qwen3.6-plus"
picture = "qwen-image"
result_hosts = ["{hosted.host}"]
[environments.queue]
transport = "eas-queue"
ledger = "sqlite:///{tmp_path / "queue.db"}"
region = "{oss.region}"
preflight = "off"
queue.parking = "{tmp_path / "parked"}"
instances = [{{name = "q", url = "{gateway.url}", token_env = "EAS_TOKEN"}}]
[environments.queue.storage]
kind = "oss"
bucket = "nev-aigc"
endpoint = "{oss.endpoint}"
prefix = "comfyui/queue/"
credentials = "env"
[environments.standard]
ledger = "sqlite:///{tmp_path / "standard.db"}"
preflight = "off"
[[environments.standard.instances]]
name = "s"
url = "{comfy.url}"
token_env = "EAS_TOKEN"
""",
        encoding="utf-8",
    )
    return file


def played(client: Client, notes: list[str], folder: Path) -> None:
    """Some jobs, and all that their handles and outcomes show."""
    trips = [load_trip(TRIP).model_copy(update={"id": f"t{n}"}) for n in range(2)]
    for outcome in client.map("worded-card", trips, save_to=folder):
        notes.append(f"{outcome!r} {outcome.job!r} {outcome.result!r}")
        assert outcome.ok, outcome.error
        assert outcome.job is not None
        notes += map(repr, outcome.job.events())
    notes.append(trace(client))
    notes.append(f"{client!r} {client._reception.settings!r} {client._connect()!r}")


def trace(client: Client) -> str:
    """What a caller sees of one more job, of which models are asked anew."""
    trip = load_trip(TRIP).model_copy(update={"title": f"Tour {next(NUMBERS)}"})
    try:
        result = client.run("worded-card", trip, seed=1, timeout=5)
        result.outputs[0].read(timeout=1)
    except ComfyClientError as error:
        whole = "".join(traceback.format_exception(error))
        return f"{whole} {error!r} {vars(error)!r}"
    return repr(result)


ECHO = Reply(400, f"the header says {TOKEN}, {HEADER}; all of it".encode())


@pytest.mark.parametrize("name", ["queue", "standard"])
def test_no_secret_is_told(
    name: str,
    config: Path,
    tmp_path: Path,
    hosted: DashScopeServer,
    oss: OssServer,
    gateway: EasGateway,
    comfy: ScriptedServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Not in logs at DEBUG, errors, hooks, files, ledgers, pages and commands."""
    caplog.set_level(logging.DEBUG)
    hook = Notes()
    notes: list[str] = []
    with Client.from_config(config, environment=name, hooks=[hook]) as client:
        played(client, notes, tmp_path / "out")
        oss.fail("GetObject", OssFault(403, "SignatureDoesNotMatch", times=None))
        notes.append(trace(client))
        oss.behave()
        gateway.answer("POST input", ECHO)
        comfy.answer("POST /prompt", ECHO)
        notes.append(trace(client))
        hosted.always("text", Refuses("InvalidApiKey", f"no such key: {MODELS}"))
        notes.append(trace(client))
    for command in (
        ["report", "--env", name, "--out", str(tmp_path / "page.html")],
        ["jobs", "--env", name, "--json"],
        ["pins", "show", "--json"],
    ):
        done = CliRunner().invoke(app, [*command, "--config", str(config)])
        notes.append(f"{done.output} {done.exception!r}")
    told = [*notes, *hook.told, *(record_text(one) for one in caplog.records)]
    assert len(hook.told) > 10
    assert [around(text) for text in told if MARK in text] == []
    written = [f for f in tmp_path.rglob("*") if f.is_file() and f != config]
    assert {"page.html", f"{name}.db"} <= {f.name for f in written}
    assert [f for f in written if MARK.encode() in f.read_bytes()] == []


def record_text(record: logging.LogRecord) -> str:
    """A line of the log, with its fields and its trace."""
    text = logging.Formatter().format(record)
    return f"{record.name}: {text} {vars(record)!r}"


def around(text: str) -> str:
    """Where a secret is in a text."""
    at = text.index(MARK)
    return text[max(0, at - 200) : at + 20]
