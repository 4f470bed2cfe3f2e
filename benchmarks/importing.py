"""Importing the package, beside importing what it cannot do without.

Both are compiled, as after an installation: the first import of each is not measured.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from statistics import median

NEEDED = "requests, pydantic, jinja2, sqlalchemy, websocket"


def measure(runs: int) -> list[tuple[str, ...]]:
    """Rows of the table; both are imported in turn, in new processes."""
    ours, theirs = [], []
    _seconds(NEEDED), _seconds("comfyclient")
    for _ in range(runs):
        theirs.append(_seconds(NEEDED))
        ours.append(_seconds("comfyclient"))
    ratio = median(ours) / median(theirs)
    return [("import", f"{ratio:.2f} × {NEEDED}", "≤ 1.5")]


def _seconds(names: str) -> float:
    """CPU time: what else the machine does counts less there."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", f"import {names}"], check=True, env=kept)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
