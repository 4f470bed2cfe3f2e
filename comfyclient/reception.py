"""One environment that is opened when the first order comes, until it is closed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from .batch.launching import Launcher
from .batch.ordering import Prepare, preparing, terms_of
from .batch.orders import Order
from .config.settings import (
    DeadlineSettings,
    InstanceSettings,
    Settings,
    with_instance,
)
from .errors import ClosedError
from .events import Event
from .hooks import Hook
from .job import Job
from .jobs.errands import Share
from .timing import Clock
from .wiring import Wired, wire


class Reception:
    """Takes orders in, and knows those that came before. Thread-safe."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        *,
        hooks: Sequence[Hook],
        clock: Clock,
    ) -> None:
        self.name = name
        self.settings = settings
        self.clock = clock
        self._hooks = hooks
        self._lock = threading.Lock()
        self._wired: Wired | None = None
        self._closed = False

    @property
    def limits(self) -> DeadlineSettings:
        """The environment's times."""
        return self.settings.environment(self.name)[1].deadlines

    def opened(self) -> Wired:
        """The environment, opened now if it was not.

        Raises:
            ClosedError: it was closed.
            ComfyClientError: as `wire` does.
        """
        with self._lock:
            if self._closed:
                raise ClosedError("the client was closed")
            if self._wired is None:
                self._wired = wire(
                    self.name, self.settings, hooks=self._hooks, clock=self.clock
                )
            return self._wired

    def close(self) -> None:
        """Take no orders any more."""
        with self._lock:
            self._closed = True

    def take_down(self) -> None:
        """Let go of what was opened; jobs that run stay on their servers."""
        with self._lock:
            wired, self._wired = self._wired, None
        if wired is not None:
            wired.roster.parting()
            wired.stack.close()
            wired.roster.close()

    def add(self, instance: InstanceSettings) -> None:
        """Open one more instance."""
        wired = self.opened()
        with self._lock:
            self.settings = with_instance(self.settings, self.name, instance)
        wired.add(instance)

    def preparing(
        self,
        confirm: str | None,
        *,
        told: Callable[[Event], None] | None = None,
        **terms: Any,
    ) -> Prepare:
        """What renders the orders of one call."""
        return preparing(
            self.opened().preparation,
            terms_of(self.limits, **terms),
            environment=self.name,
            confirm=confirm,
            clock=self.clock,
            told=told,
        )

    def repeated(
        self, order: Order, key: str | None, *, confirm: str | None
    ) -> Job | None:
        """The job that was sent before under the key, where no model need be asked."""
        if key is None:
            return None
        wired = self.opened()
        row = wired.journal.find(key, environment=self.name)
        repeats = wired.preparation.repeats
        if row is None or not repeats(
            row, order.what, order.trip, params=order.params, confirm=confirm
        ):
            return None
        return wired.roster.attach(row)

    def launcher(
        self,
        prepare: Prepare,
        renders: Share,
        *,
        confirm: str | None,
        patient: bool = False,
    ) -> Launcher:
        """What sends many orders; see `Launcher`."""
        wired = self.opened()

        def known(order: Order, key: str | None, told_by_key: bool) -> Job | None:
            if key is None or not told_by_key:
                return self.repeated(order, key, confirm=confirm)
            row = wired.journal.find(key, environment=self.name)
            return None if row is None else wired.roster.attach(row)

        return Launcher(
            prepare,
            known,
            roster=wired.roster,
            router=wired.router,
            renders=renders,
            hands=wired.hands,
            patient=patient,
        )
