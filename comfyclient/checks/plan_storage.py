"""Which checks the storage of an environment asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

from ..config.settings import EnvironmentSettings, Settings, StorageSettings
from ..eas.regions import host_of, oss_address
from ..wiring import open_storage
from . import places
from .base import Check, skipped
from .errand import PATIENCE_S, Errand
from .network import Way, host_at
from .round_trip import RoundTrip
from .senses import Senses
from .shelf import Shelf


def of_storage(
    name: str, settings: Settings, stack: ExitStack, senses: Senses
) -> Iterator[Check]:
    """The checks of the way to the storage, and of what the services write there."""
    environment = settings.environment(name)[1]
    subject = environment.storage.kind
    if subject == "view":
        none = skipped("kind 'view': outputs come over HTTP from their instance")
        yield Check("storage", subject, lambda _: none)
        yield from _round_trips(name, settings, None)
        return
    needs: tuple[str, ...] = ()
    if environment.storage.kind == "oss":
        yield Check("region", subject, lambda _: places.of_storage(name, environment))
        steps = _way(environment.storage, senses)
        yield from steps
        needs = (steps[-1].key,)
    shelf = Shelf(
        lambda: open_storage(name, settings, stack),
        writable=settings.writes_storage(name),
    )
    opened, listed = f"storage:{subject}", f"list:{subject}"
    yield Check("storage", subject, shelf.open, needs=needs)
    yield Check("list", subject, shelf.list, needs=(opened,))
    yield Check("read", subject, shelf.read, needs=(listed,))
    yield Check("write", subject, shelf.write, needs=(opened,))
    yield from _round_trips(name, settings, shelf)


def _way(storage: StorageSettings, senses: Senses) -> list[Check]:
    """The way to the bucket's own host, or to an endpoint that is not OSS's."""
    endpoint = storage.endpoint if storage.endpoint is not None else ""
    url = endpoint if "://" in endpoint else f"https://{endpoint}"
    if oss_address(endpoint) is not None:
        url = f"{urlsplit(url).scheme}://{storage.bucket}.{host_of(endpoint)}"
    way = Way(host_at(url), network=senses.network, clock=senses.clock)
    return way.checks("oss")


def _round_trips(name: str, settings: Settings, shelf: Shelf | None) -> Iterator[Check]:
    """A tiny job on each instance that this environment may submit to."""
    environment: EnvironmentSettings = settings.environment(name)[1]
    for instance in settings.writable_instances(name):
        trip = RoundTrip(Errand(name, environment, instance), shelf)
        needs = [f"edition:{instance.name}"]
        needs += [] if shelf is None else [f"storage:{environment.storage.kind}"]
        yield Check(
            "round-trip",
            instance.name,
            trip.run,
            needs=tuple(needs),
            patience_s=PATIENCE_S,
        )
