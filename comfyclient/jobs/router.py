"""Gives waiting jobs their places at instances, and remembers how those do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import replace

from ..errors import ComfyClientError, ConfigError, UsageError
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.base import Transport
from .berths import Berth, Guest, InstanceState, Seat, no_room
from .demands import Demand
from .estimates import Estimates, Learned
from .routing import Wish, choose
from .waiting import Line, Waiter

TICK_S = 0.5
"""Seconds between two looks of whoever waits: what others do is not told to us."""
GATHER_S = 0.01
"""Seconds that the first of many lets others join before models are loaded: it alone
says nothing of what else there is to load."""

Later = Callable[[Callable[[], None], float], object]
"""Calls something back after so many seconds."""


class Place:
    """A job's place at an instance, from before it is sent until its end."""

    def __init__(self, router: Router, seat: Seat, guest: Guest) -> None:
        self._router = router
        self._seat = seat
        self._guest = guest

    @property
    def transport(self) -> Transport:
        """The instance."""
        return self._seat.berth.transport

    def taken(self) -> None:
        """The server took the job."""
        self._router._taken(self._seat, self._guest)

    def started(self) -> None:
        """The job runs."""
        self._router._started(self._guest)

    def refused(self, error: ComfyClientError) -> None:
        """The job was not taken, for this reason: the place is free again."""
        self._router._refused(self._seat, self._guest, error)

    def free(self, seconds: float | None = None) -> None:
        """The job is there no longer; how long it took, where it succeeded."""
        self._router._freed(self._seat, self._guest, seconds)


class Router:
    """The places of an environment's instances, and the jobs that wait for one."""

    def __init__(
        self,
        berths: Iterable[Berth],
        *,
        read_only: Collection[str] = (),
        clock: Clock = SYSTEM_CLOCK,
        known: Iterable[Learned] = (),
        later: Later | None = None,
    ) -> None:
        self._read_only = frozenset(read_only)
        self._clock = clock
        self._later = later
        self._lock = threading.RLock()
        self._line: Line[Place] = Line()
        self._estimates = Estimates(known)
        self._ticking = self._gathering = False
        self._seats: list[Seat] = []
        for berth in berths:
            self.add(berth)

    # -- the instances

    @property
    def transports(self) -> tuple[Transport, ...]:
        """All instances that jobs may be sent to or found at."""
        return tuple(seat.berth.transport for seat in self._seats)

    def named(self, name: str | None) -> Transport | None:
        """The instance of this name, None where there is none (any more)."""
        found = (one for one in self.transports if one.name == name)
        return next(found, None)

    def require_writable(self, transport: Transport) -> None:
        """Let a change at an instance pass that is this environment's own.

        Raises:
            ConfigError: it is another environment's.
        """
        if transport.name in self._read_only:
            raise ConfigError(
                f"this environment may only read at instance {transport.name}: it is "
                "another's",
                hint="do it in the environment that it belongs to",
            )

    def add(self, berth: Berth) -> None:
        """Give jobs to one more instance from now on.

        Raises:
            UsageError: there is one of this name.
        """
        name = berth.transport.name
        with self._lock:
            if any(seat.name == name and not seat.leaving for seat in self._seats):
                raise UsageError(f"there is an instance {name!r} already")
            # the newest of a name is found first: what it was is over
            seat = Seat(berth, read_only=name in self._read_only)
            self._seats.append(seat)
        self._serve()

    def drain(self, name: str) -> None:
        """Send an instance no more jobs; those that it has go on.

        Raises:
            UsageError: there is none of this name.
        """
        self._seat(name).drained = True

    def undrain(self, name: str) -> None:
        """Send a drained instance jobs again."""
        self._seat(name).drained = False
        self._serve()

    def remove(self, name: str) -> None:
        """Send an instance no more jobs, ever; those that it has go on to their end."""
        self._seat(name).leaving = True
        self.wake()

    def down(self, transport: Transport, *, seconds: float | None = None) -> None:
        """The instance does no work: leave it alone for a while."""
        with self._lock:
            now = self._clock.monotonic()
            self._of(transport).failed(now, seconds=seconds)

    def has_other(self, transport: Transport) -> bool:
        """Whether another instance takes jobs."""
        with self._lock:
            now = self._clock.monotonic()
            return any(
                seat.usable and not seat.breaker.failing and seat.breaker.admits(now)
                for seat in self._seats
                if seat.berth.transport is not transport
            )

    def states(self) -> list[InstanceState]:
        """How the instances stand, in the order of the configuration."""
        with self._lock:
            now = self._clock.monotonic()
            return [s.state(now) for s in self._seats if not s.read_only]

    @property
    def places(self) -> int:
        """How many jobs the instances may have at a time, all together."""
        with self._lock:
            return sum(seat.berth.window for seat in self._seats if seat.usable)

    # -- places

    def find(
        self,
        demand: Demand,
        *,
        deadline: Deadline,
        check: Callable[[], None],
        avoid: Collection[str] = (),
        last: Transport | None = None,
        lane: Hashable = None,
        priority: int = 0,
    ) -> Place | None:
        """Wait for a place; None where no instance is left that would be asked.

        Where all that are left are down, one of them is asked all the same: somebody
        waits for an answer. `check` is called at every wake, and may raise.

        Raises:
            ConfigError: every instance is another environment's.
            BusyError: none had room before the deadline.
        """
        wish = Wish(
            demand,
            frozenset(avoid),
            last=None if last is None else last.name,
            priority=priority,
        )
        with self._lock:
            self._require_any()
            waiter = Waiter[Place](
                wish, lane, priority, woken=threading.Condition(self._lock)
            )
            self._line.join(waiter)
            try:
                self._serve()
                return self._awaited(waiter, deadline, check)
            except BaseException:
                if waiter.place is not None:  # it came together with the trouble
                    waiter.place.free()
                raise
            finally:
                self._line.leave(waiter)

    def line_up(
        self,
        demand: Demand,
        granted: Callable[[Place], None],
        *,
        lane: Hashable = None,
        priority: int = 0,
        first_of_many: bool = False,
    ) -> Waiter[Place]:
        """Wait for a place without a thread: `granted` is called with it, once.

        It is called from any thread, with the router's lock held: it may only put the
        work into other hands. Instances that are down are not asked but for a trial.
        Where it may be the first of many, they have a say in what is loaded.
        """
        waiter = Waiter[Place](
            Wish(demand, priority=priority), lane, priority, granted=granted
        )
        with self._lock:
            if first_of_many and demand.models and not len(self._line):
                self._gather()
            self._line.join(waiter)
        self._serve()
        return waiter

    def step_out(self, waiter: Waiter[Place]) -> bool:
        """Wait no longer; False where the place was handed over already."""
        with self._lock:
            return self._line.leave(waiter)

    def took(self, transport: Transport, demand: Demand) -> Place:
        """A job is at an instance already: it has a place, room or not."""
        with self._lock:
            seat = self._of(transport)
            guest = seat.seat(demand)
            guest.taken = True
            return Place(self, seat, guest)

    def wake(self) -> None:
        """Have whoever waits look again whether its job is still wanted."""
        with self._lock:
            for waiter in self._line:
                if waiter.woken is not None:
                    waiter.woken.notify()

    # -- what is learned of durations

    def fresh(self) -> list[Learned]:
        """What was learned since this was asked last."""
        with self._lock:
            return self._estimates.fresh()

    def expected(self, demand: Demand) -> float | None:
        """Seconds that such a job takes on the whole; None where nobody knows."""
        with self._lock:
            found = [self._estimates.known(demand.kind, s.name) for s in self._seats]
        known = [seconds for seconds in found if seconds is not None]
        return sum(known) / len(known) if known else None

    # -- what places tell

    def _taken(self, seat: Seat, guest: Guest) -> None:
        with self._lock:
            guest.taken = True
            seat.breaker.took()

    def _started(self, guest: Guest) -> None:
        if guest.started_at is None:
            guest.started_at = self._clock.monotonic()

    def _refused(self, seat: Seat, guest: Guest, error: ComfyClientError) -> None:
        with self._lock:
            seat.refused(guest, error, now=self._clock.monotonic())
        self._serve()

    def _freed(self, seat: Seat, guest: Guest, seconds: float | None) -> None:
        with self._lock:
            if guest not in seat.guests:
                return
            if seconds is not None:
                seat.ran(guest, seconds=seconds)
            seat.leave(guest, loaded=guest.taken)
            if seconds is not None:
                self._estimates.learn(
                    guest.demand.kind, seat.name, seconds, loading=guest.cold
                )
        self._serve()

    # -- the line

    def _serve(self) -> None:
        """Hand out what places there are."""
        with self._lock:
            while len(self._line) and (found := self._next()) is not None:
                waiter, seat = found
                self._line.serve(waiter)
                waiter.place = self._seated(seat, waiter.wish.demand)
                if waiter.woken is not None:
                    waiter.woken.notify()
                if waiter.granted is not None:
                    waiter.granted(waiter.place)
            self._keep_ticking()

    def _next(self) -> tuple[Waiter[Place], Seat] | None:
        now = self._clock.monotonic()
        # one that is down or busy is not waited for: it may stay so
        seats = [s for s in self._seats if s.usable and s.breaker.admits(now)]
        standings = [seat.standing(self._estimates, now=now) for seat in seats]
        if not any(standing.room for standing in standings):
            return None
        waiters = self._line.first()
        wishes = [replace(one.wish, passed=one.passed) for one in waiters]
        chosen = choose(wishes, standings, self._estimates)
        if chosen is None:
            return None
        index, name = chosen
        seat = next(seat for seat in seats if seat.name == name)
        waiter = waiters[index]
        if self._gathering and waiter.woken is None and seat.cold(waiter.wish.demand):
            return None
        for earlier in waiters[:index]:
            earlier.passed += 1
        return waiter, seat

    def _gather(self) -> None:
        """Load nothing for those who wait without a thread until others have joined."""
        if self._later is not None and not self._gathering:
            self._gathering = True
            self._later(self._gathered, GATHER_S)

    def _gathered(self) -> None:
        self._gathering = False
        self._serve()

    def _seated(self, seat: Seat, demand: Demand) -> Place:
        seat.breaker.trying(self._clock.monotonic())
        return Place(self, seat, seat.seat(demand))

    def _awaited(
        self, waiter: Waiter[Place], deadline: Deadline, check: Callable[[], None]
    ) -> Place | None:
        assert waiter.woken is not None, "a thread waits for it"
        while waiter.place is None:
            check()
            now = self._clock.monotonic()
            avoid = waiter.wish.avoid
            left = [s for s in self._seats if s.usable and s.name not in avoid]
            if not left and avoid:
                return None
            if left and not any(seat.breaker.admits(now) for seat in left):
                down = min(left, key=lambda seat: seat.breaker.opens_in(now))
                if down.room(0) > 0:  # else its jobs will tell whether it is back
                    return self._seated(down, waiter.wish.demand)
            if deadline.passed():
                raise no_room(self.states(), seconds=deadline.seconds)
            self._clock.wait(waiter.woken, min(TICK_S, deadline.remaining()))
            self._serve()
        return waiter.place

    def _keep_ticking(self) -> None:
        """Look again soon while anybody waits without a thread."""
        if self._later is None or self._ticking:
            return
        if any(waiter.woken is None for waiter in self._line):
            self._ticking = True
            self._later(self._tick, TICK_S)

    def _tick(self) -> None:
        self._ticking = False
        self._serve()

    def _require_any(self) -> None:
        if not any(not seat.read_only for seat in self._seats):
            raise ConfigError(
                "this environment may only read at its instances: they are another's",
                hint="give it an instance of its own, or submit in the other one",
            )

    def _seat(self, name: str) -> Seat:
        with self._lock:
            for seat in self._seats:
                if seat.name == name and not seat.leaving:
                    return seat
            names = ", ".join(s.name for s in self._seats if not s.leaving) or "none"
        raise UsageError(f"there is no instance {name!r}; there are: {names}")

    def _of(self, transport: Transport) -> Seat:
        return next(s for s in self._seats if s.berth.transport is transport)
