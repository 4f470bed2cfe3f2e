"""What the rest of the package may ask of a ledger: to write, to read, to own jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from pydantic import JsonValue

from ..errors import ComfyClientError
from ..files.outputs import OutputRef, SavedFile
from ..jobs.estimates import Durations
from ..steps.answers import Answers
from .records import (
    UNSETTLED,
    Acceptance,
    ChangeRow,
    JobIntent,
    JobRow,
    JobState,
    OwnerRow,
)


class JobWrites(Protocol):
    """The steps of a job, each durable when its call returns."""

    def intend(self, intent: JobIntent) -> JobRow:
        """Record a job before anything is sent."""

    def attempt(
        self, job_id: str, *, attempt_id: str, instance: str, client_id: str
    ) -> None:
        """Record an attempt before it is sent."""

    def accepted(self, job_id: str, acceptance: Acceptance) -> None:
        """Record that a server took an attempt."""

    def attempt_ended(
        self, job_id: str, *, attempt_id: str, error: ComfyClientError
    ) -> None:
        """Record that an attempt came to nothing, and the job may be sent again."""

    def changed(
        self,
        job_id: str,
        state: JobState,
        *,
        error: ComfyClientError | None = None,
        outputs: Sequence[OutputRef] | None = None,
        told: Mapping[str, JsonValue] | None = None,
        detail: str | None = None,
        at: datetime | None = None,
        accepted: Acceptance | None = None,
        all_home: bool = False,
    ) -> bool:
        """Record a state; False when it was no news."""

    def collected(self, job_id: str, files: Sequence[SavedFile]) -> None:
        """Record the files that came home."""


class JobReads(Protocol):
    """What the ledger tells."""

    def job(self, job_id: str) -> JobRow:
        """One job."""

    def find(self, idempotency_key: str, *, environment: str) -> JobRow | None:
        """The job that was intended under a key."""

    def jobs(
        self,
        *,
        environment: str | None = None,
        states: Sequence[JobState] | None = None,
        template: str | None = None,
        trip_id: str | None = None,
        since: datetime | None = None,
        before: str | None = None,
        limit: int = 100,
    ) -> list[JobRow]:
        """The newest jobs, newest first; the next page is `before` the last row's."""

    def count(self, environment: str) -> Mapping[JobState, int]:
        """How many jobs are in each state."""

    def unfinished(
        self, environment: str, *, owned_by_others: bool = True
    ) -> Iterator[JobRow]:
        """Every job with something left to do, oldest first, read as they are used."""

    def history(self, job_id: str) -> list[ChangeRow]:
        """A job's changes, oldest first."""

    def graph(self, digest: str) -> JsonValue:
        """A stored graph; None where none was given."""

    def awaits(self, attempt_id: str) -> bool | None:
        """Whether a job still waits for this attempt; None where no job had it."""

    def owner_of(self, job_id: str) -> OwnerRow | None:
        """Who works on a job; None where nobody does."""


class JobLeases(Protocol):
    """Who works on a job."""

    def claim(self, job_id: str) -> bool:
        """Take a job that nobody works on; False when somebody does."""

    def claim_unfinished(
        self,
        environment: str,
        *,
        limit: int = 100,
        after: str | None = None,
        states: Sequence[JobState] = UNSETTLED,
        with_own: bool = False,
    ) -> list[JobRow]:
        """Take the oldest unfinished jobs that nobody works on; empty: none is left."""

    def lost_jobs(self, job_ids: Iterable[str]) -> set[str]:
        """Those of the jobs that another process has taken, or may take."""

    def release(self, job_id: str) -> None:
        """Let another process have the job."""

    def heartbeat(self) -> None:
        """Say that this owner is alive."""

    def close(self) -> None:
        """Release every job and close the database."""


class Journal(JobWrites, JobReads, JobLeases, Durations, Protocol):
    """What the rest of the package needs of a ledger."""

    @property
    def answers(self) -> Answers:
        """What hosted models answered."""
