"""The page `docs/faults.md`, made of the matrix's own data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .answers import ANSWERS
from .cases import (
    BadAnswer,
    BadNode,
    Case,
    Fault,
    FullLedger,
    Mishap,
    Noise,
    before_the_end,
    named,
)
from .expectations import Outcome, expected
from .matrix import every_case
from .mishaps import ACTS, MISHAPS

PAGE = "docs/faults.md"
TEST = "tests/contract/faults/test_fault_matrix.py"

_HEAD = f"""# Faults, and what becomes of a job

Each row is a fault, the outcomes that it may have by its moment, by the way the job is
followed and by the server's version, and the cases that show it. Every case is one job
on one or two servers that fail as told; it is checked how the job ends, how often each
server ran it, what the ledger says, that another client can take up whatever was left
open, and that no thread stays behind.

`pytest {TEST} -k '<cases>'` plays a row; `-m soak` plays all of
the product, the usual run a part of it that has every fault at every moment.

This page is made of the cases themselves. After a change, make it anew:
`python -m tests.contract.faults.page`.

| Fault | What happens | Cases |
|---|---|---|
"""
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
    "download": "at the download",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One fault, whatever its moment."""

    place: str
    what: str
    cases: str


def page() -> str:
    """The whole page."""
    rows: dict[Row, dict[str, dict[str, None]]] = {}
    for case in every_case():
        when = rows.setdefault(_row(case.fault), {})
        when.setdefault(_outcome(expected(case)), {}).setdefault(_moment(case))
    return _HEAD + "".join(_lines(rows))


def _lines(rows: Mapping[Row, Mapping[str, Iterable[str]]]) -> Iterator[str]:
    """One line for each row; rows of one place that end alike are one."""
    alike: dict[tuple[str, str], list[Row]] = {}
    for row, outcomes in rows.items():
        told = "<br>".join(
            f"{', '.join(filter(None, moments))}{' → ' if any(moments) else ''}{end}"
            for end, moments in outcomes.items()
        )
        alike.setdefault((row.place, told), []).append(row)
    for (place, told), same in alike.items():
        what = "; ".join(dict.fromkeys(row.what for row in same))
        cases = ", ".join(dict.fromkeys(f"`{row.cases}`" for row in same))
        yield f"| {place}{what} | {told} | {cases} |\n"


def _moment(case: Case) -> str:
    if not isinstance(case.fault, Mishap):
        return ""
    moment = case.fault.moment
    if isinstance(moment, int):
        return "while it runs" if moment <= before_the_end(case.version) else "ended"
    return _MOMENTS[moment]


def _row(fault: Fault) -> Row:
    """What goes wrong, in words, and how the names of its cases begin."""
    match fault:
        case Mishap(name=name):
            what = ACTS[name] if name in ACTS else MISHAPS[name].page
            return Row("", what, f"{name}-")
        case BadAnswer(route=route, kind=kind, times=times):
            often = ", for ever: " if times is None else ": "
            return Row(f"{route}{often}", ANSWERS[kind].page, named(route))
        case BadNode(out_of_memory=True, times=times):
            often = "" if times == 1 else " again and again"
            return Row("", f"a node finds no memory{often}", "node_out_of_memory-")
        case BadNode():
            return Row("", "a node raises", "node_fails-")
        case Noise(name=name):
            return Row("", _NOISES[name], str(fault))
        case FullLedger(step=step):
            return Row("the ledger's disk is full as ", _STEPS[step], str(fault))


def _outcome(outcome: Outcome) -> str:
    """An outcome in words."""
    end = "succeeds" if outcome.error is None else f"`{outcome.error.__name__}`"
    kinds = [f"`{kind.__name__}`" for kind in outcome.download if kind is not None]
    saving = f", saving raises {' or '.join(kinds)}" if kinds else ""
    again = ", sent again" if not outcome.error and outcome.attempts == 2 else ""
    return f"{end}{again}{saving}: {outcome.why}"


if __name__ == "__main__":
    Path(PAGE).write_text(page(), encoding="utf-8")
