"""How a batch is shown: overall, per instance and job on a terminal; else as lines."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..batch.batch import Batch
from ..batch.orders import Outcome, Tally
from ..client import Client
from ..errors import ComfyClientError
from ..job import JobStatus
from ..timing import SYSTEM_CLOCK, Clock
from .console import err, out, printable

SHOWN_JOBS = 8
"""Jobs whose current node is shown."""
SETTLED = 5
"""Outcomes after which the rate that was seen counts, and not what was learned."""
PACE = 50
"""The last outcomes that make the rate: what an earlier run made comes in no time."""


class Display:
    """Lines on stderr: one for each outcome."""

    def __init__(
        self, client: Client, total: int | None, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._client = client
        self._total = total
        self._clock = clock
        self._told = 0
        self._times = deque([self._clock.monotonic()], maxlen=PACE + 1)
        """When the last outcomes came; before them, when it began."""

    def add(self, outcome: Outcome, many: Batch) -> None:
        """An outcome came."""
        self._count()
        name = "?" if outcome.trip is None else outcome.trip.id
        job, error = outcome.job, outcome.error
        if error is None:
            words = "done" if job is None else f"done on {job.instance}"
        else:
            words = f"failed: {_line_of(error)}"
        of = "" if self._total is None else f"/{self._total}"
        eta = self.eta(many)
        rest = "" if eta is None else f" (about {duration(eta)} left)"
        line = f"{self._told}{of} {name}: {' '.join(words.split())}{rest}"
        err.print(printable(line), markup=False)

    def saved(self, path: Path) -> None:
        """A file came home: its name goes to stdout."""
        out.print(str(path), markup=False)

    def refresh(self, many: Batch) -> None:
        """Time passed."""

    def say(self, words: str) -> None:
        """Something to be known."""
        err.print(words, markup=False)

    def eta(self, many: Batch) -> float | None:
        """Seconds that are left, as far as can be told."""
        tally = many.tally
        if self._total is None:
            return None
        left = self._total - tally.ended
        if left <= 0:
            return None
        seen = len(self._times) - 1
        if seen >= SETTLED:
            return left * (self._clock.monotonic() - self._times[0]) / seen
        return self._learned(many, left)

    def _count(self) -> None:
        self._told += 1
        self._times.append(self._clock.monotonic())

    def _learned(self, many: Batch, left: int) -> float | None:
        """By what earlier jobs of its kind took, while too few of it have ended."""
        running = many.running
        each = (
            self._client.instances.expected_s(running[0].workflow) if running else None
        )
        up = sum(one.up and not one.drained for one in self._client.instances)
        return None if each is None or not up else left * each / up


class Board(Display):
    """A picture that stays in its place on a terminal."""

    def __init__(self, client: Client, total: int | None, live: Live) -> None:
        super().__init__(client, total)
        self._live = live
        self._said = ""

    def add(self, outcome: Outcome, many: Batch) -> None:
        """An outcome came: a failure is told above the picture."""
        self._count()
        if outcome.error is not None:
            name = "?" if outcome.trip is None else outcome.trip.id
            text = printable(f"{name}: {_line_of(outcome.error)}")
            self._live.console.print(text, style="red", markup=False)
        self.refresh(many)

    def saved(self, path: Path) -> None:
        """Above the picture, where both are on one terminal: else it would be torn."""
        if out.is_terminal:
            self._live.console.print(
                str(path), markup=False, highlight=False, soft_wrap=True
            )
        else:
            super().saved(path)

    def refresh(self, many: Batch) -> None:
        """Draw it anew."""
        self._live.update(self._picture(many))

    def say(self, words: str) -> None:
        """Below the picture."""
        self._said = words

    def _picture(self, many: Batch) -> RenderableType:
        parts: list[RenderableType] = [
            self._overall(many.tally, self.eta(many)),
            self._instances(),
        ]
        jobs = self._jobs(many)
        if jobs is not None:
            parts.append(jobs)
        if self._said:
            parts.append(Text(self._said, style="yellow"))
        return Group(*parts)

    def _overall(self, tally: Tally, eta: float | None) -> RenderableType:
        grid = Table.grid(padding=(0, 1))
        of = "" if self._total is None else f" of {self._total}"
        failed = f", {tally.failed} failed" if tally.failed else ""
        left = "" if eta is None else f"about {duration(eta)} left"
        share = tally.ended if self._total else None
        bar = ProgressBar(total=self._total or None, completed=share or 0, width=28)
        grid.add_row(
            Text(f"{tally.ended}{of}{failed}"),
            bar,
            Text(f"{tally.waiting} waiting, {tally.sent} sent"),
            Text(left, style="dim"),
        )
        return grid

    def _instances(self) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        for one in self._client.instances:
            state = "drained" if one.drained else "up" if one.up else "down"
            others = f" +{one.foreign} of others" if one.foreign else ""
            grid.add_row(
                Text(f"  {one.name}"),
                Text(state, style="green" if state == "up" else "red"),
                Text(f"{one.jobs} of {one.window}{others}"),
            )
        return grid

    def _jobs(self, many: Batch) -> RenderableType | None:
        running = [job for job in many.running if job.status is JobStatus.RUNNING]
        if not running:
            return None
        grid = Table.grid(padding=(0, 2))
        for job in running[:SHOWN_JOBS]:
            name = job.workflow.trip_id or job.id[:8]
            grid.add_row(
                Text(f"  {printable(name)}"),
                Text(job.instance or ""),
                Text(printable(job.doing), style="dim"),
            )
        return grid


def _line_of(error: ComfyClientError) -> str:
    first = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return first if error.hint is None else f"{first}; {error.hint}"


@contextmanager
def display(client: Client, total: int | None) -> Iterator[Display]:
    """How the batch is shown, for the time of the block."""
    if not err.is_terminal:
        yield Display(client, total)
        return
    with Live(console=err, transient=True, refresh_per_second=8) as live:
        yield Board(client, total, live)


def duration(seconds: float) -> str:
    """A time in words."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
