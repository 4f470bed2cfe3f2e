"""Three templates in no order on four servers, where loading costs ten jobs."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from comfyclient import Order, Workflow
from tests.unit.jobs.playing import shortest

from .fleet import client_of, servers, warmed, work

JOBS, SERVERS = 240, 4
WORK_S, LOAD_S = 0.1, 1.0
"""Long enough that servers sleep most of the time: four of them and a client share
the machine's cores."""
DEALT_RUNS = 1
"""Of those two, up to a minute each; they run side by side, as they sleep too."""


def measure(folder: Path, runs: int) -> list[tuple[str, ...]]:
    """Rows of the table."""
    best = shortest([JOBS // 3] * 3, servers=SERVERS, load_s=LOAD_S / WORK_S) * WORK_S
    ours = [_ours(folder, seed) for seed in range(runs)]
    mine = median(ours)
    dealt, thrown = [], []
    for seed in range(min(runs, DEALT_RUNS)):
        with ThreadPoolExecutor() as pool:
            other = pool.submit(_dealt, folder, seed, by_chance=True)
            dealt.append(_dealt(folder, seed, by_chance=False))
            thrown.append(other.result())
    told = f"{mine / best:.2f} × optimum (worst {max(ours) / best:.2f})"
    return [
        (f"mixed templates, {JOBS} jobs", told, "≤ 1.15"),
        ("… throughput of round robin", f"{median(dealt) / mine:.1f} × its", "≥ 2"),
        ("… throughput of random", f"{median(thrown) / mine:.1f} × its", "≥ 2"),
    ]


def _jobs(seed: int) -> list[Workflow]:
    kinds = [f"model-{number % 3}.safetensors" for number in range(JOBS)]
    random.Random(seed).shuffle(kinds)
    return [work(model=model, work_s=WORK_S, load_s=LOAD_S) for model in kinds]


def _ours(folder: Path, seed: int) -> float:
    with servers(*[1.0] * SERVERS) as started:
        urls = [server.url for server in started]
        with warmed(client_of(urls, folder), SERVERS) as client:
            begun = time.perf_counter()
            outcomes = list(client.map(None, map(Order, _jobs(seed)), lookahead=JOBS))
            assert all(outcome.ok for outcome in outcomes)
            return time.perf_counter() - begun


def _dealt(folder: Path, seed: int, *, by_chance: bool) -> float:
    """Each job goes to the next server, or to any one, whatever it has loaded."""
    chance = random.Random(seed)
    with servers(*[1.0] * SERVERS) as started:
        clients = [
            warmed(client_of([server.url], folder, window=JOBS), 1)
            for server in started
        ]
        begun = time.perf_counter()
        jobs = [
            clients[chance.randrange(SERVERS) if by_chance else n % SERVERS].submit(one)
            for n, one in enumerate(_jobs(seed))
        ]
        for job in jobs:
            job.result()
        seconds = time.perf_counter() - begun
        for client in clients:
            client.close()
    return seconds
