"""The configuration: environments, their instances, and where it is read from.

Read from the first of: the argument, `COMFYCLIENT_CONFIG`, `comfyclient.toml` in the
working directory or one above it, the user's configuration folder. With none of them,
there is one environment, `local`, on the embedded engine.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from .errors import ConfigError

FILE_NAME = "comfyclient.toml"
VARIABLE = "COMFYCLIENT_CONFIG"

Seconds = Annotated[float, Field(gt=0, le=7 * 86_400, allow_inf_nan=False)]


def _specifier(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        raise ValueError(
            f"{text!r} is no version range; write for example '>=0.3.45' or '~=1.0'"
        ) from None
    return text


VersionRange = Annotated[str, AfterValidator(_specifier)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSettings(_Settings):
    """How the server's certificate is checked, and ours is shown."""

    verify: bool = True
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None


class InstanceSettings(_Settings):
    """One reachable ComfyUI."""

    name: str = Field(min_length=1, max_length=64)
    url: str = Field(repr=False)  # its query may hold a token
    token_env: str | None = None
    """The environment variable that holds the token."""
    token_file: Path | None = None
    token_scheme: str | None = None
    """`Bearer`, for servers that want one; the bare token is sent otherwise."""
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    window: PositiveInt = 2
    """Jobs sent to it at a time."""
    weight: PositiveFloat = 1.0
    poll_only: bool = False
    """Never open a websocket, where none passes."""
    tls: TlsSettings = TlsSettings()


class EngineSettings(_Settings):
    """The embedded engine of an environment with `transport = "embedded"`."""

    version: str = "0.33.0"
    """The ComfyUI version it plays."""
    base_directory: Path | None = None
    """Where its input/, output/ and temp/ are; by default they go with the client."""


class StorageSettings(_Settings):
    """Where outputs are collected from."""

    kind: Literal["view", "mount", "oss"] = "view"
    root: Path | None = None
    bucket: str | None = None
    endpoint: str | None = None
    prefix: str | None = None


class DeadlineSettings(_Settings):
    """How long a job may take, in seconds."""

    total_s: Seconds = 600
    queue_s: Seconds = 300
    silence_s: Seconds = 120
    grace_s: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 6
    """How long a server is asked for a job whose acceptance was not answered."""


class PolicySettings(_Settings):
    """What becomes of a job that did not go well through no fault of its own."""

    resubmit_lost: NonNegativeInt = 1
    """How often a job is sent again that its server lost, or whose worker died."""
    resubmit_out_of_memory: NonNegativeInt = 1
    """How often one is sent again, elsewhere first, after memory ran out."""
    resubmit_interrupted: NonNegativeInt = 0
    """How often one is sent again that somebody else stopped on the server."""
    on_timeout: Literal["cancel", "leave"] = "cancel"
    """Whether a job whose time is over is stopped on its server, or may be resumed."""


class EnvironmentSettings(_Settings):
    """One environment: instances, storage, pins."""

    transport: Literal["comfyui", "eas-queue", "embedded"] = "comfyui"
    instances: tuple[InstanceSettings, ...] = ()
    engine: EngineSettings = EngineSettings()
    storage: StorageSettings = StorageSettings()
    comfyui_version: VersionRange | None = None
    ledger: str | None = Field(default=None, repr=False)  # it may hold a password
    """Any SQLAlchemy URL; by default a file of the user's, one for each environment."""
    region: str | None = None
    protected: bool = False
    pins: dict[str, VersionRange] = Field(default_factory=dict)
    deadlines: DeadlineSettings = DeadlineSettings()
    policies: PolicySettings = PolicySettings()


class PrivacySettings(_Settings):
    """What of a trip may be published."""

    home_radius_m: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)] = 500


def _local_only() -> dict[str, EnvironmentSettings]:
    return {"local": EnvironmentSettings(transport="embedded")}


class Settings(_Settings):
    """The whole configuration."""

    default_environment: str = "local"
    environments: dict[str, EnvironmentSettings] = Field(default_factory=_local_only)
    privacy: PrivacySettings = PrivacySettings()

    def environment(self, name: str | None) -> tuple[str, EnvironmentSettings]:
        """An environment by name; None is the default one.

        Raises:
            ConfigError: there is none of that name, or it has nowhere to send a job.
        """
        wanted = self.default_environment if name is None else name
        found = self.environments.get(wanted)
        if found is None and wanted == "local":
            found = _local_only()["local"]
        if found is None:
            known = sorted({*self.environments, "local"})
            raise ConfigError(
                f"there is no environment {wanted!r}; configured: {', '.join(known)}",
                hint=_did_you_mean(wanted, known),
            )
        if found.transport != "embedded" and not found.instances:
            raise ConfigError(
                f"environment {wanted!r} has no instances",
                hint=f"add [[environments.{wanted}.instances]] with name and url",
            )
        return wanted, found


def load_settings(path: str | os.PathLike[str] | None = None) -> Settings:
    """Read the configuration, or the defaults where there is no file.

    Raises:
        ConfigError: the file cannot be read or is wrong; names file, line, key, remedy.
    """
    file = find_file(path)
    if file is None:
        return Settings()
    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _explained(error, file, text) from None
    _check_names(settings, file)
    return settings


def find_file(path: str | os.PathLike[str] | None) -> Path | None:
    """The configuration file that is used; None where there is none.

    Raises:
        ConfigError: one was named that does not exist.
    """
    for named, by in ((path, "the argument"), (os.environ.get(VARIABLE), VARIABLE)):
        if named is not None and str(named):
            if not _is_file(Path(named)):
                raise ConfigError(f"{by} names {str(named)!r}, which is no file")
            return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    users = platformdirs.user_config_path("comfyclient") / FILE_NAME
    return users if users.is_file() else None


def _is_file(path: Path) -> bool:
    """Some names, such as one too long, raise where they are looked for."""
    try:
        return path.is_file()
    except OSError:
        return False


def default_ledger(environment: str) -> str:
    """The ledger of an environment that names none: a file of the user's."""
    folder = platformdirs.user_state_path("comfyclient")
    return f"sqlite:///{folder / f'{environment}.db'}"


def read_token(instance: InstanceSettings) -> str | None:
    """The instance's token, from the variable or file that the configuration names.

    Raises:
        ConfigError: it names one that is not there or is empty.
    """
    if instance.token_env is not None:
        token = os.environ.get(instance.token_env, "").strip()
        if not token:
            raise ConfigError(
                f"instance {instance.name}: token_env names {instance.token_env}, "
                "which is not set",
                hint=f"export {instance.token_env}=… before starting",
            )
        return token
    if instance.token_file is None:
        return None
    try:
        token = instance.token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"instance {instance.name}: cannot read token_file {instance.token_file}"
        ) from error
    if not token:
        raise ConfigError(
            f"instance {instance.name}: token_file {instance.token_file} is empty"
        )
    return token


def _check_names(settings: Settings, file: Path) -> None:
    for name, environment in settings.environments.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
            raise ConfigError(
                f"{file}: {name!r} is no name for an environment",
                hint="use letters, digits, - and _",
            )
        names = [instance.name for instance in environment.instances]
        twice = {n for n in names if names.count(n) > 1}
        if twice:
            raise ConfigError(
                f"{file}: environment {name} has two instances named "
                f"{sorted(twice)[0]!r}",
                hint="give each its own name: jobs are found again by it",
            )


def _explained(error: ValidationError, file: Path, text: str) -> ConfigError:
    """pydantic's first complaint, with file, line, key and remedy."""
    first = error.errors(include_url=False)[0]
    location = [part for part in first["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in location)
    place = f"{file}:{_line_of(text, location)}"
    if first["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        return ConfigError(
            f"{place}: unknown key {key}",
            hint=_did_you_mean(str(location[-1]), known)
            or f"known here: {', '.join(known)}",
        )
    got = "" if first["type"] == "missing" else f", got {first['input']!r:.80}"
    more = len(error.errors()) - 1
    return ConfigError(
        f"{place}: {key}: {first['msg']}{got}",
        hint=f"{more} more mistakes follow" if more else None,
    )


def _known_keys(location: Sequence[str | int]) -> list[str]:
    """The keys that a table of the configuration may have."""
    model: type[BaseModel] | None = Settings
    tables: Mapping[str, type[BaseModel]] = {
        "environments": EnvironmentSettings,
        "instances": InstanceSettings,
        "engine": EngineSettings,
        "storage": StorageSettings,
        "deadlines": DeadlineSettings,
        "policies": PolicySettings,
        "privacy": PrivacySettings,
        "tls": TlsSettings,
    }
    for part in location:
        model = tables.get(str(part), model)
    return sorted(model.model_fields) if model is not None else []


def _line_of(text: str, location: Sequence[str | int]) -> int:
    """The line that a key of a TOML file stands on, or its table; 1 if not found."""
    keys = [str(part) for part in location if isinstance(part, str)]
    indexes = [part for part in location if isinstance(part, int)]
    table: list[str] = []
    entry, best, found_table = -1, 1, 0
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line)
        if header:
            table = [part.strip().strip("\"'") for part in header[2].split(".")]
            entry = entry + 1 if header[1] == "[[" else -1
            if keys[: len(table)] == table and len(table) > found_table:
                best, found_table = number, len(table)
            continue
        name = re.match(r"\s*([\w\"'-]+)\s*=", line)
        wanted = not indexes or entry in {-1, indexes[0]}
        if name and wanted and [*table, name[1].strip("\"'")] == keys:
            return number
    return best


def _did_you_mean(word: str, known: Sequence[str]) -> str | None:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else None
