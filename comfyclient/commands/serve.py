"""The command that plays a server: serve."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from ..config.settings import EngineSettings
from ..engine_start import start_engine
from ..errors import UsageError
from .console import out
from .ends import stoppable


def serve(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any.")] = 8188,
    plays: Annotated[
        str, typer.Option("--comfyui-version", help="The ComfyUI version to play.")
    ] = EngineSettings().version,
    base: Annotated[
        Path | None,
        typer.Option(help="Where input/, output/ and temp/ are; temporary if none."),
    ] = None,
) -> None:
    """Run the embedded engine as a server that any ComfyUI client can talk to."""
    try:
        settings = EngineSettings(version=plays, base_directory=base)
    except ValidationError:
        raise UsageError(
            f"--comfyui-version takes a version such as 0.33.0, got {plays!r}"
        ) from None
    with stoppable(), ExitStack() as stack:
        engine = start_engine(settings, stack, host=host, port=port)
        out.print(f"ComfyUI {plays}, embedded: {engine.url}", markup=False)
        out.print(f"files: {engine.base_directory}", markup=False)
        out.print("Ctrl-C stops it.")
        while engine.wait(timeout=3600) is False:
            pass
