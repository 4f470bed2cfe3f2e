"""Every fault at every moment of a job: the right end, the right number of runs."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from itertools import groupby, islice, product
from operator import gt
from pathlib import Path

import pytest

from comfyclient.errors import ComfyClientError, JobCancelledError
from comfyclient.events import Finished
from comfyclient.jobs.course import JobStatus
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.testing.threads import ours, stacks

from .cases import INSTANCES, MODES, NEW, TEMPOS, VERSIONS, Case, Mishap
from .expectations import expected
from .matrix import (
    applies,
    couples,
    every_case,
    faults,
    is_met,
    pairs,
    usual_cases,
    whatever_the_moment,
    whatever_the_tempo,
)
from .mishaps import total_s
from .outcomes import Outcome
from .page import PAGE, page
from .running import Observed, observe

SLACK_S = 1.0
"""Seconds past its total time in which a job is noticed to be over."""

PAIRS = 50
"""So many are drawn from each seed."""

USUAL = tuple(dict.fromkeys(usual_cases()))
CHOSEN = frozenset(USUAL)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The rest of the product is made only where it is asked for: it is large."""
    if "spare" not in metafunc.fixturenames:
        return
    asked = metafunc.config.getoption("markexpr") != "not soak"
    rest = [case for case in every_case() if case not in CHOSEN] if asked else []
    metafunc.parametrize("spare", rest, ids=str)


@pytest.fixture(scope="session")
def new_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger without jobs, to be copied: making one takes as long as a case."""
    file = tmp_path_factory.mktemp("matrix") / "jobs.db"
    with Ledger(file).open():
        pass
    return file


@pytest.mark.parametrize("case", USUAL, ids=str)
def test_case(case: Case, new_ledger: Path, tmp_path: Path) -> None:
    """The job ends as it must, having run as often as it must, and nothing is left."""
    play(case, new_ledger, tmp_path)


@pytest.mark.soak
def test_spare_case(spare: Case, new_ledger: Path, tmp_path: Path) -> None:
    """So it is with the rest of the product."""
    play(spare, new_ledger, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_pairs(new_ledger: Path, tmp_path: Path, soak_seeds: Iterator[int]) -> None:
    """Two faults at once leave no wrong result, no run too many and nothing behind."""
    for seed in soak_seeds:
        cases = pairs(random.Random(seed))
        for number, case in enumerate(islice(cases, PAIRS)):
            folder = tmp_path / f"{seed}-{number}"
            folder.mkdir()
            play_pair(case, new_ledger, folder)


def test_the_page_tells_what_is_so() -> None:
    """The documentation is what the cases say: they are what it is made of."""
    shown = (Path(__file__).parents[3] / PAGE).read_text(encoding="utf-8")
    assert shown == page(), "run python -m tests.contract.faults.page"


def test_the_usual_part_is_the_product() -> None:
    """Each time, every fault is played at every moment of a job, in every mode."""
    moments = {
        (whatever_the_tempo(fault), mode)
        for fault, mode in product(faults(NEW), MODES)
        if is_met(fault, mode)
    }
    played = {
        (whatever_the_tempo(case.fault), case.mode) for case in USUAL if not case.also
    }
    assert played == moments
    together = {(case.fault, case.also, case.mode) for case in USUAL if case.also}
    assert together == {(*pair, mode) for pair, mode in product(couples(), MODES)}


def test_what_is_drawn_covers_all() -> None:
    """Each fault meets every version, one instance as well as two, and strikes at once
    and later."""
    alone = [case for case in USUAL if not case.also]
    for name, cases in groupby(alone, lambda case: whatever_the_moment(case.fault)):
        played = list(cases)
        there = {
            version
            for case, version in product(played, VERSIONS)
            if applies(case.fault, version)
        }
        assert {case.version for case in played} == there, name
        assert {case.instances for case in played} == {*INSTANCES}, name
        soon = {
            (case.fault.tempo, case.mode)
            for case in played
            if isinstance(case.fault, Mishap) and isinstance(case.fault.moment, int)
        }
        assert soon in (set(), {*product(TEMPOS, MODES)}), name


def test_the_whole_product_has_the_usual_part() -> None:
    """What is played each time is part of what `soak` plays."""
    assert {*every_case()} >= CHOSEN


def play(case: Case, new_ledger: Path, folder: Path) -> None:
    """One case, and all that is checked of it."""
    before = set(ours())
    observed = observe(case, Path(shutil.copy(new_ledger, folder / "jobs.db")))
    outcome = expected(case)
    if outcome.either is not None and any(_of_its_end(observed, outcome)):
        outcome = outcome.either
    left = [thread for thread in ours() if thread not in before]
    wrong = [
        *_of_its_end(observed, outcome),
        *_of_what_is_left(observed, outcome),
        *_of_any_case(observed),
        *(f"{thread.name} lives on:\n{stacks()}" for thread in left),
    ]
    if observed.took_s > total_s(case) + SLACK_S:
        wrong.append(f"it took {observed.took_s:g} s")
    told = "\n  ".join(wrong)
    assert not wrong, f"{case}\n  {told}\n  must be so: {outcome}\n  was: {observed}"


def play_pair(case: Case, new_ledger: Path, folder: Path) -> None:
    """One pair, and what is never right, whatever went wrong."""
    before = set(ours())
    observed = observe(case, Path(shutil.copy(new_ledger, folder / "jobs.db")))
    left = [thread for thread in ours() if thread not in before]
    wrong = [
        *_of_any_case(observed),
        *(f"{thread.name} lives on:\n{stacks()}" for thread in left),
    ]
    after = observed.row_after
    if observed.resumed and (after is None or not after.state.settled):
        wrong.append(f"afterwards its state in the ledger is {after and after.state}")
    if observed.took_s > total_s(case) + SLACK_S:
        wrong.append(f"it took {observed.took_s:g} s")
    told = "\n  ".join(wrong)
    assert not wrong, f"{case}\n  {told}\n  was: {observed}"


def _of_its_end(observed: Observed, outcome: Outcome) -> Iterator[str]:
    """In what a case ended otherwise than it must."""
    row = observed.row
    if _kind(observed.error) is not outcome.error:
        yield f"it ended with {observed.error!r}"
    if observed.executions != outcome.executions:
        yield f"it ran {observed.executions} times"
    if not _is_state(None if row is None else row.state, outcome.state):
        yield f"its state in the ledger is {None if row is None else row.state}"
    if row is not None and outcome.attempts not in {None, row.attempts}:
        yield f"it took {row.attempts} attempts"
    if _kind(observed.refusal) is not outcome.refusal:
        yield f"cancelling it raised {observed.refusal!r}"
    if _kind(observed.download) not in outcome.download:
        yield f"the download raised {observed.download!r}"


def _is_state(state: JobState | None, wanted: JobState | None) -> bool:
    """That a job runs is written down a moment later: it may have been accepted yet."""
    told = {JobState.RUNNING: {JobState.ACCEPTED, JobState.RUNNING}}
    return state in told.get(wanted, {wanted})


def _of_what_is_left(observed: Observed, outcome: Outcome) -> Iterator[str]:
    """What the next client finds to do, and how it does it."""
    unsettled = outcome.state is not None and not outcome.state.settled
    if observed.resumed != [None] * unsettled:
        yield f"resuming it ended with {observed.resumed}"
    after = observed.row_after
    if unsettled and (after is None or after.state is not JobState.COLLECTED):
        yield f"afterwards its state in the ledger is {after and after.state}"


def _of_any_case(observed: Observed) -> Iterator[str]:
    """What is never right, whatever the fault."""
    if any(map(gt, observed.executions, observed.allowed)):
        yield f"it ran {observed.executions} times, and {observed.allowed} are allowed"
    ends = [event for event in observed.events if isinstance(event, Finished)]
    if observed.events and ends != observed.events[-1:]:
        yield f"it does not finish once, and last: {observed.events}"
    if ends and ends[0].error is not observed.error:
        yield f"its last event tells of {ends[0].error!r}"
    if observed.status is not None and observed.status != _status_of(observed.error):
        yield f"its handle says {observed.status}"
    if {*observed.foreign} & {"cancelled", "error"}:
        yield f"somebody else's job ended so: {observed.foreign}"
    yield from _of_its_picture(observed)
    for record in observed.complaints:
        if record.exc_info:
            yield f"unforeseen: {record.getMessage()} {record.exc_info[1]!r}"


def _of_its_picture(observed: Observed) -> Iterator[str]:
    if observed.left:
        yield f"what was not fetched left {observed.left}"
    if observed.picture is None:
        if observed.error is None:
            yield "it has no picture"
    elif observed.picture not in observed.pictures:
        yield "its picture is none of those that the servers hold"


def _kind(error: ComfyClientError | None) -> type[ComfyClientError] | None:
    return None if error is None else type(error)


def _status_of(error: ComfyClientError | None) -> JobStatus:
    if error is None:
        return JobStatus.SUCCEEDED
    cancelled = isinstance(error, JobCancelledError)
    return JobStatus.CANCELLED if cancelled else JobStatus.FAILED
