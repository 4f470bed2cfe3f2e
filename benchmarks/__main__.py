"""Every benchmark, one table: python -m benchmarks [--runs 5] [--only sequential …].

Figures are medians of the runs. Compare the ratios, which are of one run: seconds are
those of the machine and of what else it does. What each row means: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from . import importing, in_flight, many, mixed, peers, rendering, sequential, storage

Row = tuple[str, ...]
NAMES = (
    "sequential", "many", "mixed", "in-flight", "rendering", "storage", "importing"
)  # fmt: skip


def main() -> None:
    """Measure, and print the table."""
    given = _parser().parse_args()
    begun = time.monotonic()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | measured | wanted |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        measures = _measures(given, Path(name))
        asked = [*given.only, *(["peers"] if given.peers else [])]
        for each in asked:
            for row in measures[each]():
                print(f"| {' | '.join(row)} |", flush=True)
    print(f"\n{time.monotonic() - begun:.0f} s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument("--comfyui-url", help="A real ComfyUI that has BenchWork.")
    parser.add_argument(
        "--in-flight", type=int, nargs="+", default=[1000], metavar="JOBS",
        help="How many jobs at once; 1000 10000 for both. More than 1000: one run.",
    )  # fmt: skip
    parser.add_argument(
        "--peers",
        action="store_true",
        help="Other clients too; installs them into the user's cache.",
    )
    return parser


def _measures(
    given: argparse.Namespace, folder: Path
) -> dict[str, Callable[[], list[Row]]]:
    runs: int = given.runs
    return {
        "sequential": lambda: sequential.measure(folder, runs, given.comfyui_url),
        "many": lambda: many.measure(folder, runs),
        "mixed": lambda: mixed.measure(folder, runs),
        "in-flight": lambda: [
            row
            for jobs in given.in_flight
            for row in in_flight.measure(jobs, runs if jobs <= 1000 else 1)
        ],
        "rendering": lambda: rendering.measure(folder, runs),
        "storage": lambda: storage.measure(runs),
        "importing": lambda: importing.measure(runs),
        "peers": lambda: peers.measure(folder),
    }


if __name__ == "__main__":
    main()
