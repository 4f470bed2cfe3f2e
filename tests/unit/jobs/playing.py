"""Plays the routing policy against servers in simulated time."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from comfyclient.jobs.berths import Berth, Guest, Seat
from comfyclient.jobs.demands import Demand
from comfyclient.jobs.estimates import Estimates
from comfyclient.jobs.routing import LOOKAHEAD, Wish, choose


class Silent:
    """A transport that tells nothing of its queue."""

    backlog = None

    def __init__(self, name: str) -> None:
        self.name = name


@dataclass
class Server:
    """One server: it runs what it was given, in that order, and loads models."""

    seat: Seat
    work_s: float
    load_s: float
    lost_at: float = math.inf
    queue: list[Guest] = field(default_factory=list)
    loaded: frozenset[str] = frozenset()
    loads: int = 0
    running: Guest | None = None

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
    """Servers, and the jobs that wait for them."""

    def __init__(
        self,
        speeds: Sequence[float],
        *,
        load_s: float = 0.0,
        window: int = 2,
        lost: dict[int, float] | None = None,
    ) -> None:
        lost = {} if lost is None else lost
        self.estimates = Estimates()
        self.servers = [
            Server(
                Seat(Berth(Silent(f"s{i}"), window=window)),
                work_s,
                load_s,
                lost.get(i, math.inf),
            )
            for i, work_s in enumerate(speeds)
        ]
        self.now = 0.0
        self.done: list[tuple[float, str, Demand]] = []
        self._moments: list[tuple[float, int, Server, Guest]] = []
        self._count = itertools.count()

    def play(self, jobs: Sequence[Demand], *, round_robin: bool = False) -> float:
        """Seconds until all are done."""
        line, turn = list(jobs), itertools.cycle(self.servers)
        place = self._deal if round_robin else self._place
        while True:
            while line and place(line, turn):
                pass
            if not self._moments:
                assert not line, "jobs were left waiting for nothing"
                return self.now
            self._advance(line)

    def _deal(self, line: list[Demand], turn: itertools.cycle[Server]) -> bool:
        self._seat(next(turn), line.pop(0))
        return True

    def _place(self, line: list[Demand], _turn: object) -> bool:
        alive = [s for s in self.servers if s.seat.breaker.admits(self.now)]
        standings = [s.seat.standing(self.estimates, now=self.now) for s in alive]
        wishes = [Wish(demand) for demand in line[:LOOKAHEAD]]
        chosen = choose(wishes, standings, self.estimates)
        if chosen is None:
            return False
        index, name = chosen
        server = next(s for s in alive if s.seat.name == name)
        self._seat(server, line.pop(index))
        return True

    def _seat(self, server: Server, demand: Demand) -> None:
        name = server.seat.name
        work_s = self.estimates.work(demand.kind, name)
        server.queue.append(server.seat.seat(demand, work_s=work_s))
        self._begin(server)

    def _begin(self, server: Server) -> None:
        seconds = server.begin()
        if seconds is not None and server.running is not None:
            server.running.started_at = self.now
            end = min(self.now + seconds, max(server.lost_at, self.now))
            entry = (end, next(self._count), server, server.running)
            heapq.heappush(self._moments, entry)

    def _advance(self, line: list[Demand]) -> None:
        self.now, _, server, guest = heapq.heappop(self._moments)
        server.running = None
        server.seat.leave(guest)
        if self.now >= server.lost_at:  # what it had is sent again, elsewhere
            line[:0] = [guest.demand, *(g.demand for g in server.queue)]
            server.queue.clear()
            server.seat.guests.clear()
            server.seat.failed(self.now, seconds=1e9)
            return
        assert guest.started_at is not None
        self.done.append((self.now, server.seat.name, guest.demand))
        self.estimates.learn(
            guest.demand.kind,
            server.seat.name,
            self.now - guest.started_at,
            loading=guest.cold,
        )
        self._begin(server)


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
