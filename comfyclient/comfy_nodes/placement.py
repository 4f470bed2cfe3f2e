"""Places labels around their marks, so that none covers another. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .colour import Floats
from .geometry import Frame


@dataclass(frozen=True)
class Request:
    """A label that wants a place: the more important ones come first."""

    x: float
    y: float
    width: float
    height: float
    reach: float
    """How far the label stays off its mark's middle."""


@dataclass(frozen=True)
class Placed:
    """Where a label went, and whether a line must lead to it."""

    box: Frame
    led: bool


class Ink:
    """How much of any rectangle is already drawn on, in constant time."""

    def __init__(self, coverage: Floats) -> None:
        padded = np.pad(coverage, ((1, 0), (1, 0)))
        self._sums = padded.cumsum(0, dtype=np.float64).cumsum(1)

    def within(self, box: Frame) -> float:
        """The drawn area in a rectangle, in pixels."""
        rows, columns = self._sums.shape
        x0, x1 = (min(max(int(x), 0), columns - 1) for x in (box.left, box.right))
        y0, y1 = (min(max(int(y), 0), rows - 1) for y in (box.top, box.bottom))
        sums = self._sums
        return float(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0])


# Angle in degrees (0 = right, 90 = up) and how much worse than the best it is.
_AROUND = (
    (0, 0.0),
    (180, 0.5),
    (90, 0.7),
    (270, 0.7),
    (40, 1.0),
    (320, 1.0),
    (140, 1.2),
    (220, 1.2),
)
_RINGS = ((0.0, 0.0), (9.0, 1.6), (30.0, 5.0), (56.0, 7.0), (86.0, 9.0), (122.0, 11.0))
_LED_FROM = 24.0
_FREE = 4.0
"""The gap kept between labels, in pixels."""


def overlap(first: Frame, second: Frame, *, gap: float = 0.0) -> bool:
    """Whether two rectangles come closer than a gap."""
    return (
        first.left < second.right + gap
        and second.left < first.right + gap
        and first.top < second.bottom + gap
        and second.top < first.bottom + gap
    )


def candidates(request: Request) -> list[tuple[float, Placed]]:
    """The places a label could take, each with what it costs by itself."""
    found = []
    for ring, far in _RINGS:
        for angle, worse in _AROUND:
            along, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            away = request.reach + ring
            x = request.x + along * (away + request.width / 2)
            y = request.y - up * (away + request.height / 2)
            box = Frame(
                x - request.width / 2,
                y - request.height / 2,
                x + request.width / 2,
                y + request.height / 2,
            )
            found.append((worse + far, Placed(box, led=ring >= _LED_FROM)))
    return found


def place(
    requests: Sequence[Request],
    *,
    frame: Frame,
    taken: Sequence[Frame],
    ink: Ink,
    rounds: int = 3,
) -> list[Placed | None]:
    """A place for each label, None where there is no room for it.

    No label leaves the frame, covers another label or anything in `taken`; of what is
    left, each takes the place that hides least of the route. After a greedy start the
    labels that cost most try again, `rounds` times.
    """
    options = [_options(each, frame=frame, taken=taken, ink=ink) for each in requests]
    chosen: list[Placed | None] = [None] * len(requests)
    for _ in range(rounds):
        before = list(chosen)
        for i, some in enumerate(options):
            others = [p.box for j, p in enumerate(chosen) if p is not None and j != i]
            chosen[i] = _best(some, others=others)
        if chosen == before:
            break
    return chosen


def _options(
    request: Request, *, frame: Frame, taken: Sequence[Frame], ink: Ink
) -> list[tuple[float, Placed]]:
    found = []
    area = max(request.width * request.height, 1.0)
    for cost, placed in candidates(request):
        box = placed.box
        inside = box.left >= frame.left and box.right <= frame.right
        inside = inside and box.top >= frame.top and box.bottom <= frame.bottom
        if not inside or any(overlap(box, other, gap=1.0) for other in taken):
            continue
        found.append((cost + 60 * ink.within(box) / area, placed))
    return sorted(found, key=lambda option: option[0])


def _best(
    options: Sequence[tuple[float, Placed]], *, others: Sequence[Frame]
) -> Placed | None:
    for _, placed in options:
        if not any(overlap(placed.box, other, gap=_FREE) for other in others):
            return placed
    return None
