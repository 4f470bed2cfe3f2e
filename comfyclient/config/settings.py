"""The configuration: environments, their instances, and where it is read from.

Read from the first of: the argument, `COMFYCLIENT_CONFIG`, `comfyclient.toml` in the
working directory or one above it, the user's configuration folder. With none of them,
there is one environment, `local`, on the embedded engine. Environment variables win
over the file, and arguments over both.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import platformdirs
from pydantic import Field, ValidationError, ValidationInfo, model_validator

from ..errors import ConfigError, UsageError
from .errors import (
    Mistake,
    Place,
    did_you_mean,
    dotted,
    error_of,
    mistakes_of,
)
from .isolation import mistakes_between, writable_instances, writes_storage
from .models import DashScopeSettings as DashScopeSettings
from .models import DeadlineSettings as DeadlineSettings
from .models import EngineSettings as EngineSettings
from .models import EnvironmentSettings as EnvironmentSettings
from .models import InstanceSettings as InstanceSettings
from .models import PhotoSettings as PhotoSettings
from .models import PolicySettings as PolicySettings
from .models import PrivacySettings as PrivacySettings
from .models import StorageSettings as StorageSettings
from .models import TlsSettings as TlsSettings
from .overlay import add_arguments, add_variables, variable_of
from .secrets import (
    password_of_url,
    secret_headers,
    secret_of_url,
    shown_key,
)
from .shapes import Table
from .sources import FILE_NAME as FILE_NAME
from .sources import VARIABLE as VARIABLE
from .sources import Sources, anchor_paths, read_file
from .sources import find_file as find_file
from .toml_lines import Location
from .types import FilePath, Folders, SettingsModel, defaulted

_LOCAL = "local"
_MADE_BY_COMFYUI = {"input", "output", "temp"}
LOCK_NAME = "comfyclient.lock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class ConfigWarning(UserWarning):
    """Something in the configuration works, but should not stay as it is."""


def _local_only() -> dict[str, Any]:
    return {_LOCAL: {"transport": "embedded"}}


class Settings(SettingsModel):
    """The whole configuration.

    Raises:
        ConfigError: environments share a name, an instance or a storage.
    """

    default_environment: str = _LOCAL
    """The environment of whoever names none."""
    lock: Path | None = None
    """The lock file; `comfyclient.lock` beside the configuration where None."""
    templates: Folders = ()
    """Folders of templates of one's own, searched before those of the package."""
    cache: FilePath | None = None
    """For what servers offer, photos and temp outputs; one of the user's where None."""
    environments: dict[str, EnvironmentSettings] = Field(
        default_factory=_local_only, validate_default=True
    )
    privacy: PrivacySettings = defaulted()
    photos: PhotoSettings = defaulted()
    dashscope: DashScopeSettings | None = None
    """The hosted models of every environment; one may differ in its own table."""

    @model_validator(mode="before")
    @classmethod
    def _local_is_embedded(cls, data: Any) -> Any:
        """`local` is on the embedded engine, unless it says otherwise."""
        environments = data.get("environments") if isinstance(data, Mapping) else None
        local = environments.get(_LOCAL) if isinstance(environments, Mapping) else None
        if not isinstance(local, Mapping) or {"transport", "instances"} & local.keys():
            return data
        local = {**local, "transport": "embedded"}
        return {**data, "environments": {**data["environments"], _LOCAL: local}}

    @model_validator(mode="after")
    def _kept_apart(self, info: ValidationInfo) -> Self:
        place: Place = info.context if callable(info.context) else dotted
        mistakes = [*_wrong_names(self), *mistakes_between(self.environments)]
        if mistakes:
            raise error_of(mistakes, place)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The environments that there are, in order; `local` always is."""
        return tuple(sorted({*self.environments, _LOCAL}))

    def environment(self, name: str | None) -> tuple[str, EnvironmentSettings]:
        """An environment by name; None is the default one.

        Raises:
            ConfigError: there is none of that name, or it has nowhere to send a job.
        """
        wanted = self.default_environment if name is None else name
        found = self.environments.get(wanted)
        if found is None and wanted == _LOCAL:
            found = EnvironmentSettings(**_local_only()[_LOCAL])
        if found is None:
            known = ", ".join(self.names)
            raise ConfigError(
                f"there is no environment {wanted!r}; configured: {known}",
                hint=did_you_mean(wanted, self.names),
            )
        if found.transport != "embedded" and not found.instances:
            raise ConfigError(
                f"environment {wanted!r} has no instances",
                hint=f"add [[environments.{wanted}.instances]] with name and url",
            )
        return wanted, found

    def writable_instances(self, name: str) -> tuple[InstanceSettings, ...]:
        """The instances that an environment may change something at."""
        return writable_instances(self.environments, name)

    def writes_storage(self, name: str) -> bool:
        """Whether an environment may change something in its storage."""
        return writes_storage(self.environments, name)


_ROOT = Table(Settings)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, where each of them came from, and what should be better."""

    settings: Settings
    sources: Sources
    warnings: tuple[str, ...]


def load_settings(
    path: str | os.PathLike[str] | None = None,
    *,
    environment: str | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Read the configuration, or the defaults where nothing is configured.

    Args:
        path: the file; found by itself where None.
        environment: the default environment, in place of the configured one.
        overrides: values by dotted key, of that environment (`deadlines.total_s`) or
            of the whole (`environments.prod.deadlines.total_s`).

    Raises:
        ConfigError: something in it is wrong; names file, line, key, remedy.
    """
    loaded = load(path, environment=environment, overrides=overrides)
    for warning in loaded.warnings:
        warnings.warn(warning, ConfigWarning, stacklevel=2)
    return loaded.settings


def load(
    path: str | os.PathLike[str] | None = None,
    *,
    environment: str | None = None,
    overrides: Mapping[str, object] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the configuration with its sources; warnings are given, not issued.

    Raises:
        ConfigError: something in it is wrong; names file, line, key, remedy.
    """
    given = os.environ if variables is None else variables
    sources = read_file(find_file(path, variables=given))
    anchor_paths(sources, _ROOT)
    add_variables(sources, _ROOT, given)
    add_arguments(
        sources,
        _ROOT,
        environment=environment,
        overrides={} if overrides is None else overrides,
    )
    try:
        settings = Settings.model_validate(sources.data, context=sources.place)
    except ValidationError as error:
        found = [*sources.mistakes, *mistakes_of(error, _ROOT)]
        raise error_of(found, sources.place) from None
    mistakes = [*sources.mistakes, *_unfounded(settings, sources)]
    if mistakes:
        raise error_of(mistakes, sources.place)
    settings = settings.model_copy(update={"lock": _lock_of(settings, sources)})
    return Loaded(settings, sources, tuple(_warnings(settings, sources)))


def _lock_of(settings: Settings, sources: Sources) -> Path:
    """The lock's file: one that is named by a relative path is beside the file too."""
    name = Path(LOCK_NAME) if settings.lock is None else settings.lock
    return name if sources.file is None else sources.file.parent / name


def default_ledger(environment: str) -> str:
    """The ledger of an environment that names none: a file of the user's."""
    folder = platformdirs.user_state_path("comfyclient")
    return f"sqlite:///{folder / f'{environment}.db'}"


def default_parking(environment: str) -> Path:
    """Where an environment that names no folder parks results."""
    return platformdirs.user_state_path("comfyclient") / "parked" / environment


def _wrong_names(settings: Settings) -> Iterator[Mistake]:
    seen: dict[str, str] = {}
    for name in settings.environments:
        at: Location = ("environments", name)
        if not _NAME.fullmatch(name):
            words = f"{shown_key(name)!r} is no name for an environment"
            yield Mistake(words, hint="use letters, digits, - and _", location=at)
        other = seen.setdefault(name.lower().replace("-", "_"), name)
        if other != name:
            words = (
                f"environments {other!r} and {name!r} have the same name but for case"
            )
            hint = "files, variables and databases may take one for the other"
            yield Mistake(words, hint=hint, location=at)
    default = settings.default_environment
    if default not in settings.names:
        yield Mistake(
            f"there is no environment {shown_key(default)!r}; "
            f"configured: {', '.join(settings.names)}",
            hint=did_you_mean(default, settings.names),
            location=("default_environment",),
        )


def _unfounded(settings: Settings, sources: Sources) -> Iterator[Mistake]:
    """Environments that a misspelt variable or argument made by the way."""
    for name, environment in settings.environments.items():
        at: Location = ("environments", name)
        made_by_file = sources.origin(at).kind in {"file", "default"}
        if made_by_file or environment.instances or environment.transport == "embedded":
            continue
        known = [n for n in settings.environments if n != name]
        yield Mistake(
            f"there is no environment {name!r}, and a new one needs instances",
            hint=did_you_mean(name, known),
            location=at,
        )


# -- what works, but should be better


def _warnings(settings: Settings, sources: Sources) -> Iterator[str]:
    for at, what in _secrets(settings):
        if sources.origin(at).kind == "file":
            better = f"put it into the variable {variable_of(at, sources.data)}"
            if at[-1] in {"token", "key"}:
                better = (
                    f"name a variable in {at[-1]}_env, or a file in {at[-1]}_file, "
                    "instead"
                )
            yield f"{sources.place(at)}: {dotted(at)} holds {what}; {better}"
    for name, environment in settings.environments.items():
        at = ("environments", name, "queue")
        if environment.queue.model_fields_set and environment.transport != "eas-queue":
            yield (
                f"{sources.place(at)}: {dotted(at)} counts for nothing with transport "
                f"{environment.transport!r}; set 'eas-queue', or leave it out"
            )
        key, last = _last_step(environment.storage)
        if last in _MADE_BY_COMFYUI:
            at = ("environments", name, "storage", key)
            yield (
                f"{sources.place(at)}: {dotted(at)} ends with {last}/, a folder that "
                "ComfyUI makes itself in what its service mounts; name the one above it"
            )


def _last_step(storage: StorageSettings) -> tuple[str, str]:
    """The last folder on the way to the files of an environment, and who names it."""
    if storage.root is not None:
        return "root", storage.root.name
    return "prefix", (storage.prefix or "").rstrip("/").rpartition("/")[2]


def _secrets(settings: Settings) -> Iterator[tuple[Location, str]]:
    """Where a secret stands in the configuration itself, and what it looks like."""
    if settings.dashscope is not None and settings.dashscope.key is not None:
        yield ("dashscope", "key"), "the key itself"
    for name, environment in settings.environments.items():
        above: Location = ("environments", name)
        if environment.dashscope is not None and environment.dashscope.key is not None:
            yield (*above, "dashscope", "key"), "the key itself"
        if environment.ledger is not None and password_of_url(environment.ledger):
            yield (*above, "ledger"), "a password"
        for index, instance in enumerate(environment.instances):
            at: Location = (*above, "instances", index)
            if instance.token is not None:
                yield (*at, "token"), "the token itself"
            in_url = secret_of_url(instance.url)
            if in_url is not None:
                yield (*at, "url"), in_url
            for header in secret_headers(instance.headers):
                yield (*at, "headers", header), "what looks like a credential"


def with_instance(
    settings: Settings, name: str, instance: InstanceSettings
) -> Settings:
    """The settings with one more instance in an environment.

    Raises:
        UsageError: the environment runs on the embedded engine.
        ConfigError: it shares a name or an address with another one.
    """
    environment = settings.environment(name)[1]
    if environment.transport == "embedded":
        raise UsageError(
            f"environment {name!r} runs on the embedded engine, and on no instances",
            hint="use an environment with transport = 'comfyui'",
        )
    instances = (*environment.instances, instance)
    grown = environment.model_copy(update={"instances": instances})
    fields = {key: getattr(settings, key) for key in Settings.model_fields}
    environments = {**settings.environments, name: grown}
    try:
        return Settings(**{**fields, "environments": environments})
    except ValidationError as error:
        raise ConfigError(
            f"instance {instance.name!r} cannot be added to {name!r}: "
            + "; ".join(each["msg"] for each in error.errors(include_input=False))
        ) from None
