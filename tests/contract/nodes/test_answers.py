"""The nodes that ask DashScope, against a stand-in that checks what DashScope does."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import count
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyclient import Client, Settings, Workflow
from comfyclient.comfy_nodes.qwen import QwenVision, words_of
from comfyclient.comfy_nodes.refusals import DashScopeError
from comfyclient.comfy_nodes.relay import checked_address
from comfyclient.comfy_nodes.service import task_of
from comfyclient.comfy_nodes.wan import WanImage, _results
from comfyclient.errors import ComfyClientError
from comfyclient.testing import DashScopeServer
from comfyclient.testing.dashscope_play import STATUS, Paints, Refuses, Says
from comfyclient.testing.http_wire import Reply

from .asking import ACCOUNT, paint, say

SEEN = np.linspace(0, 1, 40 * 30 * 3, dtype=np.float32).reshape(1, 30, 40, 3)


def look(images: Any = SEEN, **changes: Any) -> str:
    """Ask about pictures."""
    values: dict[str, Any] = {
        "model": "qwen3-vl-plus", "prompt": "What is this?",
        "temperature": 0.2, "max_tokens": 64, "seed": 5,
    }  # fmt: skip
    return QwenVision().ask(images=images, **values | changes)[0]


def test_a_text_is_asked_as_the_service_wants_it(service: DashScopeServer) -> None:
    """Messages, sampling, seed; no thinking, which some models refuse here."""
    service.text(Says("  A quiet road. "))

    assert say() == "A quiet road."
    (body,) = service.bodies("text")
    assert body["model"] == "qwen3.6-plus"
    assert body["input"] == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "A line, please."},
        ]
    }
    assert body["parameters"] == {
        "temperature": 0.7, "max_tokens": 64, "seed": 5, "result_format": "message",
        "enable_thinking": False,
    }  # fmt: skip


def test_json_is_asked_for_only_with_the_word_in_the_prompt(
    service: DashScopeServer,
) -> None:
    """The service refuses it otherwise, after the job began."""
    with pytest.raises(ValueError, match=r"prompt: as_json .* the word JSON"):
        say(as_json=True)
    assert json.loads(say(as_json=True, prompt="a title, as JSON"))
    assert service.bodies("text")[0]["parameters"]["response_format"] == {  # type: ignore[index,call-overload]
        "type": "json_object"
    }


def test_pictures_are_shown_small_and_as_one_message(service: DashScopeServer) -> None:
    """Each of a batch as a data address, then the question."""
    batch = np.repeat(SEEN, 3, axis=0)
    assert look(batch, max_side=64)

    (body,) = service.bodies("multimodal")
    content = body["input"]["messages"][0]["content"]  # type: ignore[index,call-overload]
    assert [list(part) for part in content] == [["image"]] * 3 + [["text"]]
    assert all(
        part["image"].startswith("data:image/jpeg;base64,") for part in content[:3]
    )
    with pytest.raises(ValueError, match="images: 9 pictures, at most 8"):
        look(np.repeat(SEEN, 9, axis=0))


@pytest.mark.parametrize(
    ("model", "size", "route"),
    [
        ("wan2.2-t2i-flash", (512, 768), "text2image"),
        ("wanx2.1-t2i-turbo", (512, 512), "text2image"),
        ("wan2.6-t2i", (1280, 1280), "image"),
    ],
)
def test_pictures_come_in_the_hosts_shape_from_either_protocol(
    service: DashScopeServer, model: str, size: tuple[int, int], route: str
) -> None:
    """A batch [n, height, width, 3] of floats from 0 to 1; the number always said."""
    service.picture(Paints(pending=1, running=2))
    images, prompt = paint(model=model, width=size[0], height=size[1], n=2)

    assert images.shape == (2, size[1], size[0], 3)
    assert images.dtype == np.float32
    assert 0 <= images.min() < images.max() <= 1
    assert prompt == "a road"
    (body,) = service.bodies(route)
    parameters: Any = body["parameters"]
    assert parameters["n"] == 2
    assert parameters["size"] == f"{size[0]}*{size[1]}"
    assert parameters["seed"] == 7
    assert service.asked["task"] == 4
    assert service.asked["result"] == 2


def test_the_same_seed_gives_the_same_picture(service: DashScopeServer) -> None:
    """What a seed is for."""
    first, second, other = (paint(seed=s)[0] for s in (1, 1, 2))

    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_failed_pictures_are_an_error_unless_the_others_are_to_be_kept(
    service: DashScopeServer,
) -> None:
    """Partial failure is never silent: the error counts, the choice is the user's."""
    service.always("picture", Paints(failed={1: "DataInspectionFailed"}))

    with pytest.raises(DashScopeError, match=r"2 of 3 .* DataInspectionFailed.*change"):
        paint(n=3)
    assert paint(n=3, partial="keep")[0].shape[0] == 2
    with pytest.raises(DashScopeError, match="0 of 1 pictures"):
        paint(n=1, partial="keep")


@pytest.mark.parametrize(
    ("course", "said"),
    [
        (Paints(ends="FAILED", code="DataInspectionFailed"), "change it"),
        (Paints(ends="CANCELED"), "was cancelled; order again"),
        (Paints(ends="UNKNOWN"), "kept for 24 hours"),
    ],
)
def test_a_task_that_ends_badly_says_why(
    service: DashScopeServer, course: Paints, said: str
) -> None:
    """Failed, cancelled by somebody, or forgotten."""
    service.picture(course)
    with pytest.raises(DashScopeError, match=said):
        paint()


# -- refusals


@pytest.mark.parametrize("code", sorted(STATUS))
def test_every_documented_code_is_told_with_its_remedy(
    service: DashScopeServer, code: str
) -> None:
    """The code, the service's words, the request; and no key."""
    service.always("text", Refuses(code, f"no {service.key} here", retry_after=0))
    with pytest.raises(DashScopeError) as caught:
        say()

    text = str(caught.value)
    assert caught.value.code == code
    assert code in text
    assert "look the code up" not in text or code == "UnsupportedOperation"
    assert caught.value.request_id
    assert caught.value.request_id in text
    assert service.key not in text


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("Throttling.RateQuota", 4),
        ("Throttling.BurstRate", 4),
        ("InternalError.Algo", 4),
        ("ModelServingError", 4),
        ("Throttling.AllocationQuota", 1),
        ("Arrearage", 1),
        ("DataInspectionFailed", 1),
        ("InvalidApiKey", 1),
    ],
)
def test_only_what_may_pass_is_asked_again(
    service: DashScopeServer, code: str, asked: int
) -> None:
    """A debt, a bad key and an inspection do not change by asking."""
    service.always("text", Refuses(code, retry_after=0))
    with pytest.raises(DashScopeError):
        say()
    assert service.asked["text"] == asked


def test_a_passing_refusal_is_not_noticed(service: DashScopeServer) -> None:
    """Neither when ordering nor when looking."""
    busy = Refuses("Throttling.RateQuota", retry_after=0)
    service.picture(busy, busy)
    service.answer(
        "task", Reply(502, b"<html>", {"Retry-After": "0"}), Reply.lost(acts=False)
    )
    assert paint()[0].shape[0] == 1


def test_half_a_key_is_no_better_than_a_whole_one(service: DashScopeServer) -> None:
    """A long message is cut after the key was taken out of it."""
    service.text(Refuses("InvalidParameter", "x" * 290 + service.key))
    with pytest.raises(DashScopeError) as caught:
        say()
    assert service.key[:6] not in str(caught.value)


def test_an_error_in_a_success_is_an_error(service: DashScopeServer) -> None:
    """The service answers 200 with a code at times."""
    service.text(Refuses("DataInspectionFailed", status=200))
    with pytest.raises(DashScopeError, match="DataInspectionFailed"):
        say()


@pytest.mark.parametrize("acts", [False, True])
def test_a_lost_answer_is_not_asked_for_again(
    service: DashScopeServer, acts: bool
) -> None:
    """It may have been served, and each service is paid."""
    service.answer("text2image", Reply.lost(acts=acts))
    with pytest.raises(DashScopeError, match=r"was lost .*before sending it again"):
        paint()
    assert service.asked["text2image"] == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"\xff\xfe", b'{"output": 7}', b"{" * 9000, b'{"output": {}}',
     b'{"output": {"choices": [{"message": {"content": [{"text": 3}]}}]}}',
     b'{"output": {"task_id": "../../x", "choices": [7]}}'],
)  # fmt: skip
def test_garbage_is_an_error_that_names_the_service(
    service: DashScopeServer, body: bytes
) -> None:
    """Whatever bytes come back: a clear error, never another exception."""
    for route, ask in (("text", say), ("multimodal", look), ("text2image", paint)):
        service.answer(route, Reply(200, body))
        with pytest.raises(DashScopeError):
            ask()


KEYS = st.sampled_from(
    ["output", "choices", "message", "content", "text", "results", "url", "image",
     "task_id", "task_status", "code", "finish_reason", "actual_prompt"]
)  # fmt: skip


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        ["", "SUCCEEDED", "FAILED", "PENDING", "abc-1", "\u0000", "x" * 9]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(answer=st.dictionaries(KEYS, VALUES, max_size=5))
def test_whatever_json_is_answered_ends_in_a_text_or_our_error(answer: Any) -> None:
    """Wrong types at every depth; a result is a text, an address, or an error."""
    task = task_of(answer)
    assert task is None or task.replace("-", "").isalnum()
    with suppress(DashScopeError):
        assert words_of(answer).strip()
    try:
        urls, prompt = _results(answer, wanted=2, keep=True)
    except DashScopeError:
        return
    assert isinstance(prompt, str)
    for url in urls:
        with pytest.raises(DashScopeError):
            checked_address(url, ACCOUNT)


@pytest.mark.parametrize("status", [["SUCCEEDED"], {}, 7, None, "", "DONE"])
def test_a_state_that_nobody_knows_is_an_error(
    service: DashScopeServer, status: Any
) -> None:
    """Not a wait without an end, and no other exception."""
    service.answer("task", Reply.of_json({"output": {"task_status": status}}))
    with pytest.raises(DashScopeError, match="a state that nobody knows"):
        paint()


def test_an_answer_that_was_cut_off_is_an_error(service: DashScopeServer) -> None:
    """Half a sentence must not reach a picture."""
    service.text(Says("Half a", finish_reason="length"))
    with pytest.raises(DashScopeError, match="max_tokens: the answer was cut off"):
        say()


# -- time


def test_a_slow_service_ends_at_the_time_limit(
    service: DashScopeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five seconds are the least that can be asked for; here each glance takes some."""
    ticks = count()
    monkeypatch.setattr("time.monotonic", lambda: next(ticks) * 0.05)
    service.picture(Paints(running=10**6))
    with pytest.raises(DashScopeError, match=r"timeout_s: .* not done after 5 s"):
        paint(timeout_s=5)


def test_nothing_is_asked_twice_unless_the_service_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Equal inputs are the cache's; another address is another service."""
    first = WanImage.IS_CHANGED(seed=1, prompt="a")
    assert first == WanImage.IS_CHANGED(seed=1, prompt="a")
    monkeypatch.setenv(
        "DASHSCOPE_HTTP_BASE_URL", "https://dashscope-intl.aliyuncs.com/api/v1"
    )
    assert WanImage.IS_CHANGED(seed=1, prompt="a") != first


# -- in a server


def graph(**changes: Any) -> dict[str, Any]:
    """A picture painted from a text that a model wrote."""
    ask = {
        "model": "qwen3.6-plus", "system": "", "prompt": "a prompt for a road",
        "temperature": 0.5, "max_tokens": 200, "seed": 1,
    }  # fmt: skip
    order = {
        "model": "wan2.2-t2i-flash", "prompt": ["1", 0], "negative_prompt": "",
        "width": 512, "height": 512, "n": 1, "seed": 1,
    }  # fmt: skip
    save = {"images": ["2", 0], "filename_prefix": "x"}
    return {
        "1": {"class_type": "QwenText", "inputs": ask},
        "2": {"class_type": "WanImage", "inputs": order | changes},
        "3": {"class_type": "SaveImage", "inputs": save},
    }


def test_the_nodes_run_in_the_engine_and_keep_the_key_out_of_everything(
    service: DashScopeServer, tmp_path: Any
) -> None:
    """A text becomes a picture; the second run asks nothing; no file has the key."""
    with Client(Settings(), environment="local") as client:
        result = client.run(Workflow.from_graph(graph()), timeout=60)
        path = result.outputs[0].save(tmp_path)
        asked = len(service.requests)
        client.run(Workflow.from_graph(graph()), timeout=60)
        assert len(service.requests) == asked
        service.picture(Refuses("Arrearage", f"of {service.key}"))
        with pytest.raises(ComfyClientError) as caught:
            client.run(Workflow.from_graph(graph(seed=2)), timeout=60)

    assert path.read_bytes().startswith(b"\x89PNG")
    assert "DashScope refused: Arrearage" in str(caught.value)
    assert service.key.encode() not in path.read_bytes()
    assert service.key not in f"{caught.value!r} {caught.value}"
