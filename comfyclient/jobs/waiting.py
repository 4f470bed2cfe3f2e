"""The jobs that wait for a place, in the order of their turn: fair between callers."""

from __future__ import annotations

import heapq
import itertools
import threading
from bisect import insort
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .routing import LOOKAHEAD, Wish

P = TypeVar("P")


@dataclass(slots=True, eq=False)
class Waiter(Generic[P]):
    """One job that waits."""

    wish: Wish
    lane: Hashable
    """Whose it is: callers take turns."""
    priority: int = 0
    """Higher ones go first, whoever's they are."""
    granted: Callable[[P], None] | None = None
    """Called with the place, from any thread; None where a thread waits for it."""
    woken: threading.Condition | None = None
    number: int = 0
    passed: int = 0
    place: P | None = field(default=None)

    @property
    def rank(self) -> tuple[int, int]:
        """Its place within its lane."""
        return -self.priority, self.number


class Line(Generic[P]):
    """The waiting jobs, by lane. Not safe for threads: the router guards it."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, list[Waiter[P]]] = {}
        self._served: dict[Hashable, int] = {}
        self._turn = 0
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def __iter__(self) -> Iterator[Waiter[P]]:
        return itertools.chain.from_iterable(self._lanes.values())

    def join(self, waiter: Waiter[P]) -> None:
        """Wait at the end of one's lane; a lane that is new begins with this turn."""
        waiter.number = next(self._numbers)
        if waiter.lane not in self._lanes:
            self._lanes[waiter.lane] = []
            served = self._served.get(waiter.lane, 0)
            self._served[waiter.lane] = max(served, self._turn)
        insort(self._lanes[waiter.lane], waiter, key=lambda one: one.rank)

    def leave(self, waiter: Waiter[P]) -> bool:
        """Wait no longer; whether it did."""
        lane = self._lanes.get(waiter.lane, [])
        if waiter not in lane:
            return False
        lane.remove(waiter)
        if not lane:
            del self._lanes[waiter.lane]
            self._forget_old()
        return True

    def first(self) -> list[Waiter[P]]:
        """The next ones, each lane in its turn."""
        turns = [self._turns(lane) for lane in self._lanes]
        merged = heapq.merge(*turns, key=lambda turn: turn[0])
        return [waiter for _, waiter in itertools.islice(merged, LOOKAHEAD)]

    def serve(self, waiter: Waiter[P]) -> None:
        """It has its place: its lane had a turn."""
        self._turn = max(self._turn, self._served[waiter.lane])
        self._served[waiter.lane] += 1
        self.leave(waiter)

    def _turns(
        self, lane: Hashable
    ) -> Iterator[tuple[tuple[int, int, int], Waiter[P]]]:
        served = self._served[lane]
        for index, waiter in enumerate(self._lanes[lane]):
            yield (-waiter.priority, served + index, waiter.number), waiter

    def _forget_old(self) -> None:
        """Lanes that are behind the present turn begin anew with it anyway."""
        if len(self._served) > 2 * len(self._lanes) + 100:
            self._served = {
                lane: served
                for lane, served in self._served.items()
                if lane in self._lanes or served > self._turn + 1
            }
