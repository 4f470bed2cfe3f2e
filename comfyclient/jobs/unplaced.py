"""Why no instance took a job: what the refusals of several amount to. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..errors import (
    BadAnswerError,
    BusyError,
    ComfyClientError,
    NodeIssue,
    ServerFaultError,
    UnreachableError,
    ValidationError,
    WrongVersionError,
)


class UnfitError(Exception):
    """The check before sending found that an instance would not run the graph.

    Never leaves the dispatch: another instance may run it, whatever the error is.
    """

    def __init__(self, refusal: ValidationError) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def more_telling(
    before: ComfyClientError | None, now: ComfyClientError, *, patient: bool = False
) -> ComfyClientError:
    """Of the refusals of several instances, the one that promises most.

    A busy instance will take the job later, and one that is down may come back; that
    one is missing a node class says more than that another is down, except to the
    `patient`, who wait until it is back. What several miss is one error.
    """
    if before is None:
        return now
    if isinstance(before, ValidationError) and isinstance(now, ValidationError):
        return _of_both(before, now)
    first, second = _promise(before, patient), _promise(now, patient)
    if second > first or (second == first and isinstance(now, BusyError)):
        return now
    return before


def _promise(error: ComfyClientError, patient: bool) -> int:
    match error:
        case BusyError():
            return 4
        case UnreachableError() | BadAnswerError() | ServerFaultError() if patient:
            return 3
        case WrongVersionError():
            return 0
        case UnreachableError():
            return 1
    return 2


def _of_both(before: ValidationError, now: ValidationError) -> ValidationError:
    """One error for several instances; each issue says on which of them it is one."""
    where: dict[NodeIssue, list[str]] = {}
    names: list[str] = []
    for error in (before, now):
        for issue in error.issues:
            told = issue.instances or _named(error)
            where.setdefault(replace(issue, instances=()), []).extend(told)
            names += told
    if not where:
        return before
    asked = ", ".join(dict.fromkeys(names))
    kind = type(before) if type(before) is type(now) else ValidationError
    return kind(
        f"none of the instances {asked} would run the graph",
        issues=tuple(
            replace(issue, instances=tuple(told)) for issue, told in where.items()
        ),
        hint=before.hint if before.hint == now.hint else None,
        job_id=before.job_id,
    )


def _named(error: ValidationError) -> tuple[str, ...]:
    return () if error.instance is None else (error.instance,)
