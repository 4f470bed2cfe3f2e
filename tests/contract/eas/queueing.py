"""What tests of the queue transport share: a stand-in, transports, recorded ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import SecretStr

from comfyclient.events import Event
from comfyclient.jobs.course import Course
from comfyclient.testing import EasGateway
from comfyclient.testing.bench import Bench
from comfyclient.testing.eas_inference import instant
from comfyclient.timing import Deadline
from comfyclient.transports.base import Attempt, Ticket, Verdict
from comfyclient.transports.eas_options import QueueOptions
from comfyclient.transports.eas_queue import EasQueueTransport
from comfyclient.transports.eas_reader import Readers
from comfyclient.transports.endpoint import Endpoint
from comfyclient.workflow import Workflow

GRAPH = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255},
    },
    "2": {
        "class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "contract/picture"},
        "_meta": {"title": "Save it"},
    },
}
PATIENCE = 15


class Noted(Course):
    """A course that counts its ends, and acknowledges them like a ledger, or not."""

    def __init__(self, ends: Counter[str], *, keeps: bool, **options: Any) -> None:
        super().__init__(str(uuid4()), Workflow.from_graph(GRAPH), **options)
        self._ends = ends
        self._keeps = keeps
        self.signs = 0
        """How often it was told to be alive."""

    def heard(self, event: Event) -> None:
        """One more sign of life."""
        super().heard(event)
        self.signs += 1

    def ended(self, verdict: Verdict) -> None:
        """One more end of this job."""
        self._ends[self.job_id] += 1
        super().ended(verdict)
        if self._keeps:
            verdict.acknowledge()


class Queueing:
    """A stand-in of the API edition and the clients of its queue."""

    def __init__(self, folder: Path, results: str, **options: Any) -> None:
        self.folder = folder
        self.results = results
        self.ends: Counter[str] = Counter()
        """How often each job was told to have ended."""
        self.open_tasks: set[str] = set()
        self.over_tasks: set[str] = set()
        self._stack = ExitStack()
        settings = {"token": "secret", "inference": instant, **options}
        self.gateway = self._stack.enter_context(EasGateway(edition="api", **settings))
        self.bench = Bench()

    def transport(self, url: str | None = None, **options: Any) -> EasQueueTransport:
        """A transport, closed with the test; of a process of its own unless `readers`
        says with which others it shares one."""
        readers = options.pop("readers", None)
        token, headers = options.pop("token", "secret"), options.pop("headers", {})
        awaited = options.pop("awaited", self.awaited)
        grace_s = options.pop("grace_s", 0.3)
        chosen = {
            "group": "ours",
            "parking": self.folder / "parked",
            "results": self.results,
            **options,
        }
        transport = EasQueueTransport(
            Endpoint(
                "queue",
                self.gateway.url if url is None else url,
                headers=headers,
                token=SecretStr(token),
            ),
            QueueOptions(**chosen),
            awaited=awaited,
            grace_s=grace_s,
            readers=Readers() if readers is None else readers,
        )
        self._stack.callback(transport.close)
        return transport

    def awaited(self, task_id: str) -> bool | None:
        """What a ledger would say of a task."""
        if task_id in self.over_tasks:
            return False
        return True if task_id in self.open_tasks else None

    def course(self, *, keeps: bool = True, **times: float) -> Noted:
        """A job that was not sent yet."""
        limits = {"total_s": 20.0, "queue_s": 20.0, "silence_s": 20.0, **times}
        return Noted(self.ends, keeps=keeps, **limits)

    def send(
        self, transport: EasQueueTransport, course: Course | None = None
    ) -> tuple[Course, Ticket]:
        """A job that the queue took."""
        course = self.course() if course is None else course
        attempt = Attempt(str(uuid4()), course.workflow)
        return course, transport.submit(attempt, course, deadline=course.deadline)

    def done(self, transport: EasQueueTransport) -> Course:
        """A job that has ended."""
        course, _ = self.send(transport)
        course.await_end(Deadline(PATIENCE))
        return course

    def await_that(self, ready: Callable[[], object]) -> None:
        """Return once something is so."""
        self.gateway.await_that(ready, timeout=PATIENCE)

    def await_empty(self) -> None:
        """Return once both queues are empty: nothing was forgotten there."""
        self.await_that(
            lambda: not self.gateway.sink.frames and not self.gateway.input.frames
        )

    def close(self) -> None:
        """End it all."""
        self._stack.close()


def end_of(queueing: Queueing, transport: EasQueueTransport):
    """How a job ends; there is one end, and nothing is left in the queues."""
    course, ticket = queueing.send(transport)
    verdict = course.await_end(Deadline(PATIENCE))
    queueing.over_tasks.add(ticket.attempt_id)
    return verdict


def all_once(queueing: Queueing, jobs: int) -> None:
    """Every job ended, and no job ended twice."""
    assert sorted(queueing.ends.values()) == [1] * jobs
