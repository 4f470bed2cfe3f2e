"""What the command line shows: progress, results, errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from .errors import ComfyClientError
from .events import ConnectionLost, Event, Finished, Queued
from .events import Progress as ProgressEvent
from .job import Job
from .outputs import Output
from .result import Result

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Board:
    """Shows how jobs go: bars on a terminal, plain lines elsewhere; on stderr."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def add(self, name: str) -> None:
        """A job that will be followed."""
        if self._progress is not None:
            self._tasks[name] = self._progress.add_task(name, total=1.0, node="waiting")

    def follow(self, name: str, job: Job) -> None:
        """Show a job until it ends."""
        said: str | None = None
        for event in job.events():
            words, fraction = _words(event), job.progress
            if words is None:
                continue
            if self._progress is not None:
                self._progress.update(self._tasks[name], completed=fraction, node=words)
            elif words != said:
                err.print(f"{name}: {fraction:4.0%} {words}", markup=False)
            said = words

    def failed(self, name: str) -> None:
        """A job that could not be sent."""
        if self._progress is not None:
            self._progress.update(self._tasks[name], node="failed")


@contextmanager
def board() -> Iterator[Board]:
    """A board, for the time of the block."""
    if not err.is_terminal:
        yield Board(None)
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TextColumn("{task.fields[node]}", style="dim", markup=False),
        TimeElapsedColumn(),
        console=err,
    ) as progress:
        yield Board(progress)


def _words(event: Event) -> str | None:
    match event:
        case Queued(position=position):
            return "queued" if not position else f"queued behind {position}"
        case ProgressEvent(title=title):
            return title or "running"
        case ConnectionLost():
            return "connection lost, polling"
        case Finished(error=None):
            return "done"
        case Finished():
            return "failed"
    return None


def show_error(error: ComfyClientError) -> None:
    """An error, on stderr."""
    err.print(f"error: {error}", style="red", markup=False)


def show_table(title: str, rows: list[tuple[str, str]]) -> None:
    """Names and what they are, in two columns under a title; nothing if empty."""
    filled = [(name, text) for name, text in rows if text]
    if not filled:
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in filled:
        table.add_row(Text(name), Text(text))
    out.print(f"\n{title}")
    out.print(table, soft_wrap=False)


def show_json(value: Mapping[str, JsonValue] | list[JsonValue]) -> None:
    """One JSON value on stdout, and nothing else."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:  # an old terminal, or a file name that is no text
        text = json.dumps(value, indent=2)
    sys.stdout.write(text + "\n")


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
