"""The command line: demo, run, serve, templates."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from pydantic import JsonValue

from . import __version__
from .cli_templates import FAILED, Json, templates
from .client import Client
from .config import (
    EngineSettings,
    EnvironmentSettings,
    InstanceSettings,
    Settings,
    load_settings,
)
from .console import (
    Board,
    board,
    err,
    job_report,
    out,
    show_error,
    show_json,
)
from .errors import ComfyClientError, ParameterError, UsageError
from .job import Job
from .outputs import Output
from .registry import Registry
from .result import Result
from .trips import load_trip
from .wiring import start_engine
from .workflow import Workflow

WRONG_USE = 2

app = typer.Typer(
    name="comfyclient",
    help="Turn trips into pictures through ComfyUI.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(templates, name="templates")

Config = Annotated[
    Path | None, typer.Option("--config", help="A comfyclient.toml to use.")
]
Env = Annotated[
    str | None, typer.Option("--env", help="The environment; the default one if none.")
]
Url = Annotated[
    str | None, typer.Option("--url", help="A ComfyUI to use, in place of --env.")
]
TokenEnv = Annotated[
    str | None, typer.Option(help="The variable that holds the token for --url.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder for the pictures.")]


def run_app() -> None:
    """The command, with errors of this package as messages and exit codes."""
    try:
        app()
    except ComfyClientError as error:
        _leave(error)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)


@app.callback()
def _main(
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show what is done, on stderr.")
    ] = False,
) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.CRITICAL,
        format="%(asctime)s %(name)s: %(message)s",
        stream=sys.stderr,
    )


@app.command()
def version() -> None:
    """Print the version."""
    out.print(__version__)


@app.command()
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
) -> None:
    """Turn the sample trips into postcards; needs no GPU, no cloud, no key."""
    files = trips if trips else sample_trips()
    failures: list[ComfyClientError] = []
    saved: list[Path] = []
    with _client(config, env, url, token_env) as client, board() as shown:
        running = _submit_all(client, files, shown, seed, failures)
        for name, job in running:
            try:
                shown.follow(name, job)
                made = _save(job.result(), name, out_dir, overwrite=not trips)
                saved += [path for _, path in made]
            except ComfyClientError as error:
                failures.append(error)
    for failure in failures:
        show_error(failure)
    out.print(f"Postcards made: {len(saved)} of {len(files)}")
    for path in saved:
        out.print(f"  {path}", markup=False)
    if failures:
        raise typer.Exit(FAILED)


@app.command()
def run(
    what: Annotated[
        str,
        typer.Argument(
            help="A template (trip-postcard, trip-postcard@1.0.0), "
            "or a graph exported from ComfyUI (API format).",
            metavar="TEMPLATE|GRAPH.json",
        ),
    ],
    trip: Annotated[Path | None, typer.Argument(help="The trip file.")] = None,
    *,
    out_dir: Out = Path("out"),
    seed: Annotated[int | None, typer.Option(help="A random one if none.")] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="A parameter, as NAME=VALUE; repeatable."),
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds the job may take.")
    ] = None,
    previews: Annotated[
        bool, typer.Option(help="Ask for previews, where nodes give them.")
    ] = False,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    token_env: TokenEnv = None,
    as_json: Json = False,
) -> None:
    """Run one job: fill the template from the trip, send it, bring the outputs home."""
    name = Path(what).stem if trip is None else trip.stem
    job: Job | None = None
    try:
        with _client(config, env, url, token_env) as client, board() as shown:
            source, given = _source(what, trip), _params(what, param or [])
            shown.add(name)
            job = client.submit(
                source,
                None if trip is None else load_trip(trip),
                seed=seed,
                params=given,
                timeout=timeout,
                previews=previews,
            )
            shown.follow(name, job)
            result = job.result()
            saved = _save(result, name, out_dir)
    except ComfyClientError as error:
        if as_json:
            show_json(job_report(job, error=error))
        _leave(error)
    if as_json:
        show_json(job_report(job, result=result, saved=saved))
        return
    for _, path in saved:
        out.print(str(path), markup=False)


@app.command()
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
    settings = EngineSettings(version=plays, base_directory=base)
    signal.signal(signal.SIGTERM, _terminated)
    with ExitStack() as stack:
        engine = start_engine(settings, stack, host=host, port=port)
        out.print(f"ComfyUI {plays}, embedded: {engine.url}", markup=False)
        out.print(f"files: {engine.base_directory}", markup=False)
        out.print("Ctrl-C stops it.")
        while engine.wait(timeout=3600) is False:
            pass


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    """What a service manager sends must remove the temporary files too."""
    sys.exit(128 + number)


def sample_trips() -> list[Path]:
    """The trips that come with the package, or stand in its checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "sample_trips", package.parent / "examples" / "trips"):
        files = sorted(folder.glob("*.json"))
        if files:
            return files
    raise UsageError("this installation has no sample trips", hint="name trip files")


@contextmanager
def _client(
    config: Path | None, env: str | None, url: str | None, token_env: str | None
) -> Iterator[Client]:
    settings = load_settings(config) if url is None else _at(url, token_env)
    with Client(settings, environment=env if url is None else "url") as client:
        yield client


def _at(url: str, token_env: str | None) -> Settings:
    instance = InstanceSettings(name="url", url=url, token_env=token_env)
    return Settings(environments={"url": EnvironmentSettings(instances=(instance,))})


def _submit_all(
    client: Client,
    files: list[Path],
    shown: Board,
    seed: int,
    failures: list[ComfyClientError],
) -> list[tuple[str, Job]]:
    running: list[tuple[str, Job]] = []
    for number, file in enumerate(files):
        shown.add(file.stem)
        try:
            job = client.submit("trip-postcard", load_trip(file), seed=seed + number)
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


def _params(what: str, given: list[str]) -> dict[str, JsonValue]:
    """Parameters given as texts, read as the template's types."""
    texts: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise ParameterError(
                f"--param takes NAME=VALUE, got {one!r}", template=what
            )
        texts[name] = value
    return Registry().find(what).manifest.read(texts) if texts else {}


def _save(
    result: Result, name: str, folder: Path, *, overwrite: bool = False
) -> list[tuple[Output, Path]]:
    """Save what the template names, or everything; files are named after the trip."""
    wanted = [o for o in result.outputs if o.name] or list(result.outputs)
    saved: list[tuple[Output, Path]] = []
    for output in wanted:
        label = f"-{output.name}" if output.name else f"-{output.filename}"
        suffix = "" if output.name is None else Path(output.filename).suffix
        path = folder / f"{name}{label}{suffix}"
        saved.append((output, output.save(path, overwrite=overwrite)))
    return saved


def _leave(error: ComfyClientError) -> NoReturn:
    show_error(error)
    sys.exit(WRONG_USE if isinstance(error, UsageError) else FAILED)
