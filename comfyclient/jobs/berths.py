"""An instance as the router sees it: what it has, how it does, what it may be sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import (
    BadAnswerError,
    BusyError,
    ComfyClientError,
    MissingModelError,
    MissingNodeError,
    ServerFaultError,
    UnreachableError,
    ValidationError,
)
from ..transports.base import Transport
from .breaker import Breaker
from .demands import Demand
from .estimates import Estimates
from .routing import Standing

TIMED_ONE_BY_ONE = 8
"""Jobs of an instance whose time is added up; of more, their mean is taken."""
OVERDUE = 0.25
"""Of the time that a job took already, what it is taken to need still, at least."""
LACKS_FOR_S = 300.0
"""Seconds that a refusal for a missing node or model is remembered."""


@dataclass(frozen=True, slots=True)
class Berth:
    """An instance and how much it may be given."""

    transport: Transport
    weight: float = 1.0
    window: int = 2


@dataclass(frozen=True, slots=True)
class InstanceState:
    """How one instance stands, for people to read."""

    name: str
    jobs: int
    """Ours."""
    foreign: int
    """Other clients', as far as it tells."""
    window: int
    up: bool
    drained: bool


@dataclass(slots=True, eq=False)
class Guest:
    """A job that has a place."""

    demand: Demand
    cold: bool
    """Whether its models have to be loaded first."""
    taken: bool = False
    """Whether the server has it, or had it."""
    started_at: float | None = None
    before: frozenset[str] | None = None
    """The models that were there before it."""


@dataclass(slots=True, eq=False)
class Seat:
    """One instance's state. Guarded by the router's lock."""

    berth: Berth
    breaker: Breaker = field(default_factory=Breaker)
    guests: list[Guest] = field(default_factory=list)
    models: frozenset[str] | None = None
    stayed_s: float = 0.0
    """Seconds of work that it has done since it loaded models."""
    drained: bool = False
    leaving: bool = False
    read_only: bool = False
    lacks: dict[str, float] = field(default_factory=dict)
    """Classes and files that it does not have, and until when that is believed."""

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.berth.transport.name

    @property
    def usable(self) -> bool:
        """Whether it takes jobs at all."""
        return not (self.drained or self.leaving or self.read_only)

    @property
    def foreign(self) -> int:
        """Jobs of other clients in its queue, as far as it tells."""
        backlog = self.berth.transport.backlog
        if backlog is None:
            return 0
        # ours that are on their way count too: they may be among those it told of
        return max(0, backlog - len(self.guests))

    def room(self, foreign: int) -> int:
        """Places that are left; others' jobs take some, but never the last one."""
        limit = max(1, self.berth.window - foreign)
        return max(0, limit - len(self.guests))

    def standing(self, estimates: Estimates, *, now: float) -> Standing:
        """How it stands, for the policy."""
        foreign = self.foreign
        room = self.room(foreign)
        if self.breaker.failing:
            room = min(room, 1)  # a trial
        return Standing(
            name=self.name,
            room=room,
            weight=self.berth.weight,
            busy_s=self._busy(estimates, now) + foreign * estimates.typical(self.name),
            jobs=len(self.guests),
            models=self.models,
            stayed_s=self.stayed_s,
            lacks=self.missing(now),
        )

    def state(self, now: float) -> InstanceState:
        """How it stands, for people."""
        return InstanceState(
            name=self.name,
            jobs=len(self.guests),
            foreign=self.foreign,
            window=self.berth.window,
            up=not self.breaker.failing and self.breaker.admits(now),
            drained=self.drained or self.leaving,
        )

    def missing(self, now: float) -> frozenset[str]:
        """What it is known not to have."""
        if not self.lacks:
            return frozenset()
        self.lacks = {what: end for what, end in self.lacks.items() if end > now}
        return frozenset(self.lacks)

    def cold(self, demand: Demand) -> bool:
        """Whether a job that is sent now would have to load its models."""
        return not demand.models <= (self.models or frozenset())

    def seat(self, demand: Demand) -> Guest:
        """Give a job a place."""
        cold = self.cold(demand)
        guest = Guest(demand, cold, before=self.models)
        self.stayed_s = 0.0 if cold else self.stayed_s
        self.guests.append(guest)
        if demand.models:
            self.models = demand.models
        return guest

    def leave(self, guest: Guest, *, loaded: bool = True) -> bool:
        """Take a place back; whether the job had one still."""
        if guest not in self.guests:
            return False
        at = self.guests.index(guest)
        self.guests.remove(guest)
        if not loaded:
            self._unload(guest, self.guests[at:])
        return True

    def ran(self, guest: Guest, *, seconds: float) -> None:
        """A job, in its place still, ran to its end; they end as the server got them.

        Those that are sent at once may come there the other way round: then the one
        that was to find the models loaded has loaded them.
        """
        for one in self.guests[: self.guests.index(guest)]:
            if one.cold and one.demand.models == guest.demand.models:
                one.cold, guest.cold = guest.cold, True
        self.stayed_s += 0.0 if guest.cold else seconds

    def _unload(self, guest: Guest, behind: Sequence[Guest]) -> None:
        """A job never came to load its models: the next one finds what was before."""
        if not behind:
            self.models = guest.before
            return
        heir = behind[0]
        heir.before = guest.before
        heir.cold = not heir.demand.models <= (heir.before or frozenset())

    def failed(self, now: float, *, seconds: float | None = None) -> None:
        """It did not answer: it may have restarted, with nothing loaded."""
        self.models = None
        self.breaker.failed(now, seconds=seconds)

    def refused(self, guest: Guest, error: ComfyClientError, *, now: float) -> None:
        """A job was not taken there, for this reason."""
        match error:
            case BusyError():
                self.breaker.busy(now, seconds=error.retry_after)
            case UnreachableError():
                self.failed(now)
            case BadAnswerError() | ServerFaultError():
                self.breaker.fault(now)
            case _:
                self.breaker.answered()
        lacking = _lacking(error, guest.demand)
        self.lacks.update(dict.fromkeys(lacking, now + LACKS_FOR_S))
        self.leave(guest, loaded=False)

    def _busy(self, estimates: Estimates, now: float) -> float:
        timed = self.guests[:TIMED_ONE_BY_ONE]
        seconds = sum(self._left(guest, estimates, now) for guest in timed)
        return seconds * len(self.guests) / len(timed) if timed else 0.0

    def _left(self, guest: Guest, estimates: Estimates, now: float) -> float:
        """Seconds until a job is done, once it is its turn."""
        kind = guest.demand.kind
        whole = estimates.work(kind, self.name)
        if guest.cold:
            whole += estimates.load(kind, self.name)
        if guest.started_at is None:
            return whole
        spent = now - guest.started_at
        return max(whole - spent, spent * OVERDUE)


def no_room(states: Iterable[InstanceState], *, seconds: float) -> BusyError:
    """What is said of instances that had no room for so long."""
    full = [
        f"{state.name} " + ("is drained" if state.drained else f"has {state.jobs}")
        for state in states
    ]
    return BusyError(
        f"no instance had room for the job within {seconds:g} s: {', '.join(full)}",
        hint="raise the instance's window or deadlines.queue_s, or add an instance",
    )


def _lacking(error: ComfyClientError, demand: Demand) -> Collection[str]:
    """The node classes and model files that a refusal says are missing there."""
    if not isinstance(error, ValidationError):
        return ()
    nodes = isinstance(error, MissingNodeError)
    models = isinstance(error, MissingModelError)
    classes = {
        str(issue.class_type)
        for issue in error.issues
        if nodes or issue.kind == "missing_node_type"
    }
    told = [
        str(issue.value)
        for issue in error.issues
        if models or issue.kind == "value_not_in_list"
    ]
    missing = {m for m in demand.models if any(m in value for value in told)}
    return missing | (demand.classes & classes)
