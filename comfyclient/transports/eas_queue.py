"""The API edition of PAI-EAS as a transport: jobs go into a queue, results come out.

What this edition does not give is typed (`FEATURES`), not faked: a job is told to be
queued, started and finished; it has no progress and no previews, and once an instance
has taken it nobody can stop it. Files go and come by the environment's storage.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import AbstractContextManager
from uuid import uuid4

from ..errors import (
    BadAnswerError,
    ClosedError,
    ConfigError,
    JobInterruptedError,
    NotOfferedError,
    RefusedError,
    ServerFaultError,
    TooLargeError,
    TransportError,
    UnclearAnswerError,
    UnreachableError,
)
from ..events import Queued
from ..files.refs import WHOLE, ByteSpan, Download, OutputRef
from ..logs import InstanceLog
from ..preflight.object_info import ObjectInfo
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..workflow import InputFile, Workflow
from .base import Attempt, Feature, Follower, Probe, Ticket, Verdict
from .eas_arrival import EasArrivals, tag_of
from .eas_bodies import fitting_body
from .eas_http import INPUT, QueueHttp, Receipt
from .eas_options import QueueOptions
from .eas_parking import Parking
from .eas_reader import PROCESS, EasReader, Readers
from .eas_subscriber import Awaited, Subscriber
from .eas_tasks import Task, task_of
from .endpoint import Endpoint

_logger = logging.getLogger("comfyclient.transports.eas_queue")

FEATURES: frozenset[Feature] = frozenset()
"""None: no progress, no previews, no stopping, no catalogue, no files."""
UNASKED_S = 60.0
GRACE = 6.0
"""Seconds that a request may take to arrive after its answer was lost."""


class EasQueueTransport:
    """One service of the API edition. Implements `Transport`; safe for threads.

    `awaited` says of any task whether a job of ours waits for it: so a result that
    comes twice, or late, is told from somebody else's. Results are read by a reader
    that all clients of the process share (`eas_reader`); requests are sent by each.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        options: QueueOptions,
        *,
        awaited: Awaited = lambda task_id: None,
        clock: Clock = SYSTEM_CLOCK,
        grace_s: float = GRACE,
        readers: Readers = PROCESS,
    ) -> None:
        """Make a transport; it connects to nothing yet."""
        self.endpoint = endpoint
        self._options = options
        self._log = InstanceLog(_logger, endpoint.name)
        self._clock = clock
        self._grace_s = grace_s
        self._client_id = str(uuid4())
        self._unasked_until = 0.0
        """When a queue that does not tell its limits is asked for them again."""
        self._http = QueueHttp(
            endpoint, user=self._client_id, group=options.group, clock=clock
        )
        self._subscriber = Subscriber(awaited)
        self._readers = readers
        self._reader: EasReader | None = None
        self._joining = threading.Lock()
        self._closed = False
        parking = Parking(options.parking / endpoint.name)
        self._arrivals = EasArrivals(self._http, parking, clock=clock)

    @property
    def name(self) -> str:
        """The instance's name in its environment."""
        return self.endpoint.name

    @property
    def client_id(self) -> str:
        """This transport's name as a sender to the queue; never shared."""
        return self._client_id

    @property
    def backlog(self) -> int | None:
        """Requests in the input queue, as it told last; see `Transport.backlog`."""
        told = self._http.known_length
        if told is None and self._reader is not None:
            told = self._reader.http.known_length
        return told

    @property
    def away_s(self) -> float:
        """Always 0: jobs are in the queue service, and no other one has them."""
        return 0.0

    def greet(self, *, deadline: Deadline) -> str | None:
        """Be sure that there is a queue; which ComfyUI works on it nobody tells."""
        self._limit(deadline)
        return None

    def submit(
        self, attempt: Attempt, follower: Follower, *, deadline: Deadline
    ) -> Ticket:
        """Put a job into the queue and follow it; see `Transport.submit`."""
        body = self._body(attempt.workflow, deadline)
        now, reader = self._clock.monotonic(), self._reading(starts=True)
        task = Task(
            attempt.attempt_id,
            attempt.workflow,
            follower,
            self._subscriber,
            since=now,
            due=now,
        )
        reader.following.add(task)  # its result may come before the answer
        try:
            receipt = self._post(task, body, deadline)
        except BaseException:
            reader.following.remove(task.task_id, self._subscriber)
            raise
        task.tell(Queued())
        reader.register.confirm(task, receipt.index, receipt.request_id)
        return self._ticket(task.task_id, receipt)

    def follow(self, ticket: Ticket, workflow: Workflow, follower: Follower) -> None:
        """Follow a job that was submitted before, perhaps by another process."""
        now, reader = self._clock.monotonic(), self._reading(starts=True)
        reader.following.add(
            task_of(ticket, workflow, follower, subscriber=self._subscriber, now=now)
        )

    def find(self, attempt_id: str, *, deadline: Deadline) -> Ticket | None:
        """Look for an attempt in the input queue, then among the results.

        Raises:
            UnclearAnswerError: the queues could not be asked, or do not look for tags.
        """
        receipt = self._arrivals.find(attempt_id, deadline, grace_s=self._grace_s)
        return None if receipt is None else self._ticket(attempt_id, receipt)

    def cancel(self, ticket: Ticket, *, deadline: Deadline) -> None:
        """Take a job out of the queue, as long as no instance has taken it.

        Raises:
            NotOfferedError: an instance works on it: nobody can stop it.
        """
        index = _index_of(ticket)
        if index is None:
            found = self._http.read(INPUT, tag_of(ticket.attempt_id), deadline=deadline)
            mine = [f for f in found if f.task_id == ticket.attempt_id]
            index = mine[0].index if mine else None
        place = None
        if index is not None:
            place = self._http.place(index, deadline=deadline)
        register = self._reading().register
        task = register.find(ticket.attempt_id, None)
        if index is None or place is None:
            if task is not None:  # it is done, or as good as
                register.hasten(task)
            return
        if place.handed_out:
            raise NotOfferedError(
                "an instance of the service works on the job, and the API edition has "
                "no way to stop that",
                instance=self.name,
                hint="let it end; a job whose time is over is not waited for",
            )
        self._http.delete(INPUT, [index], deadline=deadline)
        if task is not None and register.pop(task):
            gone = JobInterruptedError(
                "the job was taken out of the queue before it ran", instance=self.name
            )
            task.end(Verdict(gone), done=lambda: None)

    def forget(self, ticket: Ticket) -> None:
        """Follow the job no longer."""
        if self._reader is not None:
            self._reader.following.remove(ticket.attempt_id, self._subscriber)

    def relieve(self, *, deadline: Deadline) -> None:
        """Nobody can ask an instance behind a queue to free its memory."""
        raise NotOfferedError(
            "the API edition has no way to free an instance's memory",
            instance=self.name,
            hint="restart the service, or give it instances with more memory",
        )

    def upload(self, file: InputFile, *, deadline: Deadline) -> str:
        """No file goes through the queue."""
        raise self._no_files()

    def open(
        self, ref: OutputRef, deadline: Deadline, *, span: ByteSpan = WHOLE
    ) -> AbstractContextManager[Download]:
        """No file comes through the queue."""
        raise self._no_files()

    def _no_files(self) -> ConfigError:
        return ConfigError(
            f"instance {self.name}: no file goes through the queue of an API edition",
            hint="storage of kind 'oss' or 'mount' reads and writes its mounted folder",
        )

    def probe(self, *, deadline: Deadline) -> Probe:
        """Ask for the length of the input queue; its version nobody can ask for."""
        attributes = self._http.attributes(INPUT, deadline=deadline, fresh=True)
        self._reading().following.check_sink(deadline)
        length = attributes.length
        return Probe(
            version=None,
            queue_remaining=0 if length is None else length,
            features=FEATURES,
        )

    def object_info(self, *, deadline: Deadline) -> ObjectInfo:
        """Nobody can ask an instance behind a queue for its node classes."""
        raise NotOfferedError(
            "the API edition does not tell which nodes and models it has",
            instance=self.name,
            hint="check against a snapshot of a standard edition of the same image",
        )

    def close(self) -> None:
        """Let go of the reader, which others may share, and of the connections."""
        with self._joining:
            self._closed = True
            reader, self._reader = self._reader, None
        if reader is not None:
            self._readers.leave(reader, self._subscriber)
        self._http.close()

    def _reading(self, *, starts: bool = False) -> EasReader:
        """The reader of the results; in a forked child another than its parent's.

        Raises:
            ClosedError: the transport was closed.
        """
        with self._joining:
            if self._closed:
                raise ClosedError(f"instance {self.name} was closed")
            reader = self._reader
            if reader is None or reader.pid != os.getpid():
                reader = self._reader = self._readers.join(
                    self.endpoint, self._options, self._subscriber, clock=self._clock
                )
        if starts:
            reader.http.ask_as(self._http)
            reader.start()
        return reader

    # -- submitting

    def _body(self, workflow: Workflow, deadline: Deadline) -> bytes:
        try:
            return fitting_body(workflow.graph, self._limit(deadline))
        except TooLargeError as error:
            error.attach(instance=self.name)
            raise

    def _limit(self, deadline: Deadline) -> int | None:
        """The most bytes that the queue takes, where it tells."""
        now = self._clock.monotonic()
        if now < self._unasked_until:
            return None
        try:
            return self._http.attributes(INPUT, deadline=deadline).max_payload
        except (BadAnswerError, RefusedError, ServerFaultError) as error:
            if error.status == 404:
                raise
            self._log.info("does not tell its limits: %s", error.message)
            self._unasked_until = now + UNASKED_S
            return None

    def _post(self, task: Task, body: bytes, deadline: Deadline) -> Receipt:
        try:
            return self._http.submit(body, task.task_id, deadline=deadline)
        except (UnclearAnswerError, BadAnswerError, ServerFaultError) as error:
            if isinstance(error, BadAnswerError) and error.status == 404:
                raise
            return self._resolve(task, error, deadline)

    def _resolve(
        self, task: Task, unclear: TransportError, deadline: Deadline
    ) -> Receipt:
        """Find out whether a request arrived whose answer was lost.

        Raises:
            UnreachableError: the queues were asked and do not have it.
            BadAnswerError, ServerFaultError: likewise; what was answered.
            UnclearAnswerError: they could not be asked.
        """
        answered = not isinstance(unclear, UnclearAnswerError)
        grace = min(1.0, self._grace_s) if answered else self._grace_s
        try:
            found = self._arrivals.find(
                task.task_id, deadline, grace_s=grace, ended=lambda: task.over
            )
        except UnclearAnswerError as error:
            error.status = unclear.status
            raise error from unclear
        if found is not None:
            return found
        if answered:
            raise unclear.attach(instance=self.name)
        raise UnreachableError(
            f"the job did not arrive: {unclear.message}", instance=self.name
        ) from unclear

    def _ticket(self, task_id: str, receipt: Receipt) -> Ticket:
        kept = {"index": receipt.index, "request_id": receipt.request_id}
        return Ticket(
            instance=self.name,
            attempt_id=task_id,
            prompt_id=task_id,
            client_id=self._client_id,
            number=None if receipt.index is None else float(receipt.index),
            receipt={
                key: str(value) for key, value in kept.items() if value is not None
            },
        )


def _index_of(ticket: Ticket) -> int | None:
    text = ticket.receipt.get("index", "")
    return int(text) if text.isascii() and text.isdigit() else None
