"""Reads a service's JSON back, comments and all, and says what is wrong with it. Pure.

A file that was edited by hand is held to the schema, to the rules between its keys, to
the environment that it is for, and to what other environments and services have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..config.addresses import Folder, bucket_at, folder_at
from ..config.errors import Mistake, dotted, mistakes_of
from ..config.models import EnvironmentSettings
from ..config.shapes import Table
from ..config.toml_lines import Location
from ..errors import ServiceFileError
from ..jsontext import duplicate, line_of, members
from .regions import eas_address, oss_address
from .rules import image_region, mistakes_in
from .service import ServiceSpec

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_SECRETS = {
    ("token",): "EAS makes one by itself; read it in the console, into token_env",
    ("dockerAuth",): "it is the registry's password: add it when deploying",
}


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A service's JSON, and where in it each key stands."""

    name: str
    spec: ServiceSpec
    lines: Mapping[Location, int]


def parse_service(text: str, *, name: str) -> ServiceFile:
    """Read a service's JSON, which may have comments.

    Raises:
        ServiceFileError: it is no JSON, or does not fit the schema; names each key.
    """
    plain = _without_comments(text)
    try:
        found = json.loads(plain)
        twice = duplicate(plain)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        deep = isinstance(error, RecursionError)
        said = "nested too deeply" if deep else getattr(error, "msg", str(error)[:80])
        raise ServiceFileError(f"is no JSON: {said}", file=name, line=line) from None
    if twice is not None:
        path, line = dotted(twice[1].path), line_of(plain, twice[1].start)
        raise ServiceFileError(f"{path} stands there twice", file=name, line=line)
    lines = {one.path: line_of(plain, one.start) for one in members(plain)}
    secret = [key for key in _SECRETS if isinstance(found, dict) and key[0] in found]
    if secret:
        raise ServiceFileError(
            f"{secret[0][0]} is a secret, which no file may hold",
            file=name,
            line=lines.get(secret[0]),
            hint=f"take it out: {_SECRETS[secret[0]]}",
        )
    try:
        spec = ServiceSpec.model_validate_json(plain)
    except ValidationError as error:
        mistakes = mistakes_of(error, Table(ServiceSpec))
        raise service_error(mistakes, file=name, lines=lines) from None
    return ServiceFile(name, spec, lines)


def _without_comments(text: str) -> str:
    """The text with comments blanked out, line for line."""

    def blank(match: re.Match[str]) -> str:
        found = match[0]
        return found if found.startswith('"') else re.sub(r"[^\n]", " ", found)

    return _TOKEN.sub(blank, text)


def service_error(
    mistakes: list[Mistake], *, file: str | None, lines: Mapping[Location, int]
) -> ServiceFileError:
    """One error that tells all mistakes, each with its line."""
    if len(mistakes) == 1:
        (one,) = mistakes
        line = _line_of(one.location, lines)
        return ServiceFileError(one.words, file=file, line=line, hint=one.hint)
    told = []
    for one in mistakes:
        line = _line_of(one.location, lines)
        where = "" if line is None else f"line {line}: "
        hint = "" if one.hint is None else f" ({one.hint})"
        told.append(f"\n  - {where}{one.words}{hint}")
    return ServiceFileError(f"{len(mistakes)} mistakes{''.join(told)}", file=file)


def _line_of(location: Location, lines: Mapping[Location, int]) -> int | None:
    """The line of a key, or of the nearest thing around it that is there."""
    while location:
        if location in lines:
            return lines[location]
        location = location[:-1]
    return 1 if lines else None


def mistakes_for(
    spec: ServiceSpec,
    name: str,
    environments: Mapping[str, EnvironmentSettings],
    *,
    beside: Mapping[str, ServiceSpec] | None = None,
) -> list[Mistake]:
    """All that is wrong with a service that an environment is to have."""
    environment = environments[name]
    return [
        *mistakes_in(spec),
        *_not_of(spec, name, environment),
        *_shared(spec, name, environments, {} if beside is None else beside),
    ]


STARTS_WITHIN_S = 300.0
"""Seconds until a new instance runs; the page on ComfyUI says about so many."""


def too_impatient(
    spec: ServiceSpec, name: str, environment: EnvironmentSettings
) -> str | None:
    """What to say where the environment's jobs give up before an instance wakes."""
    scaler, patience = spec.autoscaler, environment.deadlines.queue_s
    if scaler is None or scaler.min > 0 or patience > STARTS_WITHIN_S:
        return None
    return (
        f"environments.{name}.deadlines.queue_s is {patience:g}: with autoscaler.min 0 "
        f"the first job waits for about {STARTS_WITHIN_S:g} s, and gives up before; "
        "allow it more"
    )


def _not_of(
    spec: ServiceSpec, name: str, environment: EnvironmentSettings
) -> Iterator[Mistake]:
    """Where the service is another than the environment's configuration has."""
    wanted = {"eas-queue": "api", "comfyui": "standard"}.get(environment.transport)
    if wanted is not None and spec.edition != wanted:
        transport = "eas-queue" if spec.edition == "api" else "comfyui"
        yield Mistake(
            f"this is the {spec.edition} edition, environment {name} has transport "
            f"{environment.transport!r}",
            hint=f"set environments.{name}.transport = {transport!r}, or change "
            "metadata.type and the image",
            location=("metadata", "type"),
        )
    services = {
        address.service
        for one in environment.instances
        if (address := eas_address(one.url)) is not None and address.service
    }
    if services and spec.metadata.name not in services:
        yield Mistake(
            f"metadata.name is {spec.metadata.name!r}, environment {name} calls "
            f"{', '.join(sorted(services))}",
            hint="give both the same name",
            location=("metadata", "name"),
        )
    yield from _elsewhere(spec, name, environment)
    yield from _other_storage(spec, name, environment)


def _elsewhere(
    spec: ServiceSpec, name: str, environment: EnvironmentSettings
) -> Iterator[Mistake]:
    region = image_region(spec.containers[0].image)
    endpoint = environment.storage.endpoint
    bucket = None if endpoint is None else oss_address(endpoint)
    known = {
        f"environments.{name}.region": environment.region,
        f"environments.{name}.storage.endpoint": bucket and bucket.region,
    }
    for key, other in known.items():
        if region is not None and other is not None and other != region:
            yield Mistake(
                f"the image is in {region}, {key} says {other}: service, image and "
                "bucket must be in one region",
                hint=f"take the image of {other}",
                location=("containers", 0, "image"),
            )


def _other_storage(
    spec: ServiceSpec, name: str, environment: EnvironmentSettings
) -> Iterator[Mistake]:
    storage = environment.storage
    if storage.kind != "oss" or storage.bucket is None:
        return
    wanted = bucket_at(storage.bucket, endpoint=storage.endpoint, prefix=storage.prefix)
    mounts = list(_mounted(spec, storage.endpoint))
    if wanted.steps not in [folder.steps for _, folder in mounts]:
        shown = ", ".join(folder.shown for _, folder in mounts)
        yield Mistake(
            f"the service mounts {shown}, environment {name} collects from "
            f"{wanted.shown}",
            hint="give both the same bucket and prefix: else no output is found",
            location=("storage", 0, "oss", "path"),
        )


def _shared(
    spec: ServiceSpec,
    name: str,
    environments: Mapping[str, EnvironmentSettings],
    beside: Mapping[str, ServiceSpec],
) -> Iterator[Mistake]:
    """Where the service mounts what another environment or service has."""
    others = [
        (f"environment {other}", environment.storage.endpoint, folder)
        for other, environment in environments.items()
        if other != name
        for folder in _folders(environment)
    ]
    others += [
        (f"the service of {file}", None, folder)
        for file, other in beside.items()
        for _, folder in _mounted(other)
    ]
    for owner, endpoint, theirs in others:
        for index, mine in _mounted(spec, endpoint):
            if mine.holds(theirs) or theirs.holds(mine):
                yield Mistake(
                    f"storage[{index}]: {mine.shown} and {theirs.shown} of {owner} are "
                    "the same, or one is in the other: their files would mix, those "
                    "in temp/ too",
                    hint="give each environment a prefix of its own",
                    location=("storage", index),
                )


def _folders(environment: EnvironmentSettings) -> Iterator[Folder]:
    storage = environment.storage
    if storage.bucket is not None:
        yield bucket_at(
            storage.bucket, endpoint=storage.endpoint, prefix=storage.prefix
        )
    if storage.root is not None:
        yield folder_at(storage.root)


def _mounted(
    spec: ServiceSpec, endpoint: str | None = None
) -> Iterator[tuple[int, Folder]]:
    """What a service mounts, by its place in `storage`; its buckets as seen there."""
    for index, mount in enumerate(spec.storage):
        if mount.oss is not None:
            bucket, _, prefix = mount.oss.path.removeprefix("oss://").partition("/")
            yield index, bucket_at(bucket, endpoint=endpoint, prefix=prefix)
        if mount.nfs is not None:
            steps = tuple(step for step in mount.nfs.path.split("/") if step)
            shown = f"{mount.nfs.server}:{Path('/', *steps)}"
            yield index, Folder(shown, ("nfs", mount.nfs.server.lower(), *steps))
