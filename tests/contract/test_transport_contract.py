"""What every ComfyUI keeps, scripted, embedded or real: one class of tests for all."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from pydantic import SecretStr

from comfyclient.errors import ComfyClientError, ValidationError
from comfyclient.events import NodesCached, NodeStarted, Progress, Started
from comfyclient.files.outputs import Output
from comfyclient.files.refs import WHOLE
from comfyclient.jobs.course import Course, JobStatus
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.storage.mount import MountStorage
from comfyclient.testing import EasGateway
from comfyclient.testing.bench import Bench, events_of
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.timing import Deadline
from comfyclient.transports.comfyui import ComfyUITransport
from comfyclient.transports.eas_options import QueueOptions
from comfyclient.transports.eas_queue import EasQueueTransport
from comfyclient.transports.endpoint import Endpoint
from comfyclient.workflow import InputFile, Workflow

PATIENCE = 60


@pytest.fixture(scope="module")
def engine_url() -> Iterator[str]:
    """One embedded engine for all tests."""
    with EmbeddedEngine(None) as engine:
        yield engine.url


class TransportContract:
    """A job's way on one server; a subclass says which, as the fixture `url`."""

    @pytest.fixture
    def transport(self, bench: Bench, url: str) -> ComfyUITransport:
        """A transport to the server under test."""
        return bench.transport(url, read_timeout=20)

    def test_probe(self, transport: ComfyUITransport) -> None:
        """The server tells its version and how long its queue is."""
        probe = transport.probe(deadline=Deadline(PATIENCE))
        assert probe.version
        assert probe.queue_remaining >= 0

    def test_a_picture_comes_home(self, bench, transport, tmp_path: Path) -> None:
        """A graph is executed, its way is told, its picture is saved as a PNG."""
        course = done(bench, transport, picture(unique()))
        assert course.status is JobStatus.SUCCEEDED, course.verdict.error
        events = events_of(course)
        assert Started() in events
        told = [e.fraction for e in events if isinstance(e, Progress)]
        assert told == sorted(told)
        assert told[-1] == 1.0
        saved = first_output(transport, course).save(tmp_path)
        with Image.open(saved) as image:
            image.load()
            assert image.format == "PNG"
        assert not list(tmp_path.glob("*.part"))

    def test_a_cached_rerun(self, bench, transport) -> None:
        """The same graph again is served from the cache, with an output."""
        graph = picture(unique())
        done(bench, transport, graph)
        again = done(bench, transport, graph)
        assert again.status is JobStatus.SUCCEEDED, again.verdict.error
        cached = [e for e in events_of(again) if isinstance(e, NodesCached)]
        assert set(cached[0].node_ids) >= {"1"}
        assert not any(isinstance(e, NodeStarted) for e in events_of(again))
        assert again.verdict.outputs["2"].refs

    def test_a_refused_graph(self, bench, transport) -> None:
        """A value out of range is refused, with node, input and value."""
        graph = picture(unique())
        graph["1"]["inputs"]["width"] = 99_999_999
        with pytest.raises(ValidationError) as caught:
            send(bench, transport, graph)
        issue = caught.value.issues[0]
        assert (issue.node_id, issue.input_name) == ("1", "width")
        assert issue.value == "99999999"

    def test_an_unknown_class(self, bench, transport) -> None:
        """A class that is not there is named."""
        graph = picture(unique())
        graph["1"]["class_type"] = "NoSuchNodeAnywhere"
        with pytest.raises(ValidationError, match="NoSuchNodeAnywhere") as caught:
            send(bench, transport, graph)
        assert type(caught.value).__name__ == "MissingNodeError"

    def test_cancelled(self, bench, transport) -> None:
        """A cancelled job ends: stopped, or done when that came too late."""
        courses = [send(bench, transport, picture(unique())) for _ in range(4)]
        ticket = bench.ticket
        courses[-1].cancel_asked = True
        transport.cancel(ticket, deadline=Deadline(PATIENCE))
        ends = [course.await_end(Deadline(PATIENCE)) for course in courses]
        assert [end.error for end in ends[:-1]] == [None] * 3
        assert courses[-1].status in {JobStatus.CANCELLED, JobStatus.SUCCEEDED}

    def test_uploaded(self, bench, transport) -> None:
        """An uploaded picture can be loaded; uploading it again sends nothing new."""
        file = upload_of(unique())
        name = transport.upload(file, deadline=Deadline(PATIENCE))
        assert transport.upload(file, deadline=Deadline(PATIENCE)) == name
        graph = {
            "1": {"class_type": "LoadImage", "inputs": {"image": name}},
            "2": {
                "class_type": "SaveImage",
                "inputs": {"images": ["1", 0], "filename_prefix": "contract/up"},
            },
        }
        course = done(bench, transport, graph)
        assert course.status is JobStatus.SUCCEEDED, course.verdict.error
        assert first_output(transport, course).read().startswith(b"\x89PNG")

    def test_uploaded_before(self, bench, url: str) -> None:
        """Another process finds the same content there, by its name."""
        file = upload_of(unique())
        names = {
            bench.transport(url).upload(file, deadline=Deadline(PATIENCE))
            for _ in range(2)
        }
        assert names == {file.name}

    def test_a_temp_output(self, bench, transport) -> None:
        """A preview is an output of type temp, and can be fetched."""
        graph = picture(unique())
        graph["2"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
        course = done(bench, transport, graph)
        output = first_output(transport, course)
        assert output.ref.type == "temp"
        assert output.read().startswith(b"\x89PNG")

    def test_a_text_output(self, bench, transport) -> None:
        """What a text node shows is a value of the result."""
        graph = picture(unique())
        graph["3"] = {"class_type": "PreviewAny", "inputs": {"source": "hello"}}
        try:
            course = done(bench, transport, graph)
        except ValidationError as error:
            assert "PreviewAny" in str(error)  # noqa: PT017  it came with 0.3.31
            pytest.skip("this server has no PreviewAny")
        assert course.verdict.error is None
        assert course.verdict.outputs["3"].values == {"text": ["hello"]}

    def test_a_file_that_is_not_there(self, bench, transport) -> None:
        """A file the server does not have is missing, not damaged nor empty."""
        course = done(bench, transport, picture(unique()))
        ref = course.verdict.outputs["2"].refs[0]
        gone = Output(type(ref)("2", "images", "gone_00001_.png"), transport.open)
        with pytest.raises(ComfyClientError, match="has no output/gone"):
            gone.read()

    def test_without_a_websocket(self, bench, url: str) -> None:
        """Polling alone brings the same end."""
        transport = bench.transport(url, websocket=False)
        course = done(bench, transport, picture(unique()))
        assert course.status is JobStatus.SUCCEEDED, course.verdict.error

    def test_many_at_once(self, bench, transport) -> None:
        """Jobs sent together all end, each with its own picture."""
        courses = [send(bench, transport, picture(unique())) for _ in range(6)]
        names = set()
        for course in courses:
            verdict = course.await_end(Deadline(PATIENCE))
            assert verdict.error is None
            names.add(verdict.outputs["2"].refs[0].filename)
        assert len(names) == 6


class TestScripted(TransportContract):
    """The scripted server keeps the contract."""

    @pytest.fixture
    def url(self) -> Iterator[str]:
        """A scripted server's address."""
        with ScriptedServer() as server:
            yield server.url

    test_a_refused_graph = None  # it takes every graph: what it refuses is scripted
    test_an_unknown_class = None


class TestEmbedded(TransportContract):
    """The embedded engine keeps the contract."""

    @pytest.fixture
    def url(self, engine_url: str) -> str:
        """An engine's address."""
        return engine_url


@pytest.fixture(scope="module")
def gateway() -> Iterator[EasGateway]:
    """A queue before an embedded engine of its own."""
    with EasGateway(edition="api", max_payload=65_536) as gateway:
        yield gateway


class Mounted(EasQueueTransport):
    """A queue service together with the storage that its environment has."""

    storage: MountStorage

    def upload(self, file: InputFile, *, deadline: Deadline) -> str:
        """Into the mounted folder."""
        return self.storage.put_input(file, deadline)

    def open(self, ref, deadline, *, span=WHOLE):
        """From the mounted folder."""
        return self.storage.open(ref, deadline, span=span)


class TestApiEdition(TransportContract):
    """The API edition of PAI-EAS keeps the contract, as far as a queue can."""

    @pytest.fixture(params=["watch", "poll"])
    def transport(
        self, request: pytest.FixtureRequest, gateway: EasGateway, tmp_path: Path
    ) -> Iterator[Mounted]:
        """Its results are watched, or asked for."""
        assert gateway.token is not None
        endpoint = Endpoint("bench", gateway.url, token=SecretStr(gateway.token))
        options = QueueOptions("ours", tmp_path, results=request.param)
        transport = Mounted(endpoint, options)
        transport.storage = MountStorage(gateway.mount, visible_s=0)
        yield transport
        transport.close()

    def test_probe(self, transport: Mounted) -> None:
        """It tells the length of its queue, and no version."""
        probe = transport.probe(deadline=Deadline(PATIENCE))
        assert (probe.version, probe.features) == (None, frozenset())

    def test_a_picture_comes_home(self, bench, transport, tmp_path: Path) -> None:
        """A graph is executed and its picture saved; its way is not told."""
        course = done(bench, transport, picture(unique()))
        assert course.status is JobStatus.SUCCEEDED, course.verdict.error
        saved = first_output(transport, course).save(tmp_path)
        assert saved.read_bytes().startswith(b"\x89PNG")
        told = [e for e in events_of(course) if isinstance(e, NodeStarted)]
        assert not told

    def test_a_cached_rerun(self, bench, transport) -> None:
        """The same graph again is served from the cache, with an output."""
        graph = picture(unique())
        done(bench, transport, graph)
        again = done(bench, transport, graph)
        assert again.verdict.error is None
        assert again.verdict.cached_nodes == ("2",)
        assert again.verdict.outputs["2"].refs

    def test_a_refused_graph(self, bench, transport) -> None:
        """The refusal comes as the result, with node, input and value."""
        graph = picture(unique())
        graph["1"]["inputs"]["width"] = 99_999_999
        error = done(bench, transport, graph).verdict.error
        assert isinstance(error, ValidationError)
        assert (error.issues[0].node_id, error.issues[0].value) == ("1", "99999999")

    def test_an_unknown_class(self, bench, transport) -> None:
        """A class that is not there is named."""
        graph = picture(unique())
        graph["1"]["class_type"] = "NoSuchNodeAnywhere"
        error = done(bench, transport, graph).verdict.error
        assert type(error).__name__ == "MissingNodeError"
        assert "NoSuchNodeAnywhere" in str(error)

    test_cancelled = None  # what is taken cannot be stopped: see eas/test_queue.py
    test_uploaded_before = None  # files are the storage's
    test_without_a_websocket = None  # that is the parameter `poll`


@pytest.mark.live
class TestReal(TransportContract):
    """A real server keeps the contract: --comfyui-url."""

    @pytest.fixture
    def url(self, request: pytest.FixtureRequest) -> str:
        """The address given on the command line."""
        url = request.config.getoption("--comfyui-url")
        if not url:
            pytest.skip("no --comfyui-url")
        return str(url)


def unique() -> int:
    """A number no graph of another test holds, so that nothing is cached."""
    return uuid4().int % 0xFFFFFF


def picture(colour: int) -> dict[str, dict]:
    """A graph that saves a picture of one colour."""
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 64, "height": 48, "batch_size": 1, "color": colour},
        },
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": "contract/picture"},
        },
    }


def upload_of(colour: int) -> InputFile:
    """A picture to upload, named by its content."""
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), f"#{colour:06x}").save(stream, "PNG")
    content = stream.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return InputFile(f"comfyclient/{digest[:32]}.png", digest, len(content), content)


def send(bench: Bench, transport: ComfyUITransport, graph: dict) -> Course:
    """A job that was accepted."""
    workflow = Workflow.from_graph(graph)
    course = bench.course(workflow, total_s=PATIENCE, queue_s=PATIENCE)
    return bench.submit(transport, course)


def done(bench: Bench, transport: ComfyUITransport, graph: dict) -> Course:
    """A job that has ended."""
    course = send(bench, transport, graph)
    course.await_end(Deadline(PATIENCE))
    return course


def first_output(transport: ComfyUITransport, course: Course) -> Output:
    """The first file of a job."""
    refs = [ref for shown in course.verdict.outputs.values() for ref in shown.refs]
    return Output(refs[0], transport.open)
