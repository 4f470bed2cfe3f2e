"""The client: from a trip and a template to a job of one environment."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

from .batch.batch import LOOKAHEAD, Batch, BatchOptions
from .batch.launching import Launch, closed, launched
from .batch.orders import Asked, Order, Outcome, ordered_from
from .config.settings import Settings, load_settings
from .errors import ConfigError, UnknownJobError, UsageError
from .events import Event
from .files.outputs import Output
from .hooks import Hook
from .job import Job
from .jobs.instances import Instances
from .reception import Reception
from .result import Result
from .timing import SYSTEM_CLOCK, Clock
from .trip.trips import Trip
from .wiring import Wired
from .workflow import Workflow

if TYPE_CHECKING:
    from .steps.hosted_models import HostedModels  # few environments have any


class Client:
    """Submits jobs to one environment. Safe to use from several threads.

    Nothing is connected until it is needed; closing the client lets go of threads and
    connections, and of the embedded engine with its files.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        environment: str | None = None,
        hooks: Sequence[Hook] = (),
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        chosen = settings if settings is not None else Settings()
        self._name, _ = chosen.environment(environment)
        self._reception = Reception(self._name, chosen, hooks=hooks, clock=clock)
        self._lock = threading.Lock()
        self._batches: WeakSet[Batch] = WeakSet()
        self._under_way: set[Launch] = set()
        """What is awaited in asyncio code."""

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        environment: str | None = None,
        overrides: Mapping[str, object] | None = None,
        hooks: Sequence[Hook] = (),
    ) -> Client:
        """A client of a configured environment; with nothing configured, `local`.

        Args:
            path: the configuration file; found by itself where None.
            environment: the environment; the default one where None.
            overrides: values by dotted key, such as `deadlines.total_s`.
            hooks: what is told of every job; see `comfyclient.hooks`.

        Raises:
            ConfigError: the configuration is wrong; names file, line, key and remedy.
        """
        settings = load_settings(path, environment=environment, overrides=overrides)
        return cls(settings, environment=environment, hooks=hooks)

    @property
    def environment(self) -> str:
        """The name of its environment."""
        return self._name

    @property
    def models(self) -> HostedModels:
        """The hosted models of its environment: copywriter, observer and painter.

        What they answer is kept in the environment's ledger: nothing is asked twice.

        Raises:
            ConfigError: none are configured.
        """
        models = self._connect().models
        if models is None:
            raise ConfigError(
                f"environment {self._name!r} has no hosted models",
                hint="configure [dashscope]: docs/words-and-pictures.md",
            )
        return models

    def submit(
        self,
        what: str | Workflow,
        trip: Trip | None = None,
        *,
        seed: int | None = None,
        params: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        queue_timeout: float | None = None,
        silence_timeout: float | None = None,
        allow_partial: bool = False,
        previews: bool = False,
        confirm: str | None = None,
        told: Callable[[Event], None] | None = None,
    ) -> Job:
        """Send a template filled from a trip, or any graph; returns once accepted.

        Args:
            what: a template (`trip-postcard`, `trip-postcard@1.0.0`) or a Workflow.
            trip: what the template is filled from; it sees only what is published.
            seed: the template's; where None, one drawn from the idempotency key, or
                a random one that the result tells.
            params: the template's parameters, by name.
            idempotency_key: a repeated call with this key gives the same job, finished
                or not, also in another process.
            timeout: the job's total time in seconds; the environment's where None.
            queue_timeout: likewise, how long it may wait for its start.
            silence_timeout: likewise, how long its server may give no sign of life.
            allow_partial: accept that the server drops outputs it finds invalid.
            previews: ask for pictures of the work so far.
            confirm: the environment's name, to run what is not locked in one that is
                protected.
            told: called with the beginning and end of each stage that asks a model,
                in its thread, while this call waits for them.

        Raises:
            TemplateError, ParameterError, RenderError: before anything is sent.
            PinError: the environment does not run that template or version.
            ValidationError: the server refuses the graph; names node and slot.
            UsageError: an argument cannot be right.
            ModelError: a hosted model failed that the template needs.
            TransportError: no instance took it.
            LedgerConflictError: the idempotency key stands for other content.
            LedgerError: it could not be recorded; nothing was sent.
        """
        prepare = self._reception.preparing(
            confirm,
            told=told,
            timeout=timeout,
            queue_timeout=queue_timeout,
            silence_timeout=silence_timeout,
            allow_partial=allow_partial,
            previews=previews,
        )
        order = Order(what, trip, seed, params or {})
        known = self._reception.repeated(order, idempotency_key, confirm=confirm)
        if known is not None:
            return known
        prepared = prepare(order, idempotency_key)
        return self._connect().roster.begin(
            prepared.intent,
            prepared.workflow,
            prepared.terms,
            rendered=prepared.rendered,
        )

    async def asubmit(
        self,
        what: str | Workflow,
        trip: Trip | None = None,
        *,
        seed: int | None = None,
        params: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
        priority: int = 0,
        timeout: float | None = None,
        queue_timeout: float | None = None,
        silence_timeout: float | None = None,
        allow_partial: bool = False,
        previews: bool = False,
        confirm: str | None = None,
    ) -> Job:
        """`submit` for asyncio code; however many wait for a place, no thread does.

        One that is cancelled while it waits is not sent, and not in the ledger.

        Args:
            priority: higher ones are sent first; callers of equal ones take turns.

        The others are those of `submit`.

        Raises:
            ComfyClientError: as `submit` does.
        """
        import asyncio  # whoever awaits has it; others do without

        wired = await asyncio.to_thread(self._connect)
        prepare = self._reception.preparing(
            confirm,
            timeout=timeout,
            queue_timeout=queue_timeout,
            silence_timeout=silence_timeout,
            allow_partial=allow_partial,
            previews=previews,
        )
        order = Order(
            what, trip, seed, params or {}, key=idempotency_key, priority=priority
        )
        patience = self._reception.limits.queue_s
        return await launched(
            self._reception.launcher(prepare, wired.awaited, confirm=confirm),
            order,
            patience_s=patience if queue_timeout is None else queue_timeout,
            under_way=self._under_way,
        )

    def map(
        self,
        what: str | Workflow | None,
        trips: Iterable[Asked],
        *,
        name: str | None = None,
        params: Mapping[str, object] | None = None,
        seed: int | None = None,
        priority: int = 0,
        ordered: bool = False,
        save_to: str | os.PathLike[str] | None = None,
        remake: bool = False,
        lookahead: int = LOOKAHEAD,
        timeout: float | None = None,
        queue_timeout: float | None = None,
        silence_timeout: float | None = None,
        allow_partial: bool = False,
        confirm: str | None = None,
    ) -> Batch:
        """Make a template of each trip; an iterator of outcomes, as they end.

        The trips are read as they are needed, in the thread that asks for outcomes. An
        order that fails is an outcome too, and stops no other. Left early, close it
        (`with client.map(…) as outcomes:`): else what was read is sent all the same.

        Args:
            what: a template or a Workflow; None where each of `trips` says its own.
            trips: trips, or Orders and Workflows of their own; errors are outcomes.
            name: the batch's name: run again under it, what was made is not made anew.
            params: the template's parameters, for all.
            seed: the first one's seed; the others count on from there.
            priority: higher ones are placed first; callers of equal ones take turns.
            ordered: give the outcomes in the order of the trips.
            save_to: the folder where outputs are saved, several at a time.
            remake: make anew what an earlier run made, and is nowhere any more.
            lookahead: how many are rendered before there is a place for them.
            timeout: a job's total time in seconds, from when there is a place for it.
            queue_timeout: likewise, until its start there; and until any takes a job.
            silence_timeout: likewise, without a sign of life.
            allow_partial: accept that servers drop outputs they find invalid.
            confirm: the environment's name, as in `submit`.

        Raises:
            UsageError: an argument cannot be right.
        """
        if lookahead < 1:
            raise UsageError(f"lookahead takes a number above 0, got {lookahead}")
        prepare = self._reception.preparing(
            confirm,
            timeout=timeout,
            queue_timeout=queue_timeout,
            silence_timeout=silence_timeout,
            allow_partial=allow_partial,
            previews=False,
        )
        limits, wired = self._reception.limits, self._connect()
        batch = Batch(
            ordered_from(what, trips, params=params, seed=seed, priority=priority),
            BatchOptions(
                name=name,
                ordered=ordered,
                save_to=None if save_to is None else Path(save_to),
                remake=remake,
                lookahead=lookahead,
                stall_s=limits.queue_s if queue_timeout is None else queue_timeout,
            ),
            launcher=self._reception.launcher(
                prepare, wired.renders(), confirm=confirm, patient=True
            ),
            porters=wired.porters,
            places=lambda: wired.router.places,
            clock=self._reception.clock,
        )
        with self._lock:
            self._batches.add(batch)
        return batch

    async def amap(
        self, what: str | Workflow | None, trips: Iterable[Asked], **options: Any
    ) -> AsyncIterator[Outcome]:
        """`map` for asyncio code, with the same options.

        The trips are read in a thread. Left early, it drains: what was sent goes on.
        """
        import asyncio

        batch = await asyncio.to_thread(self.map, what, trips, **options)
        with batch:
            while (outcome := await asyncio.to_thread(next, batch, None)) is not None:
                yield outcome

    def run(
        self,
        what: str | Workflow,
        trip: Trip | None = None,
        *,
        seed: int | None = None,
        params: Mapping[str, object] | None = None,
        timeout: float | None = None,
        confirm: str | None = None,
    ) -> Result:
        """Submit and wait for the result; see `submit` and `Job.result`.

        Raises:
            ComfyClientError: as both do.
        """
        return self.submit(
            what, trip, seed=seed, params=params, timeout=timeout, confirm=confirm
        ).result()

    def job(self, job_id: str) -> Job:
        """The handle of a job of this environment, also in another process.

        A job that nobody works on belongs to this client from now on; one that another
        process works on is followed in the ledger, and taken over when that is gone.

        Raises:
            UnknownJobError: the environment's ledger has no such job.
            LedgerError: the ledger cannot be read.
        """
        wired = self._connect()
        known = wired.roster.find(job_id)
        if known is not None and not known.status.final:
            return known
        row = wired.journal.job(job_id)
        if row.environment != self._name:
            raise UnknownJobError(
                f"the job belongs to environment {row.environment!r}, this client to "
                f"{self._name!r}",
                job_id=job_id,
            )
        return wired.roster.attach(row)

    def resume(self) -> list[Job]:
        """Take up what earlier processes left: the jobs that are not finished.

        Each is asked for, followed, sent again where no server has it, or, where it
        has succeeded already, handed out so that its outputs can be saved. Jobs that a
        living process works on stay with it.

        Raises:
            LedgerError: the ledger cannot be read or written.
        """
        return self._connect().roster.resume()

    def signed_url(self, output: Output, *, seconds: float = 3600) -> str:
        """A URL under which anybody may read an output for so many seconds.

        Of storages of kind `oss` alone.

        Raises:
            StorageError: the environment's storage has no such URLs, or the credentials
                that would sign it do not last so long.
        """
        return self._connect().storage.sign(output.ref, seconds=seconds)

    @property
    def instances(self) -> Instances:
        """Its instances: how they stand; drained, added and removed while it runs."""
        return Instances(self._connect().router, self._reception.add)

    def close(self) -> None:
        """Let go of everything; jobs that run stay on their servers.

        Whoever waits for one of them gets a ClosedError.
        """
        self._reception.close()
        with self._lock:
            batches = list(self._batches)
        for batch in batches:
            batch.abandon()
        self._reception.take_down()
        for launch in list(self._under_way):
            launch.tell(None, closed())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> Wired:
        return self._reception.opened()
