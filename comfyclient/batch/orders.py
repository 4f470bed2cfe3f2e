"""What is to be made, and what became of it: the records of a batch. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ..errors import ClosedError, ComfyClientError, UsageError
from ..job import Job
from ..result import Result
from ..trip.trips import Trip
from ..workflow import Workflow


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to be made: a template filled from a trip, or any graph."""

    what: str | Workflow
    """A template (`trip-postcard`, `trip-postcard@1.0.0`) or a Workflow."""
    trip: Trip | None = field(default=None, repr=False)
    """What the template is filled from; None for a graph."""
    seed: int | None = None
    """The template's; drawn from the key, or at random, where None."""
    params: Mapping[str, object] = field(default_factory=dict)
    """The template's parameters, by name."""
    key: str | None = None
    """An idempotency key: ordered again, it is the same job."""
    priority: int = 0
    """Higher ones are sent first."""

    def named(self, batch: str) -> str:
        """The key of this order in a batch of that name: of all that it asks for."""
        what = self.what if isinstance(self.what, str) else self.what.digest
        trip = None if self.trip is None else self.trip.model_dump(mode="json")
        asked = [what, trip, self.seed, {**self.params}]
        text = json.dumps(asked, sort_keys=True, default=str)
        mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{batch}/{mark[:32]}"


Asked: TypeAlias = Trip | Workflow | Order | ComfyClientError
"""What may stand in the input of a batch; an error there is the outcome."""


def ordered_from(
    what: str | Workflow | None,
    asked: Iterable[object],
    *,
    params: Mapping[str, object] | None = None,
    seed: int | None = None,
    priority: int = 0,
) -> Iterator[Order | ComfyClientError]:
    """The orders of a batch, each made when it is read; what is not `Asked` is told."""
    if isinstance(asked, str):
        yield UsageError(
            f"trips are needed one by one, got {asked!r:.60}",
            hint="load_trips(…) reads them from a file or a folder",
        )
        return
    for index, one in enumerate(asked):
        if isinstance(one, Order | ComfyClientError):
            yield one
        elif isinstance(one, Workflow):
            yield Order(one, priority=priority)
        elif what is None:
            yield UsageError(
                "this trip came without a template",
                hint="name one in map(…), or give Orders",
            )
        elif not isinstance(one, Trip):
            yield UsageError(
                f"a batch is made of trips, Orders and Workflows, not of a "
                f"{type(one).__name__}",
                hint="load_trip(…) reads one from a file",
            )
        else:
            number = None if seed is None else seed + index
            yield Order(what, one, number, params or {}, priority=priority)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one order."""

    index: int
    """Its place in the input, from 0."""
    order: Order | None
    """None where the input had an error in its place."""
    job: Job | None = None
    """None where it was never sent."""
    result: Result | None = None
    """None where it failed; then `error` says why."""
    files: tuple[Path, ...] = ()
    """Where its outputs were saved, if a folder was given."""
    error: ComfyClientError | None = None
    """Why there is no result; None where there is one."""

    @property
    def trip(self) -> Trip | None:
        """The trip that it was made from."""
        return None if self.order is None else self.order.trip

    @property
    def dropped(self) -> bool:
        """Whether it was not sent, because nobody wanted it any more."""
        return self.job is None and isinstance(self.error, ClosedError)

    @property
    def ok(self) -> bool:
        """Whether it was made."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Tally:
    """How far a batch is."""

    read: int = 0
    """Orders that were taken from the input."""
    waiting: int = 0
    """Of these, not sent yet."""
    sent: int = 0
    """At an instance now, or coming home from there."""
    done: int = 0
    failed: int = 0
    dropped: int = 0
    """Read, and not sent, because nobody wanted it any more."""

    @property
    def ended(self) -> int:
        """Done or failed; what was dropped has not begun."""
        return self.done + self.failed
