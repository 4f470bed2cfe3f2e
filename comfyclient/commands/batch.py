"""The command that makes a template of many trips: batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from ..batch.batch import LOOKAHEAD
from ..batch.folder import (
    OUTCOMES,
    Identity,
    Records,
    identity_of,
    settled_identity,
)
from ..batch.orders import Order
from ..errors import ComfyClientError, TripError, UsageError
from ..trip.files import FAILURES, is_trip_name
from ..trip.trips import Trip, count_trips, read_trips
from .batch_run import Run
from .batch_views import display
from .console import err, show_json
from .ends import STOPS, exit_code, stoppable
from .options import (
    FAILED,
    Config,
    Confirm,
    Env,
    Json,
    Param,
    TokenEnv,
    Url,
    YesProd,
    confirmed,
)
from .params import params_of
from .place import Place, find_place
from .running import client_of

_EARLIER = re.compile(r"\.[^.]*\.failures$")
"""What names of failures have, that are run again."""

Failures = Annotated[
    Path | None, typer.Option(help="Where trips that failed are put, to be run again.")
]
Name = Annotated[
    str | None, typer.Option(help="What its jobs' idempotency keys begin with.")
]
FirstSeed = Annotated[
    int | None, typer.Option(help="The first picture's seed; from keys if none.")
]
Timeout = Annotated[
    float | None, typer.Option(min=0.1, help="Seconds each job may take.")
]
Remake = Annotated[
    bool,
    typer.Option("--remake", help="Make anew what was made and is nowhere any more."),
]
Lookahead = Annotated[int, typer.Option(min=1, help="Trips that are rendered ahead.")]


def batch(
    template: Annotated[str, typer.Argument(help="A template, such as trip-postcard.")],
    trips: Annotated[
        Path, typer.Argument(help="JSON Lines, one trip a line; a file or a folder.")
    ],
    *,
    out_dir: Annotated[
        Path, typer.Option("--out", "-o", help="The batch's folder, for its pictures.")
    ],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the batch of that folder.")
    ] = False,
    remake: Remake = False,
    failures: Failures = None,
    name: Name = None,
    seed: FirstSeed = None,
    param: Param = None,
    priority: Annotated[int, typer.Option(help="Higher ones are sent first.")] = 0,
    timeout: Timeout = None,
    lookahead: Lookahead = LOOKAHEAD,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    token_env: TokenEnv = None,
    confirm: Confirm = None,
    yes_prod: YesProd = False,
    as_json: Json = False,
) -> None:
    """Make a template of every trip of a file; Ctrl-C ends it, --resume goes on."""
    place = find_place(config, env, url=url, token_env=token_env)
    params = params_of(place, template, param or [])
    word = confirmed(confirm, yes_prod=yes_prod)
    place.runnable(template, confirm=word)  # else each trip would say what is wrong
    total = count_trips(trips)
    aside = failures_of(trips, out_dir, failures)
    wanted = identity_of(template, params, seed, name=name)
    identity = settled_identity(out_dir, wanted, resume=resume)
    records = Records(out_dir, aside)
    feed = Feed(trips, Order(template, params=params, priority=priority), seed)
    stop: BaseException | None = None
    run = Run(feed.lines, records, quiet=as_json)
    try:
        with stoppable(), client_of(place) as client, records:
            many = client.map(
                None,
                feed.orders(),
                name=identity.name,
                save_to=out_dir,
                remake=remake,
                lookahead=lookahead,
                timeout=timeout,
                confirm=word,
            )
            with many, display(client, total) as shown:
                run.follow(many, shown)
    except STOPS as stopped:
        stop = stopped
    _tell(place, identity, run, stop, out_dir, total, as_json=as_json)


@dataclass(slots=True)
class Feed:
    """The trips as orders, and the line of each that has no outcome yet."""

    path: Path
    usual: Order
    seed: int | None
    lines: dict[int, str] = field(default_factory=dict)

    def orders(self) -> Iterator[Order | ComfyClientError]:
        """One order after the other, read as they are asked for."""
        for index, (line, trip) in enumerate(read_trips(self.path)):
            self.lines[index] = line
            yield self._order(trip, index)

    def _order(self, trip: Trip | TripError, index: int) -> Order | ComfyClientError:
        if isinstance(trip, TripError):
            return trip
        return Order(
            self.usual.what,
            trip,
            None if self.seed is None else self.seed + index,
            self.usual.params,
            priority=self.usual.priority,
        )


def failures_of(trips: Path, folder: Path, given: Path | None) -> Path:
    """Where failures go: beside the trips, as paths of photos count from there.

    Named after the batch's folder too: other batches of these trips have their own.

    Raises:
        UsageError: the trips would be read from what the batch writes.
    """
    if trips.is_dir() and folder.resolve() == trips.resolve():
        raise UsageError(
            f"--out {folder} is the folder that the trips are read from",
            hint="choose another one: files of the batch would be read as trips",
        )
    if given is not None:
        _require_other(given, trips)
        return given
    own = f".{folder.resolve().name}{FAILURES}"
    if trips.is_dir():
        return trips / own.removeprefix(".")
    beside = trips.with_name(_EARLIER.sub("", trips.stem) + own)
    if beside.name != trips.name:
        return beside
    return trips.with_name(trips.stem.removesuffix(".failures") + own)


def _require_other(failures: Path, trips: Path) -> None:
    if failures.resolve() == trips.resolve():
        raise UsageError("--failures names the file that the trips are read from")
    inside = trips.is_dir() and failures.resolve().parent == trips.resolve()
    if inside and is_trip_name(failures):
        raise UsageError(
            f"--failures {failures} would be read as trips",
            hint=f"let its name end in {FAILURES}, or put it elsewhere",
        )


def _tell(
    place: Place,
    identity: Identity,
    run: Run,
    stop: BaseException | None,
    folder: Path,
    total: int | None,
    *,
    as_json: bool,
) -> None:
    """What became of it, and how to go on; and the command's end."""
    tally, stopped = run.tally, stop is not None or run.stops > 0
    failures = run.records.failures if run.records.failed else None
    if as_json:
        told: dict[str, JsonValue] = {
            "environment": place.name,
            "batch": identity.name,
            "template": identity.template,
            "total": total,
            "done": tally.done,
            "failed": tally.failed,
            "seconds": round(run.seconds, 3),
            "outcomes": str(folder / OUTCOMES),
            "failures": None if failures is None else str(failures),
            "stopped": stopped,
        }
        show_json(told)
    of = "" if total is None else f" of {total}"
    err.print(f"made: {tally.done}{of}, failed: {tally.failed}", markup=False)
    if stopped:
        err.print("stopped; the same command with --resume goes on", markup=False)
    elif failures is not None:
        err.print(
            f"what failed is in {failures}: a batch of its own, for another --out",
            markup=False,
            soft_wrap=True,
        )
    if stop is not None:
        raise typer.Exit(exit_code(stop))
    if stopped:
        raise typer.Exit(130)
    if tally.failed:
        raise typer.Exit(FAILED)
