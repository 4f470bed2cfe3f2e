"""The nodes that ask DashScope, against a stand-in that checks what DashScope does."""

from __future__ import annotations

import json
import struct
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from itertools import count
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from comfyclient import Client, Settings, Workflow
from comfyclient.comfy_nodes.account import GONE, Account, account, wrong_setting
from comfyclient.comfy_nodes.qwen import QwenText, QwenVision, words_of
from comfyclient.comfy_nodes.refusals import DashScopeError
from comfyclient.comfy_nodes.relay import HOSTS_VARIABLE, checked_address
from comfyclient.comfy_nodes.service import task_of
from comfyclient.comfy_nodes.wan import WanImage, _results
from comfyclient.comfy_nodes.wan_sizes import check_size, longest_prompt
from comfyclient.errors import ComfyClientError
from comfyclient.testing import DashScopeServer
from comfyclient.testing.dashscope_play import STATUS, Paints, Refuses, Says
from comfyclient.testing.http_wire import Reply

ACCOUNT = Account("https://dashscope.aliyuncs.com/api/v1", "sk-secret")
SEEN = np.linspace(0, 1, 40 * 30 * 3, dtype=np.float32).reshape(1, 30, 40, 3)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[DashScopeServer]:
    """A stand-in that the nodes' environment leads to."""
    with DashScopeServer() as server:
        monkeypatch.setenv("DASHSCOPE_API_KEY", server.key)
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", server.url)
        monkeypatch.setenv("COMFYCLIENT_DASHSCOPE_POLL_S", "0")
        yield server


def say(**changes: Any) -> str:
    """Ask for a text."""
    values: dict[str, Any] = {
        "model": "qwen3.6-plus", "system": "Be brief.", "prompt": "A line, please.",
        "temperature": 0.7, "max_tokens": 64, "seed": 5,
    }  # fmt: skip
    return QwenText().ask(**values | changes)[0]


def look(images: Any = SEEN, **changes: Any) -> str:
    """Ask about pictures."""
    values: dict[str, Any] = {
        "model": "qwen3-vl-plus", "prompt": "What is this?",
        "temperature": 0.2, "max_tokens": 64, "seed": 5,
    }  # fmt: skip
    return QwenVision().ask(images=images, **values | changes)[0]


def paint(**changes: Any) -> tuple[Any, str]:
    """Order pictures; of a small size, so that it is quick."""
    values: dict[str, Any] = {
        "model": "wan2.2-t2i-flash", "prompt": "a road", "negative_prompt": "",
        "width": 512, "height": 512, "n": 1, "seed": 7,
    }  # fmt: skip
    return WanImage().paint(**values | changes)


# -- what is asked, and what comes of it


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


def test_a_picture_of_another_size_is_brought_to_the_one_ordered(
    service: DashScopeServer,
) -> None:
    """A batch has one size, whatever a model makes of the order."""
    stream = BytesIO()
    Image.new("RGBA", (30, 20), (255, 0, 0, 255)).save(stream, "PNG")
    service.picture(Paints(content=stream.getvalue()))

    assert paint()[0].shape == (1, 512, 512, 3)


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


def test_a_picture_that_unpacks_to_no_end_is_refused(service: DashScopeServer) -> None:
    """By the size in its header, before its pixels are read."""
    head = struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 99))):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        bomb += struct.pack(">I", len(data)) + kind + data + crc
    service.picture(Paints(content=bomb))
    with pytest.raises(DashScopeError, match="9000×9000 pixels, too many"):
        paint()


def test_an_answer_that_was_cut_off_is_an_error(service: DashScopeServer) -> None:
    """Half a sentence must not reach a picture."""
    service.text(Says("Half a", finish_reason="length"))
    with pytest.raises(DashScopeError, match="max_tokens: the answer was cut off"):
        say()


# -- time and interrupts


def test_a_slow_service_ends_at_the_time_limit(
    service: DashScopeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five seconds are the least that can be asked for; here each glance takes some."""
    ticks = count()
    monkeypatch.setattr("time.monotonic", lambda: next(ticks) * 0.05)
    service.picture(Paints(running=10**6))
    with pytest.raises(DashScopeError, match=r"timeout_s: .* not done after 5 s"):
        paint(timeout_s=5)


class Interrupted(Exception):  # noqa: N818  as ComfyUI's own
    """What ComfyUI raises when the user stops a job."""


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A host that interrupts the job once it is set."""
    wanted = threading.Event()

    def check() -> None:
        if wanted.is_set():
            raise Interrupted

    management = ModuleType("comfy.model_management")
    management.throw_exception_if_processing_interrupted = check  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "comfy.model_management", management)
    return wanted


def test_an_interrupt_ends_the_wait_and_gives_the_task_up(
    service: DashScopeServer, interrupt: threading.Event
) -> None:
    """A task that still waits is cancelled, and costs nothing."""
    service.picture(Paints(pending=10**6))
    stopper = threading.Thread(
        target=lambda: (service.await_that("task", 2), interrupt.set())
    )
    stopper.start()
    with pytest.raises(Interrupted):
        paint()
    stopper.join()
    service.await_that("cancel")


def test_an_order_whose_answer_comes_after_an_interrupt_is_given_up(
    service: DashScopeServer, interrupt: threading.Event
) -> None:
    """Else it would be painted, and paid, for nobody."""
    late = threading.Event()
    service.answer("text2image", Reply(late=late))
    stopper = threading.Thread(
        target=lambda: (service.await_that("text2image"), interrupt.set())
    )
    stopper.start()
    with pytest.raises(Interrupted):
        paint()
    stopper.join()
    late.set()
    service.await_that("cancel")


def test_an_interrupt_does_not_wait_for_a_silent_service(
    service: DashScopeServer, interrupt: threading.Event
) -> None:
    """The node ends although the service never answers."""
    silent = threading.Event()
    service.answer("text", Reply(gate=silent))
    stopper = threading.Thread(
        target=lambda: (service.await_that("text"), interrupt.set())
    )
    stopper.start()
    with pytest.raises(Interrupted):
        say()
    stopper.join()
    silent.set()


# -- the key, the address, the results


def test_without_a_key_the_job_is_refused_before_it_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The check says which variable is missing; a file does as well."""
    for node in (QwenText, QwenVision, WanImage):
        assert "DASHSCOPE_API_KEY is not set" in str(node.VALIDATE_INPUTS(model="m"))
    (tmp_path / "key").write_text("sk-of-a-file\n")
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(tmp_path / "key"))
    assert QwenText.VALIDATE_INPUTS(model="qwen3.6-plus") is True
    assert account().key == "sk-of-a-file"
    assert "sk-of" not in repr(account())


@pytest.mark.parametrize(
    "address",
    [
        "http://dashscope.aliyuncs.com/api/v1",
        "ftp://127.0.0.1/",
        "https://a:b@host/",
        "x",
    ],
)
def test_a_key_goes_to_no_address_that_would_show_it(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Plain http is for a stand-in on the same machine alone."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", address)
    said = wrong_setting(None)
    assert said is not None
    assert said.startswith("DASHSCOPE_HTTP_BASE_URL: ")
    assert "sk-secret" not in said


@pytest.mark.parametrize("name", sorted(GONE))
def test_a_retired_model_is_refused_with_its_successor(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before anything is asked."""
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-secret")
    said = str(WanImage.VALIDATE_INPUTS(model=name))
    assert said == f"model: {name} is no longer there; use {GONE[name]}"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x.png?Signature=s3cret",
        "https://dashscope-result-bj.oss-cn-beijing.aliyuncs.com.evil.example/x?s3cret",
        "https://user@dashscope-result-bj.oss-cn-beijing.aliyuncs.com/x.png",
        "http://127.0.0.1:9/x.png",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
        "", None, 7, "https://[", "x" * 5000,
    ],
)  # fmt: skip
def test_results_come_from_the_services_hosts_alone(url: Any) -> None:
    """An answer cannot make the server fetch what it likes."""
    with pytest.raises((DashScopeError, ValueError)) as caught:
        checked_address(url, ACCOUNT)
    assert "s3cret" not in str(caught.value)


def test_a_signed_address_is_kept_as_it_was_signed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for the scheme, which no signature covers; other hosts can be allowed."""
    plain = "dashscope-result-wlcb.oss-cn-wulanchabu.aliyuncs.com/a%2Fb.png?S=a%2Bb%3D"
    assert checked_address(f"http://{plain}", ACCOUNT) == f"https://{plain}"
    monkeypatch.setenv(HOSTS_VARIABLE, "cdn.example.com, b.example.com")
    assert (
        checked_address("https://b.example.com/x", ACCOUNT) == "https://b.example.com/x"
    )


@pytest.mark.parametrize(
    ("course", "said"),
    [
        (Paints(content=b"<html>no picture</html>"), "is no whole PNG, JPEG or WebP"),
        (Paints(content=b""), "is no whole PNG"),
        (
            Paints(url="https://evil.example/x.png?Signature=s3cret"),
            "none of DashScope's",
        ),
    ],
)
def test_a_bad_result_is_an_error_without_its_signature(
    service: DashScopeServer, course: Paints, said: str
) -> None:
    """Not a picture, not theirs, not whole."""
    service.picture(course)
    with pytest.raises(DashScopeError, match=said) as caught:
        paint()
    assert "Signature" not in str(caught.value)


def test_a_result_that_breaks_off_is_an_error(service: DashScopeServer) -> None:
    """No half picture goes on."""
    service.answer("result", Reply(sends=100))
    with pytest.raises(DashScopeError, match="cannot be fetched"):
        paint()


def test_an_expired_result_says_so(service: DashScopeServer) -> None:
    """They are kept for a day."""
    service.answer("result", Reply(403, b"<Error/>"))
    with pytest.raises(DashScopeError, match="kept for 24 hours: make it again"):
        paint()


def test_no_redirect_is_followed(service: DashScopeServer) -> None:
    """Neither by a request, which has the key, nor by a fetch."""
    away = Reply(302, b"", {"Location": "http://169.254.169.254/"})
    service.answer("text", away)
    with pytest.raises(DashScopeError, match="HTTP 302"):
        say()
    service.answer("result", away)
    with pytest.raises(DashScopeError, match="answered 302"):
        paint()


def test_netrc_does_not_take_the_keys_place(
    service: DashScopeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """requests would send a password of the file's instead."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert requests.utils.get_netrc_auth(service.url) == ("a", "b")
    assert say()
    assert paint()[0].shape[0] == 1
    results = [r for r in service.requests if r.path.startswith("/results/")]
    assert [r for r in results if "authorization" in r.headers] == []


# -- limits of models, and the cache


@pytest.mark.parametrize(
    ("model", "width", "height", "fits"),
    [
        ("wan2.6-t2i", 1280, 1280, True),
        ("wan2.6-t2i", 1024, 1024, False),
        ("wan2.5-t2i-preview", 2800, 640, False),
        ("wan2.2-t2i-plus", 1440, 512, True),
        ("wan2.2-t2i-plus", 1448, 512, False),
        ("qwen-image-plus", 1664, 928, True),
        ("qwen-image-plus", 1280, 1280, False),
        ("a-model-of-2027", 600, 2800, True),
    ],
)
def test_sizes_are_checked_before_anything_is_paid(
    model: str, width: int, height: int, fits: bool
) -> None:
    """By the model; one that is not known is let through."""
    if fits:
        check_size(model, width, height)
        return
    with pytest.raises(ValueError, match=f"width, height: {model} makes no"):
        check_size(model, width, height)


def test_impossible_inputs_are_named_before_anything_is_asked(
    service: DashScopeServer,
) -> None:
    """Name, value, remedy; and no request."""
    for changes, said in (
        ({"prompt": " "}, "prompt: is empty"),
        (
            {"prompt": "x" * 501},
            "prompt: has 501 characters, wan2.2-t2i-flash takes 500",
        ),
        ({"negative_prompt": "x" * 501}, "negative_prompt: has 501"),
        ({"n": 5}, "n: out of range"),
        ({"seed": 2**31}, "seed: out of range"),
        ({"width": 100}, "width: out of range"),
        ({"partial": "maybe"}, "partial: not known"),
        ({"model": ""}, "model: "),
    ):
        with pytest.raises(ValueError, match=f"^{said}"):
            paint(**changes)
    assert service.requests == []
    assert longest_prompt("wan2.6-t2i") == 2100


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
