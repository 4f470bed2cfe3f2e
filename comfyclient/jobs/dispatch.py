"""Sends a job: to the best instance, to another one, later again; never twice."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from pydantic import JsonValue
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
)
from tenacity.wait import wait_random_exponential

from ..errors import (
    BadAnswerError,
    BusyError,
    ClosedError,
    ComfyClientError,
    JobCancelledError,
    Retry,
    ServerFaultError,
    TransportError,
    UnreachableError,
)
from ..files.delivery import Delivery
from ..ledger.journal import Journal
from ..logs import about
from ..preflight.checking import Checker
from ..storage.base import Storage
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.base import Attempt, Follower, Ticket, Transport
from ..workflow import Workflow
from .course import Course
from .demands import Demand
from .router import Place, Router
from .unplaced import UnfitError, more_telling

_log = logging.getLogger("comfyclient.jobs.dispatch")

ROUNDS_UNREACHABLE = 3
"""Times that a set of instances is tried of which none answers."""
ROUNDS_BUSY = 50
"""Times that busy instances are asked again; the queue's time ends it before."""
PAUSES = wait_random_exponential(multiplier=0.3, max=20)
SENT_AGAIN = "again"
"""The lane of jobs that waited for a place before: new ones take turns with them."""
_PASSING = (BusyError, UnreachableError)
_PASSING_BEHIND_A_RESTART = (*_PASSING, BadAnswerError, ServerFaultError)


@dataclass(frozen=True, slots=True)
class Options:
    """How a job is to be sent."""

    allow_partial: bool = False
    previews: bool = False
    patient: bool = False
    """Nobody waits for it to be taken: it may be tried until its time is over."""
    last: Transport | None = None
    """The instance to try last: the job came to nothing there."""
    lane: Hashable = None
    """Whose job it is: callers take turns where places are scarce."""
    priority: int = 0
    """Jobs of a higher one are placed first."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a job went."""

    place: Place
    ticket: Ticket

    @property
    def transport(self) -> Transport:
        """The instance that has it."""
        return self.place.transport

    @property
    def instance(self) -> str:
        """Its name."""
        return self.transport.name


class Dispatcher:
    """Finds an instance that takes a job, and writes down each step before it."""

    def __init__(
        self,
        router: Router,
        journal: Journal,
        *,
        environment: str,
        storage: Storage,
        checker: Checker | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._delivery = Delivery(storage)
        self._router = router
        self._journal = journal
        self._environment = environment
        self._checker = checker
        self._clock = clock
        self._pause = threading.Condition()
        self._closed = False

    def send(
        self,
        course: Course,
        demand: Demand,
        options: Options,
        *,
        follower: Follower,
        place: Place | None = None,
    ) -> Placed:
        """Send a job; the place it has at an instance, and that one's receipt.

        It waits for a place, where it was given none, as long as its time in the queue
        allows.

        Raises:
            ComfyClientError: nobody took it; the last reason.
            BusyError: likewise; or no instance had room in time.
            JobCancelledError: it was cancelled before anybody took it.
        """
        passing = _PASSING_BEHIND_A_RESTART if options.patient else _PASSING
        rounds = Retrying(
            retry=retry_if_exception_type(passing),
            wait=self._pause_before,
            stop=lambda state: _enough(state, course.deadline, options),
            sleep=lambda seconds: self.pause(course, seconds),
            reraise=True,
        )
        given = [] if place is None else [place]
        return rounds(self._round, course, demand, options, follower, given)

    def pause(self, course: Course, seconds: float) -> None:
        """Wait before a job is tried again.

        Raises:
            JobCancelledError: it was cancelled meanwhile.
            ClosedError: the client was closed meanwhile.
        """
        end = self._clock.monotonic() + seconds
        with self._pause:
            while (left := end - self._clock.monotonic()) > 0:
                self._check(course)
                self._clock.wait(self._pause, left)

    def wake(self) -> None:
        """Have every pause look again whether its job is still wanted."""
        with self._pause:
            self._pause.notify_all()
        self._router.wake()

    def close(self) -> None:
        """End every pause; nothing is sent any more."""
        self._closed = True
        self.wake()

    def _check(self, course: Course) -> None:
        if self._closed:
            raise ClosedError(
                "the client was closed before the job was sent", job_id=course.job_id
            )
        if course.cancel_asked:
            raise JobCancelledError(
                "the job was cancelled before it was sent", job_id=course.job_id
            )

    def _round(
        self,
        course: Course,
        demand: Demand,
        options: Options,
        follower: Follower,
        given: list[Place],
    ) -> Placed:
        """Try each instance once, the best first; a place that was given is the first.

        Where one has no room, it is waited for, unless it is down.
        """
        refusal: ComfyClientError | None = None
        refused: set[str] = set()
        while True:
            place = (
                given.pop() if given else self._place(course, demand, options, refused)
            )
            if place is None:
                assert refusal is not None, "somebody is left until all have refused"
                raise refusal
            name = place.transport.name
            try:
                return self._try(place, course, options, follower)
            except UnfitError as unfit:
                unfit.refusal.attach(job_id=course.job_id)
                refused.add(name)
                refusal = more_telling(refusal, unfit.refusal, patient=options.patient)
            except ComfyClientError as error:
                error.attach(job_id=course.job_id, instance=name)
                if error.retry is not Retry.ELSEWHERE:
                    raise
                refused.add(name)
                refusal = more_telling(refusal, error, patient=options.patient)
                _log.info(
                    "job %s: %s",
                    course.job_id,
                    error.message,
                    extra=about(
                        job_id=course.job_id,
                        template=course.workflow.template,
                        instance=error.instance,
                    ),
                )

    def _place(
        self,
        course: Course,
        demand: Demand,
        options: Options,
        refused: Collection[str],
    ) -> Place | None:
        return self._router.find(
            demand,
            deadline=course.deadline,
            check=lambda: self._check(course),
            avoid=refused,
            last=options.last,
            lane=options.lane,
            priority=options.priority,
        )

    def _try(
        self, place: Place, course: Course, options: Options, follower: Follower
    ) -> Placed:
        """Send the job where it has a place; if that fails, the place is free again."""
        try:
            self._check(course)
            ticket = self._sent(place.transport, course, options, follower)
        except UnfitError as unfit:
            place.refused(unfit.refusal)
            raise
        except ComfyClientError as error:
            place.refused(error)
            raise
        except BaseException:
            place.free()
            raise
        place.taken()
        return Placed(place, ticket)

    def _sent(
        self,
        transport: Transport,
        course: Course,
        options: Options,
        follower: Follower,
    ) -> Ticket:
        self._require_fit(transport, course, options)
        workflow = course.workflow.filed_under(self._folder(course))
        names = {
            file.name: self._delivery.deliver(file, transport, course.deadline)
            for file in workflow.files
        }
        attempt = Attempt(
            attempt_id=str(uuid4()),
            workflow=workflow.renamed(names) if names else workflow,
            provenance=self._provenance(course, transport),
            allow_partial=options.allow_partial,
            previews=options.previews,
        )
        return self._submit(transport, course, attempt, follower)

    def _require_fit(
        self, transport: Transport, course: Course, options: Options
    ) -> None:
        """Check what can be checked before anything is sent.

        Raises:
            UnfitError: the instance would not run the graph.
            TransportError: it is not there.
        """
        if self._checker is None:
            return
        try:
            refusal = self._checker.refusal(
                course.workflow,
                transport,
                deadline=course.deadline,
                allow_partial=options.allow_partial,
            )
        except TransportError:
            with self._noted(transport, course, str(uuid4())):
                raise
        if refusal is not None:
            raise UnfitError(refusal)
        self._check(course)  # the instance may have been asked for long

    def _submit(
        self,
        transport: Transport,
        course: Course,
        attempt: Attempt,
        follower: Follower,
    ) -> Ticket:
        with self._noted(transport, course, attempt.attempt_id):
            return transport.submit(attempt, follower, deadline=course.deadline)

    @contextmanager
    def _noted(
        self, transport: Transport, course: Course, attempt_id: str
    ) -> Iterator[None]:
        """Write an attempt down before it is made, and where it came to nothing."""
        self._journal.attempt(
            course.job_id,
            attempt_id=attempt_id,
            instance=transport.name,
            client_id=transport.client_id,
        )
        try:
            yield
        except ComfyClientError as error:
            if error.retry is Retry.ELSEWHERE:
                self._journal.attempt_ended(
                    course.job_id, attempt_id=attempt_id, error=error
                )
            raise

    def _folder(self, course: Course) -> str:
        """Where a job's files go in the server's output folder, and no other's."""
        template = (course.workflow.template or "graph").partition("@")[0]
        return f"{self._environment}/{template}/{course.job_id}"

    def _provenance(
        self, course: Course, transport: Transport
    ) -> Mapping[str, JsonValue]:
        """What the picture itself will say of where it came from."""
        workflow = course.workflow
        return {
            "job_id": course.job_id,
            "template": workflow.template,
            "digest": workflow.digest,
            "seed": workflow.seed,
            "environment": self._environment,
            "instance": transport.name,
            "submitted_at": course.created_at.isoformat(timespec="seconds"),
            **_models_of(workflow),
        }

    def _pause_before(self, state: RetryCallState) -> float:
        """As long as the server asked for (others heard it too), or a growing while."""
        error = None if state.outcome is None else state.outcome.exception()
        asked = error.retry_after if isinstance(error, BusyError) else None
        return PAUSES(state) if asked is None else asked * random.uniform(1.0, 1.1)


def _models_of(workflow: Workflow) -> Mapping[str, JsonValue]:
    """Which hosted models had a part in it, and the requests that show it."""
    stages: list[JsonValue] = [
        {"stage": one.name, "model": one.model, "request_id": one.request_id}
        for one in workflow.stages
        if one.model is not None
    ]
    return {"models": stages} if stages else {}


def _enough(state: RetryCallState, deadline: Deadline, options: Options) -> bool:
    """Whether another round would be in vain, or come too late."""
    if state.upcoming_sleep > deadline.remaining():
        return True
    if options.patient:
        return deadline.passed()
    error = None if state.outcome is None else state.outcome.exception()
    rounds = ROUNDS_BUSY if isinstance(error, BusyError) else ROUNDS_UNREACHABLE
    return stop_after_attempt(rounds)(state)
