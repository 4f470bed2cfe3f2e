"""The options of `eas spec`: what a service shall be, and how it is written."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Format(StrEnum):
    """How a service's JSON is written."""

    JSON = "json"
    JSONC = "jsonc"
    MARKDOWN = "markdown"


class EditionName(StrEnum):
    """The editions of ComfyUI on PAI-EAS that have an API."""

    STANDARD = "standard"
    API = "api"


WantedEdition = Annotated[
    EditionName | None, typer.Option(help="By the environment's transport if none.")
]
Name = Annotated[
    str | None, typer.Option(help="The service's name; the one in its URL if none.")
]
Image = Annotated[
    str | None, typer.Option(help="A tag of PAI's ComfyUI image, or a whole address.")
]
GpuName = Annotated[
    str, typer.Option(help="GU30, A10, T4 or L20: one for each instance.")
]
InstanceTypes = Annotated[
    list[str] | None,
    typer.Option(help="A machine, in place of --gpu's; repeatable: the next best."),
]
Instances = Annotated[
    int | None,
    typer.Option(help="How many at the start; 1, or the MIN of --autoscale."),
]
Region = Annotated[
    str | None, typer.Option(help="Such as cn-shanghai; the environment's if none.")
]
Oss = Annotated[
    str | None,
    typer.Option(help="oss://bucket/prefix/; the environment's storage if none."),
]
Nas = Annotated[
    str | None, typer.Option(help="SERVER:/PATH of a NAS, in place of OSS.")
]
MountPath = Annotated[
    str | None, typer.Option(help="Where the container sees the storage.")
]
VpcIds = Annotated[
    str | None, typer.Option(help="VPC,VSWITCH,SECURITY_GROUP: their ids.")
]
Autoscale = Annotated[
    str | None, typer.Option(help="MIN:MAX instances, by the jobs that wait.")
]
Backlog = Annotated[
    float, typer.Option(help="Waiting jobs for each instance, with --autoscale.")
]
Workspace = Annotated[str | None, typer.Option(help="The id of the PAI workspace.")]
Resource = Annotated[
    str | None, typer.Option(help="A dedicated resource group, for no --gpu.")
]
Gateway = Annotated[str | None, typer.Option(help="A dedicated gateway.")]
Keepalive = Annotated[
    float | None, typer.Option(help="Seconds that one request may take at the service.")
]
WrittenAs = Annotated[
    Format,
    typer.Option("--format", help="json for eascmd; the others explain it."),
]
To = Annotated[
    Path | None, typer.Option("--out", "-o", help="A file, in place of stdout (-).")
]
Explain = Annotated[bool, typer.Option(help="Tell on stderr what each key is for.")]
Checked = Annotated[
    Path | None,
    typer.Option("--check", help="Check this file, in place of writing one."),
]
Beside = Annotated[
    list[Path] | None,
    typer.Option(help="The JSON of another service: it must share no storage."),
]
