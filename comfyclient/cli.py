"""The command line: which commands there are; each is loaded once it is called."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from . import __version__
from .commands.console import err, out, show_error, speak_any_encoding
from .commands.ends import exit_code
from .errors import ComfyClientError

MAKE = "Make pictures"
JOBS = "Jobs"
TEMPLATES = "Templates and their versions"
SERVERS = "Configuration and servers"


class Deferred(TyperCommand):
    """A command of `commands/`, as the list of all shows it before it is loaded."""

    def __init__(self, panel: str, home: str, summary: str) -> None:
        name = home.rpartition(".")[2]
        super().__init__(name, help=summary, rich_help_panel=panel)
        self._home = home

    def load(self) -> Any:  # click's Command, or typer's copy of it
        """The command itself."""
        module, _, name = self._home.rpartition(".")
        found = getattr(import_module(f".commands.{module}", __package__), name)
        if isinstance(found, typer.Typer):
            return get_group(found)
        alone = typer.Typer(add_completion=False)
        alone.command(self.name)(found)
        return get_command(alone)

    def make_context(self, *args: Any, **more: Any) -> Any:
        """Where every call of it begins: it goes on with the command itself."""
        return self.load().make_context(*args, **more)


COMMANDS = (
    Deferred(
        MAKE,
        "demo.demo",
        "Turn the sample trips into postcards; needs no GPU, no cloud, no key.",
    ),
    Deferred(
        MAKE,
        "run.run",
        "Run one job: fill a template from a trip, send it, bring the outputs home.",
    ),
    Deferred(
        MAKE,
        "batch.batch",
        "Make a template of every trip of a file; Ctrl-C ends it, --resume goes on.",
    ),
    Deferred(JOBS, "jobs.jobs", "The jobs in the ledger, newest first."),
    Deferred(
        JOBS,
        "resume.resume",
        "Go on with the jobs that earlier processes left; bring their outputs home.",
    ),
    Deferred(
        JOBS,
        "report.report",
        "Make one page of jobs: pictures, instances over time, durations, failures.",
    ),
    Deferred(
        JOBS,
        "clean.clean",
        "Delete the files of jobs that are done with; says first what that would be.",
    ),
    Deferred(TEMPLATES, "templates.templates", "Workflow templates."),
    Deferred(TEMPLATES, "pins.pins", "Which template versions run where."),
    Deferred(
        TEMPLATES,
        "preflight.check",
        "Check whether a server would run a graph; sends nothing.",
    ),
    Deferred(
        TEMPLATES,
        "preflight.snapshot",
        "Save which node classes, models and files an environment offers.",
    ),
    Deferred(SERVERS, "config.config", "The configuration."),
    Deferred(
        SERVERS,
        "doctor.doctor",
        "Check the whole way of an environment's jobs, and say what to do; only reads.",
    ),
    Deferred(
        SERVERS,
        "serve.serve",
        "Run the embedded engine as a server that any ComfyUI client can talk to.",
    ),
    Deferred(SERVERS, "eas.eas", "Services of PAI-EAS."),
    Deferred(SERVERS, "nodes.nodes", "Node packs: ours, and the rules for any."),
    Deferred(SERVERS, "version.version", "Print the version."),
)
"""In the order in which a newcomer needs them."""


class Commands(TyperGroup):
    """All of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = {str(one.name): one for one in COMMANDS}

    def list_commands(self, _: Any) -> list[str]:
        """In their order: older releases of typer would sort them by name."""
        return [*self.commands]


app = typer.Typer(
    name="comfyclient",
    cls=Commands,
    help="Turn trips into pictures through ComfyUI.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def run_app() -> None:
    """The command, with errors of this package as messages and exit codes."""
    speak_any_encoding()
    try:
        app()
    except ComfyClientError as error:
        show_error(error)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(__version__)
        raise typer.Exit


@app.callback()
def _main(
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what is done, on stderr.")
    ] = False,
    asks_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.CRITICAL,
        format="%(asctime)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
