"""What commands that run jobs share: bringing outputs home, and being stopped."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pydantic import JsonValue

from ..errors import (
    ClosedError,
    ComfyClientError,
    LeaseError,
    OutputError,
    OutputMissingError,
    UnsafePathError,
    UsageError,
)
from ..files.outputs import Output
from ..files.saving import save_outputs
from ..job import Job, JobStatus
from ..jobs.settling import stays_open
from ..result import Result
from .console import Board, job_report
from .options import FAILED, WRONG_USE, Place

STOPS = (KeyboardInterrupt, SystemExit)
"""What ends a `stoppable` block from outside."""

_STOPPED_BY_CTRL_C = 130


@dataclass(slots=True)
class Outcome:
    """What became of one job that a command ran."""

    job: Job | None = None
    result: Result | None = None
    saved: list[tuple[Output, Path]] = field(default_factory=list)
    error: ComfyClientError | None = None

    def bring_home(
        self, name: str, folder: Path, *, shown: Board, stem: str | None = None
    ) -> None:
        """Follow the job to its end, and save what it made under its name or stem.

        Raises:
            ComfyClientError: it failed, or its outputs cannot be had.
        """
        assert self.job is not None, "only what was sent can be followed"
        shown.follow(name, self.job)
        self.result = self.job.result()
        self.saved = save_outputs(
            self.result,
            name if stem is None else stem,
            folder,
            keep_same=stem is not None,  # it was taken up: its files may be there
        )

    def stopped(self, stop: BaseException) -> None:
        """Take in that the command was stopped before the job was done with."""
        by = "Ctrl-C" if isinstance(stop, KeyboardInterrupt) else "a signal"
        self.error = ClosedError(f"stopped by {by}", job_id=self._job_id)

    def resumable(self, place: Place) -> bool:
        """Whether resuming goes on with the job, as far as this command can tell."""
        if self.error is None or self._ended_badly():
            return False
        if isinstance(self.error, OutputError):
            return not isinstance(self.error, OutputMissingError | UnsafePathError)
        if isinstance(self.error, LeaseError):  # who has it goes on with it
            return False
        return stays_open(self.error, place.environment.policies)

    def advice(self, place: Place) -> str | None:
        """What to do about a job that was not brought home."""
        if not self.resumable(place):
            return None
        again = place.command("resume")
        if self._job_id is None:  # stopped while it was being sent
            return (
                f"`{place.command('jobs')}` says whether it was sent, `{again}` goes on"
            )
        return f"`{again}` goes on with job {self._job_id}"

    def report(self, place: Place | None) -> dict[str, JsonValue]:
        """What --json says of it."""
        report = job_report(
            self.job, result=self.result, saved=self.saved, error=self.error
        )
        goes_on = place is not None and self.resumable(place)
        report["resume"] = place.command("resume") if place and goes_on else None
        return report

    @property
    def _job_id(self) -> str | None:
        if self.job is not None:
            return self.job.id
        return None if self.error is None else self.error.job_id

    def _ended_badly(self) -> bool:
        if self.job is None or not isinstance(self.error, ClosedError):
            return False
        return self.job.status in {JobStatus.FAILED, JobStatus.CANCELLED}


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: all that was begun is let go of."""
    former = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def exit_code(end: BaseException) -> int:
    """How the command tells its caller of an error, or of what stopped it."""
    if isinstance(end, KeyboardInterrupt):
        return _STOPPED_BY_CTRL_C
    if isinstance(end, SystemExit):
        return end.code if isinstance(end.code, int) else FAILED
    return WRONG_USE if isinstance(end, UsageError) else FAILED


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
