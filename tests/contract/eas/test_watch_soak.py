"""The watch of the results, for long, on connections that break again and again."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyclient.testing import FaultProxy
from comfyclient.timing import Deadline

from .queueing import Queueing

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "60"))
SOAK_SEED = int(os.environ.get("SOAK_SEED", "1000"))


def rounds(folder: Path, *, seconds: float, seed: int) -> int:
    """Jobs through connections that are cut anywhere; how many ended."""
    chance = random.Random(seed)
    queueing = Queueing(folder, "watch", workers=2)
    deadline = Deadline(seconds)
    done = 0
    try:
        with FaultProxy(queueing.gateway.url) as proxy:
            breaking = threading.Event()
            breaker = threading.Thread(
                target=_break, args=(proxy, queueing, chance, breaking), name="breaker"
            )
            breaker.start()
            transport = queueing.transport(proxy.url, window=3)
            while not deadline.passed():
                sent = [queueing.send(transport) for _ in range(8)]
                for course, _ in sent:
                    verdict = course.await_end(Deadline(60))
                    assert verdict.error is None, (seed, verdict.error)
                done += len(sent)
            breaking.set()
            breaker.join()
            proxy.behave()
        assert sorted(queueing.ends.values()) == [1] * done
    finally:
        queueing.close()
    return done


def _break(
    proxy: FaultProxy,
    queueing: Queueing,
    chance: random.Random,
    breaking: threading.Event,
) -> None:
    """Cut websockets at any byte, and end them on either side."""
    while not breaking.wait(chance.uniform(0.0, 0.05)):
        match chance.randrange(4):
            case 0:
                proxy.cut_now(websockets_only=True, resets=chance.random() < 0.5)
            case 1:
                queueing.gateway.cut_watchers(resets=chance.random() < 0.5)
            case 2:
                queueing.gateway.on_watch = _cut_short(chance.randrange(40))
            case _:
                queueing.gateway.on_watch = bytes


def _cut_short(count: int):
    return lambda message: message[:count]


def test_a_watch_that_breaks(tmp_path: Path) -> None:
    """For a second: every job ends once."""
    assert rounds(tmp_path, seconds=1, seed=7) > 0


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_a_watch_that_breaks_for_long(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """For SOAK_SECONDS."""
    done = rounds(tmp_path, seconds=SOAK_SECONDS, seed=SOAK_SEED)
    record_property("jobs", done)
