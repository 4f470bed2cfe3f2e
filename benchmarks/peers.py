"""The same trivial job through other clients, each in an environment of its own.

Nothing is installed unless it is asked for: `python -m benchmarks --peers`. What is
installed then stays in the user's cache, outside of the project's environment.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from comfyclient import Workflow

from .fleet import client_of, servers
from .sequential import RawLoop

ROOT = Path(__file__).parents[1]
JOBS, WARM = 60, 3
INSTALL_S = 300
PEERS = {
    "sdk": ("comfy-sdk==0.5.0", "comfy-api-proxy==0.1.6"),
    "toolkit": ("comfy-toolkit[ws]==0.1.0",),
    "kit": ("comfykit==0.1.12",),
    "simplified": ("comfy-api-simplified==1.6.0",),
    "headless": ("comfy-headless==3.1.1",),
}
"""Runner, and what its environment holds."""

Turn = Callable[[Workflow], dict[str, Any]]


@dataclass(slots=True)
class Tally:
    """What one client took, and how often it was wrong."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def take(self, answer: dict[str, Any], prefix: str) -> None:
        """Count one job: right is the one file that this job made."""
        self.seconds.append(answer["seconds"])
        names = answer["files"]
        if answer["error"] is not None:
            self.errors.append(answer["error"])
        elif len(names) != 1 or not names[0].startswith(prefix):
            self.errors.append(f"answered {names}")

    def __str__(self) -> str:
        ordered = sorted(self.seconds)
        p95 = ordered[int(len(ordered) * 0.95)]
        told = f"median {median(ordered) * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms"
        first = f" (first: {self.errors[0][:90]})" if self.errors else ""
        return f"{told}, {len(self.errors)} of {len(ordered)} wrong{first}"


def measure(folder: Path) -> list[tuple[str, ...]]:
    """Rows of the table; all are asked in turn, so that load hits all."""
    rows: list[tuple[str, ...]] = []
    with ExitStack() as stack:
        url = stack.enter_context(servers(1.0))[0].url
        clients = {"raw loop": _raw(url), "comfyclient": _ours(stack, url, folder)}
        for runner, needs in PEERS.items():
            name = " + ".join(needs).replace("==", " ")
            try:
                python = environment(needs)
            except (OSError, subprocess.SubprocessError) as error:
                rows.append((f"one job: {name}", f"skipped: {_reason(error)}", ""))
            else:
                clients[name] = stack.enter_context(_running(python, runner, url))
        tallies = _taken_in_turn(clients)
    return [(f"one job: {name}", str(one), "") for name, one in tallies.items()] + rows


def environment(needs: tuple[str, ...]) -> Path:
    """The interpreter of an environment that holds these; made where it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "comfyclient-benchmarks" / "_".join(needs)
    python, ready = folder / "bin" / "python", folder / ".ready"
    if not ready.exists():
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *needs]
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=INSTALL_S
        )
        ready.touch()
    return python


def _reason(error: Exception) -> str:
    told = str(getattr(error, "stderr", None) or error).strip().splitlines()
    wrong = [line for line in told if line.startswith("ERROR")] or told
    return wrong[-1][:120].replace("|", "/")


def _taken_in_turn(clients: dict[str, Turn]) -> dict[str, Tally]:
    tallies = {name: Tally() for name in clients}
    for number in range(WARM + JOBS):
        for name, turn in clients.items():
            prefix, workflow = _job()
            answer = turn(workflow)
            if number >= WARM:
                tallies[name].take(answer, prefix)
    return tallies


def _job() -> tuple[str, Workflow]:
    """A picture of one colour, which nobody asked for before."""
    prefix = f"p{random.getrandbits(48):012x}"
    size = {"width": 64, "height": 64, "batch_size": 1}
    graph = {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {**size, "color": random.getrandbits(24)},
            "_meta": {"title": "Empty Image"},
        },
        "2": {
            "class_type": "SaveImage",
            "inputs": {"images": ["1", 0], "filename_prefix": prefix},
            "_meta": {"title": "Save Image"},
        },
    }
    return prefix, Workflow.from_graph(graph)


def _timed(run: Callable[[Workflow], list[str]]) -> Turn:
    def turn(workflow: Workflow) -> dict[str, Any]:
        begun = time.perf_counter()
        files = run(workflow)
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "files": files, "error": None}

    return turn


def _raw(url: str) -> Turn:
    loop = RawLoop(url)
    return _timed(lambda job: [i["filename"] for i in loop.outputs(job)["2"]["images"]])


def _ours(stack: ExitStack, url: str, folder: Path) -> Turn:
    client = stack.enter_context(client_of([url], folder))
    return _timed(lambda job: [o.filename for o in client.run(job).outputs])


@contextmanager
def _running(python: Path, runner: str, url: str) -> Iterator[Turn]:
    """A runner in its own environment, which answers one graph after the other."""
    reading, writing = os.pipe()
    command = [str(python), "-m", f"benchmarks.runners.{runner}", url, str(writing)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        pass_fds=[writing],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    os.close(writing)
    asked = process.stdin
    assert asked is not None
    with os.fdopen(reading) as told:

        def turn(workflow: Workflow) -> dict[str, Any]:
            print(json.dumps(dict(workflow.graph)), file=asked, flush=True)
            line = told.readline()
            if not line:
                sys.exit(f"the runner {runner} ended: {' '.join(command)}")
            answer: dict[str, Any] = json.loads(line)
            return answer

        try:
            yield turn
        finally:
            asked.close()
            process.wait(30)
