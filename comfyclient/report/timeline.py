"""An axis of time that skips the hours in which nothing was done. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from ..timing import Span

BREAK = 0.02
"""The share of the axis that a skipped pause takes."""
_SHORTEST_PAUSE = timedelta(seconds=60)
_PAUSE_SHARE = 0.10
"""A pause is skipped when it is longer than this share of all the busy time."""
_STEPS_S = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
)  # fmt: skip
_TICKS = 10


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis."""

    at: float
    """0..1."""
    moment: datetime
    day: bool
    """Whether its day is another than the mark's before."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch without any job, drawn short."""

    at: float
    """0..1, its middle."""
    span: Span


class Axis:
    """Maps moments to 0..1, and long pauses to a narrow gap."""

    def __init__(self, busy: Iterable[Span]) -> None:
        self.busy = _merged(busy)
        """Stretches with jobs, in order; pauses lie between them."""
        gaps = max(0, len(self.busy) - 1)
        self.seconds = sum(span.seconds for span in self.busy)
        drawn = 1.0 - gaps * min(BREAK, 0.5 / max(1, gaps))
        self._gap = (1.0 - drawn) / gaps if gaps else 0.0
        self._scale = drawn / self.seconds if self.seconds > 0 else 0.0

    def place(self, moment: datetime) -> float:
        """Where a moment lies, 0..1; in a pause, at its edge."""
        at = 0.0
        for span in self.busy:
            if moment <= span.begin:
                return at
            if moment <= span.end:
                return at + Span(span.begin, moment).seconds * self._scale
            at += span.seconds * self._scale + self._gap
        return 1.0

    def pauses(self) -> list[Pause]:
        """What is skipped."""
        return [
            Pause(self.place(before.end) + self._gap / 2, Span(before.end, after.begin))
            for before, after in pairwise(self.busy)
        ]

    def ticks(self) -> list[Tick]:
        """Round times, about ten."""
        step = next((s for s in _STEPS_S if self.seconds / s <= _TICKS), _STEPS_S[-1])
        found: list[Tick] = []
        for span in self.busy:
            for moment in _round_times(span, step):
                local = moment.astimezone()
                day = not found or local.date() != found[-1].moment.date()
                found.append(Tick(self.place(moment), local, day))
        return found


def covered_seconds(spans: Iterable[Span]) -> float:
    """How much time lies in at least one of the spans."""
    ordered = sorted(spans, key=lambda span: span.begin)
    return sum(span.seconds for span in _joined(ordered, timedelta()))


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The spans as stretches between which a pause is worth skipping."""
    stretches = _joined(sorted(spans, key=lambda span: span.begin), timedelta())
    busy = sum(span.seconds for span in stretches)
    longest = max(_SHORTEST_PAUSE, timedelta(seconds=busy * _PAUSE_SHARE))
    return _joined(stretches, longest)


def _joined(ordered: Sequence[Span], pause: timedelta) -> list[Span]:
    joined: list[Span] = []
    for span in ordered:
        if joined and span.begin - joined[-1].end <= pause:
            joined[-1] = Span(joined[-1].begin, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def _round_times(span: Span, step: float) -> list[datetime]:
    """Multiples of the step since the local midnight before, within the span."""
    local = span.begin.astimezone()
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    first = -(-(local - midnight).total_seconds() // step)
    times = [midnight + timedelta(seconds=first * step)]
    while times[-1] <= span.end:
        times.append(times[-1] + timedelta(seconds=step))
    return times[:-1]
