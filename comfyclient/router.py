"""Picks the instance for a job, and remembers which are down."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import ConfigError
from .timing import SYSTEM_CLOCK, Clock
from .transports.base import Transport

DOWN_FOR = 10.0
"""Seconds that an instance which did not answer is asked last."""


@dataclass(slots=True)
class _Seat:
    transport: Transport
    weight: float
    load: int = 0
    down_until: float = 0.0


class Router:
    """Orders the instances of an environment: up before down, then least loaded."""

    def __init__(
        self,
        instances: Sequence[tuple[Transport, float]],
        *,
        read_only: Collection[str] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._seats = [_Seat(transport, weight) for transport, weight in instances]
        self._read_only = frozenset(read_only)
        self._clock = clock
        self._lock = threading.Lock()

    @property
    def transports(self) -> tuple[Transport, ...]:
        """All instances, as configured."""
        return tuple(seat.transport for seat in self._seats)

    def named(self, name: str | None) -> Transport | None:
        """The instance of this name, None where there is none (any more)."""
        found = (seat.transport for seat in self._seats if seat.transport.name == name)
        return next(found, None)

    def in_order(self, *, last: Transport | None = None) -> list[Transport]:
        """The instances to send to, the best one first; those that are down come last.

        Of those that are up, `last` comes last: a job came to nothing there.

        Raises:
            ConfigError: every instance is another environment's.
        """
        with self._lock:
            now = self._clock.monotonic()
            seats = sorted(
                (s for s in self._seats if s.transport.name not in self._read_only),
                key=lambda seat: (
                    seat.down_until > now,
                    seat.transport is last,
                    seat.load / seat.weight,
                ),
            )
        if not seats:
            raise ConfigError(
                "this environment may only read at its instances: they are another's",
                hint="give it an instance of its own, or submit in the other one",
            )
        return [seat.transport for seat in seats]

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

    @contextmanager
    def trying(self, transport: Transport) -> Iterator[None]:
        """Count a submission while it is tried: callers spread out meanwhile."""
        self.took(transport)
        try:
            yield
        except BaseException:
            self.done(transport)
            raise

    def took(self, transport: Transport) -> None:
        """The instance has one more job."""
        with self._lock:
            self._seat(transport).load += 1

    def done(self, transport: Transport) -> None:
        """The instance has one job less."""
        with self._lock:
            seat = self._seat(transport)
            seat.load = max(0, seat.load - 1)

    def down(self, transport: Transport, *, seconds: float = DOWN_FOR) -> None:
        """The instance did not answer, or does no work: ask it last for a while."""
        with self._lock:
            self._seat(transport).down_until = self._clock.monotonic() + seconds

    def _seat(self, transport: Transport) -> _Seat:
        return next(seat for seat in self._seats if seat.transport is transport)
