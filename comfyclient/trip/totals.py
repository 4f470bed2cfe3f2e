"""Totals of a published trip that do not tell how far its ends were cut. Pure.

The whole length less the visible line would give the driven length of what is hidden,
roughly for one trip and exactly for the average of many. So what is hidden is taken out
of every total, and each cut end counts as a straight way to the middle of its zone,
which is the same for all homes of a grid cell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .facts import Days, Drive
from .geography import distance_m
from .privacy import Zone
from .tracks import Track

END_KMH = 30.0
"""Speed at which a cut end counts as driven."""
SPARSE_M = 1000.0
"""Between points farther apart than this, the recorded speed counts instead."""


@dataclass(frozen=True, slots=True)
class Shift:
    """What to add to the distance and the duration of each day."""

    metres: Mapping[int, float] = field(default_factory=dict)
    seconds: Mapping[int, float] = field(default_factory=dict)

    def distance(self, metres: float | None, *, day: int | None = None) -> float | None:
        """A distance in whole kilometres, given in metres; of a day, or of all."""
        if metres is None:
            return None
        moved = metres + _of(self.metres, day)
        return float(max(0, round(moved / 1000)) * 1000)

    def duration(
        self, seconds: float | None, *, day: int | None = None
    ) -> float | None:
        """A duration in whole minutes, given in seconds; of a day, or of all."""
        if seconds is None:
            return None
        moved = seconds + _of(self.seconds, day)
        return float(max(0, round(moved / 60)) * 60)


def shift_of(
    track: Track,
    drive: Drive,
    *,
    hidden: Sequence[bool],
    zones: Sequence[Zone],
    days: Days,
) -> Shift:
    """Take the hidden stretches out, and count each cut end by its zone."""
    if all(hidden):  # no line is published that a total could be compared with
        return Shift()
    metres: dict[int, float] = defaultdict(float)
    seconds: dict[int, float] = defaultdict(float)
    for index, step in enumerate(drive.steps):
        if not (hidden[index] or hidden[index + 1]):
            continue
        end = _end_m(track, index, hidden=hidden, zones=zones)
        day = days.number(track.times[index]) if track.times is not None else 1
        metres[day] += end - step
        if drive.seconds is not None:
            spent = drive.seconds[index]
            pace = spent / step if step > SPARSE_M else 3.6 / END_KMH
            seconds[day] += end * pace - spent
    return Shift(metres, seconds)


def _end_m(
    track: Track, index: int, *, hidden: Sequence[bool], zones: Sequence[Zone]
) -> float:
    """From the visible end of a step to the middle of the other's zone; 0 if inside."""
    if hidden[index] == hidden[index + 1]:
        return 0.0
    inner, outer = (index, index + 1) if hidden[index] else (index + 1, index)
    home, seen = track.positions[inner], track.positions[outer]
    return next(distance_m(seen, zone.centre) for zone in zones if zone.holds(home))


def _of(shifts: Mapping[int, float], day: int | None) -> float:
    return sum(shifts.values()) if day is None else shifts.get(day, 0.0)
