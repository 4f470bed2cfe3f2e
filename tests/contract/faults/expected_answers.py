"""What must come of each bad answer, derived from what the answer means. Pure."""

from __future__ import annotations

from dataclasses import replace

from comfyclient.errors import (
    AccessDeniedError,
    BadAnswerError,
    BusyError,
    JobCancelledError,
    JobTimeoutError,
    OutputDamagedError,
    OutputMissingError,
    RedirectError,
    RefusedError,
    ServerFaultError,
    UnclearAnswerError,
    UnreachableError,
    ValidationError,
)
from comfyclient.ledger.records import JobState

from .answers import (
    ANSWERS,
    CANCELLING,
    DOWNLOAD,
    FREE,
    GREETING,
    HELPFUL,
    LOOKING,
    SUBMIT,
    UPLOADING,
    Answering,
)
from .cases import (
    BadAnswer,
    Case,
    has_jobs_api,
)
from .outcomes import ROUNDS, ErrorKind, Outcome, again, failed, left_open, well


def of_answer(case: Case, bad: BadAnswer) -> Outcome:
    """The one right outcome of a case whose route answers badly."""
    answering = ANSWERS[bad.kind]
    if bad.route == GREETING:
        return _greeting(case, bad, answering)
    if bad.route == SUBMIT:
        return _submitting(case, bad, answering)
    if bad.route == DOWNLOAD:
        return _downloading(case, bad, answering)
    if bad.route in HELPFUL:
        return well(case, "it is done without: it served progress, or a check")
    if bad.route in UPLOADING:
        return _uploading(case, bad, answering)
    if bad.route in CANCELLING:
        return _cancelling(case, bad, answering)
    return _watching(case, bad, answering)


_NOTHING_ARRIVED: dict[str, ErrorKind] = {
    "busy": BusyError,
    "far": BusyError,
    "fault": ServerFaultError,
    "unclear": UnreachableError,
    "bad": BadAnswerError,
    "denied": AccessDeniedError,
    "refused": RefusedError,
    "redirected": RedirectError,
    "invalid": ValidationError,
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
        return well(case, "the job is found under its attempt's id")
    if answering.stalls and bad.times is None and case.instances == 1:
        return left_open(case, "there is no time left to look for it", attempts=2)
    return _not_sent(case, bad, _NOTHING_ARRIVED[answering.meaning], answering)


def _not_sent(
    case: Case, bad: BadAnswer, error: ErrorKind, answering: Answering
) -> Outcome:
    """The instance does not take the job now: another one, later, or never."""
    if error in {AccessDeniedError, RefusedError, RedirectError, ValidationError}:
        return failed(case, error, "the same request will be refused again")
    if case.instances > 1:
        return again(case, "another instance takes it", first=0)
    times = bad.times
    if answering.meaning == "far":
        return failed(case, error, "it would come back too late")
    if error is BusyError:
        if times is not None:
            return well(case, "it comes back as asked", attempts=times + 1)
        return failed(case, error, "it is busy for too long", attempts=None)
    passing = error is UnreachableError
    rounds = 2 if answering.stalls else ROUNDS  # stalling uses up the time
    if passing and times is not None and times < rounds:
        return well(case, "it is tried again", attempts=times + 1)
    return failed(case, error, "it does not pass", attempts=rounds if passing else 1)


def _uploading(case: Case, bad: BadAnswer, answering: Answering) -> Outcome:
    """No attempt is made before its files are there; sent twice, they do no harm."""
    if bad.route == LOOKING and answering.answers:
        return well(case, "a file that may not be looked for is sent")
    if answering.meaning == "denied":
        why = "the same request will be refused again"
        return failed(case, AccessDeniedError, why, attempts=0)
    if case.instances > 1:
        return again(case, "another instance takes it", first=0, attempts=1)
    if bad.times is not None:
        return well(case, "it is tried again")
    return failed(
        case, _NOTHING_ARRIVED[answering.meaning], "it does not pass", attempts=0
    )


def of_couple(case: Case, also: BadAnswer) -> Outcome:
    """The one right outcome where the cure of a fault fails, too."""
    if also.route == FREE:
        return again(case, "it is sent again, whether memory was freed or not")
    assert isinstance(case.fault, BadAnswer), "a submit was not answered"
    has_api = has_jobs_api(case.version)
    silent = not ANSWERS[also.kind].answers
    if silent if also.route.startswith("GET /api") else not has_api:
        return left_open(case, "nobody could be asked whether the job arrived")
    if ANSWERS[case.fault.kind].acts:
        return well(case, "the job is found another way")
    return _not_sent(case, case.fault, UnreachableError, ANSWERS[case.fault.kind])


def _cancelling(case: Case, bad: BadAnswer, answering: Answering) -> Outcome:
    """It is asked again for a while; what happened counts, not what was asked."""
    if bad.times is not None:
        return failed(
            case,
            JobCancelledError,
            "it is asked again until the job has ended",
            ran=1,
            state=JobState.CANCELLED,
        )
    kinds = {**_NOTHING_ARRIVED, "unclear": UnclearAnswerError}
    good = well(case, "the job goes on, and whoever cancels is told")
    return replace(good, refusal=kinds[answering.meaning])


def _downloading(case: Case, bad: BadAnswer, answering: Answering) -> Outcome:
    """The job has succeeded all the same; whoever saves is told, and may try again."""
    kinds: dict[str, ErrorKind] = {
        **_NOTHING_ARRIVED,
        "unclear": UnclearAnswerError,
        "refused": OutputMissingError,
    }
    error = kinds[answering.meaning]
    if bad.kind in {"broken_off", "drips"} or answering.meaning == "bad":
        error = OutputDamagedError
    passing = error not in {AccessDeniedError, OutputMissingError}
    if bad.times is not None and passing and not answering.stalls:
        return well(case, "the job has succeeded; the download is taken up again")
    good = well(case, "the job has succeeded; the download may be tried again")
    if bad.times is None:
        good = replace(good, state=JobState.SUCCEEDED)
    return replace(good, download=(error,))


def _watching(case: Case, bad: BadAnswer, answering: Answering) -> Outcome:
    """A look that fails is made again, or another way, until the job's time is over."""
    if bad.times is not None or not _needed(case, bad.route, answering):
        return well(case, "it is asked again, or another way")
    return failed(case, JobTimeoutError, "its end cannot be learned", ran=1, attempts=1)


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
