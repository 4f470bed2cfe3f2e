"""What must come of each case of the matrix, derived from what its fault means. Pure.

The rules speak of what the server knows and of what the client could have seen; none
names a single case.
"""

from __future__ import annotations

from dataclasses import replace

from comfyclient.errors import (
    ClosedError,
    DeadWorkerError,
    ExecutionError,
    JobCancelledError,
    JobInterruptedError,
    JobTimeoutError,
    LedgerError,
    OutOfMemoryError,
    OutputDamagedError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.ledger.records import JobState

from .cases import (
    FETCHING,
    GRACE_S,
    BadAnswer,
    BadNode,
    Case,
    FullLedger,
    Mishap,
    before_the_end,
    messages,
)
from .expected_answers import of_answer, of_couple
from .mishaps import ACTS, MEANWHILE, MISHAPS, Bearing
from .outcomes import ROUNDS, Outcome, again, failed, left_open, well


def expected(case: Case) -> Outcome:
    """The one right outcome of a case."""
    if case.also is not None:
        return of_couple(case, case.also)
    match case.fault:
        case Mishap() as mishap:
            return _of_mishap(case, mishap)
        case BadAnswer() as bad:
            return of_answer(case, bad)
        case BadNode() as node:
            return _of_node(case, node)
        case FullLedger() as full:
            return _of_ledger(case, full)
        case _:
            return well(case, "the websocket is not believed for a job's end")


# -- at one moment


def _of_mishap(case: Case, mishap: Mishap) -> Outcome:
    if mishap.name in ACTS:
        return _of_act(case, mishap)
    bearing = MISHAPS[mishap.name]
    match mishap.moment:
        case "before":
            return _before(case, bearing)
        case "post":
            return _at_post(case, bearing)
        case "queued":
            return _while_queued(case, bearing)
        case "download":
            return _at_download(case, bearing)
        case "half_way":
            return _half_way(case, bearing)
        case int(count):
            ended = count > before_the_end(case.version)
            seen = ended and mishap.tempo == "seen"
            outcome = _while_running(case, bearing, ended=ended, seen=seen)
            if count < len(messages(case.version)) or case.mode == "poll_only":
                return outcome
            # its last message has the client look at once: it may be faster
            quick = _while_running(case, bearing, ended=ended, seen=True)
            return replace(outcome, either=quick)


def _before(case: Case, bearing: Bearing) -> Outcome:
    """Nothing was sent to it yet."""
    if bearing.kills_worker:
        return _dead(case)
    if bearing.away_s and case.instances == 1:
        return failed(
            case,
            UnreachableError,
            "nobody answers for several rounds, and the caller waits",
            attempts=ROUNDS,
        )
    if bearing.away_s:
        return again(case, "another instance takes it", first=0)
    return well(case, "the first contact finds it well")


def _at_post(case: Case, bearing: Bearing) -> Outcome:
    """The answer to the POST is lost, with or without the job."""
    if bearing.kills_worker:
        return _dead(case)
    if bearing.away_s > GRACE_S:
        return left_open(case, "nobody could be asked whether the job arrived")
    if bearing.forgets:
        return again(case, "it was asked for the job and has it not", first=0)
    return well(case, "the job is found where it was sent")


def _while_queued(case: Case, bearing: Bearing) -> Outcome:
    if bearing.kills_worker:
        return _dead(case)
    if bearing.holds:
        return failed(case, JobTimeoutError, "its time in the queue is over")
    if bearing.passes == "silence_timeout":
        return _out_of_sight(case)
    if bearing.forgets:
        return again(case, "the server knows the job no longer", first=0)
    return well(case, "it waits on, and is followed by polling")


def _out_of_sight(case: Case) -> Outcome:
    """Its server goes on with it, and nobody can ask for it."""
    why = "its time without a sign of life is over"
    return failed(case, JobTimeoutError, why, ran=1)


def _half_way(case: Case, bearing: Bearing) -> Outcome:
    """The download breaks off, and is taken up again as soon as it can be."""
    good = well(case, "the download is taken up again; nothing of a half is shown")
    if bearing.away_s:
        return replace(good, download=(UnreachableError,))
    if bearing.mute:  # the first read is given up, or the next one
        return replace(good, download=(UnclearAnswerError, OutputDamagedError))
    return good


def _at_download(case: Case, bearing: Bearing) -> Outcome:
    """The job has succeeded all the same; whoever saves is told, and may try again."""
    good = well(case, "the file outlives the server's memory of its job")
    if bearing.away_s:  # its connections are reset before it refuses others
        return replace(good, download=(UnreachableError, UnclearAnswerError))
    if bearing.forgets:  # likewise, and it takes others at once
        return replace(good, download=(None, UnclearAnswerError))
    return replace(good, download=(UnclearAnswerError if bearing.mute else None,))


def _while_running(case: Case, bearing: Bearing, *, ended: bool, seen: bool) -> Outcome:
    if seen or (ended and (bearing.hangs or bearing.stops_job)):
        return well(case, "it had ended before")
    if bearing.hangs:
        return failed(case, JobTimeoutError, "its time is over", ran=1)
    if bearing.passes == "silence_timeout":
        return _out_of_sight(case)
    if bearing.stops_job:
        return failed(
            case,
            JobInterruptedError,
            "somebody else's will is not overruled, by policy",
            ran=1,
        )
    if bearing.forgets:
        return again(case, "the server knows the job no longer")
    if bearing.forgets_ended and ended and case.mode == "poll_only":
        return again(case, "nobody can tell that it ended, nor its outputs")
    if bearing.forgets_ended and ended:
        return well(case, "the websocket told all of it before it was forgotten")
    return well(case, "the job goes on, and is followed by polling")


def _dead(case: Case) -> Outcome:
    """A worker that takes up nothing: noticed, and avoided where that is possible."""
    if case.instances > 1:
        return again(case, "a dead worker is noticed and avoided", first=0)
    return failed(
        case,
        DeadWorkerError,
        "there is no other instance, and the second attempt fares no better",
        attempts=2,
        state=JobState.LOST,
    )


# -- what we do


def _of_act(case: Case, mishap: Mishap) -> Outcome:
    if mishap.name == "client_closes":
        return _closed(case, mishap)
    if mishap.name in MEANWHILE:
        return _while_queued(case, MISHAPS[MEANWHILE[mishap.name]])
    if mishap.moment in FETCHING:
        return well(case, "a job that finished first has succeeded")
    ran = 0 if mishap.moment == "queued" else 1
    if isinstance(mishap.moment, int) and mishap.moment > before_the_end(case.version):
        return well(case, "a job that finished first has succeeded")
    return failed(
        case,
        JobCancelledError,
        "it was cancelled before its end",
        ran=ran,
        state=JobState.CANCELLED,
    )


def _closed(case: Case, mishap: Mishap) -> Outcome:
    """Another client finds what the first one left."""
    match mishap.moment:
        case "before" | "post" as moment:
            words = "whoever waits is told; it is sent, or found, later"
            good = well(case, words, attempts=None if moment == "before" else 1)
            return replace(good, error=ClosedError, state=JobState.INTENDED)
        case "download" | "half_way":
            good = well(case, "no half of a file is shown; the other one saves it")
            return replace(good, state=JobState.SUCCEEDED, download=(ClosedError,))
        case _:
            return well(case, "another client follows the same attempt")


# -- nodes


def _of_node(case: Case, node: BadNode) -> Outcome:
    if not node.out_of_memory:
        return failed(case, ExecutionError, "the same would happen again", ran=1)
    if node.times == 1 or case.instances > 1:
        return again(case, "memory was freed, or another instance has more")
    return replace(
        failed(case, OutOfMemoryError, "once more is enough", ran=2), attempts=2
    )


# -- the ledger


def _of_ledger(case: Case, full: FullLedger) -> Outcome:
    """What cannot be recorded is not sent; what was sent goes on, and is resumed."""
    match full.step:
        case "intend":
            nothing = failed(case, LedgerError, "it is not sent", attempts=None)
            return replace(nothing, state=None)
        case "attempt":
            return failed(case, LedgerError, "it is not sent", attempts=0)
        case "attempt_ended":
            words = "what cannot be recorded is not sent again; it is resumed later"
            left = again(case, words, attempts=1)
            return replace(left, error=LedgerError, state=JobState.RUNNING)
        case "accepted":
            good = well(case, "a step that others can find out is made good")
            # it is written down a moment later, or with an end that comes sooner
            return replace(good, either=replace(good, state=JobState.INTENDED))
        case "ended":
            good = well(case, "the job has its result; whoever resumes it, too")
            return replace(good, state=JobState.RUNNING)
        case "collected":
            good = well(case, "the files are home; it is handed out once more")
            return replace(good, state=JobState.SUCCEEDED)
        case _:
            return well(case, "a step that others can find out is made good")
