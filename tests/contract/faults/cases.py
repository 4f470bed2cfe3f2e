"""What can go wrong with one job, when, and how it is observed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from comfyclient.testing import Script
from comfyclient.testing.bench import GRAPH

OLD, MIDDLE, NEW = "0.3.40", "0.3.64", "0.33.0"
VERSIONS = (OLD, MIDDLE, NEW)
"""Mints ids and has no jobs API; takes ids and has none; has all."""
TOTAL_S, QUEUE_S, SILENCE_S, GRACE_S = 90.0, 60.0, 30.0, 6.0
"""The deadlines of every case."""

CANCEL_S = 4.0
"""Seconds that a cancellation is asked for."""

HANGING_S = 9.0
"""The total time of a job that would hang for ever, or another limit that it passes."""
INSTANCES = (1, 2)

Mode: TypeAlias = Literal["websocket", "poll_only"]
MODES: tuple[Mode, ...] = ("websocket", "poll_only")
Tempo: TypeAlias = Literal["at_once", "seen"]
"""Whether the fault strikes before the client could look, or after it has looked; at
the POST, before the server acts or after it has acted."""
TEMPOS: tuple[Tempo, ...] = ("at_once", "seen")
Moment: TypeAlias = Literal["before", "post", "queued", "download", "half_way"] | int
"""Before the first contact, as the job's POST arrives, while it waits behind another
job, after so many of its messages, before its picture is fetched, or when half of that
has come."""
FETCHING = ("download", "half_way")
"""The moments after the job's end."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something that happens to the server, the socket or the job at one moment."""

    name: str
    moment: Moment
    tempo: Tempo = "at_once"

    def __str__(self) -> str:
        when = f"after_{self.moment}" if isinstance(self.moment, int) else self.moment
        return f"{self.name}-{when}-{self.tempo}"


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """Some answers of one route are bad."""

    route: str
    kind: str
    first: int = 1
    """The first request of the route that is answered so."""
    times: int | None = 1
    """None: for ever."""

    def __str__(self) -> str:
        often = "for_ever" if self.times is None else f"{self.times}_times"
        return f"{named(self.route)}-{self.kind}-from_{self.first}-{often}"


def named(route: str) -> str:
    """A route as cases name it."""
    dropped = dict.fromkeys(map(ord, " {}"))
    return route.translate({ord("/"): "_", **dropped})


@dataclass(frozen=True, slots=True)
class BadNode:
    """A node raises, so many times."""

    node: str
    out_of_memory: bool
    times: int = 1

    def __str__(self) -> str:
        kind = "out_of_memory" if self.out_of_memory else "fails"
        return f"node_{kind}-at_{self.node}-{self.times}_times"


@dataclass(frozen=True, slots=True)
class Noise:
    """The messages of the whole job are not as they should be."""

    name: str

    def __str__(self) -> str:
        return f"noise-{self.name}"


@dataclass(frozen=True, slots=True)
class FullLedger:
    """The disk is full at one kind of step of the ledger."""

    step: str

    def __str__(self) -> str:
        return f"ledger_full-{self.step}"


Fault: TypeAlias = Mishap | BadAnswer | BadNode | Noise | FullLedger


@dataclass(frozen=True, slots=True)
class Case:
    """One job under one fault, or two; the fault is the first instance's."""

    fault: Fault
    mode: Mode
    version: str
    instances: int = 1
    also: BadAnswer | None = None
    """What else goes wrong there."""

    def __str__(self) -> str:
        many = "" if self.instances == 1 else f"-{self.instances}_instances"
        also = "" if self.also is None else f"-and_{self.also}"
        return f"{self.fault}-{self.mode}-{self.version}{many}{also}"


@cache
def messages(version: str) -> tuple[str, ...]:
    """The kinds of the messages of a usual job, in order."""
    return Script.messages(version, GRAPH)


def before_the_end(version: str) -> int:
    """After so many messages a job has succeeded, but is not in the history yet."""
    return messages(version).index("execution_success") + 1


def has_jobs_api(version: str) -> bool:
    """Whether jobs are asked for by their ids."""
    return version == NEW
