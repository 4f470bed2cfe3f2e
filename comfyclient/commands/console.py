"""What the command line shows: progress, results, errors."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue
from rich.cells import cell_len
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

from ..errors import ComfyClientError
from ..events import ConnectionLost, Event, Finished, Queued
from ..events import Progress as ProgressEvent
from ..files.outputs import Output
from ..job import Job
from ..result import Result

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


def speak_any_encoding() -> None:
    """What a terminal's encoding lacks is escaped from now on, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """The text without what would move a terminal's cursor or turn its writing."""
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf"} else _escape(c)
        for c in text
    )


def _escape(character: str) -> str:
    # these join emoji and letters into one
    if character in "\u200c\u200d":
        return character
    return character.encode("unicode_escape").decode()


def show_error(error: ComfyClientError) -> None:
    """An error, on stderr."""
    err.print(printable(f"error: {error}"), style="red", markup=False)


def show_table(title: str, rows: list[tuple[str, str]]) -> None:
    """Names and what they are, in two columns under a title; nothing if empty.

    A terminal's lines are folded to its width; elsewhere each row is one line.
    """
    filled = [(_cell(name), _cell(text)) for name, text in rows if text]
    if not filled:
        return
    out.print(f"\n{_cell(title)}", markup=False)
    if not out.is_terminal:
        _show_aligned([[name, text] for name, text in filled], indent="  ")
        return
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in filled:
        table.add_row(Text(name), Text(text))
    out.print(table, soft_wrap=False)


def show_rows(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None
) -> None:
    """Rows under heads, without columns that are empty; nothing if there is no row.

    Each row is one line, but on a terminal too narrow for that it is one under another.
    """
    if not rows:
        return
    filled = [n for n in range(len(heads)) if any(row[n] for row in rows)]
    lines = [[_cell(line[n]) for n in filled] for line in (heads, *rows)]
    if out.is_terminal and _width(lines) > out.width:
        for line in lines[1:]:
            first = line[0] if title is None else f"{title}: {line[0]}"
            show_table(first, list(zip(lines[0][1:], line[1:], strict=True)))
        return
    if title is not None:
        out.print(f"\n{title}", markup=False)
    _show_aligned(lines, indent="" if title is None else "  ")


def _cell(text: str) -> str:
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*lines, strict=True)]


def _width(lines: Sequence[Sequence[str]]) -> int:
    widths = _widths(lines)
    return sum(widths) + 2 * len(widths)


def _show_aligned(lines: Sequence[Sequence[str]], *, indent: str) -> None:
    widths = _widths(lines)
    for line in lines:
        cells = [
            cell + " " * (width - cell_len(cell))
            for cell, width in zip(line, widths, strict=True)
        ]
        out.print(indent + "  ".join(cells).rstrip(), markup=False)


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
