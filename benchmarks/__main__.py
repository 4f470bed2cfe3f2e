"""Every benchmark, one table: python -m benchmarks [--runs 5] [--only sequential …].

Figures are medians of the runs. Compare the ratios, which are of one run: seconds are
those of the machine and of what else it does.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from . import importing, in_flight, many, mixed, rendering, sequential

NAMES = ("sequential", "many", "mixed", "in-flight", "rendering", "importing")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument("--comfyui-url", help="A real ComfyUI that has BenchWork.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measures = {
            "sequential": lambda: sequential.measure(
                folder, given.runs, given.comfyui_url
            ),
            "many": lambda: many.measure(folder, given.runs),
            "mixed": lambda: mixed.measure(folder, given.runs),
            "in-flight": lambda: in_flight.measure(given.runs),
            "rendering": lambda: rendering.measure(folder, given.runs),
            "importing": lambda: importing.measure(given.runs),
        }
        print("| what | measured | wanted |\n|---|---|---|")
        for each in given.only:
            for row in measures[each]():
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
