"""How long a soak goes on, and the seed of each of its rounds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count

from comfyclient.timing import Deadline

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
"""A round is begun in each scenario as long as so many seconds are not over."""
FIRST = int(os.environ.get("SOAK_SEED", "1000"))


def seeds() -> Iterator[int]:
    """One seed after the other, at least one, until the time is over."""
    deadline = Deadline(SOAK_SECONDS)
    for seed in count(FIRST):
        yield seed
        if deadline.passed():
            return
