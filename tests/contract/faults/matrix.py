"""Every case of the matrix, generated: fault × moment × mode × version. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from .answers import ANSWERS, DOWNLOAD, ROUTES, SUBMIT, WATCHING
from .cases import (
    INSTANCES,
    MIDDLE,
    MODES,
    NEW,
    OLD,
    TEMPOS,
    VERSIONS,
    BadAnswer,
    BadNode,
    Case,
    Fault,
    FullLedger,
    Mishap,
    Mode,
    Noise,
    before_the_end,
    has_jobs_api,
    messages,
)
from .mishaps import ACTS, MISHAPS

STEPS = (
    "intend",
    "attempt",
    "accepted",
    "running",
    "attempt_ended",
    "ended",
    "collected",
    "heartbeat",
)
"""The steps of the ledger at which the disk may be full."""
NOISES = ("duplicates", "reorders", "says_unknown", "says_foreign")


def faults(version: str) -> Iterator[Fault]:
    """Every fault at every moment of a job on a server of this version."""
    yield from _mishaps(version)
    yield from _answers()
    for times in (1, 2):
        yield from (BadNode(node, True, times) for node in ("1", "2"))
    yield from (BadNode(node, False) for node in ("1", "2"))
    yield from (Noise(name) for name in NOISES)
    yield from (FullLedger(step) for step in STEPS)


def _mishaps(version: str) -> Iterator[Mishap]:
    counts = range(len(messages(version)) + 1)
    for name, bearing in MISHAPS.items():
        if bearing.early:
            yield from (Mishap(name, at) for at in ("before", "post"))
            yield from (Mishap(name, at, "seen") for at in ("queued", "download"))
        for count in counts:
            yield from (Mishap(name, count, tempo) for tempo in TEMPOS)
    for name in ACTS:
        yield Mishap(name, "queued", "seen")
        for count in counts:
            yield from (Mishap(name, count, tempo) for tempo in TEMPOS)


def _answers() -> Iterator[BadAnswer]:
    for route in ROUTES:
        for kind, answering in ANSWERS.items():
            if answering.acts and route != SUBMIT and kind != "broken_off":
                continue  # a question changes nothing: acted or not is the same
            if route == DOWNLOAD and answering.meaning == "bad":
                continue  # a file's content is whatever the server says it is
            yield from _spans(route, kind)


def _spans(route: str, kind: str) -> Iterator[BadAnswer]:
    yield BadAnswer(route, kind, 1, 1)
    if kind == "drips":
        return  # that takes its time from the machine
    yield BadAnswer(route, kind, 1, None)
    if ANSWERS[kind].stalls:
        return
    if route in WATCHING or ANSWERS[kind].meaning in {"busy", "unclear"}:
        yield BadAnswer(route, kind, 1, 4)  # the others are not asked again
    if route in WATCHING:
        yield BadAnswer(route, kind, 2, 1)
        yield BadAnswer(route, kind, 3, 2)


# -- the product, and what is played of it each time


def every_case() -> Iterator[Case]:
    """The whole product."""
    for version, instances in product(VERSIONS, INSTANCES):
        for fault, mode in product(faults(version), MODES):
            if _applies(fault, version):
                yield Case(fault, mode, version, instances)


def usual_cases() -> Iterator[Case]:
    """What is played each time.

    Every fault at every moment that makes a difference, the mishaps in both modes; how
    soon they strike, the server's version and the number of instances are drawn, each
    time the same. The mark `soak` has the rest.
    """
    draw = random.Random("the same each time")
    for fault in faults(NEW):
        modes = MODES if isinstance(fault, Mishap) else (draw.choice(MODES),)
        for mode in modes:
            if not _has_its_like(fault, mode):
                yield _drawn(fault, mode, draw)


def pairs(chance: random.Random) -> Iterator[Case]:
    """A mishap and bad answers at once, drawn without end.

    What must come of two faults is told by nobody: only what is never right is checked.
    """
    while True:
        version = chance.choice(VERSIONS)
        singles = list(faults(version))
        mishaps = [
            one for one in singles if isinstance(one, Mishap) and one.name in MISHAPS
        ]
        answers = [one for one in singles if _joins(one)]
        also = chance.choice(answers)
        assert isinstance(also, BadAnswer), "only those join"
        case = Case(
            chance.choice(mishaps),
            chance.choice(MODES),
            version,
            chance.choice(INSTANCES),
            also,
        )
        if _applies(case.fault, version) and _applies(also, version):
            yield case


def _joins(fault: Fault) -> bool:
    """Whether it goes with another one: it ends, and soon."""
    if not isinstance(fault, BadAnswer) or fault.times is None:
        return False
    stalls = ANSWERS[fault.kind].stalls or fault.kind == "drips"
    return fault.route != DOWNLOAD and not stalls


def _has_its_like(fault: Fault, mode: Mode) -> bool:
    """Whether another one stands for it: one that differs in what is drawn anyway, or
    in messages that nobody hears."""
    match fault:
        case Mishap(moment=int(count), tempo=tempo):
            end = before_the_end(NEW)
            telling = (0, end, end + 1, len(messages(NEW)))
            unheard = mode == "poll_only" and count not in telling
            return tempo == "seen" or unheard
        case BadAnswer(route=route, first=first, times=times):
            return route in WATCHING and (times == 4 or first > 1)
        case _:
            return False


def _drawn(fault: Fault, mode: Mode, draw: random.Random) -> Case:
    version = draw.choice((NEW, NEW, MIDDLE, OLD))
    if isinstance(fault, Mishap) and isinstance(fault.moment, int):
        fault = replace(fault, tempo=draw.choice(TEMPOS))
    if not _applies(fault, version):
        version = NEW
    return Case(fault, mode, version, draw.choice((1, 1, 2)))


def _applies(fault: Fault, version: str) -> bool:
    """Whether there is such a moment, or such a route, on this version."""
    match fault:
        case Mishap(name="restarts_older"):
            return version != OLD
        case Mishap(moment=int(count)):
            return count <= len(messages(version))
        case BadAnswer(route="GET /api/jobs/{id}"):
            return has_jobs_api(version)
        case _:
            return True
