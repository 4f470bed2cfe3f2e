"""The options that commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FAILED = 1
WRONG_USE = 2

Config = Annotated[
    Path | None, typer.Option("--config", help="A comfyclient.toml to use.")
]
Env = Annotated[
    str | None, typer.Option("--env", help="The environment; the default one if none.")
]
AnyEnv = Annotated[str | None, typer.Option(help="One environment; all if none.")]
Url = Annotated[
    str | None, typer.Option("--url", help="A ComfyUI to use, in place of --env.")
]
TokenEnv = Annotated[
    str | None, typer.Option(help="The variable that holds the token for --url.")
]
Templates = Annotated[
    list[Path] | None,
    typer.Option(
        "--templates", help="A folder of templates, before all others; repeatable."
    ),
]
What = Annotated[
    str,
    typer.Argument(
        help="A template (trip-postcard, trip-postcard@1.0.0), "
        "or a graph exported from ComfyUI (API format).",
        metavar="TEMPLATE|GRAPH.json",
    ),
]
Param = Annotated[
    list[str] | None,
    typer.Option("--param", "-p", help="A parameter, as NAME=VALUE; repeatable."),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder for the pictures.")]
Confirm = Annotated[
    str | None,
    typer.Option(help="The protected environment's name, to say that this is meant."),
]
YesProd = Annotated[
    bool, typer.Option("--yes-prod", help="The same as --confirm prod.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on stdout.")]


def confirmed(confirm: str | None, *, yes_prod: bool) -> str | None:
    """The protected environment that the options name."""
    return "prod" if yes_prod and confirm is None else confirm
