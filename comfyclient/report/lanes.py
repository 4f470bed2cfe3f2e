"""What each instance did, attempt after attempt. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..ledger.records import AttemptRow
from ..timing import Span
from .jobs import ReportJob, ran
from .timeline import Axis, covered_seconds


@dataclass(frozen=True, slots=True)
class Bar:
    """One attempt in an instance's lane."""

    job: ReportJob
    attempt: AttemptRow
    waited: Span
    """Taken by the server, not yet at work."""
    ran: Span
    swap: bool
    """Whether it needs other models than the attempt before it on this instance."""

    @property
    def good(self) -> bool:
        """Whether the attempt brought the result."""
        return (
            self.job.good
            and self.attempt is self.job.row.attempt
            and self.attempt.error is None
        )


@dataclass(frozen=True, slots=True)
class Lane:
    """What one instance did."""

    instance: str
    bars: tuple[Bar, ...]
    busy: float
    """The share of the axis' time in which something ran there, 0..1."""

    @property
    def swaps(self) -> int:
        """How often it had to load other models."""
        return sum(bar.swap for bar in self.bars)


def bars_of(job: ReportJob, now: datetime) -> Iterable[Bar]:
    """The job's attempts that a server took; one still at work lasts until now."""
    for attempt in job.row.attempts:
        if attempt.accepted_at is None:
            continue
        last = attempt is job.row.attempt
        at_work = ran(job.row) if last else None
        if at_work is None:
            end = attempt.ended_at or job.row.ended_at or now
            at_work = Span(attempt.accepted_at, max(attempt.accepted_at, end))
        waited = Span(attempt.accepted_at, at_work.begin)
        yield Bar(job, attempt, waited, at_work, swap=False)


def lanes_of(bars: Sequence[Bar], axis: Axis) -> Iterable[Lane]:
    """A lane for each instance, by name, its attempts in the order of their work."""
    by_instance: defaultdict[str, list[Bar]] = defaultdict(list)
    for bar in sorted(bars, key=lambda bar: bar.ran.begin):
        by_instance[bar.attempt.instance].append(bar)
    for instance, mine in sorted(by_instance.items()):
        busy = covered_seconds(bar.ran for bar in mine)
        share = min(1.0, busy / axis.seconds) if axis.seconds > 0 else 0.0
        yield Lane(instance, tuple(_with_swaps(mine)), share)


def _with_swaps(bars: Iterable[Bar]) -> Iterable[Bar]:
    """Mark where an instance had to load other models than it had."""
    loaded: frozenset[str] | None = None
    for bar in bars:
        models = bar.job.models
        swap = loaded is not None and bool(models) and not models <= loaded
        if models and (loaded is None or swap):
            loaded = models
        yield Bar(bar.job, bar.attempt, bar.waited, bar.ran, swap)
