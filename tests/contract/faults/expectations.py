"""What must come of each case of the matrix, derived from what its fault means. Pure.

The rules speak of what the server knows and of what the client could have seen; none
names a single case.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from comfyclient.errors import (
    AccessDeniedError,
    BadAnswerError,
    BusyError,
    ComfyClientError,
    DeadWorkerError,
    ExecutionError,
    JobCancelledError,
    JobInterruptedError,
    JobTimeoutError,
    LedgerError,
    OutOfMemoryError,
    OutputDamagedError,
    OutputMissingError,
    RefusedError,
    ServerFaultError,
    UnclearAnswerError,
    UnreachableError,
)
from comfyclient.ledger.records import JobState

from .answers import ANSWERS, DOWNLOAD, GREETING, SUBMIT, Answering
from .cases import (
    GRACE_S,
    BadAnswer,
    BadNode,
    Case,
    FullLedger,
    Mishap,
    before_the_end,
    has_jobs_api,
    messages,
)
from .mishaps import ACTS, MISHAPS, Bearing

ROUNDS = 3
"""How often instances that cannot be reached are tried."""

ErrorKind = type[ComfyClientError]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What must come of one case."""

    error: ErrorKind | None
    """None: the job succeeds."""
    executions: tuple[int, ...]
    """By instance; each is how often the job was taken up there."""
    attempts: int | None
    """In the ledger; None: as many as there was time for."""
    state: JobState | None
    """In the ledger, at the end; None: it must have no such job. One that is not
    settled is taken up by the next client, and comes to a good end."""
    download: tuple[ErrorKind | None, ...] = (None,)
    """What the first download may raise; None: nothing."""
    why: str = ""
    either: Outcome | None = None
    """Another right outcome, where the fault races with the client's look."""


def expected(case: Case) -> Outcome:
    """The one right outcome of a case."""
    match case.fault:
        case Mishap() as mishap:
            return _of_mishap(case, mishap)
        case BadAnswer() as bad:
            return _of_answer(case, bad)
        case BadNode() as node:
            return _of_node(case, node)
        case FullLedger() as full:
            return _of_ledger(case, full)
        case _:
            return _well(case, "the websocket is not believed for a job's end")


# -- the common ends


def _well(case: Case, why: str, *, attempts: int = 1) -> Outcome:
    """It succeeds where it was sent first, and runs once."""
    none_else = (0,) * (case.instances - 1)
    return Outcome(None, (1, *none_else), attempts, JobState.COLLECTED, why=why)


def _again(case: Case, why: str, *, first: int = 1, attempts: int = 2) -> Outcome:
    """It is sent once more, elsewhere where there is an elsewhere, and succeeds."""
    once = (first + 1,) if case.instances == 1 else (first, 1)
    return Outcome(None, once, attempts, JobState.COLLECTED, why=why)


def _failed(
    case: Case,
    error: ErrorKind,
    why: str,
    *,
    ran: int = 0,
    attempts: int | None = 1,
    state: JobState = JobState.FAILED,
) -> Outcome:
    """It ends with an error."""
    runs = (ran, *(0,) * (case.instances - 1))
    return Outcome(error, runs, attempts, state, why=why)


def _open(case: Case, why: str, *, attempts: int = 1) -> Outcome:
    """Nobody can tell whether the server has it: it stays open, to be resumed."""
    good = _well(case, why, attempts=attempts)
    return replace(good, error=UnclearAnswerError, state=JobState.INTENDED)


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
            return _at_download(case, bearing, mishap)
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
        return _failed(
            case,
            UnreachableError,
            "nobody answers for several rounds, and the caller waits",
            attempts=ROUNDS,
        )
    if bearing.away_s:
        return _again(case, "another instance takes it", first=0)
    return _well(case, "the first contact finds it well")


def _at_post(case: Case, bearing: Bearing) -> Outcome:
    """The answer to the POST is lost, with or without the job."""
    if bearing.kills_worker:
        return _dead(case)
    if bearing.away_s > GRACE_S:
        return _open(case, "nobody could be asked whether the job arrived")
    if bearing.forgets:
        return _again(case, "it was asked for the job and has it not", first=0)
    return _well(case, "the job is found where it was sent")


def _while_queued(case: Case, bearing: Bearing) -> Outcome:
    if bearing.kills_worker:
        return _dead(case)
    if bearing.forgets:
        return _again(case, "the server knows the job no longer", first=0)
    return _well(case, "it waits on, and is followed by polling")


def _at_download(case: Case, bearing: Bearing, mishap: Mishap) -> Outcome:
    """The job has succeeded all the same; whoever saves is told, and may try again."""
    good = _well(case, "the file outlives the server's memory of its job")
    if bearing.away_s:  # its connections are reset before it refuses others
        return replace(good, download=(UnreachableError, UnclearAnswerError))
    if bearing.forgets:  # likewise, and it takes others at once
        return replace(good, download=(None, UnclearAnswerError))
    return replace(good, download=(UnclearAnswerError if bearing.mute else None,))


def _while_running(case: Case, bearing: Bearing, *, ended: bool, seen: bool) -> Outcome:
    if seen or (ended and (bearing.hangs or bearing.stops_job)):
        return _well(case, "it had ended before")
    if bearing.hangs:
        return _failed(case, JobTimeoutError, "its time is over", ran=1)
    if bearing.stops_job:
        return _failed(
            case,
            JobInterruptedError,
            "somebody else's will is not overruled, by policy",
            ran=1,
        )
    if bearing.forgets:
        return _again(case, "the server knows the job no longer")
    if bearing.forgets_ended and ended and case.mode == "poll_only":
        return _again(case, "nobody can tell that it ended, nor its outputs")
    if bearing.forgets_ended and ended:
        return _well(case, "the websocket told all of it before it was forgotten")
    return _well(case, "the job goes on, and is followed by polling")


def _dead(case: Case) -> Outcome:
    """A worker that takes up nothing: noticed, and avoided where that is possible."""
    if case.instances > 1:
        return _again(case, "a dead worker is noticed and avoided", first=0)
    return _failed(
        case,
        DeadWorkerError,
        "there is no other instance, and the second attempt fares no better",
        attempts=2,
        state=JobState.LOST,
    )


# -- what we do


def _of_act(case: Case, mishap: Mishap) -> Outcome:
    if mishap.name == "client_closes":
        return _well(case, "another client follows the same attempt")
    ran = 0 if mishap.moment == "queued" else 1
    if isinstance(mishap.moment, int) and mishap.moment > before_the_end(case.version):
        return _well(case, "a job that finished first has succeeded")
    return _failed(
        case,
        JobCancelledError,
        "it was cancelled before its end",
        ran=ran,
        state=JobState.CANCELLED,
    )


# -- nodes


def _of_node(case: Case, node: BadNode) -> Outcome:
    if not node.out_of_memory:
        return _failed(case, ExecutionError, "the same would happen again", ran=1)
    if node.times == 1 or case.instances > 1:
        return _again(case, "memory was freed, or another instance has more")
    return replace(
        _failed(case, OutOfMemoryError, "once more is enough", ran=2), attempts=2
    )


# -- answers


def _of_answer(case: Case, bad: BadAnswer) -> Outcome:
    answering = ANSWERS[bad.kind]
    if bad.route == GREETING:
        return _greeting(case, bad, answering)
    if bad.route == SUBMIT:
        return _submitting(case, bad, answering)
    if bad.route == DOWNLOAD:
        return _downloading(case, bad, answering)
    return _watching(case, bad, answering)


_NOTHING_ARRIVED: dict[str, ErrorKind] = {
    "busy": BusyError,
    "fault": ServerFaultError,
    "unclear": UnreachableError,
    "bad": BadAnswerError,
    "denied": AccessDeniedError,
    "refused": RefusedError,
}
"""What a request that changed nothing ends with, where it is not repeated."""


def _greeting(case: Case, bad: BadAnswer, answering: Answering) -> Outcome:
    """A server that cannot be greeted is sent nothing."""
    meaning = answering.meaning
    if meaning == "refused":  # this is no ComfyUI
        meaning = "bad"
    return _not_sent(case, bad, _NOTHING_ARRIVED[meaning], answering)


def _submitting(case: Case, bad: BadAnswer, answering: Answering) -> Outcome:
    """What was lost on the way is asked for before anything is sent again."""
    if answering.acts:
        return _well(case, "the job is found under its attempt's id")
    if answering.stalls and bad.times is None and case.instances == 1:
        return _open(case, "there is no time left to look for it", attempts=2)
    return _not_sent(case, bad, _NOTHING_ARRIVED[answering.meaning], answering)


def _not_sent(
    case: Case, bad: BadAnswer, error: ErrorKind, answering: Answering
) -> Outcome:
    """The instance does not take the job now: another one, later, or never."""
    if error in {AccessDeniedError, RefusedError}:
        return _failed(case, error, "the same request will be refused again")
    if case.instances > 1:
        return _again(case, "another instance takes it", first=0)
    times = bad.times
    if error is BusyError:
        if times is not None:
            return _well(case, "it comes back as asked", attempts=times + 1)
        return _failed(case, error, "it is busy for too long", attempts=None)
    passing = error is UnreachableError
    rounds = 2 if answering.stalls else ROUNDS  # stalling uses up the time
    if passing and times is not None and times < rounds:
        return _well(case, "it is tried again", attempts=times + 1)
    return _failed(case, error, "it does not pass", attempts=rounds if passing else 1)


def _downloading(case: Case, bad: BadAnswer, answering: Answering) -> Outcome:
    """The job has succeeded all the same; whoever saves is told, and may try again."""
    kinds: dict[str, ErrorKind] = {
        **_NOTHING_ARRIVED,
        "unclear": UnclearAnswerError,
        "refused": OutputMissingError,
    }
    error = kinds[answering.meaning]
    if bad.kind in {"broken_off", "drips"}:
        error = OutputDamagedError
    passing = error not in {AccessDeniedError, OutputMissingError}
    if bad.times is not None and passing and not answering.stalls:
        return _well(case, "the job has succeeded; the download is taken up again")
    good = _well(case, "the job has succeeded; the download may be tried again")
    if bad.times is None:
        good = replace(good, state=JobState.SUCCEEDED)
    return replace(good, download=(error,))


def _watching(case: Case, bad: BadAnswer, answering: Answering) -> Outcome:
    """A look that fails is made again, or another way, until the job's time is over."""
    if bad.times is not None or not _needed(case, bad.route, answering):
        return _well(case, "it is asked again, or another way")
    return _failed(
        case, JobTimeoutError, "its end cannot be learned", ran=1, attempts=1
    )


def _needed(case: Case, route: str, answering: Answering) -> bool:
    """Whether a job's end cannot be learned without good answers of this route."""
    elsewhere = answering.answers
    listens = case.mode == "websocket"
    if route == "GET /api/jobs/{id}":
        # a server that is there is asked another question; one that is not, later;
        # after the websocket told the end, the history alone is asked
        return not (elsewhere or listens)
    if route == "GET /history/{id}":
        return not (has_jobs_api(case.version) and elsewhere)
    return not (has_jobs_api(case.version) or listens)


# -- the ledger


def _of_ledger(case: Case, full: FullLedger) -> Outcome:
    """What cannot be recorded is not sent; what was sent goes on, and is resumed."""
    match full.step:
        case "intend":
            nothing = _failed(case, LedgerError, "it is not sent", attempts=None)
            return replace(nothing, state=None)
        case "attempt":
            return _failed(case, LedgerError, "it is not sent", attempts=0)
        case "attempt_ended":
            words = "what cannot be recorded is not sent again; it is resumed later"
            left = _again(case, words, attempts=1)
            return replace(left, error=LedgerError, state=JobState.RUNNING)
        case "accepted":
            good = _well(case, "a step that others can find out is made good")
            # it is written down a moment later, or with an end that comes sooner
            return replace(good, either=replace(good, state=JobState.INTENDED))
        case "ended":
            good = _well(case, "the job has its result; whoever resumes it, too")
            return replace(good, state=JobState.RUNNING)
        case "collected":
            good = _well(case, "the files are home; it is handed out once more")
            return replace(good, state=JobState.SUCCEEDED)
        case _:
            return _well(case, "a step that others can find out is made good")
