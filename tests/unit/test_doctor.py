"""The doctor: order, needs, deadlines, and nothing secret in what it says."""

from __future__ import annotations

import threading

import pytest

from comfyclient.checks.base import Check, Diagnosis, Status, fail, ok, warn
from comfyclient.checks.kinds import KINDS
from comfyclient.doctor import Doctor, Examined
from comfyclient.errors import ConfigError
from comfyclient.testing import FakeClock
from comfyclient.timing import Deadline


def examined(doctor: Doctor, *checks: Check, seconds: float = 60) -> list[Examined]:
    """What the doctor found."""
    return list(doctor.examine(checks, deadline=Deadline(seconds)))


def states(found: list[Examined]) -> list[Status]:
    """How each ended."""
    return [one.diagnosis.status for one in found]


def test_what_needs_a_failure_is_skipped() -> None:
    """And what needs that, too; a warning is no failure."""
    found = examined(
        Doctor(),
        Check("dns", "a", lambda _: warn("slow", "wait")),
        Check("tcp", "a", lambda _: fail("closed", "open it"), needs=("dns:a",)),
        Check("token", "a", lambda _: ok("never asked"), needs=("tcp:a",)),
        Check("edition", "a", lambda _: ok("never asked"), needs=("token:a",)),
        Check("disk", "here", lambda _: ok("asked")),
    )
    assert states(found) == [
        Status.WARN, Status.FAIL, Status.SKIPPED, Status.SKIPPED, Status.OK,
    ]  # fmt: skip
    assert found[2].diagnosis.evidence == "it needs tcp of a, which is not in order"


def test_what_writes_runs_on_demand_only() -> None:
    """Without the option it is not asked."""
    asked: list[str] = []

    def write(_: Deadline) -> Diagnosis:
        asked.append("write")
        return ok("written")

    check = Check("write", "oss", write)
    assert states(examined(Doctor(), check)) == [Status.SKIPPED]
    assert asked == []
    assert states(examined(Doctor(write_probe=True), check)) == [Status.OK]


def test_a_check_that_never_ends_ends_at_its_time() -> None:
    """A resolver that hangs does not stop the others."""
    clock, never = FakeClock(), threading.Event()

    def hang(_: Deadline) -> Diagnosis:
        never.wait(30)
        return ok("too late")

    checks = [Check("dns", "a", hang), Check("disk", "here", lambda _: ok("fine"))]
    doctor = Doctor(each_s=5, clock=clock)
    found = clock.run(
        lambda: list(doctor.examine(checks, deadline=Deadline(60, clock=clock)))
    )
    never.set()
    assert states(found) == [Status.FAIL, Status.OK]
    assert found[0].diagnosis.evidence == "it did not end within 5 s"
    assert found[0].seconds == pytest.approx(5, abs=0.5)


def test_when_the_time_is_over_the_rest_is_skipped() -> None:
    """With the reason."""
    found = examined(Doctor(), Check("disk", "here", lambda _: ok("")), seconds=0)
    assert found[0].diagnosis.evidence == "no time was left of 0 s"


def test_errors_are_findings() -> None:
    """Those of ours with their hint, any other as what it is."""

    def ours(_: Deadline) -> Diagnosis:
        raise ConfigError("the key is missing", hint="set it")

    def theirs(_: Deadline) -> Diagnosis:
        raise ZeroDivisionError("oops")

    found = examined(Doctor(), Check("key", "a", ours), Check("key", "b", theirs))
    assert states(found) == [Status.FAIL, Status.FAIL]
    assert found[0].diagnosis == fail("the key is missing", "set it")
    assert "ZeroDivisionError: oops" in found[1].diagnosis.evidence


def test_secrets_are_taken_out_of_all_that_is_said() -> None:
    """Out of evidence and remedy, for people and for scripts."""
    doctor = Doctor(redact=lambda text: text.replace("s3cret", "…"))
    (found,) = examined(
        doctor, Check("token", "a", lambda _: fail("got s3cret", "not s3cret"))
    )
    assert found.as_json() == {
        "check": "token",
        "subject": "a",
        "hop": KINDS["token"].hop,
        "status": "fail",
        "evidence": "got …",
        "remedy": "not …",
        "seconds": found.as_json()["seconds"],
    }
