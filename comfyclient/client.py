"""The client: from a trip and a template to a job of one environment."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self
from uuid import uuid4

from .config import Settings, load_settings
from .errors import ClosedError, UnknownJobError, UsageError
from .events import Event
from .hooks import Hook
from .job import Job
from .ledger_records import JobIntent
from .result import Result
from .revival import Terms, extra_of
from .timing import SYSTEM_CLOCK, Clock, Deadline, Span
from .trips import Trip
from .wiring import Wired, wire
from .workflow import Workflow


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
        self._hooks = hooks
        self._settings = settings if settings is not None else Settings()
        self._name, self._environment = self._settings.environment(environment)
        self._clock = clock
        self._lock = threading.Lock()
        self._wired: Wired | None = None
        self._closed = False

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
        terms = self._terms(
            timeout=timeout,
            queue_timeout=queue_timeout,
            silence_timeout=silence_timeout,
            allow_partial=allow_partial,
            previews=previews,
        )
        wired = self._connect()
        begun = self._clock.now()
        if seed is None and idempotency_key is not None and isinstance(what, str):
            seed = _seed_of(idempotency_key)
        given = {} if params is None else params
        if idempotency_key is not None:
            row = wired.journal.find(idempotency_key, environment=self._name)
            if row is not None and wired.preparation.repeats(
                row, what, trip, params=given, confirm=confirm
            ):
                return wired.roster.attach(row)
        deadline = Deadline(terms.total_s, clock=self._clock)
        workflow = wired.preparation.workflow(
            what,
            trip,
            seed=seed,
            params=given,
            confirm=confirm,
            deadline=deadline,
            told=told,
        )
        if workflow.stages:
            terms = terms.after(deadline.remaining())
        intent = self._intent(workflow, idempotency_key, terms)
        rendered = Span(begun, self._clock.now())
        return wired.roster.begin(intent, workflow, terms, rendered=rendered)

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
        """Submit and wait for the result; see `submit` and `Job.result`."""
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

    def close(self) -> None:
        """Let go of everything; jobs that run stay on their servers.

        Whoever waits for one of them gets a ClosedError.
        """
        with self._lock:
            self._closed = True
            wired, self._wired = self._wired, None
        if wired is not None:
            wired.stack.close()
            wired.roster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- before it is sent

    def _connect(self) -> Wired:
        with self._lock:
            if self._closed:
                raise ClosedError("the client was closed")
            if self._wired is None:
                self._wired = wire(
                    self._name, self._settings, hooks=self._hooks, clock=self._clock
                )
            return self._wired

    def _intent(
        self, workflow: Workflow, idempotency_key: str | None, terms: Terms
    ) -> JobIntent:
        return JobIntent(
            job_id=str(uuid4()),
            environment=self._name,
            digest=workflow.digest,
            template=workflow.template,
            seed=workflow.seed,
            params=workflow.params,
            trip_id=workflow.trip_id,
            idempotency_key=idempotency_key,
            graph=dict(workflow.graph),
            extra=extra_of(workflow, terms),
        )

    def _terms(
        self,
        *,
        timeout: float | None,
        queue_timeout: float | None,
        silence_timeout: float | None,
        allow_partial: bool,
        previews: bool,
    ) -> Terms:
        limits = self._environment.deadlines
        total = _seconds("timeout", timeout, limits.total_s)
        return Terms(
            total_s=total,
            queue_s=min(
                _seconds("queue_timeout", queue_timeout, limits.queue_s), total
            ),
            silence_s=_seconds("silence_timeout", silence_timeout, limits.silence_s),
            allow_partial=allow_partial,
            previews=previews,
        )


def _seconds(name: str, given: float | None, usual: float) -> float:
    if given is None:
        return usual
    if not 0 < given < float("inf"):
        raise UsageError(f"{name} takes seconds above 0, got {given!r}")
    return given


def _seed_of(idempotency_key: str) -> int:
    """A repeated call must mean the same job, so it gets the same seed."""
    digest = hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big")
