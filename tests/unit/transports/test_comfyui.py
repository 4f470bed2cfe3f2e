"""What the ComfyUI transport sends, and how it names files, without a server."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
import responses

from comfyclient.errors import BadAnswerError, ComfyClientError, OutputMissingError
from comfyclient.files.outputs import OutputRef
from comfyclient.testing.bench import GRAPH, Bench
from comfyclient.timing import Deadline
from comfyclient.transports.base import Attempt
from comfyclient.workflow import Workflow

URL = "http://127.0.0.1:8188"


@pytest.fixture
def transport():
    """A transport to an address where `responses` answers, without a websocket."""
    with Bench() as bench:
        yield bench.transport(URL, websocket=False)


@pytest.fixture
def mock():
    """Canned answers; each must be asked for, and nothing else."""
    with responses.RequestsMock() as mock:
        yield mock


def greets(mock, version: str | None = "0.33.0") -> None:
    """The server tells its version."""
    mock.get(f"{URL}/system_stats", json={"system": {"comfyui_version": version}})


def sent(transport, mock, **options: object) -> dict:
    """The body of a submit that is refused."""
    refused = {"error": {"type": "x", "message": "no"}, "node_errors": {}}
    mock.post(f"{URL}/prompt", status=400, json=refused)
    with Bench() as bench:
        attempt = Attempt(str(uuid4()), Workflow.from_graph(GRAPH), **options)
        with pytest.raises(ComfyClientError, match="no"):
            transport.submit(attempt, bench.course(), deadline=Deadline(5))
    return json.loads(mock.calls[-1].request.body)


def test_a_request_is_complete(transport, mock) -> None:
    """Graph, canonical id, client id, mark, and object-shaped metadata are sent."""
    greets(mock)
    body = sent(transport, mock, provenance={"job_id": "j"})
    assert body["prompt"]["1"]["class_type"] == "EmptyImage"
    assert all(isinstance(node["_meta"], dict) for node in body["prompt"].values())
    assert body["client_id"] == transport.client_id
    assert body["extra_data"] == {
        "comfyclient_attempt": body["prompt_id"],
        "extra_pnginfo": {"comfyclient": {"job_id": "j"}},
    }


@pytest.mark.parametrize(
    ("version", "asked"), [("0.33.0", "auto"), ("0.5.0", "auto"), ("0.4.0", None)]
)
def test_previews_are_asked_for_where_a_prompt_may(transport, mock, version, asked):
    """Previews are asked for by prompt from 0.5 on, and only when wanted."""
    greets(mock, version)
    extra = sent(transport, mock, previews=True)["extra_data"]
    assert extra.get("preview_method") == asked


@pytest.mark.parametrize("version", [None, "unknown", "nightly"])
def test_a_server_without_a_version_is_taken_as_old(transport, mock, version) -> None:
    """A server that tells no version gets the requests every version understands."""
    greets(mock, version)
    assert "preview_method" not in sent(transport, mock, previews=True)["extra_data"]


def test_the_version_is_asked_once(transport, mock) -> None:
    """A second job needs no second greeting."""
    greets(mock)
    sent(transport, mock)
    sent(transport, mock)
    paths = [call.request.path_url for call in mock.calls]
    assert paths.count("/system_stats") == 1


def test_a_probe(transport, mock) -> None:
    """A probe tells version, queue and devices, whatever else is there."""
    stats = {
        "system": {"comfyui_version": "0.33.0"},
        "devices": [{"name": "cuda:0"}, 7, {"name": None}],
    }
    mock.get(f"{URL}/system_stats", json=stats)
    mock.get(f"{URL}/prompt", json={"exec_info": {"queue_remaining": 3}})
    probe = transport.probe(deadline=Deadline(5))
    assert (probe.version, probe.queue_remaining) == ("0.33.0", 3)
    assert probe.devices[0] == "cuda:0"


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"null", b'{"system": '])
def test_a_probe_of_something_else(transport, mock, body: bytes) -> None:
    """What is no ComfyUI is told as such, with the remedy."""
    mock.get(f"{URL}/system_stats", body=body)
    with pytest.raises(BadAnswerError, match="path prefix"):
        transport.probe(deadline=Deadline(5))


@pytest.mark.parametrize(
    ("ref", "query"),
    [
        (OutputRef("2", "images", "a.png"), ("a.png", "", "output")),
        (OutputRef("2", "images", "b/a.png", "c"), ("a.png", "c/b", "output")),
        (OutputRef("2", "images", "b\\a.png"), ("a.png", "b", "output")),
        (OutputRef("2", "images", "a.png", "", "temp"), ("a.png", "", "temp")),
    ],
)
def test_a_folder_is_never_part_of_a_file_name(transport, mock, ref, query) -> None:
    """The server looks at no more than a name's last part: folders go beside it."""
    mock.get(f"{URL}/view", status=404)
    with (
        pytest.raises(OutputMissingError),
        transport.open(ref, Deadline(5)),
    ):
        raise AssertionError("there is no such file")
    params = mock.calls[0].request.params
    assert (params["filename"], params.get("subfolder", ""), params["type"]) == query


def test_a_lost_temp_file_says_why(transport, mock) -> None:
    """ComfyUI empties temp/ at its start: the hint says so."""
    mock.get(f"{URL}/view", status=404)
    ref = OutputRef("2", "images", "a.png", "", "temp")
    with (
        pytest.raises(OutputMissingError, match=r"temp/a\.png") as caught,
        transport.open(ref, Deadline(5)),
    ):
        raise AssertionError("there is no such file")
    assert "whenever it starts" in caught.value.hint


@pytest.mark.parametrize("status", [200, 404, 405])
def test_memory_is_asked_back(transport, mock, status: int) -> None:
    """A server is asked to let go of everything; one without the route is fine."""
    mock.post(f"{URL}/free", status=status)
    transport.relieve(deadline=Deadline(5))
    asked = json.loads(mock.calls[0].request.body)
    assert asked == {"unload_models": True, "free_memory": True}


def test_a_found_job_says_who_hears_of_it(transport, mock) -> None:
    """A ticket for another process's job carries that one's client id and number."""
    greets(mock, "0.3.64")
    item = [5, "ours", {}, {"client_id": "theirs"}, []]
    mock.get(f"{URL}/queue", json={"queue_running": [item], "queue_pending": []})
    ticket = transport.find("ours", deadline=Deadline(5))
    assert (ticket.prompt_id, ticket.attempt_id) == ("ours", "ours")
    assert (ticket.client_id, ticket.number) == ("theirs", 5)


def test_a_found_job_that_nobody_hears_of(transport, mock) -> None:
    """Where the server tells no client id, the ticket's is empty: nobody's."""
    greets(mock, "0.3.64")
    item = [5, "ours", {}, {"client_id": None}, []]
    mock.get(f"{URL}/queue", json={"queue_running": [item], "queue_pending": []})
    assert transport.find("ours", deadline=Deadline(5)).client_id == ""
