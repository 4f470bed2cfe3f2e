"""The client: from a trip and a template to a job of one environment."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self
from uuid import uuid4

from .config import DeadlineSettings, Settings, load_settings
from .course import Course
from .dispatch import Dispatcher, Options
from .errors import ClosedError, ComfyClientError, UnknownJobError, UsageError
from .job import Job
from .ledger_records import JobIntent
from .placement import Placement
from .result import Result
from .timing import SYSTEM_CLOCK, Clock
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
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._settings = settings if settings is not None else Settings()
        self._name, self._environment = self._settings.environment(environment)
        self._clock = clock
        self._lock = threading.Lock()
        self._wired: Wired | None = None
        self._closed = False
        self._jobs: dict[str, Job] = {}
        self._courses: list[Course] = []

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        environment: str | None = None,
    ) -> Client:
        """A client of a configured environment; with nothing configured, `local`.

        Raises:
            ConfigError: the configuration is wrong; names file, line, key and remedy.
        """
        return cls(load_settings(path), environment=environment)

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
        allow_partial: bool = False,
        previews: bool = False,
    ) -> Job:
        """Send a template filled from a trip, or any graph; returns once accepted.

        Args:
            what: a template (`trip-postcard`, `trip-postcard@1.0.0`) or a Workflow.
            trip: what the template is filled from; it sees only what is published.
            seed: the template's; where None, one drawn from the idempotency key, or
                a random one that the result tells.
            params: the template's parameters, by name.
            idempotency_key: a repeated call with this key gives the same job.
            timeout: the job's total time in seconds; the environment's where None.
            allow_partial: accept that the server drops outputs it finds invalid.
            previews: ask for pictures of the work so far.

        Raises:
            TemplateError, ParameterError, RenderError: before anything is sent.
            ValidationError: the server refuses the graph; names node and slot.
            UsageError: an argument cannot be right.
            TransportError: no instance took it.
            LedgerError: it could not be recorded; nothing was sent.
        """
        if timeout is not None and not 0 < timeout < float("inf"):
            raise UsageError(f"timeout takes seconds above 0, got {timeout!r}")
        wired = self._connect()
        if seed is None and idempotency_key is not None and isinstance(what, str):
            seed = _seed_of(idempotency_key)
        workflow = self._workflow(
            wired, what, trip, seed=seed, params={} if params is None else params
        )
        intent = self._intent(workflow, idempotency_key)
        row = wired.journal.intend(intent)
        if row.job_id != intent.job_id:
            return self._earlier(row.job_id)
        course = self._course(row.job_id, workflow, timeout)
        options = Options(allow_partial=allow_partial, previews=previews)
        return self._send(wired, course, options)

    def run(
        self,
        what: str | Workflow,
        trip: Trip | None = None,
        *,
        seed: int | None = None,
        params: Mapping[str, object] | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Submit and wait for the result; see `submit` and `Job.result`."""
        return self.submit(
            what, trip, seed=seed, params=params, timeout=timeout
        ).result()

    def job(self, job_id: str) -> Job:
        """The handle of a job that this client submitted.

        Raises:
            UnknownJobError: it is not one of this client's.
        """
        with self._lock:
            job = self._jobs.get(job_id)
        if job is None:
            raise UnknownJobError(
                f"no job {job_id!r} was submitted by this client", job_id=job_id
            )
        return job

    def close(self) -> None:
        """Let go of everything; jobs that run stay on their servers.

        Whoever waits for one of them gets a ClosedError.
        """
        with self._lock:
            self._closed = True
            wired, self._wired = self._wired, None
            courses = list(self._courses)
        if wired is not None:
            wired.stack.close()
        for course in courses:
            course.abandon()

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
                self._wired = wire(self._name, self._environment, clock=self._clock)
            return self._wired

    def _workflow(
        self,
        wired: Wired,
        what: str | Workflow,
        trip: Trip | None,
        *,
        seed: int | None,
        params: Mapping[str, object],
    ) -> Workflow:
        if isinstance(what, Workflow):
            if trip is not None or params or seed is not None:
                raise UsageError(
                    "trip, params and seed fill a template; a Workflow is filled",
                    hint="pass the name of a template instead",
                )
            return what
        pin = self._environment.pins.get(what)
        template = wired.registry.find(what if pin is None else f"{what}@{pin}")
        return template.render(
            trip,
            params,
            seed=seed,
            home_radius_m=self._settings.privacy.home_radius_m,
        )

    def _earlier(self, job_id: str) -> Job:
        """The job that has the idempotency key already."""
        try:
            return self.job(job_id)
        except UnknownJobError as error:
            error.hint = (
                "another client or an earlier process has this idempotency key; its "
                "jobs cannot be taken up again yet"
            )
            raise

    def _intent(self, workflow: Workflow, idempotency_key: str | None) -> JobIntent:
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
        )

    def _course(self, job_id: str, workflow: Workflow, timeout: float | None) -> Course:
        limits: DeadlineSettings = self._environment.deadlines
        total = limits.total_s if timeout is None else timeout
        return Course(
            job_id,
            workflow,
            total_s=total,
            queue_s=min(limits.queue_s, total),
            silence_s=limits.silence_s,
            clock=self._clock,
        )

    # -- sending and following

    def _send(self, wired: Wired, course: Course, options: Options) -> Job:
        placement = Placement(
            course, wired.router, wired.journal, environment=self._name
        )
        course.when_ended(placement.settle, give_up=placement.give_up)
        job = Job(
            course,
            environment=self._name,
            instance=placement.instance,
            result=placement.result,
            cancel=placement.cancel,
            clock=self._clock,
        )
        with self._lock:
            self._jobs[job.id] = job
            self._courses.append(course)
        dispatcher = Dispatcher(
            wired.router, wired.journal, environment=self._name, clock=self._clock
        )
        try:
            placement.put(dispatcher.send(course, options))
        except ComfyClientError as error:
            course.rejected(error)
            raise error.attach(job_id=course.job_id) from error.__cause__
        return job


def _seed_of(idempotency_key: str) -> int:
    """A repeated call must mean the same job, so it gets the same seed."""
    digest = hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big")
