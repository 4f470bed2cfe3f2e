"""How the faults of the matrix are played on a scripted server."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from comfyclient.testing import Hold, Reply, Script, ScriptedJob, Sleep, Step, Stop
from comfyclient.testing.play import ServerStep
from comfyclient.testing.turns import Turn, inserted

from .answers import CANCELLING, WATCHING
from .cases import BadAnswer, BadNode, Fault, FullLedger, Mishap, Moment, Tempo
from .mishaps import ACTS, MISHAPS

A_LOOK_S = 3.0
"""Seconds in which a client looks for its job at least once, in either mode."""
CANCELLED_AFTER = 4
"""Messages of a job after which it is cancelled in vain."""
WORK_S = 3.0
"""Seconds that a job takes which is looked for, and written down as running."""
LONG_WORK_S = 15.5
"""Seconds that a job takes which is long enough for a heartbeat, and too short for the
owner's lease to be renewed by other steps."""


class Doorbell(threading.Event):
    """A gate that tells when somebody first stands before it."""

    def __init__(self) -> None:
        super().__init__()
        self.rung = threading.Event()

    def is_set(self) -> bool:
        """Whether it is open."""
        self.rung.set()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is open, or was opened in time."""
        self.rung.set()
        return super().wait(timeout)


@dataclass(frozen=True, slots=True)
class Strikes(Turn):
    """Steps that happen at one moment of the job."""

    steps: tuple[Step, ...]
    moment: Moment
    tempo: Tempo

    def before(self) -> Sequence[ServerStep]:
        """They are the server's, as the POST arrives."""
        if self.moment != "post":
            return ()
        return [step for step in self.steps if isinstance(step, ServerStep)]

    def reply(self) -> Reply:
        """None, where the server or the network goes away meanwhile."""
        gone = [step for step in self.before() if isinstance(step, Stop)]
        if gone:
            return Reply.lost(acts=gone[0].remembers, resets=True)
        return Reply()

    def arranged(self, _job: ScriptedJob, steps: Sequence[Step]) -> Sequence[Step]:
        """They happen after so many messages."""
        if not isinstance(self.moment, int):
            return steps
        pause: tuple[Step, ...] = (Sleep(A_LOOK_S),) if self.tempo == "seen" else ()
        arranged = list(steps)
        for step in reversed((*pause, *self.steps)):
            arranged = inserted(arranged, self.moment, step)
        return arranged


def script_of(fault: Fault, bell: Doorbell) -> Script:
    """What becomes of the jobs that are sent to the first instance."""
    match fault:
        case Mishap(name=name, moment=moment, tempo=tempo) if name in ACTS:
            return Script((Strikes((Hold(bell),), moment, tempo),))
        case Mishap(name=name, moment=moment, tempo=tempo):
            return Script((Strikes(MISHAPS[name].steps, moment, tempo),))
        case BadAnswer(route=route) if route in CANCELLING:
            return Script((Strikes((Hold(bell),), CANCELLED_AFTER, "seen"),))
        case BadAnswer(route=route) if route in WATCHING:
            return Script.slow(WORK_S, steps=3)
        case FullLedger(step="attempt_ended"):
            return Script.restarts_after(5)
        case FullLedger(step="heartbeat"):
            return Script.slow(LONG_WORK_S, steps=3)
        case FullLedger(step="running" | "ended"):
            return Script.slow(WORK_S, steps=3)
        case BadNode(node=node, out_of_memory=True, times=times):
            return Script.out_of_memory_at(node).times(times)
        case BadNode(node=node):
            return Script.fails_at(node)
        case _:
            return _noisy(fault)


def _noisy(fault: Fault) -> Script:
    made = {
        "noise-duplicates": Script.duplicates,
        "noise-reorders": Script.reorders,
        "noise-says_unknown": Script.says_unknown,
        "noise-says_foreign": Script.says_foreign,
    }.get(str(fault), Script.usual)
    return made()
