"""The command line: the commands of their own files, and demo, run, serve."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from . import __version__
from .client import Client
from .commands.batch import batch
from .commands.clean import clean
from .commands.config import config as config_commands
from .commands.console import (
    Board,
    board,
    err,
    out,
    printable,
    show_error,
    show_json,
    speak_any_encoding,
)
from .commands.doctor import doctor
from .commands.eas import eas
from .commands.jobs import jobs
from .commands.nodes import nodes
from .commands.options import (
    Config,
    Confirm,
    Env,
    Json,
    Out,
    Param,
    Place,
    TokenEnv,
    Url,
    What,
    YesProd,
    confirmed,
    find_place,
)
from .commands.params import params_of
from .commands.pins import pins
from .commands.preflight import check, snapshot
from .commands.report import report
from .commands.resume import resume
from .commands.running import STOPS, Outcome, exit_code, stoppable
from .commands.templates import templates
from .config.settings import EngineSettings
from .engine_start import start_engine
from .errors import ComfyClientError, UsageError
from .files.saving import save_outputs
from .job import Job
from .trip.trips import load_trip
from .workflow import Workflow

MAKE = "Make pictures"
JOBS = "Jobs"
TEMPLATES = "Templates and their versions"
SERVERS = "Configuration and servers"
ORDER = (
    *("demo", "run", "batch"),
    *("jobs", "resume", "report", "clean"),
    *("templates", "pins", "check", "snapshot"),
    *("config", "doctor", "serve", "eas", "nodes", "version"),
)


class InOrder(TyperGroup):
    """Commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: Any) -> list[str]:  # click's, or typer's copy of it
        """Those of the order; one that was forgotten there comes last."""
        known = {name: place for place, name in enumerate(ORDER)}
        return sorted(super().list_commands(ctx), key=lambda name: known.get(name, 99))


app = typer.Typer(
    name="comfyclient",
    cls=InOrder,
    help="Turn trips into pictures through ComfyUI.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("batch", rich_help_panel=MAKE)(batch)
app.add_typer(jobs, name="jobs", rich_help_panel=JOBS)
app.command("resume", rich_help_panel=JOBS)(resume)
app.command("report", rich_help_panel=JOBS)(report)
app.command("clean", rich_help_panel=JOBS)(clean)
app.add_typer(templates, name="templates", rich_help_panel=TEMPLATES)
app.add_typer(pins, name="pins", rich_help_panel=TEMPLATES)
app.command("check", rich_help_panel=TEMPLATES)(check)
app.command("snapshot", rich_help_panel=TEMPLATES)(snapshot)
app.add_typer(config_commands, name="config", rich_help_panel=SERVERS)
app.command("doctor", rich_help_panel=SERVERS)(doctor)
app.add_typer(eas, name="eas", rich_help_panel=SERVERS)
app.add_typer(nodes, name="nodes", rich_help_panel=SERVERS)


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


@app.command(rich_help_panel=SERVERS)
def version() -> None:
    """Print the version."""
    out.print(__version__)


@app.command(rich_help_panel=MAKE)
def demo(
    trips: Annotated[
        list[Path] | None,
        typer.Argument(help="Trip files; the sample trips if none."),
    ] = None,
    *,
    out_dir: Out = Path("out"),
    seed: Annotated[int, typer.Option(help="The first picture's seed.")] = 7,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    token_env: TokenEnv = None,
    confirm: Confirm = None,
    yes_prod: YesProd = False,
) -> None:
    """Turn the sample trips into postcards; needs no GPU, no cloud, no key."""
    files = trips if trips else sample_trips()
    failures: list[ComfyClientError] = []
    saved: list[Path] = []
    code = 0
    place = find_place(config, env, url=url, token_env=token_env)
    try:
        with stoppable(), place.client() as client, board() as shown:
            word = confirmed(confirm, yes_prod=yes_prod)
            running = _submit_all(client, files, shown, seed, failures, confirm=word)
            for name, job in running:
                try:
                    shown.follow(name, job)
                    made = save_outputs(
                        job.result(), name, out_dir, overwrite=not trips
                    )
                    saved += [path for _, path in made]
                except ComfyClientError as error:
                    failures.append(error)
    except STOPS as stop:
        err.print(f"stopped; go on by `{place.command('resume')}`", markup=False)
        code = exit_code(stop)
    for failure in failures:
        show_error(failure)
    out.print(f"Postcards made: {len(saved)} of {len(files)}")
    for path in saved:
        out.print(f"  {path}", markup=False)
    if code or failures:
        raise typer.Exit(code or min(map(exit_code, failures)))


@app.command(rich_help_panel=MAKE)
def run(
    what: What,
    trip: Annotated[Path | None, typer.Argument(help="The trip file.")] = None,
    *,
    out_dir: Out = Path("out"),
    seed: Annotated[int | None, typer.Option(help="A random one if none.")] = None,
    param: Param = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds the job may take.")
    ] = None,
    previews: Annotated[
        bool, typer.Option(help="Ask for previews, where nodes give them.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option(help="An idempotency key: run again, it is the same job."),
    ] = None,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    token_env: TokenEnv = None,
    confirm: Confirm = None,
    yes_prod: YesProd = False,
    as_json: Json = False,
) -> None:
    """Run one job: fill the template from the trip, send it, bring the outputs home."""
    name = Path(what).stem if trip is None else trip.stem
    outcome, code = Outcome(), 0
    place: Place | None = None
    try:
        place = find_place(config, env, url=url, token_env=token_env)
        with stoppable(), place.client() as client, board() as shown:
            source, given = _source(what, trip), params_of(place, what, param or [])
            shown.add(name)
            outcome.job = client.submit(
                source,
                None if trip is None else load_trip(trip),
                seed=seed,
                params=given,
                idempotency_key=key,
                timeout=timeout,
                previews=previews,
                confirm=confirmed(confirm, yes_prod=yes_prod),
            )
            outcome.bring_home(name, out_dir, shown=shown)
    except ComfyClientError as error:
        outcome.error, code = error, exit_code(error)
    except STOPS as stop:
        outcome.stopped(stop)
        code = exit_code(stop)
    _tell(outcome, place, as_json=as_json)
    raise typer.Exit(code)


@app.command(rich_help_panel=SERVERS)
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


def sample_trips() -> list[Path]:
    """The trips that come with the package, or stand in its checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "sample_trips", package.parent / "examples" / "trips"):
        files = sorted(folder.glob("*.json"))
        if files:
            return files
    raise UsageError("this installation has no sample trips", hint="name trip files")


def _submit_all(
    client: Client,
    files: list[Path],
    shown: Board,
    seed: int,
    failures: list[ComfyClientError],
    *,
    confirm: str | None = None,
) -> list[tuple[str, Job]]:
    running: list[tuple[str, Job]] = []
    for number, file in enumerate(files):
        shown.add(file.stem)
        try:
            trip = load_trip(file)
            job = client.submit(
                "trip-postcard", trip, seed=seed + number, confirm=confirm
            )
        except ComfyClientError as error:
            shown.failed(file.stem)
            failures.append(error)
        else:
            running.append((file.stem, job))
    return running


def _source(what: str, trip: Path | None) -> str | Workflow:
    if not what.endswith(".json"):
        return what
    if trip is not None:
        raise UsageError("a graph file takes no trip: name a template to fill one")
    return Workflow.from_file(what)


def _tell(outcome: Outcome, place: Place | None, *, as_json: bool) -> None:
    """Paths or JSON on stdout; errors, and what to do about them, beside it."""
    if as_json:
        show_json(outcome.report(place))
    if outcome.error is not None:
        show_error(outcome.error)
    advice = None if place is None else outcome.advice(place)
    if advice is not None:
        err.print(printable(advice), markup=False)
    for _, path in outcome.saved:
        if not as_json:
            out.print(str(path), markup=False)
