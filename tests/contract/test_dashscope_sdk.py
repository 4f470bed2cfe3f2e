"""The `dashscope` SDK itself, through our one module, against the stand-in."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from pydantic import SecretStr

from comfyclient import errors
from comfyclient.config.settings import DashScopeSettings
from comfyclient.steps.calls import (
    Image,
    Message,
    ModelService,
    PictureOrder,
    Question,
)
from comfyclient.steps.opening import connect_dashscope
from comfyclient.testing import DashScopeServer, Paints, Refuses, Reply, Says
from comfyclient.testing.dashscope_play import STATUS
from comfyclient.testing.pictures import png
from comfyclient.timing import Deadline

PHOTO = Image(png(7), "image/png")
HELLO = Message("user", "say hello as JSON")


@pytest.fixture
def server() -> Iterator[DashScopeServer]:
    """A stand-in."""
    with DashScopeServer() as running:
        yield running


def connected(address: str, key: str) -> ModelService:
    """The SDK, imported here: half a second that only these tests are to pay."""
    settings = DashScopeSettings(key=SecretStr(key), base_address=address)
    return connect_dashscope(settings)


@pytest.fixture
def service(server: DashScopeServer) -> Iterator[ModelService]:
    """The SDK, with the stand-in's key and address."""
    made = connected(server.url, server.key)
    yield made
    made.close()


def ask(service: ModelService, *, seconds: float = 10, **changes: Any) -> Any:
    """A question to a text model."""
    question = Question(**{"model": "qwen3.6-plus", "messages": (HELLO,), **changes})
    return service.ask(question, deadline=Deadline(seconds))


def order(**changes: Any) -> PictureOrder:
    """An order of one picture."""
    usual = {"model": "wan2.2-t2i-flash", "prompt": "a road", "size": "512*512"}
    return PictureOrder(**{**usual, **changes})


def begin(service: ModelService, **changes: Any) -> Any:
    """Order pictures."""
    return service.begin(order(**changes), deadline=Deadline(10))


def look(service: ModelService, task: Any) -> Any:
    """How a task stands."""
    return service.look(task.task_id, model="wan", deadline=Deadline(10))


def test_a_question_is_sent_whole(
    server: DashScopeServer, service: ModelService
) -> None:
    """Words, seed and format go out; text, usage and request id come back."""
    server.text(Says('{"a": 1}', finish_reason="length"))

    answer = ask(service, seed=7, max_tokens=50)

    (body,) = server.bodies("text")
    assert body["input"] == {
        "messages": [{"role": "user", "content": "say hello as JSON"}]
    }
    sent = body["parameters"]
    assert isinstance(sent, dict)
    assert sent["response_format"] == {"type": "json_object"}
    assert (sent["seed"], sent["max_tokens"], sent["enable_thinking"]) == (7, 50, False)
    assert (answer.text, answer.cut) == ('{"a": 1}', True)
    assert answer.usage.output_tokens == server.bill.output_tokens
    assert answer.request_id


def test_photos_are_sent_inside(server: DashScopeServer, service: ModelService) -> None:
    """A vision model gets data addresses, and nothing is uploaded anywhere."""
    server.vision(Says("a road"))
    message = Message("user", "what is this", (PHOTO,))

    answer = ask(service, model="qwen3-vl-plus", sees=True, messages=(message,))

    (body,) = server.bodies("multimodal")
    assert body["input"] == {
        "messages": [
            {
                "role": "user",
                "content": [{"image": PHOTO.data_uri}, {"text": "what is this"}],
            }
        ]
    }
    assert answer.text == "a road"
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", STATUS)
def test_each_code_is_raised(
    server: DashScopeServer, service: ModelService, code: str
) -> None:
    """What the SDK returns is raised with code, model and request id, after one try."""
    server.text(Refuses(code))

    with pytest.raises(errors.ModelError) as caught:
        ask(service)

    assert caught.value.code == code
    assert caught.value.status == STATUS[code]
    assert caught.value.request_id
    assert caught.value.model == "qwen3.6-plus"
    assert server.asked["text"] == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Refuses("DataInspectionFailed", status=200), errors.ModelInspectionError),
        (Reply(502, b"<html><h1>Bad Gateway</h1></html>"), errors.ModelFaultError),
        (Reply(500, b""), errors.ModelFaultError),
        (Reply(200, b"\xff\xfe garbage"), errors.BadAnswerError),
        (Reply.of_json([1, 2]), errors.BadAnswerError),
        (Reply.of_json({"output": None}), errors.ModelAnswerError),
        (Reply.of_json({"output": {"choices": [7]}}), errors.ModelAnswerError),
        (Reply.of_json({"output": 7, "usage": "x"}), errors.ModelAnswerError),
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), errors.RedirectError),
        (Reply.lost(acts=True), errors.UnclearAnswerError),
        (Reply(raw=b"no HTTP at all\r\n\r\n"), errors.UnclearAnswerError),
        (Reply(sends=20), errors.UnclearAnswerError),
    ],
)
def test_odd_answers(
    server: DashScopeServer, service: ModelService, reply: Any, kind: type[Exception]
) -> None:
    """Each is one of our errors, after one request: nothing is sent a second time."""
    server.text(reply)

    with pytest.raises(kind):
        ask(service)

    assert server.asked["text"] == 1


def test_a_throttled_one_says_how_long(
    server: DashScopeServer, service: ModelService
) -> None:
    """The header's seconds are in the error."""
    server.text(Refuses("Throttling.BurstRate", retry_after=9))

    with pytest.raises(errors.ModelThrottledError) as caught:
        ask(service)

    assert caught.value.retry_after == 9


def test_a_key_that_is_wrong(server: DashScopeServer) -> None:
    """The key is that of the object, whatever the environment says."""
    service = connected(server.url, "sk-another-key-0000")
    with pytest.raises(errors.ModelAccessError, match="InvalidApiKey"):
        ask(service)
    service.close()


def test_nobody_there(server: DashScopeServer, service: ModelService) -> None:
    """Refused connections are told as such; nothing was sent."""
    server.stop()

    with pytest.raises(errors.UnreachableError):
        ask(service)


def test_an_answer_that_drips_is_cut(
    server: DashScopeServer, service: ModelService
) -> None:
    """The deadline holds for the whole answer, not from byte to byte."""
    server.answer("text", Reply(acts=True, drips=threading.Event()))

    with pytest.raises(errors.UnclearAnswerError):
        ask(service, seconds=0.3)


@pytest.mark.parametrize(
    ("changes", "route"),
    [
        ({}, "text2image"),
        ({"model": "wan2.6-t2i", "size": "1280*1280"}, "image"),
        ({"model": "wan2.6-image", "size": "768*768", "images": (PHOTO,)}, "image"),
        (
            {"model": "wan2.5-i2i-preview", "size": "1280*1280", "images": (PHOTO,)},
            "image2image",
        ),
    ],
)
def test_pictures_as_tasks(
    server: DashScopeServer, service: ModelService, changes: Any, route: str
) -> None:
    """Each model on its route; the number is always sent, for the default is four."""
    task = begin(service, seed=3, negative="people", **changes)

    looks = [look(service, task) for _ in range(2)]

    (body,) = server.bodies(route)
    parameters = body["parameters"]
    assert isinstance(parameters, dict)
    assert (parameters["n"], parameters["seed"]) == (1, 3)
    assert parameters["prompt_extend"] is False
    assert [one.state for one in looks] == ["waiting", "succeeded"]
    (picture,) = looks[-1].pictures
    assert picture.url is not None
    assert picture.url.startswith(f"http://{server.host}/results/")
    assert picture.url not in repr(looks)
    assert looks[-1].usage.images == 1


def test_pictures_at_once(server: DashScopeServer, service: ModelService) -> None:
    """Some models know no tasks."""
    task = begin(service, model="qwen-image-max", size="1328*1328")

    assert (task.task_id, task.state) == (None, "succeeded")
    assert task.pictures[0].url
    assert server.bill.images == 1


def test_a_picture_that_did_not_come_to_be(
    server: DashScopeServer, service: ModelService
) -> None:
    """It is seen beside those that did, with its code."""
    server.picture(Paints(running=0, failed={1: "DataInspectionFailed"}))
    told = look(service, begin(service, count=2))

    assert [p.code for p in told.pictures] == ["DataInspectionFailed", None]
    assert told.usage.images == 1


@pytest.mark.parametrize(
    ("ends", "state"),
    [("FAILED", "failed"), ("CANCELED", "canceled"), ("UNKNOWN", "unknown")],
)
def test_how_tasks_end(
    server: DashScopeServer, service: ModelService, ends: Any, state: str
) -> None:
    """A task that failed has its code and words."""
    server.picture(Paints(running=0, ends=ends, code="InternalError.Algo"))

    told = look(service, begin(service))

    assert told.state == state
    assert told.code == ("InternalError.Algo" if ends == "FAILED" else None)


@pytest.mark.parametrize(
    "output", [{}, {"task_id": ""}, {"task_id": 7}, {"task_id": "x" * 999}, None]
)
def test_a_task_without_a_name(
    server: DashScopeServer, service: ModelService, output: Any
) -> None:
    """It cannot be looked at."""
    server.picture(Reply.of_json({"output": output, "request_id": "r-9"}))

    with pytest.raises(errors.ModelAnswerError, match="r-9"):
        begin(service)


def test_nothing_of_it_is_logged(
    server: DashScopeServer, service: ModelService, caplog: pytest.LogCaptureFixture
) -> None:
    """At DEBUG, neither words nor key nor signed addresses are in any record."""
    caplog.set_level(logging.DEBUG)
    server.picture(Paints(running=0))

    ask(service)
    told = look(service, begin(service, prompt="secretive prompt"))
    server.text(Refuses("InvalidParameter", "you said: secretive prompt"))
    with pytest.raises(errors.ModelError):
        ask(service)

    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert told.pictures[0].url
    for never in (server.key, "say hello", "secretive", "Signature", "hello as JSON"):
        assert never not in logged


def test_the_sdks_globals_are_left_alone(
    server: DashScopeServer, service: ModelService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key, address, environment and the SDK's own session are what they were."""
    dashscope: Any = import_module("dashscope")
    http_request: Any = import_module("dashscope.api_entities.http_request")
    before = (dashscope.api_key, dashscope.base_http_api_url, dict(os.environ))

    ask(service)
    look(service, begin(service))

    assert (
        dashscope.api_key,
        dashscope.base_http_api_url,
        dict(os.environ),
    ) == before
    assert http_request._shared_sync_session is None


def test_the_sdk_logs_for_others_as_before(caplog: pytest.LogCaptureFixture) -> None:
    """Only our own requests are kept out of its log."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("dashscope").debug("somebody else's")

    assert "somebody else's" in caplog.text
