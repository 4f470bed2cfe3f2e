"""The mishaps of the matrix: what each does on the server, and what that means. Pure.

Each names its bearing on a job; `expectations.py` derives the outcome from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from comfyclient.testing import (
    Deafen,
    DropSockets,
    ForgetHistory,
    Hang,
    Interrupt,
    KillWorker,
    Raw,
    Restart,
    Silence,
    Step,
    Stop,
)

from .answers import ANSWERS, WATCHING
from .cases import HANGING_S, NEW, OLD, TOTAL_S, BadAnswer, Case, Mishap

BRIEF_S, LONG_S = 3.0, 10.0
"""Seconds that a server is away: less, and more than an attempt is searched for."""
SILENT_S = 8.0


@dataclass(frozen=True, slots=True)
class Bearing:
    """What a mishap does, and what it means for the job it strikes."""

    steps: tuple[Step, ...]
    page: str
    """What happens, as the documentation tells it."""
    forgets: bool = False
    """The server knows no job of before any more."""
    forgets_ended: bool = False
    """It knows the ended jobs no more."""
    stops_job: bool = False
    """Somebody else stops the job that runs."""
    hangs: bool = False
    """The job goes no further."""
    kills_worker: bool = False
    """No job is taken up any more."""
    away_s: float = 0.0
    """So long connections are refused."""
    mute: bool = False
    """Nothing is answered for a while."""
    early: bool = True
    """It may strike before the job runs: it is the server's, not the job's."""


MISHAPS: Mapping[str, Bearing] = {
    "socket_ends": Bearing((DropSockets(),), "every websocket ends without a word"),
    "socket_resets": Bearing(
        (DropSockets(resets=True),), "every websocket is reset by TCP"
    ),
    "socket_closes": Bearing(
        (DropSockets(closes=True),), "every websocket ends with a close frame"
    ),
    "socket_deaf": Bearing(
        (Deafen(),), "the websocket stays open and hears nothing", early=False
    ),
    "socket_garbage": Bearing(
        (Raw(b"\xff\x00\xff no frame at all"),),
        "bytes that are no frame come over the websocket",
        early=False,
    ),
    "restarts": Bearing(
        (Restart(),), "the server restarts and has forgotten every job", forgets=True
    ),
    "restarts_older": Bearing(
        (Restart(OLD),), "it restarts as an older version", forgets=True
    ),
    "restarts_newer": Bearing(
        (Restart(NEW),), "it restarts as a newer version", forgets=True
    ),
    "away_briefly": Bearing(
        (Stop(BRIEF_S),),
        "it is down for a few seconds, and has forgotten every job",
        forgets=True,
        away_s=BRIEF_S,
    ),
    "away_long": Bearing(
        (Stop(LONG_S),),
        "it is down for longer than a lost attempt is searched for",
        forgets=True,
        away_s=LONG_S,
    ),
    "unreachable_briefly": Bearing(
        (Stop(BRIEF_S, remembers=True),),
        "the network to it is gone for a few seconds; its jobs go on",
        away_s=BRIEF_S,
    ),
    "unreachable_long": Bearing(
        (Stop(LONG_S, remembers=True),),
        "the network is gone for longer than a lost attempt is searched for",
        away_s=LONG_S,
    ),
    "silent": Bearing(
        (Silence(seconds=SILENT_S),),
        "it takes requests and answers them later",
        mute=True,
    ),
    "interrupted": Bearing(
        (Interrupt(),),
        "somebody else stops the job",
        stops_job=True,
        early=False,
    ),
    "hangs": Bearing(
        (Hang(),), "the job runs for ever, and can be stopped", hangs=True, early=False
    ),
    "hangs_hard": Bearing(
        (Hang(interruptible=False),),
        "the job runs for ever, and heeds no interruption",
        hangs=True,
        early=False,
    ),
    "worker_dies": Bearing(
        (KillWorker(),), "HTTP lives, and no job runs any more", kills_worker=True
    ),
    "worker_dies_within": Bearing(
        (KillWorker(), Hang(interruptible=False)),
        "the worker dies over the job, which stays in the queue as running",
        hangs=True,
        kills_worker=True,
        early=False,
    ),
    "history_cleared": Bearing(
        (ForgetHistory(),),
        "somebody clears the history",
        forgets_ended=True,
        early=False,
    ),
}
"""By name."""

ACTS: Mapping[str, str] = {
    "user_cancels": "the job is cancelled",
    "client_closes": "the client is closed; another one resumes the job",
}
"""What is done on our side at a moment, and what the documentation says of it."""


def total_s(case: Case) -> float:
    """The total time that the job is given: less, where it may come to its end."""
    match case.fault:
        case Mishap(name=name) if name in MISHAPS and MISHAPS[name].hangs:
            return HANGING_S
        case BadAnswer(route=route, kind=kind, times=None) if route in WATCHING:
            return TOTAL_S if ANSWERS[kind].stalls else HANGING_S
        case _:
            return TOTAL_S
