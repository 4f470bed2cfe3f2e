"""The most memory that this process ever held.

`getrusage` would tell of the parent's too: a process begins with its parent's peak.
"""

from __future__ import annotations

from pathlib import Path


def peak_mb() -> float:
    """Of the resident set, as the kernel counts it for this program alone."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
