"""How often a server is asked where jobs are. Pure."""

from __future__ import annotations

import random

FEW = 2
"""Jobs that are asked for one by one; more are found with one look at the queue."""
RARELY, AT_MOST = 2.0, 10.0
"""Seconds between looks while the websocket tells of the job: at first, and later."""
OFTEN, AT_LEAST = 0.1, 2.0
"""The same where it does not."""
SCATTER = 0.8, 1.2
"""Of each of these, so that clients do not ask in step."""
SOONEST = RARELY * min(SCATTER)
"""Seconds for which a job that the websocket tells of is not looked for."""
GATHER = 0.5
"""Seconds at least between looks at the queue for many jobs, whatever hurries."""
AFFORDED = 4e6
"""Bytes of queue read in a second: it carries the graph of every job that waits."""


def interval(*, age: float, heard: bool) -> float:
    """Seconds until the next look for a job that is followed for so long."""
    low, high = (RARELY, AT_MOST) if heard else (OFTEN, AT_LEAST)
    return min(max(age * 0.1, low), high) * random.uniform(*SCATTER)


def rest(*, followed: int, cost: int) -> float:
    """Seconds that a server is left alone after a look that cost so many bytes."""
    gathering = GATHER if followed > FEW else 0.0
    return max(gathering, cost / AFFORDED)
