"""Runs checks in their order, each within its time, and tells what each found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from pydantic import JsonValue

from .checks.base import Check, Diagnosis, Status, fail, skipped
from .checks.kinds import KINDS
from .errors import ComfyClientError
from .timing import SYSTEM_CLOCK, Clock, Deadline

EACH_S = 15.0
"""Seconds that one check may take."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A check, what it found, and how long it took."""

    check: Check
    diagnosis: Diagnosis
    seconds: float

    def as_json(self) -> dict[str, JsonValue]:
        """It for a script."""
        return {
            "check": self.check.kind,
            "subject": self.check.subject,
            "hop": KINDS[self.check.kind].hop,
            "status": self.diagnosis.status.value,
            "evidence": self.diagnosis.evidence,
            "remedy": self.diagnosis.remedy,
            "seconds": round(self.seconds, 3),
        }


class Doctor:
    """Examines one environment."""

    def __init__(
        self,
        *,
        write_probe: bool = False,
        each_s: float = EACH_S,
        redact: Callable[[str], str] = str,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            write_probe: run also what writes something.
            each_s: the time of one check.
            redact: takes what must not be shown out of a text.
            clock: where time comes from.
        """
        self._write_probe = write_probe
        self._each_s = each_s
        self._redact = redact
        self._clock = clock

    def examine(
        self, checks: Iterable[Check], *, deadline: Deadline
    ) -> Iterator[Examined]:
        """Run the checks, one after another; each is told when it ends.

        A check whose needs are not met is skipped, and so is the rest when the time is
        over.
        """
        ended: dict[str, Status] = {}
        for check in checks:
            began = self._clock.monotonic()
            diagnosis = self._redacted(self._diagnosis(check, ended, deadline))
            ended[check.key] = diagnosis.status
            yield Examined(check, diagnosis, self._clock.monotonic() - began)

    def _diagnosis(
        self, check: Check, ended: dict[str, Status], deadline: Deadline
    ) -> Diagnosis:
        unmet = [need for need in check.needs if not _met(need, ended)]
        if unmet:
            need = unmet[0].replace(":", " of ", 1)
            return skipped(f"it needs {need}, which is not in order")
        if KINDS[check.kind].writes and not self._write_probe:
            return skipped("it writes something: --write-probe runs it")
        if deadline.passed():
            return skipped(f"no time was left of {deadline.seconds:g} s", "--timeout")
        allowed = max(self._each_s, check.patience_s)
        return self._run(check, deadline.within(allowed))

    def _run(self, check: Check, deadline: Deadline) -> Diagnosis:
        """Run it in a thread of its own: a resolver may never come back."""
        condition = threading.Condition()
        found: list[Diagnosis] = []

        def ask() -> None:
            diagnosis = _told(check, deadline)
            with condition:
                found.append(diagnosis)
                condition.notify_all()

        name = f"comfyclient-doctor-{check.kind}"
        threading.Thread(target=ask, name=name, daemon=True).start()
        with condition:
            while not found and not deadline.passed():
                self._clock.wait(condition, deadline.remaining())
            if found:
                return found[0]
        return fail(
            f"it did not end within {deadline.seconds:g} s",
            "a name server or a file system that does not answer?",
        )

    def _redacted(self, diagnosis: Diagnosis) -> Diagnosis:
        remedy = diagnosis.remedy
        return replace(
            diagnosis,
            evidence=self._redact(diagnosis.evidence),
            remedy=None if remedy is None else self._redact(remedy),
        )


def _met(need: str, ended: dict[str, Status]) -> bool:
    return ended.get(need) in {Status.OK, Status.WARN}


def _told(check: Check, deadline: Deadline) -> Diagnosis:
    """What it found, or the error that it met: no check ends the others."""
    try:
        return check.run(deadline)
    except ComfyClientError as error:
        return fail(error.message, error.hint)
    except Exception as error:  # noqa: BLE001  a check that breaks is a finding too
        return fail(
            f"the check itself broke: {type(error).__name__}: {error}",
            "this is a mistake of comfyclient's: please report it",
        )
