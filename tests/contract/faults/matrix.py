"""Every case of the matrix, generated: fault × moment × mode × version. Pure."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, cycle, product

from .answers import (
    ANSWERS,
    CANCEL,
    CANCELLING,
    DOWNLOAD,
    FEATURES,
    FREE,
    HEIRS,
    HELPFUL,
    IN_VAIN,
    OFFERS,
    ROUTES,
    SOCKET,
    SUBMIT,
    UPLOADING,
    WATCHING,
)
from .cases import (
    INSTANCES,
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
    Moment,
    Noise,
    has_jobs_api,
    messages,
)
from .mishaps import ACTS, MEANWHILE, MISHAPS

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
_SERVERS = tuple(product(VERSIONS, INSTANCES))
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
        within = counts if bearing.within else ()
        yield from _struck(name, (*bearing.around, *within))
    for name, around in ACTS.items():
        within = () if name in MEANWHILE else counts
        yield from _struck(name, (*around, *within))
        if "post" in around:
            yield Mishap(name, "post", "seen")


def _struck(name: str, moments: Iterable[Moment]) -> Iterator[Mishap]:
    for at in moments:
        match at:
            case int():
                yield from (Mishap(name, at, tempo) for tempo in TEMPOS)
            case "before" | "post":
                yield Mishap(name, at)
            case _:
                yield Mishap(name, at, "seen")


def _answers() -> Iterator[BadAnswer]:
    for route in ROUTES:
        for kind, answering in ANSWERS.items():
            if answering.submits and route != SUBMIT:
                continue
            if answering.acts and route != SUBMIT and kind != "broken_off":
                continue  # a question changes nothing: acted or not is the same
            if answering.downloads and route != DOWNLOAD:
                continue
            if route == DOWNLOAD and kind in {"garbage", "other_json"}:
                continue  # a file's content is whatever the server says it is
            yield from _spans(route, kind)
    for route, kinds in HELPFUL.items():
        yield from (BadAnswer(route, kind, 1, None) for kind in kinds)
    for route, (kind, often) in product(CANCELLING, IN_VAIN.items()):
        yield BadAnswer(route, kind, 1, often)
    for route, answers in UPLOADING.items():
        yield from (BadAnswer(route, kind, 1, often) for kind, often in answers.items())


def couples() -> Iterator[tuple[Fault, BadAnswer]]:
    """Faults whose cure needs another question, and a bad answer to that."""
    vain = (
        BadAnswer("GET /queue", "500", 1, None),
        BadAnswer("GET /api/jobs/{id}", "500", 1, None),
        BadAnswer("GET /api/jobs/{id}", "reset", 1, None),
    )
    for kind, then in product(("lost", "lost_acts"), vain):
        yield BadAnswer(SUBMIT, kind), then
    yield BadNode("1", True), BadAnswer(FREE, "500", 1, None)


def _spans(route: str, kind: str) -> Iterator[BadAnswer]:
    yield BadAnswer(route, kind, 1, 1)
    if kind == "drips" or ANSWERS[kind].submits:
        return  # a drip takes its time from the machine
    yield BadAnswer(route, kind, 1, None)
    if ANSWERS[kind].stalls:
        return
    if route in WATCHING or ANSWERS[kind].meaning in {"busy", "unclear"}:
        yield BadAnswer(route, kind, 1, 4)  # the others are not asked again
    if route in WATCHING:
        yield BadAnswer(route, kind, 2, 1)
        yield BadAnswer(route, kind, 3, 2)


# -- the product


def usual_cases() -> Iterator[Case]:
    """What is played each time: every fault at every moment of a job in every mode.

    How soon a fault strikes, the server's version and the number of instances are
    dimensions of our own: they change from moment to moment, each time alike, so that
    every fault meets all of them. The mark `soak` has their whole product too.
    """
    together: dict[str, list[tuple[Fault, Mode]]] = {}
    for fault, mode in product(faults(NEW), MODES):
        if _is_in_turn(fault, mode) and is_met(fault, mode):
            together.setdefault(whatever_the_moment(fault), []).append((fault, mode))
    draw = random.Random("the same each time")
    for cases in together.values():
        yield from _drawn(cases, draw)
    for fault, also in couples():
        both = [(fault, mode) for mode in MODES]
        yield from _drawn(both, draw, also=also)


def every_case() -> Iterator[Case]:
    """The same on every version, with every number of instances."""
    for version, instances in product(VERSIONS, INSTANCES):
        for fault, mode in product(faults(version), MODES):
            if applies(fault, version) and is_met(fault, mode):
                yield Case(fault, mode, version, instances)
        for (fault, also), mode in product(couples(), MODES):
            if applies(also, version):
                yield Case(fault, mode, version, instances, also)


def whatever_the_moment(fault: Fault) -> str:
    """What goes wrong, by name, leaving aside when it does."""
    match fault:
        case Mishap(name=name):
            return name
        case BadAnswer(route=route, kind=kind):
            aside = route not in ROUTES or ANSWERS[kind].submits
            return f"{route}, aside" if aside else f"{route} {kind}"
        case BadNode(out_of_memory=out_of_memory, times=times):
            return f"node {out_of_memory} {times}"
        case Noise(name=name):
            return name
        case FullLedger():
            return "ledger"


def _is_in_turn(fault: Fault, mode: Mode) -> bool:
    """Whether it strikes as soon as it is to at this moment: the other mode has the
    other tempo there, and at the next moment it is the other way round."""
    match fault:
        case Mishap(moment=int(count), tempo=tempo):
            return tempo == TEMPOS[(count + MODES.index(mode)) % len(TEMPOS)]
        case _:
            return True


def whatever_the_tempo(fault: Fault) -> Fault:
    """A fault at its moment, leaving aside how soon it strikes."""
    at_any_count = isinstance(fault, Mishap) and isinstance(fault.moment, int)
    return replace(fault, tempo=TEMPOS[0]) if at_any_count else fault


def _drawn(
    cases: Sequence[tuple[Fault, Mode]],
    draw: random.Random,
    *,
    also: BadAnswer | None = None,
) -> Iterator[Case]:
    """Each case once, on what was met least by then; again, until all was met."""
    versions, servers = Counter[str](), Counter[tuple[str, int]]()
    for number, (fault, mode) in enumerate(cycle(cases)):
        there = [one for one in _SERVERS if applies(also or fault, one[0])]
        if number >= len(cases) and set(chain(*servers)) >= set(chain(*there)):
            return
        draw.shuffle(there)
        server = min(there, key=lambda one: (versions[one[0]], servers[one]))
        versions[server[0]] += 1
        servers[server] += 1
        yield Case(fault, mode, *server, also)


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
        if applies(case.fault, version) and applies(also, version):
            yield case


def _joins(fault: Fault) -> bool:
    """Whether it goes with another one: it ends, and soon."""
    if not isinstance(fault, BadAnswer) or fault.times is None:
        return False
    if fault.route not in ROUTES:
        return False
    stalls = ANSWERS[fault.kind].stalls or fault.kind == "drips"
    return fault.route != DOWNLOAD and not stalls


def applies(fault: Fault, version: str) -> bool:
    """Whether there is such a moment, or such a route, on this version."""
    match fault:
        case Mishap(name="restarts_older"):
            return version != OLD
        case Mishap(moment=int(count)):
            return count <= len(messages(version))
        case BadAnswer(route="GET /api/jobs/{id}"):
            return has_jobs_api(version)
        case BadAnswer(route=route) if route in {CANCEL, HEIRS}:
            return version == NEW
        case BadAnswer(route=route) if route in CANCELLING:
            return version != NEW
        case _:
            return True


def is_met(fault: Fault, mode: Mode) -> bool:
    """Whether a fault is met where jobs are followed so.

    A websocket tells features by itself; what is asked before anything is followed is
    played one way.
    """
    match fault:
        case BadAnswer(route=route) if route == SOCKET:
            return mode == "websocket"
        case BadAnswer(route=route) if route in {FEATURES, OFFERS, HEIRS, *UPLOADING}:
            return mode == "poll_only"
        case _:
            return True
