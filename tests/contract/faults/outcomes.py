"""What can come of a case of the matrix, and its common ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from comfyclient.errors import ComfyClientError, UnclearAnswerError
from comfyclient.ledger.records import JobState

from .cases import Case

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
    refusal: ErrorKind | None = None
    """What cancelling it raises."""
    why: str = ""
    either: Outcome | None = None
    """Another right outcome, where the fault races with the client's look."""


def well(case: Case, why: str, *, attempts: int = 1) -> Outcome:
    """It succeeds where it was sent first, and runs once."""
    none_else = (0,) * (case.instances - 1)
    return Outcome(None, (1, *none_else), attempts, JobState.COLLECTED, why=why)


def again(case: Case, why: str, *, first: int = 1, attempts: int = 2) -> Outcome:
    """It is sent once more, elsewhere where there is an elsewhere, and succeeds."""
    once = (first + 1,) if case.instances == 1 else (first, 1)
    return Outcome(None, once, attempts, JobState.COLLECTED, why=why)


def failed(
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


def left_open(case: Case, why: str, *, attempts: int = 1) -> Outcome:
    """Nobody can tell whether the server has it: it stays open, to be resumed."""
    good = well(case, why, attempts=attempts)
    return replace(good, error=UnclearAnswerError, state=JobState.INTENDED)
