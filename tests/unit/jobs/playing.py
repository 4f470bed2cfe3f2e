"""Plays the router against servers in simulated time."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from comfyclient.jobs.berths import Berth
from comfyclient.jobs.demands import Demand
from comfyclient.jobs.router import Place, Router
from comfyclient.testing.clock import FakeClock

SENT_WITHIN = 0.2
UNEVEN = 0.05
"""Where there is chance: parts of a job's work until a server has it, so that two sent
at once may come the other way round; and by which its work is longer or shorter."""


@dataclass(slots=True, eq=False)
class Run:
    """A job at a server; one that was dealt has no place."""

    demand: Demand
    place: Place | None = None
    lane: str = ""


@dataclass(eq=False)
class Server:
    """One server: it runs what it was given, in that order, and loads models.

    As a transport it tells nothing of its queue.
    """

    name: str
    work_s: float
    load_s: float
    lost_at: float = math.inf
    queue: list[Run] = field(default_factory=list)
    loaded: frozenset[str] = frozenset()
    loads: int = 0
    running: Run | None = None
    backlog: None = None

    def begin(self) -> float | None:
        """Begin with the next job; the seconds that it takes."""
        if self.running is not None or not self.queue:
            return None
        self.running = self.queue.pop(0)
        models = self.running.demand.models
        if not models <= self.loaded:
            self.loaded = models
            self.loads += 1
            return self.work_s + self.load_s
        return self.work_s


class Fleet:
    """Servers, and a router that gives them jobs."""

    def __init__(
        self,
        speeds: Sequence[float],
        *,
        load_s: float = 0.0,
        window: int = 2,
        lost: dict[int, float] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        lost = {} if lost is None else lost
        self.servers = [
            Server(f"s{number}", work_s, load_s, lost.get(number, math.inf))
            for number, work_s in enumerate(speeds)
        ]
        self.now = 0.0
        self.done: list[tuple[float, str, Demand]] = []
        self._chance = chance
        self._clock = FakeClock()
        self._router = Router(
            [Berth(server, window=window) for server in self.servers],
            clock=self._clock,
            later=lambda step, seconds: self._later(seconds, step),
        )
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._joined = 0

    @property
    def loads(self) -> int:
        """How often models were loaded."""
        return sum(server.loads for server in self.servers)

    def play(self, jobs: Sequence[Demand], *, apart_s: float = 0.0) -> float:
        """Seconds until all are done that join the line one after the other."""
        for number, demand in enumerate(jobs):
            self.join_at(number * apart_s, demand)
        return self.run()

    def join_at(self, moment: float, demand: Demand, *, lane: str = "") -> None:
        """Have a job join the line at a moment to come."""
        self._joined += 1
        self._later(moment - self.now, partial(self._join, demand, lane))

    def deal(self, jobs: Sequence[Demand]) -> float:
        """Seconds until all are done where each server in turn is sent the next one."""
        for demand, server in zip(jobs, itertools.cycle(self.servers), strict=False):
            self._joined += 1
            self._later(0.0, partial(self._reach, server, Run(demand)))
        return self.run()

    def run(self) -> float:
        """Seconds until all are done."""
        while self._moments:
            self.now, _, step = heapq.heappop(self._moments)
            self._clock.advance(self.now - self._clock.monotonic())
            step()
        assert len(self.done) == self._joined, "jobs were left waiting for nothing"
        return self.now

    def _later(self, seconds: float, step: Callable[[], None]) -> None:
        heapq.heappush(self._moments, (self.now + seconds, next(self._count), step))

    def _join(self, demand: Demand, lane: str) -> None:
        granted = partial(self._granted, demand, lane)
        self._router.line_up(demand, granted, lane=lane, first_of_many=True)

    def _granted(self, demand: Demand, lane: str, place: Place) -> None:
        server = next(one for one in self.servers if one is place.transport)
        most = server.work_s * SENT_WITHIN
        way = 0.0 if self._chance is None else self._chance.uniform(0, most)
        self._later(way, partial(self._reach, server, Run(demand, place, lane)))

    def _reach(self, server: Server, run: Run) -> None:
        if run.place is not None:
            run.place.taken()
        server.queue.append(run)
        self._begin(server)

    def _begin(self, server: Server) -> None:
        seconds = server.begin()
        if seconds is None or server.running is None:
            return
        if self._chance is not None:
            seconds += server.work_s * self._chance.uniform(-UNEVEN, UNEVEN)
        if server.running.place is not None:
            server.running.place.started()
        left = max(0.0, server.lost_at - self.now)
        self._later(min(seconds, left), partial(self._end, server, seconds))

    def _end(self, server: Server, seconds: float) -> None:
        run, server.running = server.running, None
        assert run is not None, "it ends what it began"
        if self.now >= server.lost_at:
            self._lose(server, [run, *server.queue])
            return
        self.done.append((self.now, server.name, run.demand))
        if run.place is not None:
            run.place.free(seconds)
        self._begin(server)

    def _lose(self, server: Server, left: Sequence[Run]) -> None:
        """What it had is sent again, elsewhere."""
        server.queue.clear()
        self._router.down(server, seconds=1e9)
        for run in left:
            assert run.place is not None, "only the router's servers are lost"
            run.place.free()
            self._join(run.demand, run.lane)


def shortest(counts: Sequence[int], *, servers: int, load_s: float) -> float:
    """The least time for batches of jobs of 1 s, known in advance, on equal servers.

    Tries every way to say which servers load which models; given that, the jobs fit
    where no set of batches asks for more than the servers that load any of them have.
    """
    batches = range(len(counts))
    sets = [
        frozenset(chosen)
        for size in range(1, len(counts) + 1)
        for chosen in itertools.combinations(batches, size)
    ]
    ways = list(itertools.combinations_with_replacement(sets, servers))
    low, high = 0, sum(counts) + len(counts) * math.ceil(load_s)
    while low < high:
        middle = (low + high) // 2
        if any(_fits(way, counts, sets, middle, load_s) for way in ways):
            high = middle
        else:
            low = middle + 1
    return float(low)


def _fits(
    way: Sequence[frozenset[int]],
    counts: Sequence[int],
    sets: Sequence[frozenset[int]],
    end: float,
    load_s: float,
) -> bool:
    spare = [math.floor(end - load_s * len(loaded)) for loaded in way]
    if min(spare) < 0:
        return False
    return all(
        sum(counts[batch] for batch in asked)
        <= sum(room for room, loaded in zip(spare, way, strict=True) if loaded & asked)
        for asked in sets
    )
