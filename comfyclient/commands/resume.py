"""The command that goes on with what earlier processes left: resume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import typer
from pydantic import JsonValue

from ..client import Client
from ..errors import ClosedError, ComfyClientError
from ..files.saving import stem_of
from ..job import Job
from .console import err, out, show_error, show_json
from .ends import STOPS, exit_code, stoppable
from .job_board import Board, board
from .job_views import plural, short_ids
from .options import FAILED, Config, Env, Json, Out, TokenEnv, Url
from .place import Place, find_place
from .running import Outcome, client_of


def resume(
    *,
    out_dir: Out = Path("out"),
    config: Config = None,
    env: Env = None,
    url: Url = None,
    token_env: TokenEnv = None,
    as_json: Json = False,
) -> None:
    """Go on with the jobs that earlier processes left; bring their outputs home."""
    place = find_place(config, env, url=url, token_env=token_env)
    left = _left(place)
    outcomes: list[Outcome] = []
    code = 0
    if left.free:
        try:
            with stoppable(), client_of(place) as client, board() as shown:
                _take_up(client, left.free, outcomes)
                err.print(f"taken up: {_jobs(len(outcomes))}")
                _bring_all_home(outcomes, out_dir, shown)
        except STOPS as stop:
            code = exit_code(stop)
            for outcome in outcomes:
                if outcome.error is None and outcome.result is None:
                    outcome.stopped(stop)
    if as_json:
        found: list[JsonValue] = [outcome.report(place) for outcome in outcomes]
        show_json(
            {"environment": place.name, "left_to_others": left.others, "jobs": found}
        )
    _tell(outcomes, left, place, as_json=as_json, stopped=code != 0)
    if code or any(outcome.error is not None for outcome in outcomes):
        raise typer.Exit(code or FAILED)


class _Left(NamedTuple):
    """What is unfinished in an environment."""

    free: list[str]
    """Ids of the jobs that nobody works on."""
    others: int
    """How many belong to processes that live."""


def _left(place: Place) -> _Left:
    with place.ledger() as ledger:
        if ledger is None:
            return _Left([], 0)
        found = ledger.unfinished(place.name, owned_by_others=False)
        free = [row.job_id for row in found]
        counts = ledger.count(place.name)
    whole = sum(n for state, n in counts.items() if not state.settled)
    return _Left(free, max(0, whole - len(free)))


def _take_up(client: Client, wanted: Sequence[str], outcomes: list[Outcome]) -> None:
    """Resume; those that have ended come first, for their files may not stay long."""
    taken = client.resume()
    taken.sort(key=lambda job: not job.status.final)
    outcomes += [Outcome(job) for job in taken]
    known = {job.id for job in taken}
    for job_id in wanted:
        if job_id in known:
            continue
        try:
            client.job(job_id)  # another process has it by now, or this says why not
        except ComfyClientError as error:
            outcomes.append(Outcome(error=error.attach(job_id=job_id)))


def _bring_all_home(outcomes: Sequence[Outcome], folder: Path, shown: Board) -> None:
    taken = [(outcome, outcome.job) for outcome in outcomes if outcome.job is not None]
    names = _names([job for _, job in taken])
    for _, job in taken:
        shown.add(names[job.id])
    for outcome, job in taken:
        try:
            outcome.bring_home(
                names[job.id], folder, stem=stem_of(job.workflow, job.id), shown=shown
            )
        except ComfyClientError as error:
            outcome.error = error.attach(job_id=job.id)


def _names(jobs: Sequence[Job]) -> dict[str, str]:
    """What the board calls each job: a trip may have several."""
    names = short_ids(job.id for job in jobs)
    for job in jobs:
        if (stem := stem_of(job.workflow, job.id)) != job.id:
            names[job.id] = f"{stem} {names[job.id]}"
    return names


def _tell(
    outcomes: Sequence[Outcome],
    left: _Left,
    place: Place,
    *,
    as_json: bool,
    stopped: bool,
) -> None:
    """Paths on stdout, and everything else beside it."""
    for outcome in outcomes:
        if outcome.error is not None and not isinstance(outcome.error, ClosedError):
            show_error(outcome.error)
        for _, path in outcome.saved:
            if not as_json:
                out.print(str(path), markup=False)
    home = sum(outcome.error is None for outcome in outcomes)
    if outcomes:
        err.print(f"brought home: {home} of {_jobs(len(outcomes))}")
    elif not stopped:
        err.print(f"nothing to resume in {place.name}", markup=False)
    if left.others:
        err.print(f"left to the living processes that own them: {_jobs(left.others)}")
    if stopped or any(outcome.resumable(place) for outcome in outcomes):
        said = "stopped" if stopped else "not everything is finished"
        err.print(f"{said}; go on by `{place.command('resume')}`", markup=False)


def _jobs(number: int) -> str:
    return f"{number} {plural('job', number)}"
