"""The mishaps of the matrix: what each does on the server, and what that means. Pure.

Each names its bearing on a job; `expectations.py` derives the outcome from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from comfyclient.testing import (
    Broadcast,
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
from .cases import (
    FETCHING,
    HANGING_S,
    NEW,
    OLD,
    TOTAL_S,
    BadAnswer,
    Case,
    Mishap,
    Moment,
)

BRIEF_S, LONG_S = 3.0, 10.0
"""Seconds that a server is away: less, and more than an attempt is searched for."""
FOR_GOOD_S = HANGING_S + 6
"""Seconds that a server is away: more than a job may give no sign of life."""
SILENT_S = 8.0
AROUND: tuple[Moment, ...] = ("before", "post", "queued", "download")
ALL: tuple[Moment, ...] = (*AROUND, "half_way")
_ODD_FRAMES: tuple[JsonValue | bytes, ...] = (
    {"type": "status", "data": "none"},
    {"type": "executing", "data": {"node": None, "prompt_id": 7}},
    {"type": ["executing"], "data": None},
    ["a", "list"],
    b"\x00\x00\x00\x01",
    b"\xff\xff\xff\xff of no kind",
    b"",
)


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
    holds: bool = False
    """What runs before the job never ends."""
    passes: Literal["queue_timeout", "silence_timeout"] | None = None
    """The limit of the job that it passes, besides its total time."""
    deletes: Literal["ours", "all"] | None = None
    """What somebody else takes out of the queue."""
    around: tuple[Moment, ...] = AROUND
    """The moments besides those at which the job runs; none where it is the job's."""
    within: bool = True
    """It may strike after any message of the job."""


MISHAPS: Mapping[str, Bearing] = {
    "socket_ends": Bearing((DropSockets(),), "every websocket ends without a word"),
    "socket_resets": Bearing(
        (DropSockets(resets=True),), "every websocket is reset by TCP"
    ),
    "socket_closes": Bearing(
        (DropSockets(closes=True),), "every websocket ends with a close frame"
    ),
    "socket_deaf": Bearing(
        (Deafen(),),
        "the websocket stays open and hears nothing",
        around=("queued",),
    ),
    "socket_garbage": Bearing(
        (Raw(b"\xff\x00\xff no frame at all"),),
        "bytes that are no frame come over the websocket",
        around=("queued",),
    ),
    "socket_babbles": Bearing(
        tuple(Broadcast(frame) for frame in _ODD_FRAMES),
        "frames that are no message of ComfyUI's come over the websocket",
        around=("queued",),
        within=False,
    ),
    "restarts": Bearing(
        (Restart(),),
        "the server restarts and has forgotten every job",
        forgets=True,
        around=ALL,
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
        around=ALL,
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
        around=ALL,
    ),
    "unreachable_long": Bearing(
        (Stop(LONG_S, remembers=True),),
        "the network is gone for longer than a lost attempt is searched for",
        away_s=LONG_S,
    ),
    "unreachable_for_good": Bearing(
        (Stop(FOR_GOOD_S, remembers=True),),
        "the network is gone for longer than a job may give no sign of life",
        away_s=FOR_GOOD_S,
        passes="silence_timeout",
        around=("queued", 4, 5),
        within=False,
    ),
    "silent": Bearing(
        (Silence(seconds=SILENT_S),),
        "it takes requests and answers them later",
        mute=True,
        around=ALL,
    ),
    "interrupted": Bearing(
        (Interrupt(),),
        "somebody else stops the job",
        stops_job=True,
        around=(),
    ),
    "hangs": Bearing(
        (Hang(),), "the job runs for ever, and can be stopped", hangs=True, around=()
    ),
    "hangs_hard": Bearing(
        (Hang(interruptible=False),),
        "the job runs for ever, and heeds no interruption",
        hangs=True,
        around=(),
    ),
    "never_starts": Bearing(
        (),
        "another job runs before it, and never ends",
        holds=True,
        passes="queue_timeout",
        around=("queued",),
        within=False,
    ),
    "deleted": Bearing(
        (),
        "somebody else deletes the job from the queue",
        forgets=True,
        deletes="ours",
        around=("queued",),
        within=False,
    ),
    "queue_cleared": Bearing(
        (),
        "somebody else clears the queue",
        forgets=True,
        deletes="all",
        around=("queued",),
        within=False,
    ),
    "worker_dies": Bearing(
        (KillWorker(),), "HTTP lives, and no job runs any more", kills_worker=True
    ),
    "worker_dies_within": Bearing(
        (KillWorker(), Hang(interruptible=False)),
        "the worker dies over the job, which stays in the queue as running",
        hangs=True,
        kills_worker=True,
        around=(),
    ),
    "history_cleared": Bearing(
        (ForgetHistory(),),
        "somebody clears the history",
        forgets_ended=True,
        around=(),
    ),
}
"""By name."""

MEANWHILE: Mapping[str, str] = {
    "left_restarts": "restarts",
    "left_unreachable": "unreachable_long",
}
"""What befalls the server between a client's end and another one's beginning."""
ACTS: Mapping[str, tuple[Moment, ...]] = {
    "user_cancels": ("queued", *FETCHING),
    "client_closes": ALL,
    **dict.fromkeys(MEANWHILE, ("queued",)),
}
"""What is done on our side, and at which moments besides those at which it runs."""


def holds(case: Case) -> bool:
    """Whether what runs before the job never ends."""
    fault = case.fault
    return (
        isinstance(fault, Mishap)
        and fault.name in MISHAPS
        and MISHAPS[fault.name].holds
    )


def limits(case: Case) -> dict[str, float]:
    """What the job is submitted with, so that a limit is passed before long."""
    fault, total = case.fault, {"timeout": total_s(case)}
    passes = None
    if isinstance(fault, Mishap) and fault.name in MISHAPS:
        passes = MISHAPS[fault.name].passes
    return total if passes is None else {**total, passes: HANGING_S}


def total_s(case: Case) -> float:
    """The total time that the job is given: less, where it may come to its end."""
    match case.fault:
        case Mishap(name=name) if name in MISHAPS and MISHAPS[name].hangs:
            return HANGING_S
        case BadAnswer(route=route, kind=kind, times=None) if route in WATCHING:
            return TOTAL_S if ANSWERS[kind].stalls else HANGING_S
        case _:
            return TOTAL_S
