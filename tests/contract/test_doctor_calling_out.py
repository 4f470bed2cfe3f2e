"""Whether a service reaches DashScope from inside, asked by a node of our own pack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from comfyclient import comfy_nodes
from comfyclient.checks.base import Diagnosis, Status
from comfyclient.checks.calling_out import calling_out
from comfyclient.checks.errand import Errand
from comfyclient.config.settings import EnvironmentSettings, InstanceSettings
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing import DashScopeServer
from comfyclient.timing import Deadline
from comfyclient.workflow import Workflow

KEY = "sk-stand-in-0123456789abcdef"
CALLING = Workflow.from_graph(
    {
        "7": {"class_type": "QwenText", "inputs": {"model": "qwen3.6-flash"}},
        "8": {"class_type": "PreviewAny", "inputs": {"source": ["7", 0]}},
    }
)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """A service with our own pack."""
    with EmbeddedEngine(None, node_packs=(comfy_nodes,)) as engine:
        yield engine.url


@pytest.fixture
def server() -> Iterator[DashScopeServer]:
    """A DashScope of the test's."""
    with DashScopeServer(key=KEY) as server:
        yield server


def asked(url: str, *workflows: Workflow) -> Diagnosis:
    """What a service says that runs these templates."""
    instance = InstanceSettings(name="a", url=url)
    environment = EnvironmentSettings(instances=(instance,))
    return calling_out(
        Deadline(30),
        errand=Errand("test", environment, instance),
        workflows={str(number): one for number, one in enumerate(workflows)},
    )


def reach(monkeypatch: pytest.MonkeyPatch, address: str, key: str | None = KEY) -> None:
    """Give the service, which is in this process, an address and a key."""
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", address)
    if key is not None:
        monkeypatch.setenv("DASHSCOPE_API_KEY", key)


def test_a_node_that_gets_an_answer(
    service: str, server: DashScopeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks the template's own model for one token."""
    reach(monkeypatch, server.url)
    found = asked(service, CALLING)

    assert found.status is Status.OK, found
    (body,) = server.bodies("text")
    assert body["model"] == "qwen3.6-flash"
    assert body["parameters"]["max_tokens"] == 1  # type: ignore[index,call-overload]


def test_a_service_that_is_shut_in(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remedy names what a service needs to get out."""
    reach(monkeypatch, "http://127.0.0.1:1/api/v1")
    found = asked(service, CALLING)

    assert found.status is Status.FAIL
    assert "cannot be reached" in found.evidence
    assert all(word in str(found.remedy) for word in ("NAT", "EIP", "SNAT", "--vpc"))


def test_a_service_that_is_refused_reaches_it(
    service: str, server: DashScopeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is in order; its key is not, and is not shown."""
    reach(monkeypatch, server.url, "sk-another-9876543210fedcba")
    found = asked(service, CALLING)

    assert found.status is Status.WARN
    assert "InvalidApiKey" in found.evidence
    assert "sk-another" not in str(found)


def test_a_service_without_a_key(
    service: str, server: DashScopeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own environment must name one."""
    reach(monkeypatch, server.url, None)
    found = asked(service, CALLING)

    assert found.status is Status.FAIL
    assert "DASHSCOPE_API_KEY is not set" in found.evidence
    assert "DASHSCOPE_API_KEY_FILE_PATH" in str(found.remedy)


def test_templates_that_call_nobody_are_not_asked(service: str) -> None:
    """No job is run for them."""
    other = {"1": {"class_type": "TripPaper", "inputs": {}}}
    assert asked(service, Workflow.from_graph(other)).status is Status.SKIPPED
