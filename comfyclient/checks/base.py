"""The seam between the doctor and what it asks. Pure.

How to add a check: give its kind a row in `kinds`, write a function from a deadline to
a `Diagnosis` in the file of its part of the way, and list it in `plan`. What it must
keep: it only reads, unless its kind says `writes`; it raises nothing of its own
(errors of ours are told by the doctor, with their hints); its words hold no secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from ..timing import Deadline


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """It works, but not as it should, or not for long."""
    FAIL = "fail"
    SKIPPED = "skipped"
    """It was not asked; the evidence says why."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a check found."""

    status: Status
    evidence: str
    """What was seen, in one line."""
    remedy: str | None = None
    """What to do: which setting, which grant, which switch."""


def ok(evidence: str) -> Diagnosis:
    """Nothing is wrong."""
    return Diagnosis(Status.OK, evidence)


def warn(evidence: str, remedy: str) -> Diagnosis:
    """Something should be better."""
    return Diagnosis(Status.WARN, evidence, remedy)


def fail(evidence: str, remedy: str | None) -> Diagnosis:
    """No job will get past this."""
    return Diagnosis(Status.FAIL, evidence, remedy)


def skipped(reason: str, remedy: str | None = None) -> Diagnosis:
    """Not asked."""
    return Diagnosis(Status.SKIPPED, reason, remedy)


Ask: TypeAlias = Callable[[Deadline], Diagnosis]


@dataclass(frozen=True, slots=True)
class Check:
    """One question, and whom it is about."""

    kind: str
    """A row of `kinds`."""
    subject: str
    """The instance, host, storage or file that is asked."""
    run: Ask
    needs: tuple[str, ...] = ()
    """Keys of the checks without which this one makes no sense."""
    patience_s: float = 0
    """Seconds that it may take, where that is more than others may."""

    @property
    def key(self) -> str:
        """What others need it by."""
        return f"{self.kind}:{self.subject}"
