"""Puts an environment together: the only file that names concrete classes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from .config import (
    EngineSettings,
    EnvironmentSettings,
    InstanceSettings,
    default_ledger,
    read_token,
)
from .errors import ConfigError, MissingExtraError
from .ledger_records import Journal
from .registry import Registry
from .router import Router
from .timing import SYSTEM_CLOCK, Clock
from .transports.base import Transport
from .transports.comfyui import ComfyUITransport
from .transports.endpoint import Endpoint, Tls


@dataclass(frozen=True, slots=True)
class Wired:
    """The parts of one environment, and how to take them down again."""

    router: Router
    journal: Journal
    registry: Registry
    stack: ExitStack


def wire(
    name: str, settings: EnvironmentSettings, *, clock: Clock = SYSTEM_CLOCK
) -> Wired:
    """Build an environment; what was begun is taken down again when it fails.

    Raises:
        ConfigError: a part of the configuration cannot be used.
        MissingExtraError: it needs a package that is not installed.
        LedgerError: the ledger cannot be opened.
        EngineError: the embedded engine could not start.
    """
    _refuse_unsupported(name, settings)
    with ExitStack() as stack:
        journal = _journal(name, settings, clock)
        stack.callback(journal.close)
        instances = _instances(name, settings, stack, clock)
        return Wired(
            router=Router(instances, clock=clock),
            journal=journal,
            registry=Registry(),
            stack=stack.pop_all(),
        )
    raise AssertionError("an ExitStack swallows nothing")


def _refuse_unsupported(name: str, settings: EnvironmentSettings) -> None:
    if settings.transport == "eas-queue":
        raise ConfigError(
            f"environment {name}: transport 'eas-queue' is not built yet",
            hint="the standard edition works: transport = 'comfyui'",
        )
    if settings.storage.kind != "view":
        raise ConfigError(
            f"environment {name}: storage kind {settings.storage.kind!r} is not built "
            "yet",
            hint="outputs come over HTTP with kind = 'view'",
        )


def _journal(name: str, settings: EnvironmentSettings, clock: Clock) -> Journal:
    from .ledger import Ledger  # SQLAlchemy takes longer to import than all the rest

    url = settings.ledger if settings.ledger is not None else default_ledger(name)
    ledger = Ledger(url, clock=clock)
    ledger.open()
    return ledger


def _instances(
    name: str, settings: EnvironmentSettings, stack: ExitStack, clock: Clock
) -> list[tuple[Transport, float]]:
    configured = settings.instances
    if settings.transport == "embedded":
        url = start_engine(settings.engine, stack).url
        configured = (InstanceSettings(name=f"{name}-engine", url=url),)
    instances: list[tuple[Transport, float]] = []
    for instance in configured:
        transport = ComfyUITransport(_endpoint(instance), clock=clock)
        stack.callback(transport.close)
        instances.append((transport, instance.weight))
    return instances


class RunningEngine(Protocol):
    """What the rest of the package sees of the embedded engine."""

    @property
    def url(self) -> str:
        """Its address."""

    @property
    def base_directory(self) -> Path:
        """Where its input/, output/ and temp/ are."""

    def wait(self, timeout: float) -> bool:
        """Wait for its end; whether it ended."""


def start_engine(
    settings: EngineSettings,
    stack: ExitStack,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
) -> RunningEngine:
    """Start the embedded engine with the node pack; the stack stops it.

    Raises:
        MissingExtraError: aiohttp, numpy or Pillow is not installed.
        EngineError: it could not start.
    """
    try:
        from . import comfy_nodes
        from .local.engine import EmbeddedEngine
    except ImportError as error:
        raise MissingExtraError(
            f"the embedded engine needs {error.name}, which is not installed",
            hint="pip install 'comfyclient[local]'",
        ) from error
    engine = EmbeddedEngine(
        settings.base_directory,
        host=host,
        port=port,
        version=settings.version,
        node_packs=(comfy_nodes,),
    )
    return stack.enter_context(engine)


def _endpoint(instance: InstanceSettings) -> Endpoint:
    token = read_token(instance)
    return Endpoint(
        name=instance.name,
        url=instance.url,
        headers=instance.headers,
        token=None if token is None else SecretStr(token),
        token_scheme=instance.token_scheme,
        tls=Tls(**instance.tls.model_dump()),
        websocket=not instance.poll_only,
    )
