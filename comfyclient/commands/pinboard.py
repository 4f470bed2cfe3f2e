"""What the commands about pins share: options, the lock, who changes it, consent."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from ..config.settings import EnvironmentSettings, Settings, load_settings
from ..errors import PinError
from ..ledger.records import redacted
from ..pins.locked import Lock
from ..pins.lockfile import read_lock
from ..pins.locking import Signature
from ..pins.pins import Pins, Standing, standing
from ..templating.registry import Registry, registry_of
from ..timing import SYSTEM_CLOCK

LockFile = Annotated[
    Path | None,
    typer.Option("--lock", help="The lock; comfyclient.lock beside the configuration."),
]
Why = Annotated[str, typer.Option(help="Why, for whoever reads the lock.")]
_WHO = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILD_USER_ID")
"""Who started the job that a CI system runs."""
_MAX_WHO, _MAX_WHY = 100, 500


@dataclass(frozen=True, slots=True)
class Pinboard:
    """What pins are about: the configuration, the lock and the templates."""

    settings: Settings = field(repr=False)
    path: Path
    registry: Registry

    def lock(self) -> Lock | None:
        """What the lock says now."""
        return read_lock(self.path)

    def pins(self, environment: str) -> Pins:
        """An environment's pins; none where it is not configured."""
        found = self.settings.environments.get(environment)
        return {} if found is None else found.pins

    def environments(self, lock: Lock | None, only: str | None) -> list[str]:
        """Those that are configured or locked, or the one that is named."""
        locked = {} if lock is None else lock.environments
        if only is not None:
            if only not in locked:
                self.settings.environment(only)  # tells what there is
            return [only]
        return sorted({*self.settings.environments, *locked})

    def require(self, environment: str) -> EnvironmentSettings:
        """An environment's settings.

        Raises:
            ConfigError: there is none of that name.
        """
        return self.settings.environment(environment)[1]

    def standings(self, environment: str, lock: Lock | None) -> list[Standing]:
        """How each template stands that is pinned or locked, else each there is."""
        section = None if lock is None else lock.section(environment)
        names = {*self.pins(environment), *(section or ())}
        if section is None:
            names |= {entry.name for entry in self.registry.entries()}
        return [
            standing(
                name,
                environment=environment,
                pins=self.pins(environment),
                lock=lock,
                registry=self.registry,
            )
            for name in sorted(names)
        ]


def pinboard(
    config: Path | None,
    lock_file: Path | None = None,
    templates: list[Path] | None = None,
) -> Pinboard:
    """The pinboard that a command's options name.

    Raises:
        ConfigError: the configuration is wrong.
    """
    settings = load_settings(config)
    path = settings.lock if lock_file is None else lock_file
    assert path is not None, "settings that were loaded name a lock"
    return Pinboard(
        settings, path, registry_of([*(templates or ()), *settings.templates])
    )


def is_confirmed(environment: str, confirm: str | None, *, yes_prod: bool) -> bool:
    """Whether the options confirm a change of that very environment."""
    return environment == confirm or (yes_prod and environment == "prod")


def unconfirmed(environment: str, action: str) -> PinError:
    """The error where a protected environment was not confirmed."""
    option = "--yes-prod" if environment == "prod" else f"--confirm {environment}"
    return PinError(
        f"environment {environment} is protected, so it must be confirmed to {action}",
        hint=f"add {option}",
    )


def signature(why: str) -> Signature:
    """Who runs this command, now: the user, or who started the CI job."""
    return Signature(
        who=_plain(_who(), _MAX_WHO) or "unknown",
        when=SYSTEM_CLOCK.now().replace(microsecond=0),
        why=_plain(why, _MAX_WHY),
    )


def _who() -> str:
    for variable in _WHO:
        if name := os.environ.get(variable, "").strip():
            return name
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container's user may have no name
        return "unknown"


def _plain(text: str, most: int) -> str:
    """One line, without secrets and without what is no text."""
    line = " ".join(redacted(text).split())
    return line.encode("utf-8", "replace").decode()[:most]
