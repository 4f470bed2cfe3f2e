"""Looking at what threads do must not stop them."""

from __future__ import annotations

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
