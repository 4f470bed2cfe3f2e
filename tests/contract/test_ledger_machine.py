"""Any order of any calls on two ledgers: the rules hold, and a simple model agrees."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from comfyclient.errors import (
    BusyError,
    ComfyClientError,
    ExecutionError,
    LeaseError,
    LedgerConflictError,
    LedgerError,
)
from comfyclient.ledger import Ledger
from comfyclient.ledger_records import JobIntent, JobState
from comfyclient.testing.clock import FakeClock

LEASE = 60.0
WHO = st.integers(0, 1)
REPORTS = st.sampled_from([s for s in JobState if s is not JobState.COLLECTED])
RANK = {JobState.INTENDED: 0, JobState.ACCEPTED: 1, JobState.RUNNING: 2}


@dataclass
class Expected:
    """What the model knows of a job."""

    owner: int | None
    state: JobState = JobState.INTENDED
    attempts: list[str] = field(default_factory=list)


class LedgerMachine(RuleBasedStateMachine):
    """Two owners on one ledger, whose leases run out as time passes."""

    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.ids = itertools.count()
        self.model: dict[str, Expected] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.seen = [0.0, 0.0]
        self.ledgers: list[Ledger] = []

    @initialize()
    def opened(self) -> None:
        """Open two owners."""
        file = Path(self.folder.name) / "ledger.db"
        for _ in range(2):
            self.ledgers.append(Ledger(file, clock=self.clock, lease_s=LEASE).open())

    def alive(self, who: int) -> None:
        """Any call that works renews the lease, where a third of it has passed."""
        now = self.clock.monotonic()
        if now - self.seen[who] >= LEASE / 3 or not self.seen[who]:
            self.seen[who] = now

    def refused(self, who: int, job: str) -> bool:
        """Whether a step by this owner must be refused."""
        return self.model[job].owner != who

    @rule(
        target=jobs, who=WHO, key=st.sampled_from("abc"), digest=st.sampled_from("xy")
    )
    def intend(self, who: int, key: str, digest: str) -> str:
        """One key is one job of one content."""
        job_id = f"j{next(self.ids)}"
        wanted = JobIntent(job_id, "test", digest=digest, idempotency_key=key)
        there, content = self.keys.get(key, (job_id, digest))
        if content != digest:
            with pytest.raises(LedgerConflictError):
                self.ledgers[who].intend(wanted)
            return there
        row = self.ledgers[who].intend(wanted)
        self.keys[key] = there, digest
        self.model.setdefault(there, Expected(owner=who))
        self.alive(who)
        assert row.job_id == there
        return there

    @rule(who=WHO, job=jobs)
    def attempt(self, who: int, job: str) -> None:
        """Only its owner sends a job, and only while it has not ended."""
        attempt_id, expected = f"a{next(self.ids)}", self.model[job]
        over = expected.state.terminal and expected.state is not JobState.LOST
        send = dict(attempt_id=attempt_id, instance="i", client_id="c")
        if self.refused(who, job) or over:
            kind = LeaseError if self.refused(who, job) else LedgerError
            with pytest.raises(kind):
                self.ledgers[who].attempt(job, **send)
            return
        self.ledgers[who].attempt(job, **send)
        expected.attempts.append(attempt_id)
        expected.state = JobState.INTENDED
        self.alive(who)

    @rule(who=WHO, job=jobs)
    def accepted(self, who: int, job: str) -> None:
        """An answer moves the job forward, never back."""
        expected = self.model[job]
        if self.refused(who, job) or not expected.attempts:
            return
        self.ledgers[who].accepted(
            job, attempt_id=expected.attempts[-1], prompt_id="p", number=1
        )
        if expected.state is JobState.INTENDED:
            expected.state = JobState.ACCEPTED
        self.alive(who)

    @rule(who=WHO, job=jobs)
    def attempt_ended(self, who: int, job: str) -> None:
        """A failed attempt leaves the job to be sent again, unless it has ended."""
        expected = self.model[job]
        if self.refused(who, job) or not expected.attempts:
            return
        row = self.ledgers[who].job(job)
        self.ledgers[who].attempt_ended(
            job, attempt_id=expected.attempts[-1], error=BusyError("x")
        )
        assert row.attempt is not None
        if not expected.state.terminal and row.attempt.ended_at is None:
            expected.state = JobState.INTENDED
        self.alive(who)

    @rule(who=WHO, job=jobs, state=REPORTS)
    def changed(self, who: int, job: str, state: JobState) -> None:
        """News moves the job forward; late news is none, whoever brings it."""
        expected, before = self.model[job], self.model[job].state
        if before is JobState.LOST:
            news = state.terminal and state is not JobState.LOST
        else:
            news = not before.terminal and RANK.get(state, 3) > RANK[before]
        error: ComfyClientError | None = None
        if state is JobState.FAILED:
            error = ExecutionError("x")
        if news and self.refused(who, job):
            with pytest.raises(LeaseError):
                self.ledgers[who].changed(job, state, error=error)
            return
        assert self.ledgers[who].changed(job, state, error=error) is news
        if news:
            expected.state = state
        self.alive(who)

    @rule(who=WHO, job=jobs)
    def collected(self, who: int, job: str) -> None:
        """Only a success is collected."""
        expected = self.model[job]
        done = expected.state in (JobState.SUCCEEDED, JobState.COLLECTED)
        if self.refused(who, job) or not done:
            with pytest.raises(LedgerError):
                self.ledgers[who].collected(job, [])
            return
        self.ledgers[who].collected(job, [])
        expected.state = JobState.COLLECTED
        self.alive(who)

    @rule(who=WHO, job=jobs)
    def claim(self, who: int, job: str) -> None:
        """A claim succeeds exactly when nobody living owns the job."""
        expected = self.model[job]
        silent = self.clock.monotonic() - self.seen[1 - who] >= LEASE
        free = expected.owner in (None, who) or silent
        assert self.ledgers[who].claim(job) is free
        if free:
            expected.owner = who
        self.alive(who)

    @rule(who=WHO, job=jobs)
    def release(self, who: int, job: str) -> None:
        """Only the owner's release counts."""
        self.ledgers[who].release(job)
        if self.model[job].owner == who:
            self.model[job].owner = None
        self.alive(who)

    @rule(seconds=st.sampled_from([1, 25, 61]))
    def time_passes(self, seconds: int) -> None:
        """Leases run out."""
        self.clock.advance(seconds)

    @invariant()
    def the_model_agrees(self) -> None:
        """State, owner and attempts are as the model has them, history included."""
        if not self.ledgers:
            return
        names = [ledger.owner for ledger in self.ledgers]
        rows = {row.job_id: row for row in self.ledgers[0].jobs()}
        assert set(rows) == set(self.model)
        for job, expected in self.model.items():
            row = rows[job]
            owner = None if expected.owner is None else names[expected.owner]
            assert (row.state, row.owner) == (expected.state, owner)
            assert [a.attempt_id for a in row.attempts] == expected.attempts
            assert sum(a.ended_at is None for a in row.attempts) <= 1
            assert (row.ended_at is not None) is row.state.terminal

    def teardown(self) -> None:
        """Close what was opened."""
        for ledger in self.ledgers:
            ledger.close()
        self.folder.cleanup()


class TestLedgerMachine(LedgerMachine.TestCase):
    """Runs the machine; see its rules."""

    settings = settings(
        max_examples=25,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
