"""How long jobs are expected to take, learned from those that ended. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeAlias

UNKNOWN_WORK_S = 10.0
"""Seconds that a job of an unknown kind is taken to need."""
UNKNOWN_LOAD = 2.0
"""How many times its work the loading of a job's models is taken to need, as long as
nobody knows better of any kind."""
MOST_LOAD = 100.0
"""Likewise, what is believed at most: a job may have needed no time at all."""
NEWS = 0.3
"""Weight of the newest duration in what is learned: servers change."""
REMEMBERED = 2000
"""Kinds and instances that are kept; the ones heard of last."""

LATEST = 100
"""Of these, those that tell what is usual."""

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


@dataclass(frozen=True, slots=True)
class _Usual:
    """What jobs need that load models."""

    work_s: float = UNKNOWN_WORK_S
    load: float = UNKNOWN_LOAD
    """How many times the work the loading needs."""


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
        self._usual: _Usual | None = None
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
            guess = first / (1 + self._usually.load)
            return guess if common is None else min(first, common)
        if common is not None:
            return common
        cold = self._mean(kind, loading=True)
        usual = self._usually
        return usual.work_s if cold is None else cold / (1 + usual.load)

    def load(self, kind: str, instance: str) -> float:
        """Seconds that loading its models takes there, before the work."""
        work = self.work(kind, instance)
        cold = self._seconds(kind, instance, loading=True)
        if cold is None:
            cold = self._mean(kind, loading=True)
        return work * self._usually.load if cold is None else max(0.0, cold - work)

    def known(self, kind: str, instance: str) -> float | None:
        """Seconds that such a job took there; None where none has ended yet."""
        own = self._seconds(kind, instance, loading=False)
        return self._seconds(kind, instance, loading=True) if own is None else own

    def typical(self, instance: str) -> float:
        """Seconds of any job there: what other clients' jobs are taken to need."""
        own = [k.seconds for k in self._known.values() if k.instance == instance]
        return sum(own) / len(own) if own else UNKNOWN_WORK_S

    @property
    def _usually(self) -> _Usual:
        """What a kind is taken to need of which too little is known: as the others do.

        With a fixed guess, it would outweigh or vanish beside those that are known.
        """
        if self._usual is None:
            latest = islice(reversed(self._known.values()), LATEST)
            self._usual = _usual_of(list(latest))
        return self._usual

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
        self._usual = None
        if len(self._known) > REMEMBERED:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._means.clear()


def _usual_of(known: Iterable[Learned]) -> _Usual:
    """The mean of the kinds that were seen to load; those that never do say nothing."""
    seen: dict[str, dict[bool, list[float]]] = {}
    for one in known:
        times = seen.setdefault(one.kind, {True: [], False: []})
        times[one.loading].append(one.seconds)
    means = [
        (_mean_of(times[True]), _mean_of(times[False]) if times[False] else None)
        for times in seen.values()
        if times[True]
    ]
    if not means:
        return _Usual()
    colds = sum(cold for cold, warm in means if warm is not None)
    warms = sum(warm for _, warm in means if warm is not None)
    load = UNKNOWN_LOAD if not warms else max(0.0, colds / warms - 1)
    load = min(load, MOST_LOAD)
    works = [cold / (1 + load) if warm is None else warm for cold, warm in means]
    return _Usual(_mean_of(works), load)


def _mean_of(seconds: Sequence[float]) -> float:
    return sum(seconds) / len(seconds)
