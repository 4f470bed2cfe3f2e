"""Twenty jobs of 0.3 s on two servers: equal, one slow, one lost."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from statistics import median

from comfyclient import Order

from .fleet import client_of, is_right, servers, warmed, work

JOBS, WORK_S = 20, 0.3
SLOW = 3.0


def measure(folder: Path, runs: int) -> list[tuple[str, ...]]:
    """Rows of the table."""
    equal = [_run(folder, 1.0, 1.0)[0] for _ in range(runs)]
    slow = [_run(folder, 1.0, SLOW)[0] for _ in range(runs)]
    lost = [_run(folder, 1.0, 1.0, lose=True)[1] for _ in range(runs)]
    ideal, best = JOBS * WORK_S / 2, _optimum()
    return [
        ("20 × 0.3 s on 2 servers", f"{median(equal) / ideal:.2f} × ideal", "≤ 1.05"),
        ("… one of them 3 × slower", f"{median(slow) / best:.2f} × optimum", "≤ 1.10"),
        ("… one lost after 1 s", f"{min(lost)} of {JOBS} right", "20 of 20"),
    ]


def _run(folder: Path, *slowness: float, lose: bool = False) -> tuple[float, int]:
    """Seconds until all are done, and how many answers are right."""
    with servers(*slowness) as started:
        urls = [server.url for server in started]
        with warmed(client_of(urls, folder), len(urls)) as client:
            timer = threading.Timer(1.0, started[1].kill)
            if lose:
                timer.start()
            orders = [Order(work(work_s=WORK_S)) for _ in range(JOBS)]
            begun = time.perf_counter()
            outcomes = list(client.map(None, orders))
            seconds = time.perf_counter() - begun
            timer.cancel()
    right = [is_right(orders[one.index].what, one.result) for one in outcomes]  # type: ignore[arg-type]
    return seconds, sum(right)


def _optimum() -> float:
    """The least time with one server slower: each way to divide the jobs."""
    return min(
        max(fast * WORK_S, (JOBS - fast) * WORK_S * SLOW) for fast in range(JOBS + 1)
    )
