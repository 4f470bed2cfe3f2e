"""Looking at what threads do must not stop them."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from comfyclient.testing.threads import Stillness

from ...nursery import Nursery

GARBAGE = """
import gc, threading, time
from comfyclient.testing.threads import stacks

class Circle:
    def __init__(self):
        self.me = self
    def __del__(self):
        time.sleep(0)  # another thread runs

def deep(calls):
    deep(calls - 1) if calls else threading.Event().wait(0.0005)

def work():
    while not over.is_set():
        thread = threading.Thread(target=deep, args=[30])
        thread.start()
        Circle()
        thread.join()

over = threading.Event()
workers = [threading.Thread(target=work, name="comfyclient-w") for _ in range(4)]
for worker in workers:
    worker.start()
gc.set_threshold(5)
for _ in range(300):
    stacks()
    Circle()
over.set()
for worker in workers:
    worker.join()
print(gc.isenabled())
"""


def test_garbage_is_collected_at_another_time(nursery: Nursery) -> None:
    """A look while threads come and go, and leave garbage, does not hang."""
    done = nursery.run("-c", GARBAGE, timeout=30)
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="nobody else tells")
def test_who_was_woken_is_seen() -> None:
    """A thread that has a core, or wants one, is no thread that waits."""
    over = threading.Event()
    with (
        closing(Stillness()) as stillness,
        ThreadPoolExecutor(2, "comfyclient-") as pool,
    ):
        pool.submit(over.wait)
        assert _comes_true(lambda: not stillness.stirred())
        computed = pool.submit(_compute_until, over)
        assert _comes_true(stillness.stirred)
        over.set()
        computed.result()
        assert _comes_true(lambda: not stillness.stirred())


def _compute_until(over: threading.Event) -> None:
    """Compute outside the interpreter, which other threads have meanwhile."""
    while not over.is_set():
        hashlib.pbkdf2_hmac("sha256", b"", b"", 50_000)


def _comes_true(fact: Callable[[], bool]) -> bool:
    """Whether it is so at some moment of the next seconds."""
    end, pause = time.monotonic() + 5, threading.Event()
    while not fact():
        if time.monotonic() > end:
            return False
        pause.wait(0.001)
    return True
