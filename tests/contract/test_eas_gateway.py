"""The EAS stand-in behaves as the documents say the queue service and gateway do."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing

import pytest
import requests
import websocket

from comfyclient.testing import EasGateway, Produced, QueueFrame, Reply
from comfyclient.testing.eas_frames import encoded_frame
from comfyclient.testing.eas_inference import instant

GRAPH = {"9": {"class_type": "SaveImage", "inputs": {}}}
KEY = {"Authorization": "secret"}


@pytest.fixture
def gateway() -> Iterator[EasGateway]:
    """An API edition whose instances make pictures at once."""
    with EasGateway(edition="api", token="secret", inference=instant) as gateway:
        yield gateway


def put(gateway: EasGateway, task: str, **params: str) -> tuple[int, str]:
    """A task in the input queue: its index and request id."""
    answer = requests.post(
        f"{gateway.url}/api_prompt",
        params={"task_id": task, **params},
        json=GRAPH,
        headers=KEY,
        timeout=5,
    )
    assert answer.status_code == 200, answer.text
    return int(answer.text), answer.headers["X-Eas-Queueservice-Request-Id"]


def get(gateway: EasGateway, path: str = "/sink", **params: str) -> requests.Response:
    """A read of a queue."""
    url = f"{gateway.url}{path}"
    return requests.get(url, params=params, headers=KEY, timeout=10)


def watch(gateway: EasGateway, group: str, *, uid: str = "me", window: int = 5):
    """A watch of the sink."""
    query = f"_watch_=true&_index_=0&_window_={window}&_auto_commit_=false"
    return closing(
        websocket.create_connection(
            f"{gateway.url}/sink?{query}".replace("http", "ws", 1),
            timeout=5,
            header={
                **KEY,
                "X-EAS-QueueService-Redis-Uid": uid,
                "X-EAS-QueueService-Redis-Gid": group,
            },
        )
    )


def test_a_result_is_read_by_its_request_id(gateway: EasGateway) -> None:
    """A request's tags come back with its result, once as long as it is not kept."""
    _, request_id = put(gateway, "t-1")
    kept = {"_raw_": "false", "_auto_delete_": "false", "_timeout_": "5s"}

    frame = get(gateway, requestId=request_id, **kept).json()[0]
    again = get(gateway, requestId=request_id, _raw_="false").json()

    assert frame["tags"] == {"task_id": "t-1", "requestId": request_id}
    *told, aggregate = json.loads(base64.b64decode(frame["data"]))
    assert told[0]["type"] == "executed"
    assert aggregate["9"]["images"][0]["filename"] == "t-1_9_.png"
    assert again == [frame]
    assert get(gateway, requestId=request_id).status_code == 204


def test_what_is_not_committed_comes_again(gateway: EasGateway) -> None:
    """A window holds so many frames; what was not committed, another reader gets."""
    for number in range(3):
        put(gateway, f"t-{number}")
    gateway.await_that(lambda: gateway.sink.put_count == 3)
    with watch(gateway, "a", window=2) as first:
        seen = [first.recv(), first.recv()]
        first.settimeout(0.05)
        with pytest.raises(websocket.WebSocketTimeoutException):
            first.recv()
    with watch(gateway, "a", uid="you", window=3) as second:
        assert [second.recv(), second.recv()] == seen


def test_groups_have_their_own_copies(gateway: EasGateway) -> None:
    """A commit is the group's own; a deletion is everybody's."""
    with watch(gateway, "a") as one, watch(gateway, "b") as other:
        put(gateway, "t-1")
        assert one.recv() == other.recv()
        params = {"_indexes_": "1"}
        group = {**KEY, "X-EAS-QueueService-Redis-Gid": "a"}
        requests.put(f"{gateway.url}/sink", params=params, headers=group, timeout=5)
        assert get(gateway, _count_="true").text == "1"
        requests.delete(f"{gateway.url}/sink", params=params, headers=KEY, timeout=5)
        assert get(gateway, _count_="true").text == "0"


def test_where_a_request_stands(gateway: EasGateway) -> None:
    """A waiting request has a place, a fast lane overtakes it, a done one is gone."""
    gateway.workers.hold()
    first, _ = put(gateway, "t-1")
    second, _ = put(gateway, "t-2")
    put(gateway, "t-3", _priority_="1")
    search = {"_search_": "true"}
    place = get(gateway, "", **search, _index_=str(second)).json()
    assert (place["IsPending"], place["WaitCount"]) == (False, 2)
    params = {"_indexes_": str(first)}
    requests.delete(gateway.url, params=params, headers=KEY, timeout=5)
    gone = get(gateway, "", **search, _index_=str(first))
    assert (gone.status_code, gone.text) == (404, "no data in stream")
    gateway.workers.go_on()
    gateway.await_that(lambda: gateway.sink.put_count == 2)
    tasks = [frame.tags["task_id"] for frame in gateway.sink.read(length=9)]
    assert tasks == ["t-3", "t-2"]


def test_what_came_before_is_cut_off(gateway: EasGateway) -> None:
    """A truncation drops all frames before an index, for everybody."""
    gateway.workers.hold()
    indexes = [put(gateway, f"t-{number}")[0] for number in range(3)]
    params = {"_trunc_": "true", "_index_": str(indexes[2])}
    requests.delete(gateway.url, params=params, headers=KEY, timeout=5)
    gateway.workers.go_on()
    gateway.await_that(lambda: gateway.sink.put_count == 1)
    assert gateway.sink.read()[0].tags["task_id"] == "t-2"


def test_who_dies_at_a_request_leaves_it_to_another(gateway: EasGateway) -> None:
    """A request whose instance died is pushed again."""
    gateway.workers.crashes = 2
    put(gateway, "t-1")
    gateway.await_that(lambda: gateway.sink.put_count == 1)


def test_a_full_sink_stops_the_service(gateway: EasGateway) -> None:
    """Nobody takes requests while results have no room; then the service goes on."""
    gateway.sink.max_length = 1
    for number in range(3):
        put(gateway, f"t-{number}")
    gateway.await_that(lambda: gateway.sink.put_count == 1)
    assert len(gateway.input.frames) >= 2
    for index in range(1, 4):
        gateway.await_that(lambda index=index: index in gateway.sink.frames)
        gateway.sink.delete([index])
    gateway.await_that(lambda: not gateway.input.frames)


def test_a_failed_call_has_its_code(gateway: EasGateway) -> None:
    """A status other than 200 becomes a tag; an empty answer gives no frame."""
    gateway.workers.inference = lambda frame: Produced(b"oh no", 500)
    put(gateway, "t-1")
    gateway.await_that(lambda: gateway.sink.put_count == 1)
    gateway.workers.inference = lambda frame: None
    put(gateway, "t-2")
    gateway.await_that(lambda: not gateway.input.frames)
    assert [f.tags["lastCode"] for f in gateway.sink.read(length=9)] == ["500"]


def test_what_the_gateway_refuses(gateway: EasGateway) -> None:
    """A wrong token, an unknown service or path, and what a test scripts."""
    assert requests.get(gateway.url, timeout=5).json()["code"] == "Unauthorized"
    assert get(gateway, "/prompt").json() == {"detail": "Not Found"}
    elsewhere = gateway.url.replace("/comfyui", "/other")
    assert requests.get(elsewhere, headers=KEY, timeout=5).text == "404 page not found"
    gateway.answer("GET sink", Reply(504))
    assert [get(gateway).status_code for _ in range(2)] == [504, 204]


def test_a_frame_is_written_as_protocol_buffers_are() -> None:
    """These bytes were made by the protobuf library from the same frame."""
    frame = QueueFrame(300, b"[]", {"task_id": "ü"})
    assert encoded_frame(frame).hex() == (
        "08ac02120d0a077461736b5f69641202c3bc1a025b5d"
    )


@pytest.mark.parametrize("place", ["url", "debug_url", "host_url"])
def test_the_standard_edition_passes_on(place: str) -> None:
    """A ComfyUI answers under every shape of address, its websocket too."""
    with EasGateway(token="secret") as gateway:
        url = getattr(gateway, place)
        stats = requests.get(f"{url}/system_stats", headers=KEY, timeout=5).json()
        assert stats["system"]["comfyui_version"]
        address = f"{url}/ws?clientId=me".replace("http", "ws", 1)
        with closing(
            websocket.create_connection(address, timeout=5, header=KEY)
        ) as wire:
            assert json.loads(wire.recv())["data"]["sid"] == "me"
        with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
            websocket.create_connection(address, timeout=5)
