"""Importing the package, beside importing what it cannot do without; and what follows.

All are compiled, as after an installation: the first run of each is not measured.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from statistics import median
from tempfile import TemporaryDirectory

NEEDED = "requests, pydantic, jinja2, sqlalchemy, websocket"
CONNECTED = """
from comfyclient import Client, Settings
here = {"name": "here", "url": "http://127.0.0.1:9"}
away = {"instances": [here], "ledger": "sqlite:///jobs.db"}
settings = Settings(environments={"away": away})
with Client(settings, environment="away") as client:
    client.instances
"""
EMBEDDED = """
from comfyclient import Client, Settings
engine = {"transport": "embedded", "ledger": "sqlite:///jobs.db"}
with Client(Settings(environments={"local": engine})) as client:
    client.instances
"""
PROGRAMS = {
    "needed": f"import {NEEDED}",
    "import": "from comfyclient import Client",
    "connected": CONNECTED,
    "embedded": EMBEDDED,
}


def measure(runs: int) -> list[tuple[str, ...]]:
    """Rows of the table; each program is run in turn, in new processes."""
    for program in PROGRAMS.values():
        _seconds(program)
    taken: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(runs):
        for name, program in PROGRAMS.items():
            taken[name].append(_seconds(program))
    needed = median(taken["needed"])
    times = {name: f"{median(took) / needed:.2f} ×" for name, took in taken.items()}
    return [
        ("import", f"{times['import']} {NEEDED}", "≤ 1.5"),
        ("… with a client that opened its ledger", times["connected"], ""),
        ("… and started the embedded engine", times["embedded"], ""),
    ]


def _seconds(program: str) -> float:
    """CPU time: what else the machine does counts less there."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", program]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with TemporaryDirectory() as folder:
        subprocess.run(command, check=True, env=kept, cwd=folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
