"""Starts the embedded engine, for itself or for an environment that is on it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from .config.settings import EngineSettings, EnvironmentSettings, InstanceSettings
from .errors import ConfigError, MissingExtraError


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


def with_engine(
    name: str, settings: EnvironmentSettings, stack: ExitStack
) -> EnvironmentSettings:
    """An environment; where it is on the embedded engine, with the engine started.

    The stack stops it.

    Raises:
        MissingExtraError: the engine needs a package that is not installed.
        EngineError: it could not start.
    """
    if settings.transport != "embedded":
        return settings
    engine, storage = settings.engine, settings.storage
    folders = {one.resolve() for one in (engine.base_directory, storage.root) if one}
    if len(folders) > 1:
        raise ConfigError(
            f"environment {name}: the engine writes to {engine.base_directory}, and "
            f"its outputs are to be collected from {storage.root}",
            hint="keep one of engine.base_directory and storage.root",
        )
    if storage.kind == "mount" and engine.base_directory is None:
        engine = engine.model_copy(update={"base_directory": storage.root})
    running = start_engine(engine, stack)
    if storage.kind == "mount" and storage.root is None:
        storage = storage.model_copy(update={"root": running.base_directory})
    instance = InstanceSettings(name=f"{name}-engine", url=running.url)
    return settings.model_copy(update={"instances": (instance,), "storage": storage})


def mount_root(name: str, settings: EnvironmentSettings) -> Path:
    """The folder of an environment's mount; an engine's own, though it does not run.

    Raises:
        ConfigError: neither is named.
    """
    root = settings.storage.root
    root = settings.engine.base_directory if root is None else root
    if root is None:
        raise ConfigError(
            f"environment {name}: storage.root names no folder",
            hint="name one, or an embedded engine's base_directory: without it, the "
            "engine's files go with the client",
        )
    return root
