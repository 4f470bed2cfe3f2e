"""The command that runs one job: run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ComfyClientError, UsageError
from ..trip.trips import load_trip
from ..workflow import Workflow
from .console import err, out, printable, show_error, show_json
from .ends import STOPS, exit_code, stoppable
from .job_board import board
from .options import (
    Config,
    Confirm,
    Env,
    Json,
    Out,
    Param,
    TokenEnv,
    Url,
    What,
    YesProd,
    confirmed,
)
from .params import params_of
from .place import Place, find_place
from .running import Outcome, client_of


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
    """Run one job: fill a template from a trip, send it, bring the outputs home."""
    name = Path(what).stem if trip is None else trip.stem
    outcome, code = Outcome(), 0
    place: Place | None = None
    try:
        place = find_place(config, env, url=url, token_env=token_env)
        with stoppable(), client_of(place) as client, board() as shown:
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
