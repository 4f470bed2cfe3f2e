"""When a life is to be killed: drawn from a seed, spread over all that it does."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from comfyclient.testing.scripted import ScriptedServer

from .lives import Lives

STEPS_TO_BEGIN = 8
"""What a life does before it gets to its jobs."""
STEPS_OF_A_JOB = 13
STEPS_OF_A_REQUEST = 5
SECONDS_OF_A_STEP = 0.002


@dataclass(frozen=True, slots=True)
class AtStep:
    """By its own hand, before its n-th request, commit or change to a file."""

    steps: int


@dataclass(frozen=True, slots=True)
class AfterRequest:
    """When the server has seen so many requests, and may have acted on the last."""

    requests: int


@dataclass(frozen=True, slots=True)
class AfterSeconds:
    """So long after its birth."""

    seconds: float


Moment = AtStep | AfterRequest | AfterSeconds


def drawn(chance: random.Random, *, steps: float, seen: bool) -> Moment:
    """A moment, on average so many steps from a life's first job on.

    `seen` where its requests can be counted.
    """
    span = 1 + int(2 * steps) + STEPS_TO_BEGIN
    match chance.choice("ssssrrrt" if seen else "ssssst"):
        case "s":
            return AtStep(chance.randint(1, span))
        case "r":
            return AfterRequest(chance.randint(1, 2 + span // STEPS_OF_A_REQUEST))
        case _:
            return AfterSeconds(chance.uniform(0, span * SECONDS_OF_A_STEP))


def fuse_of(moment: Moment | None) -> int | None:
    """What the life has to be told at its birth."""
    return moment.steps if isinstance(moment, AtStep) else None


def bring_about(
    moment: Moment, lives: Lives, server: ScriptedServer | None, *, seen: int
) -> None:
    """Kill the life when its moment has come, unless it ends before."""
    match moment:
        case AfterSeconds(seconds=seconds):
            threading.Event().wait(seconds)
        case AfterRequest(requests=requests):
            assert server is not None, "only a scripted server's requests are counted"
            _await_requests(server, seen + requests, lives)
        case AtStep():
            return
    lives.kill()


def _await_requests(server: ScriptedServer, count: int, lives: Lives) -> None:
    condition = server.stage.condition
    with condition:
        while len(server.requests) < count and not lives.over:
            condition.wait(0.01)
