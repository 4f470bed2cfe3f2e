"""How jobs go, while a command follows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ..events import ConnectionLost, Event, Finished, Queued
from ..events import Progress as ProgressEvent
from ..job import Job
from .console import err


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
        done = 0.0  # of the event that is told: the job itself may be further already
        for event in job.events():
            done, words = _done(event, done), _words(event)
            if words is None:
                continue
            if self._progress is not None:
                self._progress.update(self._tasks[name], completed=done, node=words)
            elif words != said:
                err.print(f"{name}: {done:4.0%} {words}", markup=False)
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


def _done(event: Event, before: float) -> float:
    """What is done of the job once this has happened."""
    match event:
        case ProgressEvent(fraction=fraction):
            return fraction
        case Finished(error=None):
            return 1.0
    return before


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
