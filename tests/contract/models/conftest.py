"""The steps over hosted models: the SDK against the stand-in, a ledger, a clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfyclient import load_trip
from comfyclient.config.settings import DashScopeSettings
from comfyclient.ledger.ledger import Ledger
from comfyclient.steps.asking import Asking
from comfyclient.steps.calls import ModelService
from comfyclient.steps.opening import connect_dashscope
from comfyclient.testing import DashScopeServer, FakeClock
from comfyclient.trip.published import PublishedTrip

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
