"""The commands about the configuration: what is in force and why, and which file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer
from pydantic import BaseModel, JsonValue, SecretStr

from ..config.errors import dotted
from ..config.secrets import MASK, looks_secret, masked_url, names_credential
from ..config.settings import (
    EnvironmentSettings,
    Loaded,
    default_ledger,
    find_file,
    load,
)
from ..config.sources import FILE_NAME, Origin
from ..config.toml_lines import Location
from ..errors import UsageError
from .console import err, out, printable, show_json, show_rows
from .options import Config, Env, Json

config = typer.Typer(help="The configuration.", no_args_is_help=True)

Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="A value in its place, as KEY=VALUE; repeatable."),
]

_URLS = {"url", "ledger", "endpoint", "base_address"}


@dataclass(frozen=True, slots=True)
class Row:
    """A value that is in force, and where it came from."""

    key: str
    value: JsonValue
    origin: Origin


@config.command("show")
def show_config(
    *,
    config: Config = None,
    env: Env = None,
    given: Set = None,
    as_json: Json = False,
) -> None:
    """Show what is in force for an environment, and where each value came from."""
    loaded = load(config, environment=env, overrides=overrides_of(given))
    name, environment = loaded.settings.environment(env)
    rows = list(rows_of(loaded, name, environment))
    for warning in loaded.warnings:
        err.print(printable(f"warning: {warning}"), style="yellow", markup=False)
    if as_json:
        show_json(_report(loaded, name, rows))
        return
    file = loaded.sources.file
    there = ", ".join(loaded.settings.names)
    out.print(printable(f"environment {name}; there are: {there}"), markup=False)
    out.print(printable(f"file: {'none' if file is None else file}"), markup=False)
    out.print()
    show_rows(
        ("key", "value", "from"),
        [(row.key, _text(row.value), row.origin.short) for row in rows],
    )


@config.command("path")
def show_path(*, config: Config = None, as_json: Json = False) -> None:
    """Print which file is used; nothing where there is none."""
    file = find_file(config)
    path = None if file is None else str(file.resolve())
    if as_json:
        show_json({"file": path})
    elif path is not None:
        out.print(printable(path), markup=False)
    else:
        err.print(f"no {FILE_NAME}: the defaults are in force, on the embedded engine")


def overrides_of(given: list[str] | None) -> dict[str, object]:
    """What `--set` says, by key.

    Raises:
        UsageError: one is not KEY=VALUE.
    """
    overrides: dict[str, object] = {}
    for one in given if given is not None else ():
        key, equals, value = one.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                "--set takes KEY=VALUE", hint="for example: --set deadlines.total_s=900"
            )
        overrides[key.strip()] = value
    return overrides


def rows_of(
    loaded: Loaded, name: str, environment: EnvironmentSettings
) -> Iterator[Row]:
    """Every value that an environment has, with secrets masked."""
    if environment.ledger is None:
        ledger = default_ledger(name)
        environment = environment.model_copy(update={"ledger": ledger})
    whole = {**dict(loaded.settings), "environments": {name: environment}}
    for location, key, value in _leaves(whole, (), ()):
        origin = loaded.sources.origin(location)
        yield Row(dotted(key), _masked(location, value), origin)


def _leaves(
    value: object, at: Location, key: Location
) -> Iterator[tuple[Location, Location, object]]:
    """Each single value: its place, its key as `--set` takes it, and itself."""
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*at, name), (*key, name))
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*at, index), (*key, inner.name))
    else:
        yield at, key, value


def _masked(location: Location, value: object) -> JsonValue:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, tuple):
        return [str(one) for one in value]
    key, text = location[-1], str(value)
    if isinstance(value, SecretStr):
        return MASK
    if key in _URLS:
        return masked_url(text)
    if "headers" in location and (names_credential(str(key)) or looks_secret(text)):
        return MASK
    misplaced = key in {"token_env", "key_env"} and looks_secret(text)
    return MASK if misplaced else text


def _text(value: JsonValue) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _report(loaded: Loaded, name: str, rows: list[Row]) -> dict[str, JsonValue]:
    file = loaded.sources.file
    return {
        "file": None if file is None else os.fspath(file),
        "environment": name,
        "environments": [*loaded.settings.names],
        "values": {row.key: _row_report(row) for row in rows},
        "warnings": list(loaded.warnings),
    }


def _row_report(row: Row) -> dict[str, JsonValue]:
    return {
        "value": row.value,
        "from": row.origin.kind,
        "at": None if row.origin.kind == "default" else str(row.origin),
    }
