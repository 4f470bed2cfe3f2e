"""The environment that a command is about."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from ..config.errors import mistakes_of
from ..config.settings import (
    EnvironmentSettings,
    InstanceSettings,
    Settings,
    default_ledger,
    load_settings,
)
from ..config.shapes import Table
from ..errors import UsageError
from ..ledger.journal import JobReads
from ..ledger.opening import open_ledger
from ..ledger.records import redacted
from ..pins.lockfile import read_lock
from ..pins.pins import resolve
from ..templating.registry import Registry, registry_of
from ..templating.template import Template
from ..transports.endpoint import Endpoint

_SQLITE_FILE = re.compile(r"sqlite(?:\+\w+)?:///(?!:memory:|file:)([^?]+)")


@dataclass(frozen=True, slots=True)
class Place:
    """The environment that a command is about."""

    name: str
    settings: Settings = field(repr=False)
    environment: EnvironmentSettings = field(repr=False)
    options: tuple[str, ...] = ()
    """What names it on the command line."""

    @property
    def registry(self) -> Registry:
        """The templates that it finds."""
        return registry_of(self.settings.templates)

    def template(self, ref: str) -> Template:
        """The template that it has for a name, a version or a range, to be looked at.

        Raises:
            TemplateError: there is none, or lock or pin stand against it.
            LockError: the lock cannot be read.
        """
        return self.runnable(ref, confirm=self.name)

    def runnable(self, ref: str, *, confirm: str | None) -> Template:
        """The template that it runs, which a protected environment wants confirmed.

        Raises:
            TemplateError, LockError: as `template` does.
            PinError: it runs what is locked alone, and that was not confirmed.
        """
        return resolve(
            ref,
            environment=self.name,
            pins=self.environment.pins,
            lock=None if self.settings.lock is None else read_lock(self.settings.lock),
            registry=self.registry,
            protected=self.environment.protected,
            confirm=confirm,
        )

    @contextmanager
    def ledger(self) -> Iterator[JobReads | None]:
        """Its ledger, to be read; None where nobody has made one yet.

        Raises:
            LedgerError: it cannot be opened.
        """
        if self._has_no_ledger():
            yield None
            return
        # whoever only reads needs no token: nothing is written that could hold one
        tokenless = self.environment.model_copy(update={"instances": ()})
        with closing(open_ledger(self.name, tokenless)) as journal:
            yield journal

    def command(self, *words: str) -> str:
        """A command of ours about the same environment, as it is typed."""
        return shlex.join(["comfyclient", *words, *self.options])

    def _has_no_ledger(self) -> bool:
        url = self.environment.ledger
        file = _SQLITE_FILE.match(default_ledger(self.name) if url is None else url)
        try:
            if file is not None:
                Path(file[1]).stat()
        except FileNotFoundError:
            return True
        except (OSError, ValueError):  # whoever opens it says what is wrong with it
            return False
        return False


def find_place(
    config: Path | None,
    env: str | None,
    *,
    url: str | None = None,
    token_env: str | None = None,
) -> Place:
    """The environment that a command's options name.

    Raises:
        ConfigError: there is none of that name, or its configuration is wrong.
        UsageError: two are named.
    """
    if url is not None and env is not None:
        raise UsageError(
            f"--url {_shown(url)} and --env {env} name two environments",
            hint="give one of them",
        )
    settings = load_settings(config)
    if url is not None:
        settings = _at(settings, url, token_env)
    name, environment = settings.environment(env if url is None else "url")
    given = {
        "--config": None if config is None else str(config),
        "--env": env,
        "--url": None if url is None else _shown(url),
        "--token-env": token_env,
    }
    options = [word for one in given.items() if one[1] for word in one if word]
    return Place(name, settings, environment, tuple(options))


def _at(settings: Settings, url: str, token_env: str | None) -> Settings:
    """One ComfyUI by its URL; each has a ledger of its own, so none gets another's.

    What is not about environments, such as privacy, is as it is configured.

    Raises:
        UsageError: the URL is none, or the variable's name is none.
    """
    try:
        instance = InstanceSettings(name="url", url=url, token_env=token_env)
    except ValidationError as error:
        found = mistakes_of(error, Table(InstanceSettings))
        words = "; ".join(f"--{one.words.replace('_', '-', 1)}" for one in found)
        raise UsageError(words) from None
    address = Endpoint(name="url", url=url).shown
    mark = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    environment = EnvironmentSettings(
        instances=(instance,),
        ledger=default_ledger(f"url-{mark}"),
    )
    return settings.model_copy(update={"environments": {"url": environment}})


def _shown(url: str) -> str:
    """The URL without what may be a secret."""
    return redacted(url)
