"""The command that shows what there is: demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..client import Client
from ..errors import ComfyClientError, UsageError
from ..files.saving import save_outputs
from ..job import Job
from ..trip.trips import load_trip
from .console import err, out, show_error
from .ends import STOPS, exit_code, stoppable
from .job_board import Board, board
from .options import Config, Confirm, Env, Out, TokenEnv, Url, YesProd, confirmed
from .place import find_place
from .running import client_of


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
        with stoppable(), client_of(place) as client, board() as shown:
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


def sample_trips() -> list[Path]:
    """The trips that come with the package, or stand in its checkout."""
    package = Path(__file__).resolve().parents[1]
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
