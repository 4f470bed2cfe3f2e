"""What a caller may look in on: each job's beginning, events, steps and end.

    class Count(Hook):
        def ended(self, job: JobFacts, end: End) -> None:
            tally[job.template, end.error is None] += 1

    Client.from_config(hooks=[Count()])

Hooks are called one after another in a thread of their own, in the context variables of
whoever submitted the job: a slow one holds up no job, one that raises is logged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from .errors import ComfyClientError
from .events import Event

StepName: TypeAlias = Literal[
    "render", "stage", "submit", "queue", "execute", "node", "collect"
]
"""What a job goes through: the template is filled, a stage asks a model, an instance
takes the job, the job waits there, it is executed, each of its nodes is at work, a file
comes home."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """Which job it is about. Nothing here is secret or of the owner."""

    job_id: str
    environment: str
    template: str | None
    """`name@version`; None for a graph of the caller's own."""
    trip_id: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of a job that is over."""

    name: StepName
    begun_at: datetime
    seconds: float
    instance: str | None = None
    subject: str | None = None
    """What it was about: a node's title or class, a stage's name, a file's name."""
    node_id: str | None = None
    bytes: int | None = None
    """Of a file that came home."""
    error: ComfyClientError | None = None
    """Why it came to nothing."""


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended."""

    at: datetime
    seconds: float
    """Since it was written down, before it was sent first."""
    error: ComfyClientError | None = None
    """None where it succeeded."""


class Hook:
    """What to subclass; each method does nothing until it is overridden."""

    def began(self, job: JobFacts) -> None:
        """A job is about to be sent, or is taken up from the ledger."""

    def heard(self, job: JobFacts, event: Event) -> None:
        """Something happened to it; under load, some of its progress is left out."""

    def stepped(self, job: JobFacts, step: Step) -> None:
        """A stretch of it is over."""

    def ended(self, job: JobFacts, end: End) -> None:
        """It ended, and its other stretches were told; files may come home later."""
