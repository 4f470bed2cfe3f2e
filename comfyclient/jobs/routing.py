"""Which waiting job goes to which instance: the policy alone. Pure.

Jobs wait on our side, not in the servers' queues; an instance takes one when its window
has room. Waiting jobs that ask for the same are a batch. All batches are planned onto
the instances so that the last job is done as early as it can be: first where their
models are loaded, then where loading pays. An instance with room gets the next job that
the plan has for it. So a job may wait for a slow or cold instance to be spared, and
later ones may pass it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

from .demands import Demand
from .estimates import Estimates

LOOKAHEAD = 192
"""Waiting jobs that are planned for; what comes later has no say yet."""
PASSED_AT_MOST = 500
"""Jobs that may pass another one; then it takes whatever room there is."""
STAYS_FOR = 3.0
"""How many times the loading of its models an instance works on with a batch, before
another one that is planned for it, and that nobody serves, gets its turn. Twice as long
where less than that is left: to come back to it, it would have to be loaded again."""
SMALL_LOAD = 0.5
"""Times its work; what a larger one evicts is decided only when nothing is left to do:
by then the others may have had the batch done."""
PRECISION = 0.02
LEAST_S = 1e-3
"""Seconds that any job is taken to need: a division by it is safe."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A job that waits for a place."""

    demand: Demand
    avoid: Collection[str] = frozenset()
    """Instances that refused it."""
    last: str | None = None
    """The instance to be taken last: the job came to nothing there."""
    priority: int = 0
    passed: int = 0
    """How many jobs behind it were placed before it."""


@dataclass(slots=True)
class Standing:
    """How an instance stands, as far as its next job is concerned."""

    name: str
    room: int
    """Jobs that it may be sent now."""
    weight: float = 1.0
    busy_s: float = 0.0
    """Seconds until what it has is done."""
    jobs: int = 0
    """What it has of ours."""
    models: frozenset[str] | None = None
    """What the last job that was sent there loads; None where nobody knows."""
    stayed_s: float = 0.0
    """Seconds of work that it has done since it loaded models."""
    lacks: frozenset[str] = frozenset()
    """Node classes and model files that it does not have."""

    def able(self, demand: Demand) -> bool:
        """Whether it has what the job asks for, as far as known."""
        return not self.lacks or not self.lacks & (demand.classes | demand.models)

    def cold(self, demand: Demand) -> bool:
        """Whether models would have to be loaded."""
        return not demand.models <= (self.models or frozenset())


Choice = tuple[int, str]
"""A wish by its place in the line, and the name of its instance."""


def choose(
    wishes: Sequence[Wish], standings: Sequence[Standing], estimates: Estimates
) -> Choice | None:
    """The next job to be placed and its instance; None while it is better to wait.

    The wishes come in the order of their turn, higher priorities first.
    """
    only = _only_way(wishes, standings)
    if only is not None:
        return only
    start = 0
    for _, same in groupby(wishes[:LOOKAHEAD], key=lambda wish: wish.priority):
        batches = _batches(list(same), standings, estimates, start=start)
        start += sum(len(batch.turns) for batch in batches)
        plan = _Plan(batches, standings)
        choice = plan.overdue(wishes) or plan.next()
        if choice is not None:
            return choice
        plan.commit()
    return None


def _only_way(wishes: Sequence[Wish], standings: Sequence[Standing]) -> Choice | None:
    """The choice where nothing is to be weighed: one job, one instance, no models."""
    if len(wishes) != 1 or len(standings) != 1:
        return None
    wish, standing = wishes[0], standings[0]
    free = standing.room > 0 and standing.name not in wish.avoid
    return (0, standing.name) if free and not wish.demand.models else None


@dataclass(slots=True)
class _Batch:
    """Waiting jobs that ask for the same."""

    demand: Demand
    turns: list[int]
    """Their places in the line."""
    able: list[int]
    """The instances that may take them, by number."""
    work: list[float]
    load: list[float]
    """Seconds of each instance for one job, and for its models; 0 where loaded."""

    def takes(self, at: int, jobs: int = 1) -> float:
        """Seconds that an instance would need for so many of them."""
        return self.load[at] + jobs * self.work[at]

    def fits(self, at: int, seconds: float) -> int:
        """How many of them an instance could do in so many seconds; none if below 1."""
        return int((seconds - self.load[at]) / self.work[at] + 1e-9)


def _batches(
    wishes: Sequence[Wish],
    standings: Sequence[Standing],
    estimates: Estimates,
    *,
    start: int,
) -> list[_Batch]:
    alike: dict[object, list[int]] = {}
    for index, wish in enumerate(wishes):
        key = (wish.demand.kind, wish.demand.models, frozenset(wish.avoid), wish.last)
        alike.setdefault(key, []).append(index)
    found: list[_Batch] = []
    for indices in alike.values():
        wish = wishes[indices[0]]
        demand = wish.demand
        seconds = [_seconds(demand, one, estimates) for one in standings]
        found.append(
            _Batch(
                demand,
                turns=[start + index for index in indices],
                able=_able(wish, standings),
                work=[work for work, _ in seconds],
                load=[load for _, load in seconds],
            )
        )
    return found


def _able(wish: Wish, standings: Sequence[Standing]) -> list[int]:
    """The instances that may take it; where all lack something, any may say so."""
    asked = [i for i, one in enumerate(standings) if one.name not in wish.avoid]
    able = [i for i in asked if standings[i].able(wish.demand)] or asked
    return [i for i in able if standings[i].name != wish.last] or able


def _seconds(
    demand: Demand, standing: Standing, estimates: Estimates
) -> tuple[float, float]:
    """Work and loading there; an instance of twice the weight counts as twice as fast.

    So weights are shares of the jobs, whatever the instances' own speeds.
    """
    work = max(LEAST_S, estimates.work(demand.kind, standing.name))
    cold = standing.cold(demand)
    load = estimates.load(demand.kind, standing.name) if cold else 0.0
    return work / standing.weight, load / standing.weight


class _Plan:
    """Batches on instances, by number: how many jobs of which go where."""

    def __init__(
        self, batches: Sequence[_Batch], standings: Sequence[Standing]
    ) -> None:
        self._batches = [batch for batch in batches if batch.able]
        self._standings = standings
        self._busy = [one.busy_s / one.weight for one in standings]
        self._shares = self._shortest()

    def next(self) -> Choice | None:
        """The job that an instance with room is to have now."""
        ready = [i for i, one in enumerate(self._standings) if one.room > 0]
        ready.sort(key=lambda at: (self._busy[at], self._load(at)))
        for wanted in (self._due, self._worth):
            for at in ready:
                batch = wanted(at)
                if batch is not None and self._timely(batch, at):
                    return batch.turns[0], self._standings[at].name
        return None

    def overdue(self, wishes: Sequence[Wish]) -> Choice | None:
        """A job that too many have passed: it takes the best room that there is."""
        for batch in self._batches:
            late = wishes[batch.turns[0]].passed >= PASSED_AT_MOST
            with_room = [at for at in batch.able if self._standings[at].room > 0]
            if late and with_room:
                best = min(with_room, key=lambda at: self._busy[at] + batch.takes(at))
                return batch.turns[0], self._standings[best].name
        return None

    def commit(self) -> None:
        """Count what is planned as what the instances have: others come after it."""
        for (number, at), jobs in self._shares.items():
            standing = self._standings[at]
            batch = self._batches[number]
            standing.busy_s += batch.takes(at, jobs) * standing.weight
            standing.room = 0 if standing.jobs == 0 else standing.room
            if batch.demand.models:
                standing.models = batch.demand.models

    def _timely(self, batch: _Batch, at: int) -> bool:
        """Whether to begin a batch there now, or when what it has is done."""
        small = batch.load[at] <= SMALL_LOAD * batch.work[at]
        return small or self._standings[at].jobs == 0

    def _due(self, at: int) -> _Batch | None:
        """The batch that an instance is to go on with, of those planned for it."""
        here = [n for n in range(len(self._batches)) if self._shares.get((n, at))]
        warm = [number for number in here if not self._batches[number].load[at]]
        unserved = [number for number in here if not self._served(number)]
        going_on = self._oldest(warm)
        next_one = self._oldest(unserved if unserved or warm else here)
        if going_on is None or next_one is None:
            return going_on or next_one
        enough = STAYS_FOR * next_one.load[at]
        stayed = self._standings[at].stayed_s / self._standings[at].weight
        tired = stayed >= 2 * enough or min(stayed, self._warm_s(at)) >= enough
        earlier = next_one.turns[0] < going_on.turns[0]
        return next_one if tired and earlier else going_on

    def _served(self, number: int) -> bool:
        """Whether an instance that has a batch's models loaded is to go on with it."""
        load = self._batches[number].load
        return any(
            jobs and mine == number and not load[at]
            for (mine, at), jobs in self._shares.items()
        )

    def _oldest(self, numbers: Sequence[int]) -> _Batch | None:
        batches = [self._batches[number] for number in numbers]
        return min(batches, key=lambda batch: batch.turns[0], default=None)

    def _warm_s(self, at: int) -> float:
        """Seconds of work that is planned for an instance and needs no loading."""
        return sum(
            jobs * self._batches[number].work[at]
            for (number, there), jobs in self._shares.items()
            if there == at and not self._batches[number].load[at]
        )

    def _worth(self, at: int) -> _Batch | None:
        """A batch that an instance without a share would have done earlier."""
        if any(jobs and there == at for (_, there), jobs in self._shares.items()):
            return None
        gains = {
            number: self._done(number) - self._busy[at] - batch.takes(at)
            for number, batch in enumerate(self._batches)
            if at in batch.able
        }
        best = max(gains, key=lambda number: gains[number], default=None)
        if best is None or gains[best] <= LEAST_S:
            return None
        return self._batches[best]

    def _done(self, number: int) -> float:
        """When the last job of a batch is done, as planned."""
        batch = self._batches[number]
        return max(
            (
                self._busy[at] + batch.takes(at, jobs)
                for (mine, at), jobs in self._shares.items()
                if mine == number and jobs
            ),
            default=0.0,
        )

    def _load(self, at: int) -> float:
        return self._standings[at].jobs / self._standings[at].weight

    # -- the shortest plan

    def _shortest(self) -> dict[tuple[int, int], int]:
        """How many jobs of each batch go where, so that all are done soonest."""
        if not self._batches:
            return {}
        if len(self._batches) == 1 and len(self._batches[0].turns) == 1:
            return {(0, self._soonest(self._batches[0])): 1}
        high = self._one_by_one()
        low = min(self._busy[at] for batch in self._batches for at in batch.able)
        best = self._within(high)
        while best is None:  # the way of filling is not the best one
            high *= 2
            best = self._within(high)
        begin = low
        while high - low > PRECISION * (high - begin) and high - low > LEAST_S:
            middle = (low + high) / 2
            found = self._within(middle)
            if found is None:
                low = middle
            else:
                high, best = middle, found
        return best

    def _soonest(self, batch: _Batch) -> int:
        """Where a single job would be done first."""
        return min(
            batch.able,
            key=lambda at: (round(self._busy[at] + batch.takes(at), 6), self._load(at)),
        )

    def _one_by_one(self) -> float:
        """When all would be done, with each batch on one instance."""
        busy = list(self._busy)
        for batch in self._batches:
            jobs = len(batch.turns)
            at = min(batch.able, key=lambda i: busy[i] + batch.takes(i, jobs))
            busy[at] += batch.takes(at, jobs)
        return max(busy) + LEAST_S

    def _within(self, end: float) -> dict[tuple[int, int], int] | None:
        """A plan in which all are done by then; None where none was found.

        Instances go on with what they have loaded, in an order that stays the same, or
        else each plan would have another one of them load something new; what is left
        of a batch fills one instance after the other, so that few have to load it.
        """
        spare = [end - busy for busy in self._busy]
        left = [len(batch.turns) for batch in self._batches]
        shares: dict[tuple[int, int], int] = {}
        for number, batch in enumerate(self._batches):
            warm = [at for at in batch.able if not batch.load[at]]
            if not batch.demand.models:
                warm = self._soonest_first(batch, spare)
            self._fill(number, warm, spare, left, shares)
        cold = sorted(
            (n for n in range(len(left)) if left[n]),
            key=lambda n: -left[n] * min(self._batches[n].work),
        )
        for number in cold:
            among = self._soonest_first(self._batches[number], spare)
            self._fill(number, among, spare, left, shares)
            if left[number]:
                return None
        return shares

    def _soonest_first(self, batch: _Batch, spare: Sequence[float]) -> list[int]:
        return sorted(
            batch.able,
            key=lambda at: (batch.takes(at) - spare[at], self._load(at), at),
        )

    def _fill(
        self,
        number: int,
        among: Sequence[int],
        spare: list[float],
        left: list[int],
        shares: dict[tuple[int, int], int],
    ) -> None:
        batch = self._batches[number]
        for at in among:
            jobs = min(left[number], batch.fits(at, spare[at]))
            if jobs > 0:
                shares[number, at] = shares.get((number, at), 0) + jobs
                spare[at] -= batch.takes(at, jobs)
                left[number] -= jobs
