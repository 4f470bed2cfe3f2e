"""A thousand jobs at servers at once: threads, memory, and whether any is lost.

python -m benchmarks.in_flight URL …   (what the benchmark runs, in a process)
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from statistics import median

from comfyclient import Order

from .fleet import client_of, is_right, servers, work

JOBS, SERVERS = 1000, 4
HELD_S = 12.0
"""Seconds of each server's first job: behind it, the others gather."""


def measure(runs: int) -> list[tuple[str, ...]]:
    """Rows of the table."""
    told = [_run() for _ in range(runs)]
    most = SERVERS + 12
    return [
        (
            f"{JOBS} jobs in flight, threads",
            f"{max(one['threads'] for one in told)}",
            f"≤ {most}",
        ),
        (
            "… memory",
            f"{median(one['rss_mb'] for one in told):.0f} MB",
            "< 150 MB",
        ),
        (
            "… at once, at most",
            f"{median(one['at_once'] for one in told):.0f}",
            f"{JOBS}",
        ),
        ("… lost or wrong", f"{max(one['lost'] for one in told)}", "0"),
    ]


def _run() -> dict[str, float]:
    with servers(*[1.0] * SERVERS) as started:
        urls = [server.url for server in started]
        command = [sys.executable, "-m", "benchmarks.in_flight", *urls]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(urls: list[str]) -> None:
    """Send them all, and tell what that took."""
    threads = at_once = 0
    orders = [
        Order(work(work_s=HELD_S if number < len(urls) else 0.0))
        for number in range(JOBS)
    ]
    right = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        client_of(urls, Path(folder), window=JOBS // len(urls)) as client,
    ):
        batch = client.map(None, orders, lookahead=JOBS)
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
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    told = {
        "threads": threads,
        "rss_mb": int(peak.split()[1]) / 1024,
        "at_once": at_once,
        "lost": JOBS - right,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
