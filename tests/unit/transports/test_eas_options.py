"""How a queue service is reached, and by whom its results are shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyclient.config.settings import EnvironmentSettings
from comfyclient.errors import ConfigError
from comfyclient.transports.eas_options import group_of, queue_options
from comfyclient.transports.endpoint import Endpoint

URL = "http://1.cn-shanghai.pai-eas.aliyuncs.com/api/predict/comfy"


def options_of(url: str = URL, **settings: object):
    """What an environment's settings make of its queue."""
    whole = EnvironmentSettings.model_validate({"transport": "eas-queue", **settings})
    return queue_options("test", whole, Endpoint("n", url))


def test_by_default() -> None:
    """Results are watched, in a group of the environment's and ledger's own."""
    options = options_of()
    assert (options.results, options.unknown_results) == ("watch", "leave")
    assert options.group.startswith("comfyclient-test-")
    assert not options.named_group
    assert options.parking.parts[-2:] == ("parked", "test")


def test_as_configured() -> None:
    """Whatever is said of the queue counts."""
    queue = {
        "results": "poll",
        "group": "ours",
        "window": 7,
        "unknown_results": "park",
        "parking": "/srv/parked",
    }
    options = options_of(queue=queue)
    assert (options.results, options.group, options.window) == ("poll", "ours", 7)
    assert options.named_group
    assert (options.unknown_results, options.parking) == ("park", Path("/srv/parked"))


def test_groups() -> None:
    """Another ledger is another application; a password or a query changes nothing."""
    ours = group_of("test", "postgresql://me:one@db/jobs?x=1")
    assert ours == group_of("test", "postgresql://you:two@db/jobs")
    assert ours != group_of("test", "postgresql://me:one@db/others")
    assert ours != group_of("prod", "postgresql://me:one@db/jobs")
    assert "one" not in ours
    assert group_of("test", "sqlite:///a.db") != group_of("test", "sqlite:///b.db")


@pytest.mark.parametrize("end", ["/sink", "/api_prompt", "/prompt", "/prompt/"])
def test_an_address_that_goes_too_far(end: str) -> None:
    """What is added to the address must not stand in it."""
    with pytest.raises(ConfigError, match=f"ends with {end.rstrip('/')}"):
        options_of(URL + end)


@pytest.mark.parametrize("end", ["", "/"])
def test_an_address_without_a_service(end: str) -> None:
    """A queue is found under its service's name."""
    with pytest.raises(ConfigError, match="has no path"):
        options_of("http://comfy.1.cn-shanghai.pai-eas.aliyuncs.com" + end)
