"""Where a job is: which route is asked, and what its answers mean."""

from __future__ import annotations

import json

import pytest
import responses

from comfyclient.errors import BadAnswerError, ComfyClientError, ServerFaultError
from comfyclient.timing import Deadline
from comfyclient.transports.answers import Whereabouts
from comfyclient.transports.dialect import Dialect
from comfyclient.transports.endpoint import Endpoint
from comfyclient.transports.http import ComfyHttp
from comfyclient.transports.lookup import Lookup, Sighting

URL = "http://127.0.0.1:8188"
ENTRY = {
    "prompt": [0, "a", {"1": {}}, {}, []],
    "outputs": {},
    "status": {"status_str": "success", "completed": True, "messages": []},
}


@pytest.fixture
def lookup():
    """A lookup of a server of a given version."""
    http = ComfyHttp(Endpoint("n", URL))
    yield lambda version: Lookup(http, Dialect(version=version))
    http.close()


@pytest.fixture
def mock():
    """Canned answers; each must be asked for, and nothing else."""
    with responses.RequestsMock() as mock:
        yield mock


def queue_of(*, running: tuple[str, ...] = (), pending: tuple[str, ...] = ()) -> dict:
    """A queue, whose pending jobs come in no order."""
    waiting = [[n, job, {}, {}, []] for n, job in enumerate(pending, start=5)]
    return {
        "queue_running": [[0, job, {}, {}, []] for job in running],
        "queue_pending": waiting[::-1],
    }


def test_the_queue_comes_before_the_history(lookup, mock) -> None:
    """On an older server the queue is asked first: a job moves on from there."""
    mock.get(f"{URL}/queue", json=queue_of(running=("a",), pending=("b", "c")))
    mock.get(f"{URL}/history/d", json={"d": ENTRY})
    mock.get(f"{URL}/history/e", json={})
    found = lookup("0.3.64").where([*"abcde"], deadline=Deadline(5)).sightings
    assert [found[key].where for key in "abcde"] == [
        Whereabouts.RUNNING,
        Whereabouts.PENDING,
        Whereabouts.PENDING,
        Whereabouts.ENDED,
        Whereabouts.UNKNOWN,
    ]
    assert (found["b"].position, found["c"].position) == (1, 2)
    assert mock.calls[0].request.path_url == "/queue"


def test_several_cost_one_queue(lookup, mock) -> None:
    """Many jobs of a new server are found with one look at its queue."""
    mock.get(f"{URL}/queue", json=queue_of(pending=("a", "b", "c")))
    look = lookup("0.33.0").where(["a", "b", "c"], deadline=Deadline(5))
    assert look.queue.pending == ("a", "b", "c")
    assert look.cost > 100  # bytes


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"broken for everybody"),
        (404, b""),
        (404, b'{"message": "no route"}'),
        (404, b"{}"),
        (405, b""),
        (403, b""),
        (200, b"<html>"),
        (200, b'{"status": "dreaming"}'),
        (200, b"[]"),
    ],
)
def test_without_a_jobs_api_the_queue_is_asked(lookup, mock, status, body) -> None:
    """An answer of the jobs API that says nothing is not taken for "unknown"."""
    mock.get(f"{URL}/api/jobs/a", status=status, body=body)
    mock.get(f"{URL}/queue", json=queue_of(running=("a",)))
    found = lookup("0.33.0").where(["a"], deadline=Deadline(5)).sightings["a"]
    assert found.where is Whereabouts.RUNNING


def test_unknown_is_what_the_server_says(lookup, mock) -> None:
    """Only the server's own words mean that it does not know the job."""
    mock.get(f"{URL}/api/jobs/a", status=404, json={"error": "Job not found"})
    found = lookup("0.33.0").where(["a"], deadline=Deadline(5)).sightings["a"]
    assert found == Sighting(Whereabouts.UNKNOWN)


@pytest.mark.parametrize("status", [404, 401, 302])
def test_a_wrong_address_is_no_empty_queue(lookup, mock, status: int) -> None:
    """A page in the queue's place does not read as a job that is lost."""
    mock.get(f"{URL}/queue", status=status, body=b"{}")
    with pytest.raises(ComfyClientError):
        lookup("0.3.64").where(["a"], deadline=Deadline(5))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"[]", BadAnswerError),
        (200, b'{"a": 7}', BadAnswerError),
        (200, b'{"a": {"outputs": 3}}', BadAnswerError),
        (500, b"", ServerFaultError),
    ],
)
def test_a_bad_history_is_its_own_jobs_trouble(lookup, mock, status, body, kind):
    """A history that cannot be read is told for its job; the others are found."""
    mock.get(f"{URL}/queue", json=queue_of(running=("b",)))
    mock.get(f"{URL}/history/a", status=status, body=body)
    found = lookup("0.3.64").where(["a", "b"], deadline=Deadline(5)).sightings
    assert isinstance(found["a"], kind)
    assert found["b"].where is Whereabouts.RUNNING


def test_the_jobs_api_is_enough(lookup, mock) -> None:
    """Where the history cannot be read, the jobs API's own outcome counts."""
    told = {"status": "completed", "outputs": {}, "execution_status": {"messages": []}}
    mock.get(f"{URL}/api/jobs/a", json=told)
    mock.get(f"{URL}/history/a", body=b"<html>")
    found = lookup("0.33.0").where(["a"], deadline=Deadline(5)).sightings["a"]
    assert found.outcome.state == "success"


@pytest.mark.parametrize("place", ["running", "pending", "history"])
def test_a_job_is_found_by_its_mark(lookup, mock, place: str) -> None:
    """On servers that mint ids, our mark in extra_data tells which job is ours."""
    item = [3, "minted", {}, {"comfyclient_attempt": "ours", "client_id": "x"}, []]
    queue = queue_of()
    mock.get(f"{URL}/queue", json=queue)
    if place != "history":
        queue[f"queue_{place}"] = [[2, "z", {}, {}, []], item]
        mock.replace(responses.GET, f"{URL}/queue", json=queue)
    else:
        entry = {"minted": {"prompt": item}}
        mock.get(f"{URL}/history/ours", json={})
        mock.get(f"{URL}/history", json={"odd": 7, "odder": {"prompt": [1]}, **entry})
    found = lookup("0.3.12").find("ours", deadline=Deadline(5))
    assert (found.prompt_id, found.number, found.client_id) == ("minted", 3, "x")


def test_an_old_job_is_looked_for_in_the_whole_history(lookup, mock) -> None:
    """A mark that is further back than the newest entries is found where asked."""
    item = [3, "minted", {}, {"comfyclient_attempt": "ours"}, []]
    newer = {f"n{i}": {"prompt": [i, f"n{i}", {}, {}, []]} for i in range(200)}
    mock.get(f"{URL}/queue", json=queue_of())
    mock.get(f"{URL}/history/ours", json={})
    few = [responses.matchers.query_param_matcher({"max_items": "200"})]
    mock.get(f"{URL}/history", json=newer, match=few)
    old = lookup("0.3.12")
    assert old.find("ours", deadline=Deadline(5)) is None
    many = [responses.matchers.query_param_matcher({"max_items": "2000"})]
    whole = {"minted": {"prompt": item}, **newer}
    mock.get(f"{URL}/history", json=whole, match=many)
    found = old.find("ours", deadline=Deadline(5), far=True)
    assert found.prompt_id == "minted"


def test_a_server_that_takes_ids_is_not_asked_for_marks(lookup, mock) -> None:
    """From 0.3.45 on, the queue and one history entry say it all."""
    mock.get(f"{URL}/queue", json=queue_of())
    mock.get(f"{URL}/history/ours", json={})
    assert lookup("0.3.64").find("ours", deadline=Deadline(5)) is None


@pytest.mark.parametrize("status", ["pending", "completed"])
def test_a_job_that_the_jobs_api_knows_did_arrive(lookup, mock, status: str) -> None:
    """One that left queue and history between two looks is not called absent."""
    mock.get(f"{URL}/api/jobs/ours", json={"status": status, "outputs": {}})
    mock.get(f"{URL}/queue", json=queue_of())
    mock.get(f"{URL}/history/ours", json={})
    assert lookup("0.33.0").find("ours", deadline=Deadline(5)).prompt_id == "ours"


@pytest.mark.parametrize("item", [7, [], [1], ["x", "p", {}], [1, 2, {}]])
def test_a_queue_that_cannot_be_read_is_not_without_it(lookup, mock, item) -> None:
    """An item of another shape may be the one that is looked for."""
    mock.get(f"{URL}/queue", json={"queue_running": [], "queue_pending": [item]})
    with pytest.raises(BadAnswerError):
        lookup("0.3.64").find("ours", deadline=Deadline(5))


def test_another_ones_mark_is_not_ours(lookup, mock) -> None:
    """A job without our mark is not ours."""
    item = [3, "minted", {}, {"comfyclient_attempt": "theirs"}, []]
    mock.get(f"{URL}/queue", json={"queue_running": [item], "queue_pending": []})
    mock.get(f"{URL}/history/ours", json={})
    mock.get(f"{URL}/history", json={})
    assert lookup("0.3.12").find("ours", deadline=Deadline(5)) is None


def test_ids_are_quoted(lookup, mock) -> None:
    """An id with a slash asks for that id, not for another path."""
    mock.get(f"{URL}/history/a%2F..%2Fb", body=json.dumps({"a/../b": ENTRY}))
    outcome = lookup("0.3.64").history("a/../b", deadline=Deadline(5))
    assert outcome.state == "success"
