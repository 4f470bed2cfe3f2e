"""The steps over hosted models: the SDK against the stand-in, a ledger, a clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from comfyclient import load_trip
from comfyclient.config.settings import DashScopeSettings
from comfyclient.ledger.ledger import Ledger
from comfyclient.steps.asking import Asking
from comfyclient.steps.calls import ModelService
from comfyclient.steps.opening import connect_dashscope
from comfyclient.steps.painter import ModelPainter, Painted
from comfyclient.steps.relay import Relay
from comfyclient.testing import DashScopeServer, FakeClock
from comfyclient.trip.published import PublishedTrip

from .painting import ALIYUN, SMALL, WAN

TRIPS = Path(__file__).parents[3] / "examples" / "trips"


@pytest.fixture
def clock() -> FakeClock:
    """The client's and the stand-in's."""
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Iterator[DashScopeServer]:
    """A stand-in."""
    with DashScopeServer(clock=clock) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path, clock: FakeClock) -> Iterator[Ledger]:
    """Where answers are kept."""
    with Ledger(tmp_path / "ledger.db", clock=clock) as opened:
        yield opened


def connected(server: DashScopeServer, clock: FakeClock) -> ModelService:
    """The SDK, pointed at the stand-in; it is imported here, for those who need it."""
    settings = DashScopeSettings(key=SecretStr(server.key), base_address=server.url)
    return connect_dashscope(settings, clock=clock)


Asker = Callable[[], Asking]


@pytest.fixture
def asker(server: DashScopeServer, ledger: Ledger, clock: FakeClock) -> Iterator[Asker]:
    """Makes askers, as each process would have one."""
    with ExitStack() as stack:

        def make() -> Asking:
            service = connected(server, clock)
            asking = Asking(
                service,
                ledger.answers,
                environment="test",
                clock=clock,
                chance=random.Random(7),
            )
            stack.callback(asking.close)
            return asking

        yield make


@pytest.fixture
def asking(asker: Asker) -> Asking:
    """One of them."""
    return asker()


@pytest.fixture(scope="session")
def trip() -> PublishedTrip:
    """A trip without a title of its own."""
    whole = load_trip(TRIPS / "black-forest-weekend.json").for_publishing()
    return whole.model_copy(update={"title": None})


@pytest.fixture(scope="session")
def chinese() -> PublishedTrip:
    """A trip in Chinese, likewise."""
    whole = load_trip(TRIPS / "qinghai-lake-loop.json").for_publishing()
    return whole.model_copy(update={"title": None})


@pytest.fixture
def relay(tmp_path: Path, server: DashScopeServer) -> Relay:
    """One that believes the stand-in."""
    return Relay(tmp_path / "results", hosts=[*ALIYUN, server.host])


@pytest.fixture
def paint(
    relay: Relay, asker: Callable[[], Asking], clock: FakeClock
) -> Callable[..., Painted]:
    """Paints as a new process would."""

    def painted(prompt: str = "a road", *, model: str = WAN, **order: Any) -> Painted:
        painter = ModelPainter(asker(), model, relay)
        size = {} if model != WAN else SMALL
        with clock.flowing():
            return painter.paint(prompt, **{**size, **order})

    return painted
