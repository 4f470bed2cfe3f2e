"""Sends jobs without a caller who waits: rendered, lined up, sent, each in its turn."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial

from .demands import demand_of
from .errands import Errands
from .errors import BusyError, ClosedError, ComfyClientError, JobError
from .job import Job
from .ledger_records import JobIntent
from .orders import Order
from .revival import Terms
from .roster import Roster
from .router import Place, Router
from .timing import Span
from .waiting import Waiter
from .workflow import Workflow


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that may be written down and sent."""

    intent: JobIntent
    workflow: Workflow
    terms: Terms
    rendered: Span


Sent = Callable[[Job | None, ComfyClientError | None], None]
"""Told once: the job that a server took, or why there is none."""


class Launch:
    """One order on its way to a server. It is in the ledger once there is a place."""

    def __init__(
        self, order: Order, told: Sent, *, lane: Hashable, key: str | None
    ) -> None:
        self.order = order
        self.lane = lane
        self.key = key
        self.context = copy_context()
        self._told: Sent | None = told
        self._lock = threading.Lock()
        self.waiter: Waiter[Place] | None = None
        self.unwanted: ComfyClientError | None = None
        """Why nobody wants it any more."""

    def require_wanted(self) -> None:
        """Raise why nobody wants it any more, where that is so."""
        if self.unwanted is not None:
            raise self.unwanted

    def tell(self, job: Job | None, error: ComfyClientError | None = None) -> None:
        """Tell how it went, the first time that this is known."""
        with self._lock:
            told, self._told = self._told, None
        if told is not None:
            told(job, error)


class Launcher:
    """Takes orders and sends them as places come free; no thread waits for one."""

    def __init__(
        self,
        prepare: Callable[[Order, str | None], Prepared],
        known: Callable[[str], Job | None],
        *,
        roster: Roster,
        router: Router,
        hands: Errands,
        slow: Callable[[Order], bool],
        others: Errands,
        patient: bool = False,
    ) -> None:
        """Make a launcher.

        Args:
            prepare: renders an order under a key.
            known: the job that was written down under a key, if any.
            roster: writes jobs down, and sends them.
            router: hands out places.
            hands: does all of this.
            slow: whether an order has models asked before its graph is filled.
            others: hands for these: sending must not wait behind them.
            patient: a job for which there was a place is tried until its time is over.
        """
        self._prepare = prepare
        self._known = known
        self._roster = roster
        self._router = router
        self._hands = hands
        self._slow = slow
        self._others = others
        self._patient = patient

    def launch(
        self,
        order: Order,
        told: Sent,
        *,
        lane: Hashable,
        key: str | None = None,
        look_first: bool = False,
        patience_s: float | None = None,
    ) -> Launch:
        """Send an order when its turn comes; `told` is called from any thread.

        Args:
            order: what is to be made.
            told: hears how it went; it must return at once.
            lane: whose order it is.
            key: the idempotency key.
            look_first: the key tells all of the order: what is known under it is
                taken without rendering anything.
            patience_s: seconds that it may wait for a place.
        """
        launch = Launch(order, told, lane=lane, key=key)
        self._hands.do(partial(self._guarded, launch, self._line_up, look_first))
        if patience_s is not None:
            self._hands.do(partial(self._give_up, launch, patience_s), after=patience_s)
        return launch

    def drop(self, launch: Launch, error: ComfyClientError) -> bool:
        """Do not send it; False where it is being sent, or was."""
        launch.unwanted = error  # first: whoever is about to line it up looks after
        waiter = launch.waiter
        if waiter is None or not self._router.step_out(waiter):
            return False
        launch.tell(None, error)
        return True

    def _line_up(self, launch: Launch, look_first: bool) -> None:
        launch.require_wanted()
        known = self._known(launch.key) if launch.key and look_first else None
        if known is not None:
            launch.tell(known)
            return
        if self._slow(launch.order):
            self._others.do(partial(self._guarded, launch, self._fill))
        else:
            self._fill(launch)

    def _fill(self, launch: Launch) -> None:
        launch.require_wanted()
        prepared = self._prepare(launch.order, launch.key)
        waiter = launch.waiter = self._router.line_up(
            demand_of(prepared.workflow),
            partial(self._placed, launch, prepared),
            lane=launch.lane,
            priority=launch.order.priority,
        )
        if launch.unwanted is not None and self._router.step_out(waiter):
            launch.require_wanted()

    def _placed(self, launch: Launch, prepared: Prepared, place: Place) -> None:
        """There is a place: called with the router's lock held."""
        self._hands.do(partial(self._guarded, launch, self._send, prepared, place))

    def _send(self, launch: Launch, prepared: Prepared, place: Place) -> None:
        if launch.unwanted is not None:
            place.free()
            raise launch.unwanted
        job = self._roster.begin(
            prepared.intent,
            prepared.workflow,
            prepared.terms,
            rendered=prepared.rendered,
            place=place,
            patient=self._patient,
        )
        launch.tell(job)

    def _give_up(self, launch: Launch, seconds: float) -> None:
        late = BusyError(
            f"no instance had room for the job within {seconds:g} s",
            hint="raise the instance's window or deadlines.queue_s, or add an instance",
        )
        self.drop(launch, late)

    def _guarded(
        self, launch: Launch, step: Callable[..., None], *arguments: object
    ) -> None:
        """Do a step in the caller's context; whatever goes wrong in it is told."""
        try:
            # a copy: the next step may begin before this one has come to its end
            launch.context.copy().run(step, launch, *arguments)
        except ComfyClientError as error:
            launch.tell(None, error)
        except Exception as error:
            launch.tell(None, JobError(f"the job could not be sent: {error!r}"))
            raise


async def launched(launcher: Launcher, order: Order, *, patience_s: float) -> Job:
    """The job of an order, once a server took it; waited for without a thread.

    Raises:
        ComfyClientError: it was not sent.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Job] = loop.create_future()

    def settle(job: Job | None, error: ComfyClientError | None) -> None:
        if future.done():
            return
        if job is not None:
            future.set_result(job)
        else:
            assert error is not None, "where there is no job, there is a reason"
            future.set_exception(error)

    def told(job: Job | None, error: ComfyClientError | None) -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, job, error)

    launch = launcher.launch(
        order, told, lane="asyncio", key=order.key, patience_s=patience_s
    )
    try:
        return await future
    except asyncio.CancelledError:
        launcher.drop(launch, ClosedError("it was cancelled before it was sent"))
        raise
