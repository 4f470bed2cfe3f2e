"""The DashScope stand-in, spoken to in plain HTTP: it checks and does what it says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from comfyclient.testing import DashScopeServer, FakeClock, Paints, Refuses, Reply, Says
from comfyclient.testing.dashscope_play import STATUS

TEXT = "/services/aigc/text-generation/generation"
MULTIMODAL = "/services/aigc/multimodal-generation/generation"
TEXT2IMAGE = "/services/aigc/text2image/image-synthesis"
IMAGE = "/services/aigc/image-generation/generation"
ASYNC = {"X-DashScope-Async": "enable"}


@pytest.fixture
def clock() -> FakeClock:
    """The stand-in's."""
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Iterator[DashScopeServer]:
    """A stand-in."""
    with DashScopeServer(clock=clock) as running:
        yield running


def post(
    server: DashScopeServer,
    path: str,
    body: Any,
    *,
    key: str | None = None,
    **headers: str,
) -> requests.Response:
    """A request with the key."""
    shown = server.key if key is None else key
    given = {"Authorization": f"Bearer {shown}", **headers}
    return requests.post(server.url + path, json=body, headers=given, timeout=5)


def get(server: DashScopeServer, path: str) -> Any:
    """The JSON of a GET with the key."""
    given = {"Authorization": f"Bearer {server.key}"}
    return requests.get(server.url + path, headers=given, timeout=5).json()


def words(model: str = "qwen3.6-plus", **parameters: Any) -> dict[str, Any]:
    """A text request."""
    messages = [{"role": "user", "content": "hello"}]
    given = {"result_format": "message", **parameters}
    return {"model": model, "input": {"messages": messages}, "parameters": given}


def order(model: str = "wan2.2-t2i-flash", **parameters: Any) -> dict[str, Any]:
    """An image request."""
    return {"model": model, "input": {"prompt": "a road"}, "parameters": parameters}


def test_a_text_model_says_what_it_is_told(server: DashScopeServer) -> None:
    """Scripted texts come first, then the usual sentence; tokens are counted."""
    server.text(Says("first", finish_reason="length"))

    first = post(server, TEXT, words()).json()
    second = post(server, TEXT, words()).json()

    assert first["output"]["choices"][0]["message"]["content"] == "first"
    assert first["output"]["choices"][0]["finish_reason"] == "length"
    assert "road" in second["output"]["choices"][0]["message"]["content"]
    assert server.bill.output_tokens == sum(
        answer["usage"]["output_tokens"] for answer in (first, second)
    )
    assert [body["model"] for body in server.bodies("text")] == ["qwen3.6-plus"] * 2


@pytest.mark.parametrize("code", STATUS)
def test_each_code_comes_with_its_status(server: DashScopeServer, code: str) -> None:
    """A refusal has code, message and request id."""
    server.text(Refuses(code))

    answer = post(server, TEXT, words())

    assert answer.status_code == STATUS[code]
    assert answer.json()["code"] == code
    assert answer.json()["request_id"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "code"),
    [
        (TEXT, words("qwen-max"), {}, "ModelNotFound"),
        (TEXT, words("wan2.2-t2i-flash"), {}, "InvalidParameter"),
        (TEXT, {"model": "qwen3.6-plus"}, {}, "InvalidParameter"),
        (TEXT2IMAGE, order(), {}, "AccessDenied"),
        (TEXT2IMAGE, order(size="64*64"), ASYNC, "InvalidParameter"),
        (TEXT2IMAGE, order(size="wide"), ASYNC, "InvalidParameter"),
        (TEXT2IMAGE, order(n=5), ASYNC, "InvalidParameter"),
        (TEXT2IMAGE, order(seed=-1), ASYNC, "InvalidParameter"),
        (MULTIMODAL, order("qwen-image-max"), ASYNC, "AccessDenied"),
        (IMAGE, order("wan2.6-t2i", size="1024*1024"), ASYNC, "InvalidParameter"),
    ],
)
def test_it_checks_what_the_service_checks(
    server: DashScopeServer, path: str, body: Any, headers: dict[str, str], code: str
) -> None:
    """Models that are gone, wrong routes, missing headers, sizes out of range."""
    assert post(server, path, body, **headers).json()["code"] == code


def test_a_wrong_key(server: DashScopeServer) -> None:
    """Only its own key opens it."""
    assert post(server, TEXT, words(), key="sk-other").status_code == 401


def test_a_task_takes_looks_not_time(server: DashScopeServer) -> None:
    """Waiting, at work, done; a picture that fails is told beside the others."""
    server.picture(Paints(pending=1, running=1, failed={2: "DataInspectionFailed"}))
    begun = post(server, TEXT2IMAGE, order(n=2, size="512*512"), **ASYNC).json()
    path = f"/tasks/{begun['output']['task_id']}"

    looks = [get(server, path) for _ in range(3)]

    states = [look["output"]["task_status"] for look in looks]
    assert states == ["PENDING", "RUNNING", "SUCCEEDED"]
    good, bad = looks[-1]["output"]["results"]
    assert requests.get(good["url"], timeout=5).content.startswith(b"\x89PNG")
    assert bad["code"] == "DataInspectionFailed"
    assert looks[-1]["output"]["task_metrics"]["FAILED"] == 1
    assert server.bill.images == 1


def test_whoever_does_not_say_gets_four(server: DashScopeServer) -> None:
    """The service's default of n is 4, and each is billed."""
    server.picture(Paints(running=0))
    begun = post(server, TEXT2IMAGE, order(size="512*512"), **ASYNC).json()

    told = get(server, f"/tasks/{begun['output']['task_id']}")

    assert len(told["output"]["results"]) == 4
    assert server.bill.images == 4


def test_results_expire(server: DashScopeServer, clock: FakeClock) -> None:
    """After 24 hours the file is refused and the task unknown."""
    server.picture(Paints(running=0))
    begun = post(server, TEXT2IMAGE, order(n=1, size="512*512"), **ASYNC).json()
    path = f"/tasks/{begun['output']['task_id']}"
    url = get(server, path)["output"]["results"][0]["url"]
    clock.advance(25 * 3600)

    refused = requests.get(url, timeout=5)

    assert refused.status_code == 403
    assert "Request has expired" in refused.text
    assert get(server, path)["output"]["task_status"] == "UNKNOWN"


def test_a_signature_is_checked(server: DashScopeServer) -> None:
    """Another path, or a query that was encoded anew, opens nothing."""
    server.picture(Paints(running=0))
    begun = post(server, TEXT2IMAGE, order(n=1, size="512*512"), **ASYNC).json()
    url = get(server, f"/tasks/{begun['output']['task_id']}")["output"]["results"][0][
        "url"
    ]

    for wrong in (url.replace("-1.png", "-2.png"), url.replace("%2B", "+")):
        assert "SignatureDoesNotMatch" in requests.get(wrong, timeout=5).text


def test_newer_models_tell_pictures_as_messages(server: DashScopeServer) -> None:
    """At once, and as a task of the newer protocol."""
    server.picture(Paints(), Paints(running=0))
    message = {"role": "user", "content": [{"text": "a road"}]}
    body = {
        "model": "wan2.6-t2i",
        "input": {"messages": [message]},
        "parameters": {"n": 1},
    }

    at_once = post(server, MULTIMODAL, body).json()
    begun = post(server, IMAGE, body, **ASYNC).json()
    told = get(server, f"/tasks/{begun['output']['task_id']}")

    for answer in (at_once, told):
        part = answer["output"]["choices"][0]["message"]["content"][0]
        assert part["image"].startswith(f"http://{server.host}/results/")


def test_limits_are_kept_by_the_clock(clock: FakeClock) -> None:
    """A request too early is throttled, and so is a task too many."""
    limits = {"wan2.2-t2i-flash": (2.0, 3)}
    with DashScopeServer(clock=clock, limits=limits) as server:
        codes = []
        for pause in (0, 0, 0, 1, 1):
            clock.advance(pause)
            body = order(n=1, size="512*512")
            codes.append(post(server, TEXT2IMAGE, body, **ASYNC).json().get("code"))

    assert codes == [None, None, "Throttling.RateQuota", None, "Throttling"]


def test_a_task_that_waits_can_be_canceled(server: DashScopeServer) -> None:
    """One at work cannot."""
    server.picture(Paints(pending=1), Paints())
    tasks = [
        post(server, TEXT2IMAGE, order(n=1, size="512*512"), **ASYNC).json()
        for _ in range(2)
    ]
    paths = [f"/tasks/{task['output']['task_id']}" for task in tasks]
    for path in paths:
        get(server, path)

    waiting, working = (post(server, f"{path}/cancel", None) for path in paths)

    assert waiting.status_code == 200
    assert working.json()["code"] == "UnsupportedOperation"
    assert get(server, paths[0])["output"]["task_status"] == "CANCELED"


def test_any_answer_may_be_another(server: DashScopeServer) -> None:
    """Pages, cuts and gates of the scripted server work here too."""
    gate = threading.Event()
    server.answer("text", Reply(502, b"<html>Bad Gateway</html>"), Reply(late=gate))
    server.text(Says("late"), Reply.lost(acts=False))
    gate.set()

    assert post(server, TEXT, words()).status_code == 502
    assert "late" in post(server, TEXT, words()).text
    with pytest.raises(requests.ConnectionError):
        post(server, TEXT, words())


def test_a_route_that_it_does_not_have() -> None:
    """It is answered as the service does, and fails the test at the end."""
    server = DashScopeServer()
    with pytest.raises(AssertionError, match="there is only"), server:
        get(server, "/nowhere")


def test_steps_of_ours_are_answered_as_they_ask(server: DashScopeServer) -> None:
    """Words in the trip's language; what is on each photo."""
    chinese = words(response_format={"type": "json_object"})
    chinese["input"]["messages"][0]["content"] = 'JSON "language": "zh"'
    photos = {
        "model": "qwen3-vl-plus",
        "input": {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"image": "data:image/png;base64,AA"},
                        {"text": 'JSON with "photos"'},
                    ],
                }
            ]
        },
    }

    said = post(server, TEXT, chinese).json()["output"]["choices"][0]["message"]
    seen = post(server, MULTIMODAL, photos).json()["output"]["choices"][0]["message"]

    assert "路" in said["content"]
    assert '"best": 1' in seen["content"][0]["text"]
