"""How long jobs are expected to take, learned from those that ended. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

UNKNOWN_WORK_S = 10.0
"""Seconds that a job of an unknown kind is taken to need."""
UNKNOWN_LOAD = 2.0
"""How many times its work the loading of a job's models is taken to need."""
NEWS = 0.3
"""Weight of the newest duration in what is learned: servers change."""
REMEMBERED = 2000
"""Kinds and instances that are kept; the ones heard of last."""

_Place: TypeAlias = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of one kind of job on one instance."""

    kind: str
    instance: str
    loading: bool
    """Whether its models had to be loaded first."""
    seconds: float
    jobs: int


class Durations(Protocol):
    """How long jobs take, from one process to the next."""

    def durations(self, environment: str) -> list[Learned]:
        """What is known."""

    def learned(self, environment: str, durations: Sequence[Learned]) -> None:
        """Record what was learned."""


class Estimates:
    """Durations by kind, instance, and whether models had to be loaded.

    Not safe for threads: the router guards it.
    """

    def __init__(self, known: Iterable[Learned] = ()) -> None:
        self._known: dict[_Place, Learned] = {}
        self._fresh: set[_Place] = set()
        self._means: dict[tuple[str, bool], float | None] = {}
        for learned in known:
            self._put(learned)

    def learn(self, kind: str, instance: str, seconds: float, *, loading: bool) -> None:
        """Take in how long a job took; a moving mean, first values count whole."""
        if not 0 <= seconds < math.inf:
            return
        before = self._known.get((kind, instance, loading))
        jobs = 0 if before is None else before.jobs
        weight = max(NEWS, 1 / (jobs + 1))
        mean = 0.0 if before is None else before.seconds
        mean += weight * (seconds - mean)
        self._put(Learned(kind, instance, loading, mean, jobs + 1))
        self._fresh.add((kind, instance, loading))

    def fresh(self) -> list[Learned]:
        """What was learned since this was asked last: to be written down."""
        fresh, self._fresh = self._fresh, set()
        return [self._known[place] for place in fresh if place in self._known]

    def work(self, kind: str, instance: str) -> float:
        """Seconds that a job takes there when its models are loaded."""
        own = self._seconds(kind, instance, loading=False)
        if own is not None:
            return own
        first = self._seconds(kind, instance, loading=True)
        common = self._mean(kind, loading=False)
        if first is not None:  # it has only run there with loading so far
            guess = first / (1 + UNKNOWN_LOAD)
            return guess if common is None else min(first, common)
        if common is not None:
            return common
        cold = self._mean(kind, loading=True)
        return UNKNOWN_WORK_S if cold is None else cold / (1 + UNKNOWN_LOAD)

    def load(self, kind: str, instance: str) -> float:
        """Seconds that loading its models takes there, before the work."""
        work = self.work(kind, instance)
        cold = self._seconds(kind, instance, loading=True)
        if cold is None:
            cold = self._mean(kind, loading=True)
        return work * UNKNOWN_LOAD if cold is None else max(0.0, cold - work)

    def known(self, kind: str, instance: str) -> float | None:
        """Seconds that such a job took there; None where none has ended yet."""
        own = self._seconds(kind, instance, loading=False)
        return self._seconds(kind, instance, loading=True) if own is None else own

    def typical(self, instance: str) -> float:
        """Seconds of any job there: what other clients' jobs are taken to need."""
        own = [k.seconds for k in self._known.values() if k.instance == instance]
        return sum(own) / len(own) if own else UNKNOWN_WORK_S

    def _seconds(self, kind: str, instance: str, *, loading: bool) -> float | None:
        found = self._known.get((kind, instance, loading))
        return None if found is None else found.seconds

    def _mean(self, kind: str, *, loading: bool) -> float | None:
        """Over all instances."""
        key = (kind, loading)
        if key not in self._means:
            found = [
                k.seconds
                for k in self._known.values()
                if k.kind == kind and k.loading is loading
            ]
            self._means[key] = sum(found) / len(found) if found else None
        return self._means[key]

    def _put(self, learned: Learned) -> None:
        place = (learned.kind, learned.instance, learned.loading)
        self._known.pop(place, None)  # so that the last one heard of is the newest
        self._known[place] = learned
        self._means.pop((learned.kind, learned.loading), None)
        if len(self._known) > REMEMBERED:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._means.clear()
