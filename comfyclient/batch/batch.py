"""Many orders: read as they are needed, sent as places come free, told as they end."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

from ..errors import (
    ClosedError,
    ComfyClientError,
    JobCancelledError,
    OutputError,
    OutputMissingError,
    UnreachableError,
    UsageError,
)
from ..files.saving import save_outputs, stem_of, still_there
from ..job import Job
from ..jobs.errands import Share
from ..result import Result
from ..timing import SYSTEM_CLOCK, Clock
from .launching import Launch, Launcher
from .orders import Order, Outcome, Tally

_log = logging.getLogger("comfyclient.batch.batch")

LOOKAHEAD = 96
"""Orders that are read and rendered before there is a place for them, by default."""
GLANCE_S = 1.0
"""Seconds between two looks at whether anything moves at all."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a batch is to be done."""

    name: str | None = None
    """What makes it the same batch when it is run again."""
    ordered: bool = False
    save_to: Path | None = None
    lookahead: int = LOOKAHEAD
    remake: bool = False
    """Make anew what was made before, and is neither here nor at its server."""
    stall_s: float = 300.0
    """Seconds without any instance that takes a job, until what waits has failed."""


class Batch:
    """The outcomes of many orders, as they end, or in their order. An iterator.

    Orders are read from the input by whoever asks for the next outcome, never more
    than there is use for: those that wait for a place, those at an instance, and those
    that nobody has asked for yet are bounded together.
    """

    def __init__(
        self,
        orders: Iterable[Order | ComfyClientError],
        options: BatchOptions,
        *,
        launcher: Launcher,
        porters: Share,
        places: Callable[[], int],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._orders = enumerate(orders)
        self._unbegun: tuple[int, Order | ComfyClientError] | None = None
        """What was read when Ctrl-C came."""
        self._options = options
        self._launcher = launcher
        self._porters = porters
        self._places = places
        self._clock = clock
        self._condition = threading.Condition()
        self._launches: dict[int, Launch] = {}
        self._jobs: dict[int, Job] = {}
        self._ready: deque[Outcome] = deque()
        self._early: dict[int, Outcome] = {}
        self._turn = 0
        self._tally = Tally()
        self._told = 0
        self._exhausted = False
        self._drained = False
        self._closed = False
        self._abandoned = False
        self._moved_at = clock.monotonic()

    # -- what a caller does with it

    def __iter__(self) -> Iterator[Outcome]:
        return self

    def __next__(self) -> Outcome:
        """The next outcome, waited for; whatever the input raises is raised here."""
        while True:
            self._read()
            with self._condition:
                if self._closed:
                    raise StopIteration
                outcome = self._next_ready()
                if outcome is not None:
                    self._told += 1
                    return outcome
                if self._abandoned:
                    raise ClosedError("the client was closed before the batch was over")
                if self._is_over():
                    raise StopIteration
                if not self._may_read():
                    glance = min(GLANCE_S, self._options.stall_s)
                    self._clock.wait(self._condition, glance)
            self._fail_what_stands_still()

    @property
    def tally(self) -> Tally:
        """How far it is."""
        with self._condition:
            return replace(
                self._tally, waiting=len(self._launches), sent=len(self._jobs)
            )

    @property
    def running(self) -> list[Job]:
        """The jobs that are at an instance, or on their way home."""
        with self._condition:
            return list(self._jobs.values())

    def drain(self) -> None:
        """Read and send nothing more; what was sent goes on to its outcome.

        What was read and not sent ends with a ClosedError; nothing of it is in the
        ledger.
        """
        with self._condition:
            self._exhausted = self._drained = True
            launches = list(self._launches.values())
        for launch in launches:
            self._launcher.drop(launch, _drained())
        self._wake()

    def cancel(self) -> None:
        """Drain it, and have what was sent stopped at its server."""
        self.drain()
        for job in self.running:
            self._porters.do(partial(_cancel, job))

    def close(self) -> None:
        """Let go of it: outcomes that were not asked for are told to nobody.

        What was sent goes on as long as the client is open, and can be resumed.
        """
        self.drain()
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def abandon(self) -> None:
        """The client is closed: nothing more will be told."""
        with self._condition:
            self._exhausted = self._abandoned = True
            self._condition.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- reading

    def _read(self) -> None:
        """Take orders in while there is use for them."""
        while True:
            with self._condition:
                if not self._may_read():
                    return
            if self._unbegun is None:
                self._unbegun = next(self._orders, None)
            if self._unbegun is None:
                with self._condition:
                    self._exhausted = True
                return
            self._begin(*self._unbegun)

    def _may_read(self) -> bool:
        if self._exhausted or self._closed:
            return False
        held = self._tally.read - self._told
        waiting = len(self._launches)
        ahead = self._options.lookahead
        return waiting < ahead and held < self._places() + 2 * ahead

    def _begin(self, index: int, order: Order | ComfyClientError) -> None:
        if isinstance(order, ComfyClientError):
            self._count_in()
            self._end(Outcome(index, None, error=order))
            return
        try:
            launch = self._launch(index, order)
        except Exception as error:  # noqa: BLE001  what is odd in it stops no other
            if isinstance(error.__cause__, KeyboardInterrupt):  # pydantic wraps it
                raise error.__cause__ from None
            odd = UsageError(f"the order cannot be told from others: {error}")
            self._count_in()
            self._end(Outcome(index, order, error=odd))
            return
        self._count_in()
        self._begin_launch(index, launch)

    def _launch(self, index: int, order: Order) -> Launch:
        name, key = self._options.name, order.key
        if key is None and name is not None:
            key = order.named(name)
        return Launch(order, partial(self._sent, index, order), lane=self, key=key)

    def _begin_launch(self, index: int, launch: Launch) -> None:
        with self._condition:
            if not self._launches:
                self._moved_at = self._clock.monotonic()
            drained = self._drained
            if not drained:
                self._launches[index] = launch
        if drained:
            self._end(Outcome(index, launch.order, error=_drained()))
        else:
            self._launcher.launch(launch, look_first=launch.order.key is None)

    def _count_in(self) -> None:
        self._unbegun = None
        with self._condition:
            self._tally = replace(self._tally, read=self._tally.read + 1)

    # -- what becomes of orders; called from any thread

    def _sent(
        self,
        index: int,
        order: Order,
        job: Job | None,
        error: ComfyClientError | None,
    ) -> None:
        with self._condition:
            launch = self._launches.pop(index)
            self._moved_at = self._clock.monotonic()
            if job is not None:
                self._jobs[index] = job
        if job is None:
            self._end(Outcome(index, order, error=error))
            return
        home = partial(self._home, index, launch, order, job)
        job.when_ended(partial(self._porters.do, home))
        self._wake()

    def _home(self, index: int, launch: Launch, order: Order, job: Job) -> None:
        """The job ended: bring its outputs home, where they are to be."""
        try:
            result = job.result(timeout=0)
            folder = self._options.save_to
            files = [] if folder is None else _saved(job, result, folder)
            outcome = Outcome(index, order, job, result, tuple(files))
        except ComfyClientError as error:
            if self._is_to_be_made_again(launch, error):
                self._make_again(index, launch, order, job)
                return
            outcome = Outcome(index, order, job, error=error.attach(job_id=job.id))
        except Exception as error:  # noqa: BLE001  it must not leave anybody waiting
            failed = OutputError(f"its outputs could not be saved: {error!r}")
            outcome = Outcome(index, order, job, error=failed.attach(job_id=job.id))
            _log.exception("job %s: while coming home", job.id)
        self._end(outcome)

    def _is_to_be_made_again(self, launch: Launch, error: ComfyClientError) -> bool:
        """Whether an earlier run under the batch's name left nothing to be had."""
        if not launch.known or launch.order.key is not None:
            return False
        gone = isinstance(error, OutputMissingError)
        return isinstance(error, JobCancelledError) or (gone and self._options.remake)

    def _make_again(self, index: int, launch: Launch, order: Order, job: Job) -> None:
        """The same picture under a key of its own, which each later run finds too."""
        told = partial(self._sent, index, order)
        wanted = launch.order
        if wanted.seed is None and job.workflow.seed is not None:
            wanted = replace(wanted, seed=job.workflow.seed)  # else the key draws one
        again = Launch(wanted, told, lane=self, key=f"{launch.key}/again")
        with self._condition:
            del self._jobs[index]
        self._begin_launch(index, again)

    def _end(self, outcome: Outcome) -> None:
        with self._condition:
            self._jobs.pop(outcome.index, None)
            self._moved_at = self._clock.monotonic()
            self._count(outcome)
            if self._options.ordered:
                self._early[outcome.index] = outcome
            else:
                self._ready.append(outcome)
            self._condition.notify_all()

    def _count(self, outcome: Outcome) -> None:
        tally = self._tally
        if outcome.ok:
            self._tally = replace(tally, done=tally.done + 1)
        elif outcome.dropped:
            self._tally = replace(tally, dropped=tally.dropped + 1)
        else:
            self._tally = replace(tally, failed=tally.failed + 1)

    def _next_ready(self) -> Outcome | None:
        if self._options.ordered and self._turn in self._early:
            self._ready.append(self._early.pop(self._turn))
            self._turn += 1
        return self._ready.popleft() if self._ready else None

    def _is_over(self) -> bool:
        return self._exhausted and self._told == self._tally.read

    def _fail_what_stands_still(self) -> None:
        """No instance takes anything for long, and none has anything: say so."""
        stalled_s = self._options.stall_s
        with self._condition:
            launches = [one for one in self._launches.values() if one.waiter]
            if self._jobs or not launches:  # those that are rendered need no instance
                self._moved_at = self._clock.monotonic()
            if self._clock.monotonic() - self._moved_at < stalled_s:
                return
        for launch in launches:
            late = UnreachableError(
                f"no instance took a job for {stalled_s:g} s: all are down, drained or "
                "full",
                hint="look at these servers; then run the batch again",
            )
            self._launcher.drop(launch, late)

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()


def _saved(job: Job, result: Result, folder: Path) -> list[Path]:
    """The job's files, saved now if no earlier process did it."""
    before = still_there(job.saved, folder)
    if before:
        return before
    stem = stem_of(job.workflow, job.id)
    try:
        return [path for _, path in save_outputs(result, stem, folder, keep_same=True)]
    except OutputMissingError as error:
        if not job.saved:
            raise
        raise OutputMissingError(
            f"{error.message} any more; it was saved before as {job.saved[0].path}",
            hint="take it from there; remake=True (--remake) makes it anew",
            instance=error.instance,
        ) from error


def _drained() -> ClosedError:
    return ClosedError("the batch was drained")


def _cancel(job: Job) -> None:
    with suppress(ComfyClientError):  # how it ended is told by its outcome
        job.cancel()
