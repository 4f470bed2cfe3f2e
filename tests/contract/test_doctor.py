"""The doctor before real gateways: both editions, and what may be wrong with each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from comfyclient.checks.machine import Usage
from comfyclient.checks.plan import patient_of, plan
from comfyclient.checks.senses import Senses
from comfyclient.config.settings import EnvironmentSettings, InstanceSettings, Settings
from comfyclient.doctor import Doctor, Examined
from comfyclient.ledger.ledger import Ledger
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.templating.registry import Registry
from comfyclient.testing import EasGateway, ScriptedServer
from comfyclient.testing.http_wire import Reply
from comfyclient.timing import Deadline, SystemClock

TOKEN = "stand-in-token"
PINS = {"trip-postcard": "==1.0.0"}


@pytest.fixture(scope="module")
def standard() -> Iterator[EasGateway]:
    """The standard edition, before an engine without our nodes."""
    with EmbeddedEngine(None) as engine, EasGateway(comfyui=engine.url) as gateway:
        yield gateway


@pytest.fixture
def queue() -> Iterator[EasGateway]:
    """The API edition, before nobody."""
    with EasGateway(edition="api", inference=lambda _: Reply(), workers=0) as gateway:
        yield gateway


def environment(url: str, **more: Any) -> EnvironmentSettings:
    """An environment with one instance."""
    instance = {"name": "a", "url": url, "token": TOKEN, **more.pop("instance", {})}
    return EnvironmentSettings(
        instances=(InstanceSettings.model_validate(instance),),
        **{"ledger": "sqlite:///:memory:", **more},
    )


def examined(
    one: EnvironmentSettings,
    senses: Senses | None = None,
    *,
    templates: Registry | None = None,
) -> dict[str, Examined]:
    """What the doctor found, by kind; the first of each. Without templates, quickly."""
    settings = Settings(environments={"test": one})
    registry = Registry([]) if templates is None else templates
    with ExitStack() as stack:
        patient = patient_of("test", settings, stack, registry=registry)
        checks = plan(patient, stack, Senses() if senses is None else senses)
        found = list(Doctor().examine(checks, deadline=Deadline(50)))
    return {one.check.kind: one for one in reversed(found)}


def said(found: dict[str, Examined], kind: str) -> tuple[str, str, str]:
    """Status, evidence and remedy of a check."""
    diagnosis = found[kind].diagnosis
    remedy = "" if diagnosis.remedy is None else diagnosis.remedy
    return diagnosis.status.value, diagnosis.evidence, remedy


def test_a_standard_edition_in_order(standard: EasGateway) -> None:
    """Token, clock, edition, version, websocket and queue; what it lacks is named."""
    found = examined(environment(standard.url, pins=PINS), templates=Registry())

    assert said(found, "token") == (
        "ok", "the token is taken; without it the answer is 401", "",
    )  # fmt: skip
    assert said(found, "edition")[:2] == (
        "ok", "a ComfyUI (standard edition, or one of your own) answers",
    )  # fmt: skip
    assert said(found, "version")[:2] == ("ok", "ComfyUI 0.33.0")
    assert said(found, "websocket")[0] == "ok"
    assert said(found, "queue")[1] == "0 jobs wait or run there"
    assert said(found, "payload")[0] == "skipped"
    status, evidence, remedy = said(found, "nodes")
    assert (status, "TripBackdrop" in evidence) == ("fail", True)
    assert "eas layout --push" in remedy


def test_an_api_edition_in_order(queue: EasGateway) -> None:
    """Its queue tells lengths and limit; what it cannot tell is skipped, with why."""
    queue.sink.put(b"[]", {})
    one = environment(queue.url, transport="eas-queue", pins=PINS)
    found = examined(one, templates=Registry())

    assert said(found, "edition")[0] == "ok"
    told = "0 jobs are there, 0 of them at work; 1 results are unread"
    assert said(found, "queue")[1] == told
    assert said(found, "payload")[:2] == (
        "ok", "it takes 8192 bytes, and every graph has fewer",
    )  # fmt: skip
    for kind in ("version", "nodes", "websocket"):
        assert said(found, kind)[0] == "skipped"
    assert len(queue.sink.frames) == 1
    assert not queue.input.frames


def test_a_graph_that_the_queue_does_not_take_is_told() -> None:
    """Before it is sent; as long as its transport would make it."""
    with EasGateway(
        edition="api", inference=lambda _: Reply(), workers=0, max_payload=500
    ) as gateway:
        one = environment(gateway.url, transport="eas-queue", pins=PINS)
        found = examined(one, templates=Registry())
    status, evidence, remedy = said(found, "payload")
    assert (status, "trip-postcard@1.0.0" in evidence) == ("fail", True)
    assert "500" in evidence
    assert "standard edition" in remedy


def test_a_full_sink_is_a_warning() -> None:
    """It stops the whole service; asking does not empty it."""
    with EasGateway(
        edition="api", inference=lambda _: Reply(), workers=0, max_length=10
    ) as gateway:
        for _ in range(9):
            gateway.sink.put(b"[]", {})
        found = examined(environment(gateway.url, transport="eas-queue"))
    status, evidence, remedy = said(found, "queue")
    assert (status, "9 results are unread, of 10" in evidence) == ("warn", True)
    assert "a full sink stops the service" in remedy


def test_the_wrong_transport_is_told_either_way(
    standard: EasGateway, queue: EasGateway
) -> None:
    """With the right word for the configuration."""
    one = said(examined(environment(standard.url, transport="eas-queue")), "edition")
    other = said(examined(environment(queue.url)), "edition")

    assert (one[0], one[2]) == ("fail", "set transport = 'comfyui'")
    assert (other[0], other[2]) == ("fail", "set transport = 'eas-queue'")
    assert not queue.asked["GET sink"]


def test_no_edition_with_an_api(standard: EasGateway) -> None:
    """A wrong path, or Serverless, which answers so whatever is asked."""
    found = examined(environment(standard.url + "x"))
    status, evidence, remedy = said(found, "edition")
    assert (status, "404 (404 page not found)" in evidence) == ("fail", True)
    assert "Serverless" in remedy


@pytest.mark.parametrize(
    ("instance", "words", "remedy"),
    [
        ({"token": "another-token"}, "the token is not taken", "call information"),
        ({"token": None}, "no token is configured", "token_env"),
        ({"token_scheme": "Basic"}, "the token is not taken", "bare"),
    ],
)
def test_a_wrong_token_is_told(
    standard: EasGateway, instance: dict[str, Any], words: str, remedy: str
) -> None:
    """And never shown; what comes after it is not asked."""
    found = examined(environment(standard.url, instance=instance))

    status, evidence, what_to_do = said(found, "token")
    assert (status, words in evidence, remedy in what_to_do) == ("fail", True, True)
    assert "another-token" not in str(found)
    assert said(found, "edition")[0] == "skipped"


def test_a_service_that_asks_for_no_token_is_a_warning() -> None:
    """Whoever finds its address may use it."""
    with EasGateway(
        edition="api", inference=lambda _: Reply(), workers=0, token=None
    ) as gateway:
        found = examined(environment(gateway.url, transport="eas-queue"))
    assert said(found, "token")[0] == "warn"


@pytest.mark.parametrize(
    ("reply", "words", "remedy"),
    [
        (Reply(503, b"no healthy upstream"), "no instance is up", "service's state"),
        (Reply(429, b"slow down"), "too many requests", "rate limit"),
        (Reply(502, b"<html>Bad Gateway</html>"), "502", "log"),
        (Reply(301, b"", {"Location": "https://a.b/?t=1"}), "redirects", "final addr"),
        (Reply(resets=True, sends=0), "", ""),
    ],
)
def test_an_answer_of_the_gateway_is_explained(
    queue: EasGateway, reply: Reply, words: str, remedy: str
) -> None:
    """By what it means of the service behind it."""
    queue.always("GET input", reply)
    found = examined(environment(queue.url, transport="eas-queue"))

    status, evidence, what_to_do = said(found, "token")
    assert status == "fail"
    assert words in evidence
    assert remedy in what_to_do


class Slow(SystemClock):
    """A wall clock that is off."""

    def __init__(self, seconds: float) -> None:
        self._off = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """The wrong moment."""
        return datetime.now(UTC) + self._off


@pytest.mark.parametrize(
    ("seconds", "status", "words"),
    [
        (120, "warn", "ahead of the server's"),
        (-3600, "fail", "3600 s behind the server's"),
        (0, "ok", "agree"),
    ],
)
def test_a_clock_that_is_off_is_told(
    standard: EasGateway, seconds: float, status: str, words: str
) -> None:
    """By the Date of the first answer."""
    found = examined(environment(standard.url), Senses(clock=Slow(seconds)))
    got, evidence, _ = said(found, "clock")
    assert (got, words in evidence) == (status, True)


def test_versions_out_of_range_are_told(standard: EasGateway) -> None:
    """With who wants which."""
    found = examined(environment(standard.url, comfyui_version=">=0.40"))
    status, evidence, _ = said(found, "version")
    assert status == "fail"
    assert evidence == "ComfyUI 0.33.0; comfyui_version wants >=0.40"


def test_a_websocket_that_does_not_pass_is_a_warning(standard: EasGateway) -> None:
    """Polling is enough; where none is wanted, none is tried."""
    found = examined(
        environment(standard.url, instance={"poll_only": True}),
    )
    assert said(found, "websocket")[:2] == ("skipped", "poll_only is set")


@pytest.mark.parametrize(
    ("free", "status"), [(50 << 30, "ok"), (1 << 30, "warn"), (1 << 20, "fail")]
)
def test_a_disk_that_is_full_is_told(
    standard: EasGateway, free: int, status: str, tmp_path: Path
) -> None:
    """Where the ledger is, and temporary files."""
    ledger = f"sqlite:///{tmp_path}/deep/jobs.db"
    usage = lambda path: Usage(1 << 40, 0, free)  # noqa: E731
    found = examined(environment(standard.url, ledger=ledger), Senses(usage=usage))
    assert said(found, "disk")[0] == status
    assert said(found, "ledger")[:2] == (
        "ok", f"{tmp_path}/deep/jobs.db is not there yet; it will be made",
    )  # fmt: skip
    assert not (tmp_path / "deep").exists()


def test_a_ledger_is_looked_at_and_not_touched(tmp_path: Path) -> None:
    """Neither made nor migrated; one that is none, or newer, is told."""
    good, bad = tmp_path / "jobs.db", tmp_path / "bad.db"
    ledger = Ledger(f"sqlite:///{good}")
    ledger.open()
    ledger.close()
    bad.write_bytes(b"this is no database " * 100)
    before = {file: file.read_bytes() for file in sorted(tmp_path.iterdir())}

    url = "http://127.0.0.1:1"
    fine = examined(environment(url, ledger=f"sqlite:///{good}"))
    broken = examined(environment(url, ledger=f"sqlite:///{bad}"))

    assert said(fine, "ledger")[0] == "ok"
    assert "tables of version" in said(fine, "ledger")[1]
    assert said(broken, "ledger")[0] == "fail"
    assert said(fine, "tcp")[0] == "fail"
    assert {file: file.read_bytes() for file in sorted(tmp_path.iterdir())} == before


@pytest.mark.parametrize(
    ("url", "more", "status", "words"),
    [
        ("cn-shanghai", {}, "ok", "cn-shanghai, public address, the shared gateway"),
        ("cn-shanghai", {"region": "cn-beijing"}, "fail", "says cn-beijing"),
        ("cn-shanghai", {"protected": True}, "warn", "meant for tests"),
        (
            "cn-beijing",
            {
                "storage": {
                    "kind": "oss",
                    "bucket": "b",
                    "endpoint": "https://oss-cn-shanghai-internal.aliyuncs.com",
                }
            },
            "fail",
            "mounts no bucket of another region",
        ),
    ],
)
def test_regions_are_held_against_each_other(
    url: str, more: dict[str, Any], status: str, words: str
) -> None:
    """Service, environment and bucket."""
    address = f"http://1.{url}.pai-eas.aliyuncs.com/api/predict/c"

    class Nowhere:
        """Nothing resolves."""

        def resolve(self, host: str, port: int) -> list[str]:
            raise OSError("no such name")

        def connect(self, address: str, port: int, seconds: float) -> Any:
            raise AssertionError("nothing to connect to")

    found = examined(environment(address, **more), Senses(network=Nowhere()))
    got, evidence, _ = said(found, "region")
    assert (got, words in evidence) == (status, True)
    assert said(found, "dns")[0] == "fail"


def test_a_token_that_cannot_be_read_is_told(
    standard: EasGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the variable's name; the instance is then not asked at all.

    So is a header that HTTP cannot carry.
    """
    monkeypatch.delenv("EAS_TOKEN", raising=False)
    one = environment(standard.url, instance={"token": None, "token_env": "EAS_TOKEN"})
    found = examined(one)
    assert said(found, "tokens")[0] == "fail"
    assert "EAS_TOKEN" in said(found, "tokens")[1]
    assert said(found, "token")[0] == "fail"
    assert "edition" not in found
    headers = {"X-Trip": "line\nbreak"}
    found = examined(environment(standard.url, instance={"headers": headers}))
    assert "X-Trip" in said(found, "token")[1]


def test_templates_that_are_not_there_are_told(standard: EasGateway) -> None:
    """A pin that nothing fits, with the command that tells more."""
    found = examined(
        environment(standard.url, pins={"trip-postcard": "~=9.0"}), templates=Registry()
    )
    status, evidence, _ = said(found, "templates")
    assert (status, "~=9.0" in evidence) == ("fail", True)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"\xff\xfe\x00" * 100),
        Reply(200, b"[" * 50_000),
        Reply(200, b'{"meta.name": {"a": [1]}, "stream.length": "-1e9"}'),
        Reply(200, b'{"system": 7}', {"Date": "Tue, 99 Foo 99999 99:99:99"}),
        Reply(200, b"{}", {"Date": "Fri, 31 Dec 9999 23:59:59 GMT"}),
        Reply(404, b"<html>" + b"x" * 10_000),
        Reply(200, b"\x1b[2J\x1b]0;evil\x07{}"),
        Reply(200, b"{}" * 100, sends=120),
        Reply(raw=b"HTTP/1.1 200 OK\r\nDate:\r\n\r\n{}"),
        Reply(raw=b"SSH-2.0-OpenSSH_9.6\r\n"),
    ],
)
def test_no_answer_breaks_the_doctor(queue: EasGateway, reply: Reply) -> None:
    """Whatever comes, each check ends with a finding of its own."""
    for route in ("GET input", "GET sink"):
        queue.always(route, reply)
    found = examined(environment(queue.url, transport="eas-queue"))

    assert not [one for one in found.values() if "itself broke" in str(one)]
    assert {"token", "edition", "queue"} <= set(found)


def test_a_comfyui_behind_a_path_is_asked_as_one(standard: EasGateway) -> None:
    """A server of one's own is no queue: its base path may be no page at all."""
    with ScriptedServer() as server:
        found = examined(environment(server.url, instance={"token": None}))
        asked = [request.path for request in server.requests]
    assert said(found, "edition")[0] == "ok"
    assert asked[0] == "/system_stats"


def test_a_queue_that_tells_no_attributes_is_not_asked_for_more(
    queue: EasGateway,
) -> None:
    """Whether every service has them is unknown; any other question could take work."""
    queue.always("GET input", Reply(204))
    queue.always("GET sink", Reply(204))
    found = examined(environment(queue.url, transport="eas-queue"))

    assert said(found, "edition")[0] == "ok"
    assert said(found, "queue")[0] in {"warn", "fail"}
    assert all("_attrs_" in request.query for request in queue.requests)
