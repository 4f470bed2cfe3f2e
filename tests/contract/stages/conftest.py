"""A template with stages, models for it, and clients of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from comfyclient import Client, Settings, Trip, load_trip
from comfyclient.config.models import ModelLimitSettings
from comfyclient.config.settings import (
    DashScopeSettings,
    EnvironmentSettings,
    InstanceSettings,
    StorageSettings,
)
from comfyclient.hooks import Hook
from comfyclient.testing import DashScopeServer, Paints, ScriptedServer

from .staged import MANIFEST, SOURCE, TRIP, Opener


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A folder with the template."""
    folder = tmp_path / "templates" / "staged-card" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "manifest.toml").write_text(MANIFEST, "utf-8")
    (folder / "workflow.json.j2").write_text(SOURCE, "utf-8")
    return tmp_path / "templates"


@pytest.fixture
def hosted() -> Iterator[DashScopeServer]:
    """The stand-in for the models."""
    with DashScopeServer() as server:
        server.always("picture", Paints(running=0))
        yield server


@pytest.fixture(scope="module")
def trip() -> Trip:
    """A trip without photos."""
    return load_trip(TRIP)


@pytest.fixture
def client(
    templates: Path, hosted: DashScopeServer, comfy: ScriptedServer, tmp_path: Path
) -> Iterator[Opener]:
    """Opens clients, each as another process would."""
    with ExitStack() as stack:

        def make(
            storage: StorageSettings | None = None,
            hooks: Sequence[Hook] = (),
            **models: object,
        ) -> Client:
            usual = {
                "key": hosted.key,
                "base_address": hosted.url,
                "text": "qwen3.6-plus",
                "vision": "qwen3-vl-plus",
                "picture": "qwen-image",
                "result_hosts": (hosted.host,),
                "limits": {"qwen-image": ModelLimitSettings(per_s=1000)},
            }
            environment = EnvironmentSettings(
                instances=(InstanceSettings(name="one", url=comfy.url),),
                ledger=f"sqlite:///{tmp_path / 'jobs.db'}",
                preflight="off",
                storage=StorageSettings() if storage is None else storage,
            )
            settings = Settings(
                default_environment="test",
                environments={"test": environment},
                templates=(templates,),
                cache=tmp_path / "cache",
                dashscope=DashScopeSettings(**{**usual, **models}),  # type: ignore[arg-type]
            )
            return stack.enter_context(Client(settings, hooks=hooks))

        yield make
