"""The register of followed jobs: who is woken for what."""

from __future__ import annotations

import threading

from comfyclient.testing.bench import GRAPH
from comfyclient.timing import Clock, Deadline
from comfyclient.transports.base import Ticket
from comfyclient.transports.followed import Followed, Register
from comfyclient.workflow import Workflow

from ...scenes import WaitingClock

WORKFLOW = Workflow.from_graph(GRAPH)


class Patient:
    """A follower with much time."""

    def __init__(self) -> None:
        self.deadline = Deadline(999)


def followed(clock: Clock, prompt_id: str) -> Followed:
    """A job that begins to be followed."""
    ticket = Ticket("n", prompt_id, prompt_id, "c")
    return Followed(ticket, WORKFLOW, Patient(), since=clock.monotonic(), due=0.0)


def test_a_next_job_that_is_heard_wakes_nobody() -> None:
    """The first one wakes the thread; it is up in time for those that come soon."""
    clock = WaitingClock()
    register = Register(clock, hears=lambda client_id: True)
    thread = threading.Thread(target=register.take, daemon=True)
    thread.start()
    clock.await_waits(1)
    for prompt_id in "ab":
        register.put(followed(clock, prompt_id))
        clock.await_waits(2)
        register.pop(prompt_id)
    for number in range(20):
        one = followed(clock, str(number))
        register.put(one)
        assert register.next_early(one) is None
        threading.Event().wait(0.005)  # whoever was woken has a turn
        register.pop(str(number))
    assert clock.waits == 2
    register.close()
    thread.join(20)


def test_a_job_that_is_not_heard_is_looked_for_at_once() -> None:
    """Without a websocket it is due in a moment: that is not slept through."""
    clock = WaitingClock()
    register = Register(clock, hears=lambda client_id: False)
    found: list[list[Followed] | None] = []
    thread = threading.Thread(target=lambda: found.append(register.take()), daemon=True)
    thread.start()
    clock.await_waits(1)
    one = followed(clock, "a")
    register.put(one)
    thread.join(20)
    assert found == [[one]]
    register.close()
