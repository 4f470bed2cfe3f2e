"""What commands that run jobs share: a client, bringing outputs home, telling of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from ..client import Client
from ..errors import (
    ClosedError,
    ComfyClientError,
    LeaseError,
    OutputError,
    OutputMissingError,
    UnsafePathError,
)
from ..files.outputs import Output
from ..files.saving import save_outputs
from ..job import Job, JobStatus
from ..jobs.settling import stays_open
from ..result import Result
from .job_board import Board
from .place import Place


def client_of(place: Place) -> Client:
    """A client of the environment that a command is about."""
    return Client(place.settings, environment=place.name)


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


def job_report(
    job: Job | None,
    *,
    result: Result | None = None,
    saved: list[tuple[Output, Path]] | None = None,
    error: ComfyClientError | None = None,
) -> dict[str, JsonValue]:
    """What `run --json` says of a job."""
    template, _, version = ("", "", "")
    if job is not None and job.workflow.template is not None:
        template, _, version = job.workflow.template.partition("@")
    return {
        "job_id": _job_id(job, error),
        "status": "failed" if job is None else job.status.value,
        "environment": None if job is None else job.environment,
        "instance": None if job is None else job.instance,
        "template": template or None,
        "version": version or None,
        "digest": None if job is None else job.workflow.digest,
        "seed": None if job is None else job.workflow.seed,
        "outputs": [_output_report(*one) for one in saved or []],
        "values": _values(result),
        "error": None if error is None else _error_report(error),
    }


def _job_id(job: Job | None, error: ComfyClientError | None) -> str | None:
    if job is not None:
        return job.id
    return None if error is None else error.job_id


def _values(result: Result | None) -> dict[str, JsonValue]:
    if result is None:
        return {}
    return {node_id: dict(shown) for node_id, shown in result.values.items()}


def _output_report(output: Output, path: Path) -> dict[str, JsonValue]:
    saved = output.saved
    return {
        "path": str(path),
        "name": output.name,
        "node_id": output.ref.node_id,
        "type": output.ref.type,
        "bytes": None if saved is None else saved.bytes,
        "sha256": None if saved is None else saved.sha256,
    }


def _error_report(error: ComfyClientError) -> dict[str, JsonValue]:
    return {
        "class": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
        "text": str(error),
    }
