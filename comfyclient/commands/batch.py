"""The command that makes a template of many trips: batch."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from ..batch.batch import LOOKAHEAD, Batch
from ..batch.folder import (
    OUTCOMES,
    Identity,
    Records,
    identity_of,
    settled_identity,
)
from ..batch.orders import Order, Outcome, Tally
from ..errors import ComfyClientError, TripError, UsageError
from ..trip.files import LINES_SUFFIXES
from ..trip.trips import Trip, read_trips
from .batch_views import Display, display
from .console import err, show_json
from .options import (
    FAILED,
    Config,
    Confirm,
    Env,
    Json,
    Param,
    Place,
    TokenEnv,
    Url,
    YesProd,
    confirmed,
    find_place,
)
from .params import params_of
from .running import STOPS, exit_code, stoppable

GLANCE_S = 0.25
"""Seconds between two looks at how it goes."""
HELD = 16
"""Outcomes that may wait to be written down."""

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
    total = count_of(trips)
    aside = failures_of(trips, out_dir, failures)
    wanted = identity_of(template, params, seed, name=name)
    identity = settled_identity(out_dir, wanted, resume=resume)
    records = Records(out_dir, aside)
    feed = Feed(trips, Order(template, params=params, priority=priority), seed)
    stop: BaseException | None = None
    run = Run(feed, records, quiet=as_json)
    try:
        with stoppable(), place.client() as client, records:
            many = client.map(
                None,
                feed.orders(),
                name=identity.name,
                save_to=out_dir,
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


class Run:
    """Follows a batch to its end, or until nobody wants it any more.

    Outcomes are asked for in a thread of its own: Ctrl-C comes between no two steps of
    the batch itself.
    """

    def __init__(self, feed: Feed, records: Records, *, quiet: bool) -> None:
        self._feed = feed
        self._records = records
        self._quiet = quiet
        self._outcomes: queue.Queue[Outcome | None] = queue.Queue(HELD)
        self._broken: BaseException | None = None
        self.tally = Tally()
        self.stops = 0
        """How often it was asked to stop."""
        self.seconds = 0.0

    def follow(self, many: Batch, shown: Display) -> None:
        """Write down and show each outcome; Ctrl-C drains, a second one cancels.

        Raises:
            KeyboardInterrupt: a third one: what runs is left to its servers.
        """
        begun = time.monotonic()
        reader = threading.Thread(target=self._read, args=(many,), daemon=True)
        reader.start()
        try:
            going = True
            while going:
                try:
                    going = self._step(many, shown)
                except KeyboardInterrupt:
                    self._stop(many, shown)
        finally:
            self.seconds = time.monotonic() - begun
            self.tally = many.tally
        if self._broken is not None:
            raise self._broken

    def _step(self, many: Batch, shown: Display) -> bool:
        """Take in what came; whether more may come."""
        try:
            outcome = self._outcomes.get(timeout=GLANCE_S)
        except queue.Empty:
            shown.refresh(many)
            return True
        if outcome is None:
            return False
        line = self._feed.lines.pop(outcome.index, "")
        if not outcome.dropped:
            self._records.add(outcome, line)
            if not self._quiet:
                for path in outcome.files:
                    shown.saved(path)
            shown.add(outcome, many)
        return True

    def _stop(self, many: Batch, shown: Display) -> None:
        self.stops += 1
        if self.stops > 2:
            raise KeyboardInterrupt
        if self.stops == 1:
            shown.say("no more is sent; waiting for what was. Ctrl-C again cancels it")
            many.drain()
        else:
            shown.say("cancelling what was sent. Ctrl-C again leaves it to its servers")
            many.cancel()

    def _read(self, many: Batch) -> None:
        try:
            for outcome in many:
                self._outcomes.put(outcome)
        except BaseException as error:  # noqa: BLE001  raised again where it is followed
            self._broken = error
        with suppress(queue.Full):
            self._outcomes.put(None, timeout=60)


def count_of(trips: Path) -> int | None:
    """How many trips a file has; None of a folder, which is read as it goes.

    Raises:
        TripError: it cannot be read.
    """
    if trips.is_dir():
        return None
    try:
        with trips.open("rb") as file:
            if trips.suffix.lower() not in LINES_SUFFIXES:
                return 1
            return sum(1 for line in file if line.strip())
    except OSError as error:
        raise TripError(f"cannot be read: {error.strerror}", file=str(trips)) from error


def failures_of(trips: Path, folder: Path, given: Path | None) -> Path:
    """Where failures go: beside the trips, as paths of photos count from there."""
    if given is not None and given.resolve() == trips.resolve():
        raise UsageError("--failures names the file that the trips are read from")
    if given is not None:
        return given
    if trips.is_dir():
        return folder / "failures.jsonl"
    return trips.with_name(f"{trips.stem}.failures.jsonl")


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
    tally, failures = run.tally, run._records.failures
    stopped = stop is not None or run.stops > 0
    left = failures if failures.exists() else None
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
            "failures": None if left is None else str(left),
            "stopped": stopped,
        }
        show_json(told)
    of = "" if total is None else f" of {total}"
    err.print(f"made: {tally.done}{of}, failed: {tally.failed}", markup=False)
    if stopped:
        err.print("stopped; the same command with --resume goes on", markup=False)
    elif left is not None:
        err.print(f"what failed can be run again: {left}", markup=False)
    if stop is not None:
        raise typer.Exit(exit_code(stop))
    if stopped:
        raise typer.Exit(130)
    if tally.failed:
        raise typer.Exit(FAILED)
