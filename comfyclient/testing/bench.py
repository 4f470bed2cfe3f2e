"""A bench for transports: a small graph, and the course of each job sent."""

from __future__ import annotations

from typing import Any, Self
from uuid import uuid4

from ..events import Event
from ..jobs.course import Course
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.base import Attempt, Ticket, Verdict
from ..transports.comfyui import ComfyUITransport
from ..transports.endpoint import Endpoint
from ..workflow import Workflow

GRAPH: dict[str, Any] = {
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
"""A picture of one colour, saved."""


class Bench:
    """Transports under test, and the course of each job that is sent through them."""

    def __init__(self) -> None:
        self._transports: list[ComfyUITransport] = []
        self.workflow = Workflow.from_graph(GRAPH)
        self._ticket: Ticket | None = None

    @property
    def ticket(self) -> Ticket:
        """The receipt of the job that was sent last."""
        assert self._ticket is not None, "no job was sent yet"
        return self._ticket

    def transport(
        self, url: str, *, clock: Clock = SYSTEM_CLOCK, **options: Any
    ) -> ComfyUITransport:
        """A transport to this address, closed with the bench."""
        settings: dict[str, Any] = {"name": "bench", "connect_timeout": 2.0}
        endpoint = Endpoint(url=url, **{**settings, **options})
        transport = ComfyUITransport(endpoint, clock=clock)
        self._transports.append(transport)
        return transport

    def course(
        self,
        workflow: Workflow | None = None,
        *,
        clock: Clock = SYSTEM_CLOCK,
        total_s: float = 20,
        queue_s: float = 20,
        silence_s: float = 20,
    ) -> Course:
        """The course of a job that was not sent yet; it is its own record."""
        return _Recorded(
            str(uuid4()),
            self.workflow if workflow is None else workflow,
            total_s=total_s,
            queue_s=queue_s,
            silence_s=silence_s,
            clock=clock,
        )

    def submit(
        self,
        transport: ComfyUITransport,
        course: Course | None = None,
        **options: Any,
    ) -> Course:
        """Send a job; returns once it was accepted."""
        course = self.course() if course is None else course
        attempt = Attempt(str(uuid4()), course.workflow, **options)
        self._ticket = transport.submit(attempt, course, deadline=course.deadline)
        return course

    def run(self, url: str, **options: Any) -> Course:
        """A job, sent through a new transport and waited for."""
        course = self.submit(self.transport(url, **options))
        self.end(course)
        return course

    def end(self, course: Course, *, timeout: float = 30) -> Verdict:
        """How a job ended."""
        return course.await_end(Deadline(timeout))

    def close(self) -> None:
        """Close every transport."""
        for transport in self._transports:
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Recorded(Course):
    """A course that acknowledges its end, as the ledger's keeper does."""

    def ended(self, verdict: Verdict) -> None:
        """Take the end in, and say that it is kept."""
        super().ended(verdict)
        verdict.acknowledge()


def events_of(course: Course) -> list[Event]:
    """Every event of a job that has ended."""
    found: list[Event] = []
    index = 0
    while (following := course.event_after(index, Deadline(0))) is not None:
        index, event = following
        found.append(event)
    return found
