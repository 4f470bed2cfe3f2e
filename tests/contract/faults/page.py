"""The page `docs/faults.md`, made of the matrix's own data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, combinations
from pathlib import Path
from typing import TypeAlias

from .answers import (
    ANSWERS,
    CANCEL,
    DOWNLOAD,
    EVERY_ROUTE,
    FEATURES,
    GREETING,
    HEIRS,
    LOOKING,
    OFFERS,
    SOCKET,
    SUBMIT,
    UPLOAD,
)
from .cases import (
    BadAnswer,
    BadNode,
    Case,
    Fault,
    FullLedger,
    Mishap,
    Noise,
    before_the_end,
    has_jobs_api,
    named,
)
from .expectations import expected
from .matrix import every_case
from .mishaps import MISHAPS
from .outcomes import Outcome

PAGE = "docs/faults.md"
TEST = "tests/contract/faults/test_fault_matrix.py"

Ends: TypeAlias = dict[str, dict[str, list[str]]]
"""What becomes of a job → under which circumstances → at which moments."""

_HEAD = f"""# Faults, and what becomes of a job

Find what went wrong; beside it stands what a job comes to, and the cases that show it.

- **done** – the job has its result, and a server ran it once, unless it says otherwise.
- **done, second attempt** – likewise; the ledger tells of both attempts.
- **`SomeError`** – the job ends with this error; `result()` raises it.
- *saving raises …* – the job is done. The first `save()` or `read()` raises this, and a
  later one brings the file, as soon as the server gives it.
- *Stays open* – the ledger keeps the job as unfinished, and `resume()` ends it well.
- *One instance*, *two instances* – of the environment. *websocket*, *poll_only* – how a
  job is followed. *Jobs API* – `/api/jobs`, which ComfyUI 0.33 has and 0.3.64 has not.

Each case is one job on scripted servers that fail so. It is checked how the job ends,
how often each server ran it, what the ledger says, that nobody else's job was stopped,
that another client can take up what was left open, and that no thread stays behind.
Every fault is played at every moment that its rows name, with websockets and without
where that may matter, in each `make test`; how soon it strikes, versions and numbers of
instances change from moment to moment, and `-m soak` plays all of those too. To play
the cases of a row:

```sh
pytest {TEST} -k 'socket_ends-'
```

This page is made of the cases themselves: `python -m tests.contract.faults.page`.
"""
_ACTS: Mapping[str, str] = {
    "user_cancels": "the job is cancelled",
    "client_closes": "the client is closed; another one resumes the job",
    "left_restarts": "the client is closed, and the server restarts before another one "
    "resumes the job",
    "left_unreachable": "the client is closed, and the network is gone for a while as "
    "another one resumes the job",
}
_CHAPTERS: Mapping[str, tuple[str, ...]] = {
    "The connection": ("socket_", "unreachable_"),
    "The server": ("restarts", "away_", "silent", "worker_dies", "history_"),
    "The job": (
        "interrupted",
        "deleted",
        "queue_",
        "never_starts",
        "hangs",
        "node_",
        "noise-",
    ),
    "What you do": tuple(_ACTS),
    "The ledger's disk is full": ("ledger_",),
}
"""And how the names of their cases begin."""
_ROUTES: Mapping[str, str] = {
    GREETING: "Bad answers to the first question",
    SUBMIT: "Bad answers to the submit",
    "GET /queue": "Bad answers to looks at the queue",
    "GET /history/{id}": "Bad answers to looks at the history",
    "GET /api/jobs/{id}": "Bad answers to looks at the jobs API",
    DOWNLOAD: "Bad answers to a download",
    OFFERS: "Bad answers to the question for node classes",
    HEIRS: "Bad answers to the question for replaced node classes",
    FEATURES: "Bad answers to the question for features",
    SOCKET: "Bad answers to the opening of the websocket",
    LOOKING: "Bad answers to the question whether an input file is there",
    UPLOAD: "Bad answers to an upload",
    CANCEL: "Bad answers to a cancellation",
    "POST /queue": "Bad answers to a deletion from the queue",
    "POST /interrupt": "Bad answers to an interruption",
}
_BOTH = "Where the cure fails, too"
"""The chapter of two faults at once."""
_STEPS = {
    "intend": "the job is to be written down",
    "attempt": "an attempt is to be written down",
    "accepted": "a server has taken it",
    "running": "it runs",
    "attempt_ended": "an attempt came to nothing",
    "ended": "it has ended",
    "collected": "its files are home",
    "heartbeat": "the client says that it lives",
}
_NOISES = {
    "duplicates": "every message comes twice",
    "reorders": "the messages come in another order",
    "says_unknown": "messages that nobody knows, or that are malformed, come between",
    "says_foreign": "everybody hears of somebody else's job, and that it failed",
}
_MOMENTS = {
    "before": "before the first contact",
    "post": "at its POST",
    "queued": "while it waits",
    "running": "while it runs",
    "ended": "after its end, not yet seen",
    "seen": "when its end was seen",
    "download": "at the download",
    "half_way": "half-way through the download",
    "once": "once",
    "few": "a few times",
    "ever": "for ever",
    "": "",
}
"""In their order."""
_TIMES = {_MOMENTS[name] for name in ("once", "few", "ever")}
_CIRCUMSTANCES = (
    lambda case: "one instance" if case.instances == 1 else "two instances",
    lambda case: case.mode,
    lambda case: "jobs API" if has_jobs_api(case.version) else "no jobs API",
)
"""What may make a difference besides the moment."""
_RUNS = ("never runs", "runs once", "runs twice")


def page() -> str:
    """The whole page."""
    cases: dict[str, list[Case]] = {}
    for case in every_case():
        cases.setdefault(_chapter(case), []).append(case)
    titles = [*_CHAPTERS, *_ROUTES.values(), _BOTH]
    return _HEAD + "".join(chain(*(_told(title, cases[title]) for title in titles)))


def _chapter(case: Case) -> str:
    if case.also is not None:
        return _BOTH
    if isinstance(case.fault, BadAnswer):
        return _ROUTES[case.fault.route]
    name = str(case.fault)
    return next(title for title, begins in _CHAPTERS.items() if name.startswith(begins))


def _told(title: str, cases: Iterable[Case]) -> Iterator[str]:
    """One chapter: a row for each end, and those together that end alike."""
    what: dict[str, list[Case]] = {}
    for case in cases:
        what.setdefault(_what_of(case), []).append(case)
    alike: dict[str, list[str]] = {}
    for name, same in what.items():
        alike.setdefault(_rows(_ends(same)), []).append(name)
    answers = title in _ROUTES.values()
    when = "How often" if answers else "When"
    yield f"\n## {title}\n\n"
    if answers:
        route = next(route for route in EVERY_ROUTE if _ROUTES[route] == title)
        yield f"`{route}`; the cases are `{named(route)}-…`.\n\n"
    yield f"| Fault | {when} | What becomes of the job | Cases |\n|---|---|---|---|\n"
    for rows, names in alike.items():
        starts = dict.fromkeys(
            f"`{_start_of(case)}`" for name in names for case in what[name]
        )
        first, *rest = rows.splitlines()
        told = "<br>".join(name[0].upper() + name[1:] for name in names)
        yield f"| {told} | {first} | {' '.join(starts)} |\n"
        yield from (f"| | {row} | |\n" for row in rest)


def _ends(cases: Iterable[Case]) -> Ends:
    """What becomes of a job, and when, in words."""
    ends: Ends = {}
    moments: dict[str, list[Case]] = {}
    for case in cases:
        moments.setdefault(_moment(case), []).append(case)
    for moment in filter(moments.__contains__, _MOMENTS):
        for end, circumstances in _told_apart(moments[moment]).items():
            at = ends.setdefault(end, {}).setdefault(circumstances, [])
            at.append(_MOMENTS[moment])
    return ends


def _rows(ends: Ends) -> str:
    moments = {*chain(*(at for when in ends.values() for at in when.values()))}
    if len(ends) == 1 and (moments == {""} or len(moments & _TIMES) > 1):
        return f"always | {next(iter(ends))}"
    return "\n".join(
        "<br>".join(_when(moments, under) for under, moments in when.items())
        + f" | {end}"
        for end, when in ends.items()
    )


def _when(moments: Iterable[str], circumstances: str) -> str:
    at = ", ".join(filter(None, moments))
    if circumstances.startswith("unless"):
        return f"{at}, {circumstances}"
    return ": ".join(filter(None, (circumstances, at)))


def _told_apart(cases: list[Case]) -> dict[str, str]:
    """Each end, and the fewest circumstances that tell when it is this one."""
    ends = [(case, _outcome(expected(case))) for case in cases]
    for count in range(len(_CIRCUMSTANCES) + 1):
        for chosen in combinations(_CIRCUMSTANCES, count):
            found: dict[str, set[str]] = {}
            for case, end in ends:
                found.setdefault(" and ".join(of(case) for of in chosen), set()).add(
                    end
                )
            if all(len(one) == 1 for one in found.values()):
                return _by_end({key: min(one) for key, one in found.items()})
    raise AssertionError(f"nothing tells apart how {cases[0].fault} ends")


def _by_end(found: Mapping[str, str]) -> dict[str, str]:
    """The circumstances of each end; of the one that most have, which are not its."""
    most, times = Counter(found.values()).most_common(1)[0]
    others = [circumstances for circumstances, end in found.items() if end != most]
    told = {end: circumstances for circumstances, end in found.items()}
    return told | ({most: f"unless {' or '.join(others)}"} if times > 1 else {})


def _moment(case: Case) -> str:
    """Which of `_MOMENTS` it is."""
    match case.fault:
        case Mishap(moment=int(count), tempo=tempo):
            if count <= before_the_end(case.version):
                return "running"
            return "seen" if tempo == "seen" else "ended"
        case Mishap(moment=moment):
            return str(moment)
        case BadAnswer(times=None):
            return "ever"
        case BadAnswer(times=times):
            return "once" if times == 1 else "few"
        case _:
            return ""


def _what_of(case: Case) -> str:
    if case.also is None:
        return _what(case.fault)
    route, then = case.also.route, ANSWERS[case.also.kind].page
    return f"{_what(case.fault)}; then, at `{route}`, {then}, for ever"


def _start_of(case: Case) -> str:
    if case.also is None:
        return _start(case.fault)
    return f"{_start(case.fault)}…-and_{named(case.also.route)}-{case.also.kind}-"


def _what(fault: Fault) -> str:
    """What goes wrong, in words."""
    match fault:
        case Mishap(name=name):
            return _ACTS[name] if name in _ACTS else MISHAPS[name].page
        case BadAnswer(kind=kind):
            return ANSWERS[kind].page
        case BadNode(out_of_memory=True, times=times):
            return "a node finds no memory" + (
                "" if times == 1 else ", again and again"
            )
        case BadNode():
            return "a node raises"
        case Noise(name=name):
            return _NOISES[name]
        case FullLedger(step=step):
            return f"as {_STEPS[step]}"


def _start(fault: Fault) -> str:
    """How the names of its cases begin."""
    match fault:
        case Mishap(name=name):
            return f"{name}-"
        case BadAnswer(kind=kind):
            return f"-{kind}-"
        case BadNode(out_of_memory=out_of_memory):
            return f"node_{'out_of_memory' if out_of_memory else 'fails'}-"
        case _:
            return str(fault)


def _outcome(outcome: Outcome) -> str:
    """An outcome in words."""
    end = "**done**" if outcome.error is None else f"**`{outcome.error.__name__}`**"
    if outcome.error is None and outcome.attempts != 1:
        end = "**done, second attempt**" if outcome.attempts == 2 else "**done, later**"
    runs = sum(outcome.executions)
    if runs != (0 if outcome.error else 1):
        end += f", {_RUNS[runs]}"
    if outcome.refusal is not None:
        end += f", `cancel()` raises `{outcome.refusal.__name__}`"
    kinds = [f"`{kind.__name__}`" for kind in outcome.download if kind is not None]
    if kinds:
        might = "may raise" if None in outcome.download else "raises"
        end += f", saving {might} {' or '.join(kinds)}"
    if outcome.error and outcome.state is not None and not outcome.state.settled:
        end += ", stays open"
    return f"{end}: {outcome.why}"


if __name__ == "__main__":
    Path(PAGE).write_text(page(), encoding="utf-8")
