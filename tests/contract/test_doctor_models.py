"""The doctor before DashScope: key, region, models, and the buckets of results."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from comfyclient.checks.network import SystemNetwork
from comfyclient.checks.plan_models import of_models
from comfyclient.checks.senses import Senses
from comfyclient.config.settings import Settings
from comfyclient.doctor import Doctor, Examined
from comfyclient.testing import DashScopeServer
from comfyclient.testing.http_wire import Reply
from comfyclient.timing import Deadline

SHANGHAI = {"url": "http://1.cn-shanghai.pai-eas.aliyuncs.com/api/predict/c"}


class Hosts(SystemNetwork):
    """Every name that is known is on loopback, at one port."""

    def __init__(self, port: int, *known: str) -> None:
        self._port = port
        self._known = known

    def resolve(self, host: str, port: int) -> list[str]:
        """127.0.0.1, or nothing."""
        if host in self._known:
            return ["127.0.0.1"]
        raise OSError(0, "no such name")

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        """To the one port, in place of https."""
        wanted = self._port if port == 443 else port
        return super().connect(address, wanted, seconds)


@pytest.fixture
def server() -> Iterator[DashScopeServer]:
    """A DashScope of the test's."""
    with DashScopeServer() as server:
        yield server


def examined(
    dashscope: dict[str, Any] | None,
    senses: Senses | None = None,
    *,
    write_probe: bool = False,
    region: str | None = None,
) -> dict[str, Examined]:
    """What the doctor found, by kind and subject's last part."""
    environment = {"instances": [{"name": "a", **SHANGHAI}], "region": region}
    whole: dict[str, Any] = {"environments": {"test": environment}}
    if dashscope is not None:
        whole["dashscope"] = dashscope
    settings = Settings.model_validate(whole)
    with ExitStack() as stack:
        checks = of_models("test", settings, stack, senses or Senses())
        doctor = Doctor(write_probe=write_probe)
        found = list(doctor.examine(checks, deadline=Deadline(50)))
    return {one.check.key.replace(":dashscope", ""): one for one in found}


def said(found: dict[str, Examined], key: str) -> tuple[str, str, str]:
    """Status, evidence and remedy of a check."""
    diagnosis = found[key].diagnosis
    remedy = "" if diagnosis.remedy is None else diagnosis.remedy
    return diagnosis.status.value, diagnosis.evidence, remedy


def configured(server: DashScopeServer, **more: Any) -> dict[str, Any]:
    """`[dashscope]` with the server's address and key."""
    return {"base_address": server.url, "key": server.key, **more}


def test_nothing_is_asked_where_nothing_is_configured() -> None:
    """And that is said."""
    found = examined(None)
    assert list(found) == ["key"]
    assert said(found, "key")[0] == "skipped"


def test_a_key_in_order_costs_nothing(server: DashScopeServer) -> None:
    """It is asked for a task that nobody made; models are asked on demand only."""
    found = examined(configured(server, text="qwen3.6-plus", vision="qwen3-vl-plus"))

    assert said(found, "key") == ("ok", "the key is taken", "")
    assert said(found, "model.text")[0] == "ok"
    assert said(found, "model answers.text")[0] == "skipped"
    assert server.asked == {"task": 1}


def test_models_answer_with_one_token(server: DashScopeServer) -> None:
    """Text and vision; a picture would cost too much."""
    names = {"text": "qwen3.6-plus", "vision": "qwen3-vl-plus", "picture": "wan2.6-t2i"}
    with closing(socket.create_server(("127.0.0.1", 0))) as bucket:
        network = Hosts(bucket.getsockname()[1], "one.example.com", "two.example.com")
        senses = Senses(network=network, result_hosts=())
        found = examined(configured(server, **names), senses, write_probe=True)
        for hosts, status in (
            (("one.example.com", "two.example.com"), "ok"),
            (("one.example.com", "three.example.com"), "warn"),
            (("three.example.com",), "fail"),
        ):
            reached = examined(
                configured(server, picture="wan2.6-t2i"),
                Senses(network=network, result_hosts=hosts),
            )
            assert said(reached, "result bucket")[0] == status
    assert said(found, "model answers.text")[1] == "qwen3.6-plus answers"
    assert said(found, "model answers.vision")[1] == "qwen3-vl-plus answers"
    assert said(found, "model answers.picture")[0] == "skipped"
    assert all(body["parameters"]["max_tokens"] == 1 for body in server.bodies("text"))  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("key", "reply", "words", "remedy"),
    [
        ("sk-another-key-0123456789", None, "401", "region"),
        (None, Reply.of_json({"code": "Arrearage", "message": "x", "request_id": "1"},
                             status=400), "Arrearage", "bill"),
        (None, Reply.of_json({"code": "Throttling.RateQuota", "message": "slow",
                              "request_id": "1"}, status=429), "429", "notice"),
        (None, Reply(502, b"<html>Bad Gateway</html>"), "not DashScope", "/api/v1"),
        (None, Reply(200, b"hello"), "not DashScope: 200", "/api/v1"),
    ],
)  # fmt: skip
def test_a_key_that_is_not_taken_is_told(
    server: DashScopeServer, key: str | None, reply: Reply | None, words: str,
    remedy: str,
) -> None:  # fmt: skip
    """By the service's own word for it; the key is never shown."""
    if reply is not None:
        server.answer("task", reply)
    found = examined(configured(server, **({} if key is None else {"key": key})))

    status, evidence, what_to_do = said(found, "key")
    assert status in {"fail", "warn"}
    assert words in evidence
    assert remedy in what_to_do
    assert "sk-" not in str([one.as_json() for one in found.values()])


@pytest.mark.parametrize(
    ("dashscope", "words"),
    [
        ({"text": "qwen-max"}, "retired"),
        ({"picture": "wanx-v2"}, "no model"),
        ({"text": "words", "aliases": {"words": "qwen-turbo"}}, "retired"),
    ],
)
def test_a_retired_model_is_told_without_asking(
    dashscope: dict[str, Any], words: str
) -> None:
    """By its name, or by what its alias stands for."""
    found = examined({"key": "sk-0123456789abcdef", **dashscope}, _nowhere())
    (key,) = [key for key in found if key.startswith("model.")]
    status, evidence, remedy = said(found, key)
    assert (status, words in evidence, bool(remedy)) == ("fail", True, True)
    assert said(found, "dns")[0] == "fail"


@pytest.mark.parametrize(
    ("dashscope", "region", "status", "words"),
    [
        ({}, "cn-shanghai", "ok", "in cn-beijing, the environment in cn-shanghai"),
        ({}, "cn-beijing", "ok", "the models are in cn-beijing"),
        ({"region": "ap-southeast-1"}, "cn-shanghai", "warn", "crosses a border"),
        (
            {
                "region": "us-east-1",
                "base_address": "https://dashscope.aliyuncs.com/api/v1",
            },
            None,
            "fail",
            "the host is that of cn-beijing",
        ),
        ({"base_address": "http://127.0.0.1:9/api/v1"}, None, "skipped", "no region"),
    ],
)
def test_the_region_of_the_models_is_told(
    dashscope: dict[str, Any], region: str | None, status: str, words: str
) -> None:
    """Against that of the key, and that of the environment."""
    whole = {"key": "sk-0123456789abcdef", **dashscope}
    found = examined(whole, _nowhere(), region=region)
    got, evidence, _ = said(found, "region")
    assert (got, words in evidence) == (status, True)


def test_a_key_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the name of its variable."""
    monkeypatch.delenv("SOME_KEY", raising=False)
    found = examined({"key_env": "SOME_KEY", "text": "qwen3.6-plus"})
    assert said(found, "key")[0] == "fail"
    assert "SOME_KEY" in said(found, "key")[1]


def _nowhere() -> Senses:
    return Senses(network=Hosts(1))
