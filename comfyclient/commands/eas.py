"""The commands about a PAI-EAS service: its JSON, and what must lie in its mount."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import typer
from pydantic import ValidationError

from ..config.errors import Mistake, mistakes_of
from ..config.settings import EnvironmentSettings, load_settings
from ..config.shapes import Table
from ..eas.certainty import Sure
from ..eas.reading import (
    ServiceFile,
    mistakes_for,
    parse_service,
    service_error,
    too_impatient,
)
from ..eas.service import ServiceSpec
from ..eas.writing import (
    USUAL_BACKLOG,
    Wishes,
    as_json,
    as_jsonc,
    as_markdown,
    doubtful,
    service_of,
)
from ..errors import InputFileError, ServiceFileError, UsageError
from ..regular_files import open_regular
from .access import access
from .console import err, out, printable
from .eas_options import (
    Autoscale,
    Backlog,
    Beside,
    Checked,
    Explain,
    Format,
    Gateway,
    GpuName,
    Image,
    Instances,
    InstanceTypes,
    Keepalive,
    MountPath,
    Name,
    Nas,
    Oss,
    Region,
    Resource,
    To,
    VpcIds,
    WantedEdition,
    Workspace,
    WrittenAs,
)
from .layout import layout
from .options import Config, Env

MAX_BYTES = 1 << 20

eas = typer.Typer(help="Services of PAI-EAS.", no_args_is_help=True)


_WRITERS = {
    Format.JSON: as_json,
    Format.JSONC: as_jsonc,
    Format.MARKDOWN: as_markdown,
}


@eas.command("spec")
def spec(
    *,
    edition: WantedEdition = None,
    name: Name = None,
    image: Image = None,
    gpu: GpuName = "GU30",
    instance_type: InstanceTypes = None,
    instances: Instances = None,
    region: Region = None,
    oss: Oss = None,
    nas: Nas = None,
    mount_path: MountPath = None,
    vpc: VpcIds = None,
    autoscale: Autoscale = None,
    backlog: Backlog = USUAL_BACKLOG,
    workspace: Workspace = None,
    resource: Resource = None,
    gateway: Gateway = None,
    keepalive: Keepalive = None,
    written_as: WrittenAs = Format.JSON,
    to: To = None,
    explain: Explain = False,
    checked: Checked = None,
    beside: Beside = None,
    config: Config = None,
    env: Env = None,
) -> None:
    """Write the JSON of an environment's service, or check one; deploys nothing."""
    target = _target(config, env, beside or ())
    if checked is not None:
        _check(_read(checked), target)
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
    made = _made(target, wishes)
    to = None if to == Path("-") else to
    _write(_WRITERS[written_as](made), to)
    _tell(made, to, explain=explain)
    target.advise(made)


@dataclass(frozen=True, slots=True)
class _Target:
    """The environment that a service is for, and what it must be kept apart from."""

    name: str
    environments: Mapping[str, EnvironmentSettings]
    beside: Mapping[str, ServiceSpec]

    def mistakes(self, spec: ServiceSpec) -> list[Mistake]:
        """What is wrong with a service for it."""
        return mistakes_for(spec, self.name, self.environments, beside=self.beside)

    def advise(self, spec: ServiceSpec) -> None:
        """Tell on stderr what is right, and will not go well."""
        words = too_impatient(spec, self.name, self.environments[self.name])
        if words is not None:
            err.print(printable(words), markup=False)


def _target(config: Path | None, env: str | None, beside: Iterable[Path]) -> _Target:
    settings = load_settings(config)
    name, environment = settings.environment(env)
    environments = {name: environment, **settings.environments}
    return _Target(name, environments, {str(one): _read(one).spec for one in beside})


def _made(target: _Target, wishes: Wishes) -> ServiceSpec:
    """The service that is wished for, which nothing is wrong with."""
    try:
        made = service_of(target.name, target.environments[target.name], wishes)
    except ValidationError as error:
        found = mistakes_of(error, Table(ServiceSpec))
    else:
        found = target.mistakes(made)
        if not found:
            return made
    raise service_error(found, file=None, lines={})


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


def _check(file: ServiceFile, target: _Target) -> None:
    found = target.mistakes(file.spec)
    if found:
        raise service_error(found, file=file.name, lines=file.lines)
    for line in _doubts(file.spec):
        err.print(printable(line), markup=False)
    target.advise(file.spec)
    what = f"{file.spec.edition} edition for environment {target.name}: ok"
    out.print(printable(f"{file.name}: {what}"), markup=False)


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


eas.command("layout")(layout)
eas.command("access")(access)
