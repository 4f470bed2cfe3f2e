"""What became of many jobs: figures, lanes and pictures, from the ledger. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import JsonValue

from ..ledger.records import StoredError
from ..timing import Span
from .jobs import ReportJob
from .lanes import Lane, bars_of, lanes_of
from .timeline import Axis

BINS = 60
"""Stretches of the axis that throughput is counted in."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How durations of one kind lie."""

    name: str
    seconds: tuple[float, ...]
    """Sorted."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.seconds)

    @property
    def total(self) -> float:
        """All together."""
        return math.fsum(self.seconds)

    def quantile(self, share: float) -> float:
        """The nearest-rank quantile."""
        return self.seconds[max(0, math.ceil(share * self.count) - 1)]


@dataclass(frozen=True, slots=True)
class NodeSpread:
    """How long one node took over the jobs of one template."""

    template: str
    spread: Spread
    share: float
    """Of the time of all nodes of that template, 0..1."""


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Jobs that ended with the same class of error."""

    kind: str
    jobs: tuple[ReportJob, ...]

    @property
    def example(self) -> StoredError | None:
        """The newest one's words."""
        return self.jobs[0].row.error


@dataclass(frozen=True, slots=True)
class Bin:
    """How many jobs ended in a stretch of the axis."""

    begin: float
    end: float
    good: int
    bad: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that the page shows."""

    environment: str
    made_at: datetime
    jobs: tuple[ReportJob, ...]
    """Newest first."""
    axis: Axis
    lanes: tuple[Lane, ...]
    templates: tuple[Spread, ...]
    """Time on the server."""
    nodes: tuple[NodeSpread, ...]
    failures: tuple[FailureGroup, ...]
    """The most frequent first."""
    bins: tuple[Bin, ...]

    @property
    def good(self) -> int:
        """Jobs that succeeded."""
        return sum(job.good for job in self.jobs)

    @property
    def bad(self) -> int:
        """Jobs that ended without a result."""
        return sum(job.ended_badly for job in self.jobs)

    @property
    def unfinished(self) -> int:
        """Jobs that have not ended."""
        return len(self.jobs) - self.good - self.bad

    @property
    def sent_again(self) -> int:
        """Attempts beyond each job's first."""
        return sum(max(0, len(job.row.attempts) - 1) for job in self.jobs)

    @property
    def per_hour(self) -> float | None:
        """Pictures' jobs done in an hour of busy time; None for less than a second."""
        if self.axis.seconds < 1:
            return None
        return self.good * 3600 / self.axis.seconds


@dataclass(slots=True)
class _Named:
    """Durations as they are gathered."""

    seconds: defaultdict[str, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @property
    def total(self) -> float:
        """All together."""
        return math.fsum(second for found in self.seconds.values() for second in found)

    def spreads(self) -> list[Spread]:
        """One for each name."""
        return [
            Spread(name, tuple(sorted(found))) for name, found in self.seconds.items()
        ]


def build_report(
    jobs: Sequence[ReportJob], *, environment: str, made_at: datetime
) -> Report:
    """The report of these jobs, given newest first."""
    bars = [bar for job in jobs for bar in bars_of(job, made_at)]
    axis = Axis([Span(bar.waited.begin, bar.ran.end) for bar in bars])
    return Report(
        environment=environment,
        made_at=made_at,
        jobs=tuple(jobs),
        axis=axis,
        lanes=tuple(lanes_of(bars, axis)),
        templates=tuple(_templates(jobs)),
        nodes=tuple(_nodes(jobs)),
        failures=tuple(_failures(jobs)),
        bins=tuple(_bins(jobs, axis)),
    )


def _templates(jobs: Iterable[ReportJob]) -> list[Spread]:
    found = _Named()
    for job in jobs:
        if job.good and job.ran_s is not None:
            found.seconds[job.template].append(job.ran_s)
    return sorted(found.spreads(), key=lambda spread: -spread.total)


def _nodes(jobs: Iterable[ReportJob]) -> Iterable[NodeSpread]:
    by_template: defaultdict[str, _Named] = defaultdict(_Named)
    for job in jobs:
        for node in job.nodes:
            by_template[job.template].seconds[node.name].append(node.seconds)
    for template, named in sorted(by_template.items(), key=lambda one: -one[1].total):
        spreads = sorted(named.spreads(), key=lambda spread: -spread.total)
        whole = named.total
        for spread in spreads:
            yield NodeSpread(template, spread, spread.total / whole if whole else 0.0)


def _failures(jobs: Iterable[ReportJob]) -> list[FailureGroup]:
    groups: defaultdict[str, list[ReportJob]] = defaultdict(list)
    for job in jobs:
        if job.ended_badly:
            error = job.row.error
            groups[job.row.state.value if error is None else error.kind].append(job)
    found = [FailureGroup(kind, tuple(mine)) for kind, mine in groups.items()]
    return sorted(found, key=lambda group: (-len(group.jobs), group.kind))


def _bins(jobs: Iterable[ReportJob], axis: Axis) -> Iterable[Bin]:
    if not axis.busy:
        return
    good, bad = Counter[int](), Counter[int]()
    for job in jobs:
        if job.row.ended_at is not None:
            at = min(BINS - 1, int(axis.place(job.row.ended_at) * BINS))
            (good if job.good else bad)[at] += 1
    for n in range(BINS):
        yield Bin(n / BINS, (n + 1) / BINS, good[n], bad[n])


def as_json(report: Report) -> Mapping[str, JsonValue]:
    """The figures, for a script."""
    return {
        "environment": report.environment,
        "made_at": report.made_at.isoformat(timespec="seconds"),
        "jobs": len(report.jobs),
        "succeeded": report.good,
        "failed": report.bad,
        "unfinished": report.unfinished,
        "sent_again": report.sent_again,
        "busy_seconds": round(report.axis.seconds, 3),
        "per_hour": None if report.per_hour is None else round(report.per_hour, 2),
        "instances": [
            {
                "name": lane.instance,
                "attempts": len(lane.bars),
                "busy": round(lane.busy, 4),
                "swaps": lane.swaps,
            }
            for lane in report.lanes
        ],
        "templates": [_spread_json(spread) for spread in report.templates],
        "nodes": [
            {
                "template": node.template,
                **_spread_json(node.spread),
                "share": round(node.share, 4),
            }
            for node in report.nodes
        ],
        "failures": [
            {"class": group.kind, "jobs": [job.row.job_id for job in group.jobs]}
            for group in report.failures
        ],
    }


def _spread_json(spread: Spread) -> dict[str, JsonValue]:
    return {
        "name": spread.name,
        "count": spread.count,
        "median_s": round(spread.quantile(0.5), 3),
        "p95_s": round(spread.quantile(0.95), 3),
        "total_s": round(spread.total, 3),
    }


def span_of(report: Report) -> tuple[datetime, timedelta] | None:
    """When the first attempt was taken, and how long it went from there."""
    busy = report.axis.busy
    if not busy:
        return None
    return busy[0].begin, busy[-1].end - busy[0].begin
