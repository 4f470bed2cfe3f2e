"""Jobs at servers at once: threads, memory, and whether any is lost.

python -m benchmarks.in_flight JOBS URL …   (what the benchmark runs, in a process)
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from comfyclient import Order

from .fleet import client_of, is_right, servers, work
from .memory import peak_mb

SERVERS = 4
HELD_S = 0.012
"""Seconds of each server's first job, for each job: behind it, the others gather."""

GONE_S = 30.0
"""As it is where nothing is configured: two cores that are asked for all of this may
leave a server unheard for seconds."""


def measure(jobs: int, runs: int) -> list[tuple[str, ...]]:
    """Rows of the table."""
    told = [_run(jobs) for _ in range(runs)]
    threads, lost = (max(one[what] for one in told) for what in ("threads", "lost"))
    memory, at_once, seconds = (
        median(one[what] for one in told) for what in ("rss_mb", "at_once", "seconds")
    )
    return [
        (f"{jobs:,} jobs in flight, threads", f"{threads}", f"≤ {SERVERS + 12}"),
        ("… memory", f"{memory:.0f} MB", "< 150 MB" if jobs <= 1000 else ""),
        ("… at once, at most", f"{at_once:,.0f}", f"{jobs:,}"),
        ("… lost or wrong", f"{lost}", "0"),
        (f"… {HELD_S * jobs:.0f} s held; until all were home", f"{seconds:.0f} s", ""),
    ]


def _run(jobs: int) -> dict[str, float]:
    with servers(*[1.0] * SERVERS) as started:
        urls = [server.url for server in started]
        command = [sys.executable, "-m", "benchmarks.in_flight", str(jobs), *urls]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(jobs: int, urls: list[str]) -> None:
    """Send them all, and tell what that took."""
    threads = at_once = 0
    orders = [
        Order(work(work_s=HELD_S * jobs if number < len(urls) else 0.0))
        for number in range(jobs)
    ]
    right = 0
    begun = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        client_of(
            urls, Path(folder), window=jobs // len(urls), gone_after_s=GONE_S
        ) as client,
    ):
        batch = client.map(None, orders, lookahead=jobs)
        over = threading.Event()

        def look() -> None:
            nonlocal threads, at_once
            while not over.wait(0.05):
                threads = max(threads, threading.active_count() - 1)  # but this one
                at_once = max(at_once, batch.tally.sent)

        looker = threading.Thread(target=look)
        looker.start()
        for outcome in batch:
            right += is_right(orders[outcome.index].what, outcome.result)  # type: ignore[arg-type]
        over.set()
        looker.join()
    told = {
        "threads": threads,
        "rss_mb": peak_mb(),
        "at_once": at_once,
        "lost": jobs - right,
        "seconds": time.perf_counter() - begun,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
