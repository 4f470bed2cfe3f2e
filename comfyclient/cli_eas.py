"""The commands about a PAI-EAS service: its JSON, and what must lie in its mount."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from .cli_layout import layout
from .cli_options import Config, Env
from .config import Settings, load_settings
from .config_errors import mistakes_of
from .config_shapes import Table
from .console import err, out, printable
from .eas_certainty import Sure
from .eas_reading import ServiceFile, mistakes_for, parse_service, service_error
from .eas_service import ServiceSpec
from .eas_writing import Wishes, as_json, as_jsonc, as_markdown, doubtful, service_of
from .errors import InputFileError, ServiceFileError, UsageError
from .trip_files import open_regular

MAX_BYTES = 1 << 20

eas = typer.Typer(help="Services of PAI-EAS.", no_args_is_help=True)


eas.command("layout")(layout)


class Format(StrEnum):
    """How a service's JSON is written."""

    JSON = "json"
    JSONC = "jsonc"
    MARKDOWN = "markdown"


class EditionName(StrEnum):
    """The editions of ComfyUI on PAI-EAS that have an API."""

    STANDARD = "standard"
    API = "api"


_WRITERS = {
    Format.JSON: as_json,
    Format.JSONC: as_jsonc,
    Format.MARKDOWN: as_markdown,
}


@eas.command("spec")
def spec(
    *,
    edition: Annotated[
        EditionName | None, typer.Option(help="By the environment's transport if none.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The service's name; the one in its URL if none.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(help="A tag of PAI's ComfyUI image, or a whole address."),
    ] = None,
    gpu: Annotated[
        str, typer.Option(help="GU30, A10, T4 or L20: one for each instance.")
    ] = "GU30",
    instance_type: Annotated[
        list[str] | None,
        typer.Option(help="A machine, in place of --gpu's; repeatable: the next best."),
    ] = None,
    instances: Annotated[int, typer.Option(help="How many at the start.")] = 1,
    region: Annotated[
        str | None, typer.Option(help="Such as cn-shanghai; the environment's if none.")
    ] = None,
    oss: Annotated[
        str | None,
        typer.Option(help="oss://bucket/prefix/; the environment's storage if none."),
    ] = None,
    nas: Annotated[
        str | None, typer.Option(help="SERVER:/PATH of a NAS, in place of OSS.")
    ] = None,
    mount_path: Annotated[
        str | None, typer.Option(help="Where the container sees the storage.")
    ] = None,
    vpc: Annotated[
        str | None, typer.Option(help="VPC,VSWITCH,SECURITY_GROUP: their ids.")
    ] = None,
    autoscale: Annotated[
        str | None, typer.Option(help="MIN:MAX instances, by the jobs that wait.")
    ] = None,
    backlog: Annotated[
        float, typer.Option(help="Waiting jobs for each instance, with --autoscale.")
    ] = Wishes().backlog,
    workspace: Annotated[
        str | None, typer.Option(help="The id of the PAI workspace.")
    ] = None,
    resource: Annotated[
        str | None, typer.Option(help="A dedicated resource group, for no --gpu.")
    ] = None,
    gateway: Annotated[str | None, typer.Option(help="A dedicated gateway.")] = None,
    keepalive: Annotated[
        float | None,
        typer.Option(help="Seconds that one request may take at the service."),
    ] = None,
    written_as: Annotated[
        Format,
        typer.Option("--format", help="json for eascmd; the others tell what it is."),
    ] = Format.JSON,
    to: Annotated[
        Path | None, typer.Option("--out", "-o", help="A file, in place of stdout.")
    ] = None,
    explain: Annotated[
        bool, typer.Option(help="Tell on stderr what each key is for.")
    ] = False,
    checked: Annotated[
        Path | None,
        typer.Option("--check", help="Check this file, in place of writing one."),
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="The JSON of another service: it must share no storage."),
    ] = None,
    config: Config = None,
    env: Env = None,
) -> None:
    """Write the JSON of an environment's service, or check one; deploys nothing."""
    settings = load_settings(config)
    place, environment = settings.environment(env)
    others = {str(file): _read(file).spec for file in beside or ()}
    if checked is not None:
        _check(_read(checked), place, settings, others)
        return
    wishes = Wishes(
        edition=None if edition is None else edition.value,
        name=name,
        image=image,
        gpu=gpu,
        instance_types=tuple(instance_type or ()),
        instances=instances,
        region=region,
        oss=oss,
        nas=nas,
        mount_path=mount_path,
        vpc=_vpc(vpc),
        autoscale=_range(autoscale),
        backlog=backlog,
        workspace=workspace,
        resource=resource,
        gateway=gateway,
        keepalive_s=keepalive,
    )
    try:
        made = service_of(place, environment, wishes)
    except ValidationError as error:
        raise service_error(
            mistakes_of(error, Table(ServiceSpec)), file=None, lines={}
        ) from None
    _refuse(made, place, settings, others)
    _write(_WRITERS[written_as](made), to)
    _tell(made, to, explain=explain)


def _vpc(text: str | None) -> tuple[str, str, str] | None:
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3:
        raise UsageError(
            f"--vpc takes three ids, got {text!r}",
            hint="--vpc vpc-…,vsw-…,sg-…",
        )
    return parts[0], parts[1], parts[2]


def _range(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    least, _, most = text.partition(":")
    if not (least.isdecimal() and most.isdecimal()):
        raise UsageError(
            f"--autoscale takes MIN:MAX, got {text!r}", hint="for example: 1:4"
        )
    return int(least), int(most)


def _read(file: Path) -> ServiceFile:
    try:
        with open_regular(file) as opened:
            content = opened.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ServiceFileError(f"cannot be read: {said}", file=str(file)) from error
    if len(content) > MAX_BYTES:
        raise ServiceFileError(f"is larger than {MAX_BYTES >> 20} MiB", file=str(file))
    return parse_service(text, name=str(file))


def _check(
    file: ServiceFile, place: str, settings: Settings, others: dict[str, ServiceSpec]
) -> None:
    found = mistakes_for(file.spec, place, settings.environments, beside=others)
    if found:
        raise service_error(found, file=file.name, lines=file.lines)
    for line in _doubts(file.spec):
        err.print(printable(line), markup=False)
    edition = file.spec.edition
    out.print(
        printable(f"{file.name}: {edition} edition for environment {place}: ok"),
        markup=False,
    )


def _refuse(
    made: ServiceSpec, place: str, settings: Settings, others: dict[str, ServiceSpec]
) -> None:
    environments = {**settings.environments}
    environments.setdefault(place, settings.environment(place)[1])
    found = mistakes_for(made, place, environments, beside=others)
    if found:
        raise service_error(found, file=None, lines={})


def _write(text: str, to: Path | None) -> None:
    if to is None:
        typer.echo(text, nl=False)
        return
    try:
        to.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputFileError(
            f"cannot be written: {error.strerror}", file=str(to)
        ) from error


def _tell(made: ServiceSpec, to: Path | None, *, explain: bool) -> None:
    """What people should know of it, beside the JSON."""
    if explain:
        err.print(printable(as_markdown(made)), markup=False)
    for line in () if explain else _doubts(made):
        err.print(printable(line), markup=False)
    if to is not None:
        err.print(printable(f"{to}: {made.edition} edition"), markup=False)


def _doubts(made: ServiceSpec) -> Iterator[str]:
    """Keys that no official page vouches for, by how sure they are."""
    by: dict[Sure, list[str]] = {}
    for line in doubtful(made):
        by.setdefault(line.note.sure, []).append(line.key)
    if by:
        yield "worth a look before it is deployed (--explain says why):"
    for sure, keys in by.items():
        yield f"  {sure}: {', '.join(keys)}"
