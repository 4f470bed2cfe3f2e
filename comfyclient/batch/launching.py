"""Sends jobs without a caller who waits: rendered, lined up, sent, each in its turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from weakref import ref

from ..errors import BusyError, ClosedError, ComfyClientError, JobError
from ..job import Job
from ..jobs.demands import demand_of
from ..jobs.errands import Errands, Share
from ..jobs.revival import Terms
from ..jobs.roster import Roster
from ..jobs.router import Place, Router
from ..jobs.waiting import Waiter
from ..ledger.records import JobIntent
from ..timing import Span
from ..workflow import Workflow
from .orders import Order


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that may be written down and sent."""

    intent: JobIntent
    workflow: Workflow
    terms: Terms
    rendered: Span


Known = Callable[[Order, str | None, bool], Job | None]
"""The job that an order had before under its key, if any; the flag says that the key
tells all of the order."""
Sent = Callable[[Job | None, ComfyClientError | None], None]
"""Told once: the job that a server took, or why there is none."""


class Launch:
    """One order on its way to a server. It is in the ledger once there is a place.

    `told` is called once, from any thread, and must return at once. Orders of one
    `lane` take turns with those of others.
    """

    def __init__(
        self, order: Order, told: Sent, *, lane: Hashable, key: str | None
    ) -> None:
        self.order = order
        self.lane = lane
        self.key = key
        self.context = copy_context()
        self.waiter: Waiter[Place] | None = None
        """Its place in the line; None while it is rendered."""
        self.known = False
        """Whether its job is one that was begun under its key before."""
        self._told: Sent | None = told
        self._lock = threading.Lock()
        self._unwanted: ComfyClientError | None = None
        self._is_sent = False

    def refuse(self, reason: ComfyClientError) -> bool:
        """Nobody wants it any more; False where it is being sent, or was."""
        with self._lock:
            if not self._is_sent:
                self._unwanted = reason
            return not self._is_sent

    def require_wanted(self, *, to_be_sent: bool = False) -> None:
        """Raise why nobody wants it any more; `to_be_sent`, it is wanted for good."""
        with self._lock:
            if self._unwanted is not None:
                raise self._unwanted
            self._is_sent = self._is_sent or to_be_sent

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
        known: Known,
        *,
        roster: Roster,
        router: Router,
        renders: Share,
        hands: Errands,
        patient: bool = False,
    ) -> None:
        """Make a launcher.

        Args:
            prepare: renders an order under a key.
            known: finds the job that was written down for an order.
            roster: writes jobs down, and sends them.
            router: hands out places.
            renders: renders orders: that may take as long as their stages do.
            hands: sends them.
            patient: nobody waits for a single job: it is tried until its time is over,
                and the first ones let others join before models are loaded for them.
        """
        self._prepare = prepare
        self._known = known
        self._roster = roster
        self._router = router
        self._renders = renders
        self._graphs = Share(hands, at_once=1)
        """Graphs need no rendering: those who send them line them up, in between."""
        self._hands = hands
        self._patient = patient

    def launch(
        self,
        launch: Launch,
        *,
        look_first: bool = False,
        patience_s: float | None = None,
    ) -> None:
        """Send an order when its turn comes.

        Args:
            launch: the order, and who is told.
            look_first: the key tells all of the order: what is known under it is
                taken without rendering anything.
            patience_s: seconds that it may wait for a place.
        """
        step = partial(self._guarded, launch, self._line_up, look_first)
        whole = isinstance(launch.order.what, Workflow)
        if not (self._graphs if whole else self._renders).do(step):
            launch.tell(None, closed())
        elif patience_s is not None:
            late = partial(self._give_up, ref(launch), patience_s)
            self._hands.do(late, after=patience_s)

    def drop(self, launch: Launch, error: ComfyClientError) -> bool:
        """Do not send it; False where it is being sent, or was."""
        if not launch.refuse(error):
            return False
        # first refused, then looked at: whoever lines it up meanwhile does it the
        # other way round
        if launch.waiter is not None:
            self._router.step_out(launch.waiter)
        launch.tell(None, error)
        return True

    def _line_up(self, launch: Launch, look_first: bool) -> None:
        launch.require_wanted()
        known = self._known(launch.order, launch.key, look_first)
        if known is not None:
            launch.known = True
            launch.tell(known)
            return
        prepared = self._prepare(launch.order, launch.key)
        known = None if look_first else self._roster.taken(prepared.intent)
        if known is not None:
            launch.known = True
            launch.tell(known)
            return
        launch.require_wanted()  # stages may have taken long
        launch.waiter = self._router.line_up(
            demand_of(prepared.workflow),
            partial(self._placed, launch, prepared),
            lane=launch.lane,
            priority=launch.order.priority,
            first_of_many=self._patient,
        )
        try:
            launch.require_wanted()
        except ComfyClientError:
            self._router.step_out(launch.waiter)
            raise

    def _placed(self, launch: Launch, prepared: Prepared, place: Place) -> None:
        """There is a place: called with the router's lock held."""
        self._hands.do(partial(self._guarded, launch, self._send, prepared, place))

    def _send(self, launch: Launch, prepared: Prepared, place: Place) -> None:
        try:
            launch.require_wanted(to_be_sent=True)
        except ComfyClientError:
            place.free()
            raise
        job = self._roster.begin(
            prepared.intent,
            prepared.workflow,
            prepared.terms,
            rendered=prepared.rendered,
            place=place,
            patient=self._patient,
        )
        launch.tell(job)

    def _give_up(self, waiting: ref[Launch], seconds: float) -> None:
        launch = waiting()  # not kept for that: it holds a whole trip
        if launch is None:
            return
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


def closed() -> ClosedError:
    """That nobody will send it any more."""
    return ClosedError("the client was closed before the job was sent")


async def launched(
    launcher: Launcher, order: Order, *, patience_s: float, under_way: set[Launch]
) -> Job:
    """The job of an order, once a server took it; waited for without a thread.

    It is among those `under_way` meanwhile: whoever closes the client tells them.

    Raises:
        ComfyClientError: it was not sent.
    """
    import asyncio  # whoever awaits has it; others do without

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

    launch = Launch(order, told, lane="asyncio", key=order.key)
    under_way.add(launch)
    try:
        launcher.launch(launch, patience_s=patience_s)
        return await future
    except asyncio.CancelledError:
        launcher.drop(launch, ClosedError("it was cancelled before it was sent"))
        raise
    finally:
        under_way.discard(launch)
